"""What would more pictures bring? Accuracy over the share of the pictures that were trained on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genus.evaluation.intervals import Estimate, Groups, difference, differences, share, shares

SHARES = (0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
RECENT = 0.3
"""From this share on the curve is taken to be straight over the logarithm of the number of pictures."""


@dataclass(frozen=True, slots=True)
class Point:
    """Trained on ``share`` (0..1) of the pictures, which are ``pictures`` (mean over the folds): the accuracy, and the
    recall of each class (None without pictures)."""

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
        rising = {k: gain.value for k, gain in enumerate(self.gains) if gain and gain.low is not None and gain.low > 0}
        return max(rising, key=rising.__getitem__, default=None)


def learning_curve(
    right: NDArray[np.bool_],
    pictures: Sequence[int],
    labels: NDArray[np.integer],
    classes: int,
    groups: Groups | None = None,
) -> LearningCurve:
    """The curve from ``right`` (S x N): after training on each of ``SHARES``, was each other picture named rightly?

    ``pictures`` (S) are the pictures trained on, ``labels`` (N) the true class numbers, and ``groups`` (N) says which
    pictures belong together. Gains are slopes over log2(share), from ``RECENT`` on, by least squares.
    """
    points = tuple(
        Point(part, count, share(here, groups), shares(here, labels, classes, groups))
        for part, count, here in zip(SHARES, pictures, right, strict=True)
    )
    recent = np.array(SHARES) >= RECENT
    doublings = np.log2(np.array(SHARES)[recent])
    weights = (doublings - doublings.mean()) / np.square(doublings - doublings.mean()).sum()
    slopes, steepest = weights @ right[recent], float(weights[weights > 0].sum())  # of each picture, and possible
    gains = differences(slopes, steepest, labels, classes, groups)
    return LearningCurve(points, difference(slopes, steepest, groups), gains)
