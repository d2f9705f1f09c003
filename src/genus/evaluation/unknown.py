"""When a model should rather say that it does not know.

Two reasons: the answer is not sure enough, or the picture looks like none that was trained on. Both thresholds are set
on validation; the test only checks them.
"""

import numpy as np
from numpy.typing import NDArray

from genus.evaluation.binomial import chances_of_no_more
from genus.evaluation.intervals import CONFIDENCE

FALSE_ALARMS = 0.01
"""Share of ordinary pictures that may be taken for something else."""


def min_probability(confidence: NDArray[np.floating], right: NDArray[np.bool_], max_error: float) -> float | None:
    """The lowest probability from which on at most ``max_error`` of the answers are wrong, or None.

    ``confidence`` (N) are the probabilities of the answers, ``right`` (N) says which are. The share of errors is taken
    at the upper end of its one-sided 95 % interval (Clopper & Pearson 1934). The best of many thresholds is chosen by
    intervals that are each right for one; the counts behind them hang together so closely that this costs little
    (measured in tests/evaluation/test_unknown.py).
    """
    order = np.argsort(-confidence, kind="stable")
    sorted_confidence = confidence[order]
    shown = chances_of_no_more(~right[order], max_error) <= 1 - CONFIDENCE
    shown &= np.diff(sorted_confidence, append=-1.0) < 0  # equals are all answered, or none of them
    return float(sorted_confidence[shown].min()) if shown.any() else None


def max_distance(distances: NDArray[np.floating]) -> float:
    """The distance that an ordinary picture exceeds with a chance of ``FALSE_ALARMS`` at most.

    ``distances`` (N, at least one) are those of ordinary pictures. With fewer than 99 of them the largest is taken,
    which is exceeded in 1 of N + 1 cases (split conformal prediction: Vovk et al. 2005, §4.1).
    """
    rank = int(np.ceil((len(distances) + 1) * (1 - FALSE_ALARMS)))
    return float(np.sort(distances)[min(rank, len(distances)) - 1])


def risk_coverage(
    confidence: NDArray[np.floating], right: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Share of pictures answered and share of errors among them, for every threshold from strict to none (N each)."""
    order = np.argsort(-confidence, kind="stable")
    answered = np.arange(1, len(order) + 1)
    return answered / len(order), np.cumsum(~right[order]) / answered
