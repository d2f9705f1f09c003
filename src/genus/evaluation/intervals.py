"""How far a number from finitely many pictures may be from the truth: 95 % confidence intervals.

All of them hold without a single error and for groups: pictures of one patient, plate or plant are not independent, so
that a thousand of them may tell no more than fifty. Coverage is measured in tests/evaluation/test_intervals.py.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genus.evaluation.beta import beta_quantile, t_quantile

CONFIDENCE = 0.95
UPPER = (1 + CONFIDENCE) / 2
Z = NormalDist().inv_cdf(UPPER)
FEW_GROUPS = 5
"""With fewer groups than this, nothing is said about how far the truth may be."""

Floats = NDArray[np.float64]
Groups = NDArray[np.integer]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value and the ends of its 95 % confidence interval, which are None where there are too few groups for one."""

    value: float
    low: float | None
    high: float | None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Both ends, or None where there are too few groups."""
        return None if self.low is None or self.high is None else (self.low, self.high)

    def __str__(self) -> str:
        ends = "too few groups for an interval" if self.interval is None else f"{self.low:.3f} to {self.high:.3f}"
        return f"{self.value:.3f} ({ends})"


def share(hits: NDArray[np.bool_], groups: Groups | None = None) -> Estimate:
    """The share of ``hits`` (N) that are true. ``groups`` (N): which pictures belong together; None: each is alone.

    Raises ValueError for N = 0.
    """
    (found,) = shares(hits, np.zeros(len(hits), np.int64), 1, groups)
    if found is None:
        raise ValueError("There is no share of nothing.")
    return found


def shares(
    hits: NDArray[np.bool_],
    rows: NDArray[np.integer],
    count: int,
    groups: Groups | None = None,
    weights: Floats | None = None,
) -> tuple[Estimate | None, ...]:
    """Several shares at once: ``rows`` (N) says which of ``count`` shares each of ``hits`` belongs to.

    ``weights`` (N, not negative) say how much each hit counts, for averages over classes. A share of nothing is None.
    Intervals are those of Clopper and Pearson (1934) for independent pictures. Otherwise these are taken at the
    effective number of pictures (Korn & Graubard 1998, Survey Methodology 24).
    """
    counted = np.bincount(rows, weights, count)
    values = np.bincount(rows, hits if weights is None else hits * weights, count) / np.where(counted > 0, counted, 1)
    sizes = effective_sizes(hits, rows, count, groups, weights)
    return _estimates(counted, values, *clopper_pearson(values * sizes, sizes))


def clopper_pearson(successes: Floats, n: Floats) -> tuple[Floats, Floats]:
    """The ends of the interval for a share of ``successes`` (R) among ``n`` (R); neither has to be a whole number.

    Both are NaN where ``n`` is."""
    a, b = np.stack([successes, successes + 1]), np.stack([n - successes + 1, n - successes])
    quantiles = np.broadcast_to([[1 - UPPER], [UPPER]], a.shape)
    ends = np.where(np.isnan(n), np.nan, np.array([[0.0], [1.0]]))  # where nothing, or everything, is a success
    inside = (a > 1e-9) & (b > 1e-9)
    ends[inside] = beta_quantile(quantiles[inside], a[inside], b[inside])
    return ends[0], ends[1]


def difference(values: Floats, bound: float, groups: Groups | None = None) -> Estimate:
    """The mean of ``values`` (N, at least one), see ``differences``."""
    (found,) = differences(values, bound, np.zeros(len(values), np.int64), 1, groups)
    assert found, "There is no mean of nothing."
    return found


def differences(
    values: Floats, bound: float, rows: NDArray[np.integer], count: int, groups: Groups | None = None
) -> tuple[Estimate | None, ...]:
    """Means of ``values`` (N, in -``bound``..``bound``), such as what a picture gains from one model to another.

    ``rows`` and ``groups`` as in ``shares``. Two values are added, ``bound`` and -``bound``, and the interval is Wald's
    (Bonett & Price 2012, for differences of -1, 0 and 1): it holds where all values are zero.
    """
    pictures = np.bincount(rows, minlength=count)
    means, squares = (np.bincount(rows, of, count) / np.maximum(pictures, 1) for of in (values, np.square(values)))
    sizes = effective_sizes(values, rows, count, groups, bound=bound)
    centre = means * sizes / (sizes + 2)
    spread = (squares * sizes + 2 * bound**2) / (sizes + 2) - np.square(centre)
    half = Z * np.sqrt(spread / (sizes + 2))
    return _estimates(pictures, means, np.maximum(centre - half, -bound), np.minimum(centre + half, bound))


def effective_sizes(
    values: NDArray[np.bool_] | Floats,
    rows: NDArray[np.integer],
    count: int,
    groups: Groups | None = None,
    weights: Floats | None = None,
    *,
    bound: float = 1.0,
    upper: float = UPPER,
) -> Floats:
    """How many independent, equally weighted pictures would tell as much about the mean of ``values`` in each row.

    NaN: too few groups to say. The variance of a mean is estimated from the sums of its groups, which are taken to be
    independent (linearisation). The variance of one more picture is added, of the largest weight and of either outcome,
    so that none is zero because nothing went wrong yet. What few groups show of the variance is uncertain itself; as in
    Student's t-test, its quantile ``upper`` stands in for the normal one. Its degrees of freedom are the groups less
    one, where groups count by their weight w, as (sum of w)² / sum of w² (Kish 1965), and only as far as the errors, or
    the hits if these are fewer, are spread over them.

    The result lies between two limits: that each group is one observation, and that groups mean nothing.
    """
    pictures = np.bincount(rows, minlength=count)
    alone = groups is None or len(np.unique(groups)) == len(groups)
    if weights is None and alone:
        return np.where(pictures > 0, pictures.astype(np.float64), np.nan)
    weight = np.ones(len(values)) if weights is None else weights
    names, group = np.unique(np.arange(len(values)) if groups is None else groups, return_inverse=True)
    units, unit = np.unique(rows * len(names) + group, return_inverse=True)  # a unit: a group in a row
    row = units // len(names)
    whole, part = (np.bincount(unit, of).astype(np.float64) for of in (weight, weight * values))

    def total(of_unit: Floats) -> Floats:
        return np.bincount(row, of_unit, count).astype(np.float64)

    def spread_over(of_unit: Floats) -> Floats:
        return total(of_unit) ** 2 / total(of_unit**2)

    def largest(of_any: Floats, place: NDArray[np.integer]) -> Floats:
        found = np.zeros(count)
        np.maximum.at(found, place, of_any)
        return found / total(whole)

    with np.errstate(divide="ignore", invalid="ignore"):
        means, independent = total(part) / total(whole), np.bincount(row, minlength=count)
        variance = total((part - means[row] * whole) ** 2) / total(whole) ** 2 * independent / (independent - 1)
        variance += (bound * largest(weight, rows) / 2) ** 2
        one = np.bincount(rows, weight * np.square(values), count) / total(whole) - means**2  # of a single picture
        found = [spread_over(sums) for sums in (whole, np.abs(part), bound * whole - np.abs(part))]
        freedom = np.nan_to_num(np.minimum.reduce(found) - 1)
        sizes = np.nan_to_num(one / variance) / _inflation(freedom, upper)
        least = spread_over(whole) if weights is None else 1 / largest(whole, row)
        most = np.bincount(rows, weight, count) ** 2 / np.bincount(rows, weight**2, count)
        sizes = np.clip(sizes, least, np.maximum(least, most))
    return np.where((independent < FEW_GROUPS) & (independent < pictures), np.nan, sizes)


def _estimates(counted: NDArray[Any], values: Floats, low: Floats, high: Floats) -> tuple[Estimate | None, ...]:
    """None where nothing was ``counted``, and no ends where they are NaN."""
    return tuple(
        None if not n else Estimate(v, None, None) if math.isnan(a) else Estimate(v, min(a, v), max(b, v))
        for n, v, a, b in zip(counted.tolist(), values.tolist(), low.tolist(), high.tolist(), strict=True)
    )


def _inflation(freedom: Floats, upper: float) -> Floats:
    """How much wider, squared, Student's t is than the normal distribution at ``upper``; infinite without freedom."""
    ratio = np.full(len(freedom), np.inf)
    some = freedom > 0.1
    ratio[some] = t_quantile(upper, freedom[some]) / NormalDist().inv_cdf(upper)
    return ratio**2
