"""How far a number from finitely many pictures may be from the truth: 95 % confidence intervals."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
REPLICATES = 1000
Z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value and the 95 % confidence interval that belongs to it."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


def wilson(successes: int, n: int) -> Estimate:
    """A share and its score interval (Wilson 1927), which holds for few pictures and near 0 and 1 too.

    Raises ValueError for ``n`` < 1.
    """
    if n < 1:
        raise ValueError("There is no share of nothing.")
    share = successes / n
    centre = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * (share * (1 - share) / n + Z**2 / (4 * n**2)) ** 0.5
    return Estimate(share, min(max(centre - half, 0.0), share), max(min(centre + half, 1.0), share))


def bootstrap(
    statistics: Callable[[NDArray[np.int64]], NDArray[np.float64]], groups: NDArray[np.integer], seed: int = 0
) -> list[Estimate]:
    """Several statistics of the same pictures with percentile intervals (Efron 1979).

    ``statistics`` gets how many times each picture counts (N int64) and gives S numbers. ``groups`` (N) says which
    pictures stand and fall together, such as copies of one file: whole groups are drawn.
    """
    value = statistics(np.ones(len(groups), np.int64))
    drawn = np.stack([statistics(counts) for counts in _draws(groups, seed)])
    edges = np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], axis=0)
    return [Estimate(float(v), float(min(a, v)), float(max(b, v))) for v, a, b in zip(value, *edges, strict=True)]


def _draws(groups: NDArray[np.integer], seed: int) -> Iterator[NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    names, group = np.unique(groups, return_inverse=True)
    for _ in range(REPLICATES):
        yield np.bincount(rng.integers(len(names), size=len(names)), minlength=len(names))[group]
