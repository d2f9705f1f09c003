"""Do probabilities mean what they say, and temperature scaling, which makes them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genus.evaluation.intervals import Estimate, Groups, shares
from genus.probabilities import log_softmax, softmax

ECE_BINS = 15
MAX_BINS, MIN_IN_BIN = 10, 25
TEMPERATURES = (0.05, 20.0)


@dataclass(frozen=True, slots=True)
class CalibrationScores:
    """``log_loss`` in nats; ``brier``: mean squared distance from the truth, 0..2 (Brier 1950); ``ece``: expected
    calibration error, 0..1 (Guo et al. 2017, §2: 15 bins of equal width, as it is compared in the literature). The
    ``ece`` of few pictures is too high: an average distance cannot fall below the noise of its bins."""

    log_loss: float
    brier: float
    ece: float


@dataclass(frozen=True, slots=True)
class Bin:
    """``n`` answers of about the same probability: their mean probability, and the share of them that is right."""

    n: int
    confidence: float
    accuracy: Estimate


def calibration(logits: NDArray[np.floating], labels: NDArray[np.integer]) -> CalibrationScores:
    """How good the probabilities of ``logits`` (N x K) are for the true class numbers ``labels`` (N)."""
    log_probabilities = log_softmax(logits.astype(np.float64))
    probabilities, rows = np.exp(log_probabilities), np.arange(len(labels))
    distance = np.square(probabilities).sum(axis=1) - 2 * probabilities[rows, labels] + 1
    return CalibrationScores(
        log_loss=-float(log_probabilities[rows, labels].mean()),
        brier=float(distance.mean()),
        ece=_expected_calibration_error(probabilities, labels),
    )


def reliability(
    logits: NDArray[np.floating], labels: NDArray[np.integer], groups: Groups | None = None
) -> tuple[Bin, ...]:
    """The answers to ``logits`` (N x K) by rising probability, in up to ten bins with equally many answers each.

    Every bin holds at least 25 answers, so that few pictures make few bins; fewer than 25 make none. ``labels`` (N) are
    the true classes; ``groups`` (N) says which pictures belong together.
    """
    probabilities = softmax(logits)
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    count = min(MAX_BINS, len(labels) // MIN_IN_BIN)
    if not count:
        return ()
    places = np.empty(len(labels), np.int64)
    places[np.argsort(confidence, kind="stable")] = np.arange(len(labels)) * count // len(labels)
    sizes = np.bincount(places)
    means = np.bincount(places, confidence) / sizes
    accuracies = shares(right, places, count, groups)
    return tuple(
        Bin(n, mean, accuracy)
        for n, mean, accuracy in zip(sizes.tolist(), means.tolist(), accuracies, strict=True)
        if accuracy
    )


def _expected_calibration_error(probabilities: NDArray[np.float64], labels: NDArray[np.integer]) -> float:
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    places = np.minimum((confidence * ECE_BINS).astype(np.int64), ECE_BINS - 1)
    return float(np.abs(np.bincount(places, confidence - right)).sum() / len(labels))


def fit_temperature(logits: NDArray[np.floating], labels: NDArray[np.integer]) -> float:
    """The temperature T for which the probabilities of ``logits`` / T have the lowest log-loss (Guo et al. 2017, §4.2).

    ``logits`` are N x K, K >= 2. The truth counts for (N + 1) / (N + 2), the other classes share the rest (Platt 1999,
    §2.2): N answers that are all right are no reason to be surer than that. This loss is convex in 1 / T: the zero of
    its slope is found by halving, within 0.05 to 20.
    """
    values = logits.astype(np.float64)
    own, rest = values[np.arange(len(labels)), labels].mean(), values.sum(axis=1).mean()
    doubt = 1 / (len(labels) + 2)
    target = (1 - doubt) * own + doubt * (rest - own) / (values.shape[1] - 1)

    def slope(sharpness: float) -> float:
        return float((softmax(values * sharpness) * values).sum(axis=1).mean() - target)

    low, high = 1 / TEMPERATURES[1], 1 / TEMPERATURES[0]
    for _ in range(60):
        middle = (low * high) ** 0.5
        low, high = (low, middle) if slope(middle) > 0 else (middle, high)
    return 1 / middle
