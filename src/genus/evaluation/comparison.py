"""Is one model better than another on the same pictures, or is it chance?"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from genus.evaluation.intervals import CONFIDENCE, Estimate, Groups, Z, difference, effective_sizes, incomplete_beta

POWER = 0.8
LEAST_DECIDED = 6  # groups in which the models differ: with fewer, no p-value is below 0.05


@dataclass(frozen=True, slots=True)
class Comparison:
    """Models A and B on the same ``n`` pictures, which belong to ``groups`` independent groups.

    ``only_a``, ``only_b``: pictures that only A or only B names rightly. ``difference``: accuracy of B minus that of A.
    ``p_value``: the chance of a difference at least as large between equally good models. ``needed``: pictures of this
    kind that would show a difference of this size (None for no difference, and for too few groups), more than ``n``
    where these do not show it.
    """

    n: int
    groups: int
    only_a: int
    only_b: int
    difference: Estimate
    p_value: float
    needed: int | None

    @property
    def shown(self) -> bool:
        """Is one of them better, with an error of 5 %? The interval of ``difference`` says the same."""
        return self.difference.interval is not None and not holds_zero(self.difference.interval)

    @property
    def test_alone_shows(self) -> bool:
        """Does the p-value see a difference, and the interval does not?"""
        return self.p_value < 1 - CONFIDENCE and not self.shown


def holds_zero(interval: tuple[float, float]) -> bool:
    """Does an interval leave it open which side is better?"""
    return interval[0] <= 0 <= interval[1]


def compare(right_a: NDArray[np.bool_], right_b: NDArray[np.bool_], groups: Groups | None = None) -> Comparison:
    """Compare A and B by which pictures each names rightly (N each, the same ones, at least one).

    ``groups`` (N): which pictures belong together. The p-value is that of the sign-flip test, exact: between equally
    good models, the difference within each group is as likely to be in favour of A as of B. For single pictures this is
    McNemar's exact test. The interval is made to hold 0 where this test shows no difference: a difference is shown only
    where both say so. The number of pictures gives a power of 80 % (Connor 1987).
    """
    n, only_a, only_b = len(right_a), int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    gains = right_b.astype(np.float64) - right_a
    gain = difference(gains, 1.0, groups)
    (effective,) = effective_sizes(gains, np.zeros(n, np.int64), 1, groups)
    group_of = np.arange(n) if groups is None else np.unique(groups, return_inverse=True)[1]
    of_groups = np.bincount(group_of, gains).astype(np.int64)
    p_value = _sign_flip_p_value(of_groups.tolist())
    if gain.interval and p_value >= 1 - CONFIDENCE:
        gain = Estimate(gain.value, min(gain.interval[0], 0.0), max(gain.interval[1], 0.0))
    needed = None
    if gain.value and gain.interval:
        estimated = _pictures_needed((only_a + only_b) / n, gain.value) * n / effective
        at_least = LEAST_DECIDED * n / np.count_nonzero(of_groups)
        needed = int(np.ceil(max(estimated, at_least)))
        if holds_zero(gain.interval):
            needed = max(needed, n + 1)
    return Comparison(n, len(of_groups), only_a, only_b, gain, p_value, needed)


def _sign_flip_p_value(gains: Sequence[int]) -> float:
    """The chance that |sum of gains| is at least as large when each of ``gains`` gets a random sign.

    Where all are of one size, the sum is binomial. Otherwise its distribution is the inverse Fourier transform of the
    product of their cosines.
    """
    sizes, counts = np.unique([abs(gain) for gain in gains if gain], return_counts=True)
    if not len(sizes):
        return 1.0
    total, groups = abs(sum(gains)), int(counts.sum())
    if len(sizes) == 1:
        fewer = (groups - total // int(sizes[0])) // 2
        return min(1.0, 2 * float(incomplete_beta(groups - fewer, fewer + 1, 0.5)))
    largest = int(sizes @ counts)
    angles = 2 * np.pi * np.arange(2 * largest + 1) / (2 * largest + 1)
    transformed = np.ones(len(angles))
    for size, count in zip(sizes, counts, strict=True):
        transformed *= np.cos(angles * size) ** count
    chances = np.fft.ifft(transformed).real  # of the sums 0 .. largest, then -largest .. -1
    outside = chances[total : len(chances) - total + 1].sum() if total else 1.0
    return float(np.clip(outside, 2.0 ** (1 - groups), 1.0))  # no smaller chance exists


def _pictures_needed(discordant: float, difference: float) -> float:
    root = Z * discordant**0.5 + NormalDist().inv_cdf(POWER) * max(discordant - difference**2, 0.0) ** 0.5
    return (root / difference) ** 2
