"""Which labels are doubtful: confident learning (Northcutt, Jiang & Chuang 2021, JAIR 70)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Doubt:
    """Picture number ``picture`` is labelled ``label`` with probability ``own``, but looks like ``suggested`` with
    probability ``other``, and ``confident``ly so or not."""

    picture: int
    label: int
    suggested: int
    own: float
    other: float
    confident: bool


def doubtful_labels(probabilities: NDArray[np.floating], labels: NDArray[np.integer]) -> list[Doubt]:
    """The pictures whose most probable class is not what ``labels`` (N) says, the most doubtful first.

    ``probabilities`` (N x K) have to come from models that have not seen these pictures. One is confidently of class k
    when its probability of k is at least the mean of that among the pictures labelled k (§3.1, eq. 2); of several such
    classes the most probable one counts. The confident ones are the label errors of the paper: fewer, and more often
    right, than all that disagree (docs/results.md). The order is by how much less probable the label is than the
    suggestion (the normalised margin of §3.3).
    """
    rows, classes = np.arange(len(labels)), probabilities.shape[1]
    own = probabilities[rows, labels]
    support = np.bincount(labels, minlength=classes)
    thresholds = np.where(support > 0, np.bincount(labels, own, classes) / np.maximum(support, 1), np.inf)
    sure = np.where(probabilities >= thresholds, probabilities, -1.0)
    confident = (sure.max(axis=1) > own) & (sure.argmax(axis=1) != labels)
    suggested = np.where(confident, sure.argmax(axis=1), probabilities.argmax(axis=1))
    doubts = [
        Doubt(
            int(i),
            int(labels[i]),
            int(suggested[i]),
            float(own[i]),
            float(probabilities[i, suggested[i]]),
            bool(confident[i]),
        )
        for i in np.flatnonzero(suggested != labels)
    ]
    return sorted(doubts, key=lambda doubt: doubt.own - doubt.other)
