"""Which labels may be wrong: confident learning (Northcutt, Jiang & Chuang 2021, JAIR 70)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class LabelError:
    """Picture number ``picture`` has the label ``label``, which has ``label_probability``, but looks like class
    ``suggested``, which has ``suggested_probability``. ``confident``: by the rule of the paper."""

    picture: int
    label: int
    suggested: int
    label_probability: float
    suggested_probability: float
    confident: bool


def label_errors(probabilities: NDArray[np.floating], labels: NDArray[np.integer]) -> list[LabelError]:
    """The pictures whose most probable class is not their label, the most doubtful first.

    ``probabilities`` (N x K, 0..1) have to come from models that were not trained on the pictures; ``labels`` (N) are
    class numbers. A picture is confidently of class k when its probability of k is at least the mean of this among the
    pictures labelled k (§3.1, eq. 2); of several such classes the most probable one counts. Confident errors are the
    label errors of the paper: fewer, and more often right, than all that disagree (docs/results.md). The order is by
    how much less probable the label is than the suggestion (the normalised margin of §3.3).
    """
    rows, classes = np.arange(len(labels)), probabilities.shape[1]
    own = probabilities[rows, labels]
    support = np.bincount(labels, minlength=classes)
    thresholds = np.where(support > 0, np.bincount(labels, own, classes) / np.maximum(support, 1), np.inf)
    sure = np.where(probabilities >= thresholds, probabilities, -1.0)
    confident = (sure.max(axis=1) > own) & (sure.argmax(axis=1) != labels)
    suggested = np.where(confident, sure.argmax(axis=1), probabilities.argmax(axis=1))
    errors = [
        LabelError(
            picture=int(i),
            label=int(labels[i]),
            suggested=int(suggested[i]),
            label_probability=float(own[i]),
            suggested_probability=float(probabilities[i, suggested[i]]),
            confident=bool(confident[i]),
        )
        for i in np.flatnonzero(suggested != labels)
    ]
    return sorted(errors, key=lambda error: error.label_probability - error.suggested_probability)
