"""How far a number from finitely many pictures may be from the truth: 95 % confidence intervals.

All of them hold without a single error and for groups: pictures of one patient, plate or plant are not independent, so
that a thousand of them may tell no more than fifty. Coverage is measured in tests/evaluation/test_intervals.py.

The binomial and the t-distribution come from the incomplete beta function: SciPy, which has them, is 100 MB.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

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


_log_gamma = np.vectorize(math.lgamma, otypes=[np.float64])


def incomplete_beta(a: ArrayLike, b: ArrayLike, x: ArrayLike) -> Floats:
    """P(X <= ``x``) of a beta distribution with the shapes ``a`` and ``b`` > 0, for ``x`` in 0..1; arrays broadcast.

    The chance of at most k successes in n trials, each with the chance p, is ``incomplete_beta(n - k, k + 1, 1 - p)``.
    """
    a, b, x = _broadcast(a, b, x)
    return _tail(a, b, x, 1 - x, _log_beta(a, b))


def beta_quantile(share: ArrayLike, a: ArrayLike, b: ArrayLike) -> Floats:
    """The ``x`` for which ``incomplete_beta(a, b, x)`` is ``share``, 0 < ``share`` < 1; arrays broadcast.

    Newton's method for the logarithm of the smaller tail over the log odds of ``x``: this function is concave, so that
    the method converges from everywhere.
    """
    share, a, b = _broadcast(share, a, b)
    upper = share > 0.5
    share, a, b = np.where(upper, 1 - share, share), np.where(upper, b, a), np.where(upper, a, b)
    log_beta, odds, step = _log_beta(a, b), np.log(a / b), np.zeros_like(a)
    for _ in range(100):
        tail = _tail(a, b, 1 / (1 + np.exp(-odds)), 1 / (1 + np.exp(odds)), log_beta)
        with np.errstate(divide="ignore", invalid="ignore", under="ignore"):
            slope = np.exp(-a * np.logaddexp(0, -odds) - b * np.logaddexp(0, odds) - log_beta) / tail
            newton = (np.log(share) - np.log(tail)) / slope
        step = np.where(tail > 0, newton, -step / 2)  # half of the way back from where the tail vanishes
        odds = np.clip(odds + step, -700, 700)
        if (np.abs(step) < 1e-6).all():  # the error is about the square of the last step
            break
    return 1 / (1 + np.exp(np.where(upper, odds, -odds)))


def t_quantile(share: float, freedom: ArrayLike) -> Floats:
    """The quantile of Student's t with ``freedom`` > 0 degrees of freedom, for a ``share`` above one half."""
    freedom = np.asarray(freedom, np.float64)
    outside = beta_quantile(2 * (1 - share), freedom / 2, 0.5)
    return np.sqrt(freedom * (1 / outside - 1))


def _broadcast(*values: ArrayLike) -> tuple[Floats, ...]:
    return np.broadcast_arrays(*(np.asarray(one, np.float64) for one in values))


def _log_beta(a: Floats, b: Floats) -> Floats:
    return _log_gamma(a) + _log_gamma(b) - _log_gamma(a + b)


def _tail(a: Floats, b: Floats, x: Floats, y: Floats, log_beta: Floats) -> Floats:
    """``incomplete_beta``, where ``y`` is 1 - ``x`` without its rounding."""
    with np.errstate(divide="ignore"):
        front = np.exp(a * np.log(x) + b * np.log(y) - log_beta)
    mirrored = x > (a + 1) / (a + b + 2)  # there the fraction of the other tail converges faster
    a, b, x = np.where(mirrored, b, a), np.where(mirrored, a, b), np.where(mirrored, y, x)
    other = front * _continued_fraction(a, b, x) / a
    return np.clip(np.where(mirrored, 1 - other, other), 0, 1)


def _continued_fraction(a: Floats, b: Floats, x: Floats) -> Floats:
    """The fraction of DLMF 8.17.22 by Lentz's method; it takes about as many turns as the root of ``a`` or ``b``."""
    c, d = np.ones_like(x), 1 / (1 - (a + b) / (a + 1) * x)
    value = d
    for m in range(1, 10_000):
        even = a + 2 * m
        for term in (m * (b - m) / ((even - 1) * even) * x, -(a + m) * (a + b + m) / (even * (even + 1)) * x):
            c, d = 1 + term / c, 1 / (1 + term * d)
            value = value * c * d
        if (np.abs(c * d - 1) < 1e-13).all():
            break
    return value
