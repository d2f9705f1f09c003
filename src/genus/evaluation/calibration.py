"""Do probabilities mean what they say, and how to make them: temperature scaling."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genus.probabilities import log_softmax, softmax

BINS = 15
TEMPERATURES = (0.05, 20.0)


@dataclass(frozen=True, slots=True)
class Calibration:
    """``log_loss`` in nats; ``brier``: mean squared distance from the truth, 0..2 (Brier 1950); ``ece``: mean distance
    between confidence and accuracy, 0..1."""

    log_loss: float
    brier: float
    ece: float


@dataclass(frozen=True, slots=True)
class Bin:
    """The ``n`` answers whose probability lies in one stretch: their mean probability, and the share that is right."""

    n: int
    confidence: float
    accuracy: float


def calibration(logits: NDArray[np.floating], labels: NDArray[np.integer]) -> Calibration:
    """How good the probabilities of ``logits`` (N x K) are for the true class numbers ``labels`` (N)."""
    log_probabilities = log_softmax(logits.astype(np.float64))
    probabilities, rows = np.exp(log_probabilities), np.arange(len(labels))
    distance = np.square(probabilities).sum(axis=1) - 2 * probabilities[rows, labels] + 1
    return Calibration(
        log_loss=-float(log_probabilities[rows, labels].mean()),
        brier=float(distance.mean()),
        ece=float(sum(one.n * abs(one.confidence - one.accuracy) for one in reliability(logits, labels)) / len(labels)),
    )


def reliability(logits: NDArray[np.floating], labels: NDArray[np.integer]) -> list[Bin]:
    """The answers in ``BINS`` equal stretches of their probability, empty ones left out (Guo et al. 2017, §2)."""
    probabilities = softmax(logits)
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    place = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    counts, sums, rights = (np.bincount(place, weights, BINS) for weights in (None, confidence, right))
    return [Bin(int(n), c / n, r / n) for n, c, r in zip(counts, sums.tolist(), rights.tolist(), strict=True) if n]


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
