"""The incomplete beta function and its inverse: binomial and t-distribution without SciPy, which is 100 MB."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

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
