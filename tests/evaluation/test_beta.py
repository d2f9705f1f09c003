"""Against SciPy's."""

import numpy as np
import pytest
from scipy import special, stats

from genus.evaluation.beta import beta_quantile, incomplete_beta, t_quantile

RNG = np.random.default_rng(0)
A, B = np.exp(RNG.uniform(-3, 9, (2, 3000)))


def test_incomplete_beta() -> None:
    x = np.concatenate([[0, 1], RNG.beta(A, B)[2:]])
    assert incomplete_beta(A, B, x) == pytest.approx(special.betainc(A, B, x), abs=1e-9)


@pytest.mark.parametrize("p", [0.001, 0.05, 0.5])
def test_binomial_chances(p: float) -> None:
    n = RNG.integers(1, 100_000, 500)
    k = RNG.binomial(n - 1, p)
    assert incomplete_beta(n - k, k + 1, 1 - p) == pytest.approx(stats.binom.cdf(k, n, p), abs=1e-9)


def test_beta_quantile() -> None:
    share = RNG.uniform(0.0005, 0.9995, len(A))
    assert beta_quantile(share, A, B) == pytest.approx(special.betaincinv(A, B, share), abs=1e-9)
    one_error = beta_quantile(0.025, 999_999, 2)
    assert one_error == pytest.approx(special.betaincinv(999_999, 2, 0.025), rel=1e-12)


@pytest.mark.parametrize("share", [0.95, 0.975, 0.9999])
def test_t_quantile(share: float) -> None:
    freedom = np.exp(RNG.uniform(-1, 9, 500))
    assert t_quantile(share, freedom) == pytest.approx(special.stdtrit(freedom, share), rel=1e-7)
