"""Selective prediction (the reject option): when a model should rather say that it does not know.

Two reasons: the answer is not sure enough, or the picture looks like none that was trained on. Both thresholds are set
on validation pictures; the test only checks them.
"""

import math

import numpy as np
from numpy.typing import NDArray

from genus.evaluation.intervals import CONFIDENCE, Groups, effective_sizes, incomplete_beta

FALSE_ALARMS = 0.01
"""Share of ordinary pictures that may be taken for something else."""
STEP = 1.02
"""Each threshold that is looked at answers so many times as many pictures as the one before."""


def min_probability(
    confidence: NDArray[np.floating], right: NDArray[np.bool_], max_error: float, groups: Groups | None = None
) -> float | None:
    """The lowest probability from which on at most ``max_error`` of the answers are wrong, or None if none is shown.

    ``confidence`` (N, 0..1) are the probabilities of the answers, ``right`` (N) says which of them are right,
    0 < ``max_error`` < 1. ``groups`` (N): which pictures belong together; fewer than five groups show nothing.

    From data sets of the same kind, a threshold whose true error is above ``max_error`` comes out in at most 5 % of the
    cases, whatever ``confidence`` is worth. A threshold passes if it is unlikely that so few answers above it are wrong
    when the true share is ``max_error`` (the one-sided test of Clopper and Pearson 1934, for groups at their effective
    number of pictures). Testing begins with the surest third of the answers and goes on to lower thresholds until one
    fails; likewise from the surest ninth and so on, with the 5 % divided among these beginnings (fixed sequences with
    several starts: Angelopoulos et al. 2021, "Learn then Test", §3.2).
    """
    fewest = answers_needed(max_error)
    if len(confidence) < fewest:
        return None
    begins = _begins(len(confidence), fewest)
    level = (1 - CONFIDENCE) / len(begins)
    order = np.argsort(-confidence, kind="stable")
    ranked = confidence[order]
    sizes = np.geomspace(begins[-1], len(ranked), 1 + math.ceil(math.log(len(ranked) / begins[-1], STEP))).round()
    answered = np.unique(np.searchsorted(-ranked, -ranked[sizes.astype(np.int64) - 1], "right"))  # equals go together
    rows = np.repeat(np.arange(len(answered)), answered)
    places = order[np.concatenate([np.arange(n) for n in answered])]
    wrong = ~right[places]
    effective = effective_sizes(wrong, rows, len(answered), None if groups is None else groups[places], upper=1 - level)
    enough_groups = ~np.isnan(effective)
    errors = np.bincount(rows, wrong)[enough_groups] / answered[enough_groups]
    answered, effective = answered[enough_groups], effective[enough_groups]
    shown = errors < 1 - 1e-9
    correct = effective[shown] * (1 - errors[shown])
    shown[shown] = incomplete_beta(correct, effective[shown] - correct + 1, 1 - max_error) <= level
    passed = [
        size
        for first in np.searchsorted(answered, begins)
        for size in answered[first:][np.logical_and.accumulate(shown[first:])]
    ]
    return float(ranked[max(passed) - 1]) if passed else None


def answers_needed(max_error: float) -> int:
    """The smallest number of independent answers that can show ``max_error`` (0..1), all being right: 59 for 0.05."""
    return math.ceil(math.log(1 - CONFIDENCE) / math.log1p(-max_error) - 1e-9)


def _begins(n: int, fewest: int) -> list[int]:
    """How many of ``n`` answers are looked at first: a third, and a ninth and so on where that leaves enough."""
    begins = [max(n // 3, fewest)]
    while begins[-1] // 3 >= 2 * fewest:
        begins.append(begins[-1] // 3)
    return begins


def max_distance(distances: NDArray[np.floating], groups: Groups | None = None) -> float:
    """The distance that an ordinary picture exceeds with a chance of ``FALSE_ALARMS`` at most.

    ``distances`` (N, at least one) are those of ordinary pictures, ``groups`` (N) says which belong together; each
    group counts alike. With G < 99 groups the largest distance is taken, which a picture of a new group exceeds in at
    most 1 of G + 1 cases (split conformal prediction: Vovk et al. 2005, §4.1; for groups: Dunn et al. 2023, JASA 118).
    """
    group_of = np.arange(len(distances)) if groups is None else np.unique(groups, return_inverse=True)[1]
    sizes = np.bincount(group_of)
    order = np.argsort(distances, kind="stable")
    below = np.cumsum(1 / sizes[group_of[order]]) / (len(sizes) + 1)
    place = int(np.searchsorted(below, 1 - FALSE_ALARMS - 1e-9))
    return float(distances[order[min(place, len(order) - 1)]])


def risk_coverage(
    confidence: NDArray[np.floating], right: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Share of pictures answered and share of errors among them, for every threshold from strict to none (N each)."""
    order = np.argsort(-confidence, kind="stable")
    answered = np.arange(1, len(order) + 1)
    return answered / len(order), np.cumsum(~right[order]) / answered
