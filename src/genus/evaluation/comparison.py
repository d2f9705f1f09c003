"""Is one model better than another on the same pictures, or is it chance?"""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from genus.evaluation.binomial import chances
from genus.evaluation.intervals import CONFIDENCE, Estimate, Z

POWER = 0.8


@dataclass(frozen=True, slots=True)
class Comparison:
    """``n`` pictures; how many only A or only B named rightly; accuracy of B minus that of A; the chance of counts as
    uneven as these between equally good models; pictures needed to show a difference of this size (None: of 0)."""

    n: int
    only_a: int
    only_b: int
    difference: Estimate
    p_value: float
    needed: int | None

    @property
    def shown(self) -> bool:
        """Is one of them better, with an error of 5 %?"""
        return self.p_value < 1 - CONFIDENCE


def compare(right_a: NDArray[np.bool_], right_b: NDArray[np.bool_]) -> Comparison:
    """Compare by which pictures (N each, the same ones, at least one) A and B name rightly.

    McNemar's test in its exact form; the interval of Bonett & Price (2012, adjusted Wald for paired proportions);
    the number of pictures for a power of 80 % by Connor (1987).
    """
    n, only_a, only_b = len(right_a), int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    a, b = (only_a + 1) / (n + 2), (only_b + 1) / (n + 2)
    half = Z * ((a + b - (b - a) ** 2) / (n + 2)) ** 0.5
    value = (only_b - only_a) / n
    difference = Estimate(value, max(b - a - half, -1.0), min(b - a + half, 1.0))
    fewer = np.arange(min(only_a, only_b) + 1)
    p_value = min(1.0, 2 * float(chances(fewer, np.full_like(fewer, only_a + only_b), 0.5).sum()))
    return Comparison(n, only_a, only_b, difference, p_value, _needed((only_a + only_b) / n, value))


def _needed(discordant: float, difference: float) -> int | None:
    if not difference:
        return None
    z_power = NormalDist().inv_cdf(POWER)
    root = Z * discordant**0.5 + z_power * max(discordant - difference**2, 0.0) ** 0.5
    return int(np.ceil((root / difference) ** 2))
