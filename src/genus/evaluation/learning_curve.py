"""What would more pictures bring? Accuracy over the share of the pictures that were trained on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genus.evaluation.intervals import Estimate, bootstrap, wilson

SHARES = (0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
RECENT = 0.3
"""From this share on the curve is taken to be straight over the logarithm of the number of pictures."""


@dataclass(frozen=True, slots=True)
class Point:
    """``pictures`` trained on (mean of the folds), accuracy and recall of each class (None without pictures)."""

    share: float
    pictures: int
    accuracy: Estimate
    recall: tuple[Estimate | None, ...]


@dataclass(frozen=True, slots=True)
class LearningCurve:
    """``gain``: what twice as many pictures of every class would add to the accuracy, if the curve goes on as it did;
    ``gains``: the same for the recall of each class (None without pictures)."""

    points: tuple[Point, ...]
    gain: Estimate
    gains: tuple[Estimate | None, ...]

    @property
    def next_class(self) -> int | None:
        """The class to photograph next: of those whose recall surely still rises, the one that rises most."""
        rising = [k for k, gain in enumerate(self.gains) if gain and gain.low > 0]
        return max(rising, key=lambda k: self.gains[k].value, default=None)  # type: ignore[union-attr]


def learning_curve(
    right: NDArray[np.bool_],
    pictures: Sequence[int],
    labels: NDArray[np.integer],
    classes: int,
    groups: NDArray[np.integer],
) -> LearningCurve:
    """``right`` S x N: was each picture named rightly by a model trained on each of ``SHARES`` of the others.

    The gains are slopes over log2(share), from ``RECENT`` on, with intervals that draw the groups of pictures anew.
    """
    support = np.bincount(labels, minlength=classes)
    correct = np.stack([np.bincount(labels, one, classes) for one in right]).astype(np.int64)
    points = tuple(
        Point(
            share,
            count,
            wilson(int(row.sum()), len(labels)),
            tuple(wilson(int(r), int(n)) if n else None for r, n in zip(row, support, strict=True)),
        )
        for share, count, row in zip(SHARES, pictures, correct, strict=True)
    )
    recent = np.array(SHARES) >= RECENT
    doublings = np.log2(np.array(SHARES)[recent])
    weights = (doublings - doublings.mean()) / np.square(doublings - doublings.mean()).sum()
    slope = weights @ right[recent]  # of each picture

    def gains(counts: NDArray[np.int64]) -> NDArray[np.float64]:
        here = np.bincount(labels, counts, classes)
        by_class = np.bincount(labels, counts * slope, classes) / np.maximum(here, 1)
        return np.append(by_class, counts @ slope / counts.sum())

    *by_class, gain = bootstrap(gains, groups)
    return LearningCurve(points, gain, tuple(one if n else None for one, n in zip(by_class, support, strict=True)))
