"""Against SciPy's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from genus.evaluation.binomial import chances, chances_of_no_more

SHARES = st.floats(1e-6, 1 - 1e-6)


@given(st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 3000)), max_size=20), SHARES)
def test_the_chance_of_a_count(cases: list[tuple[int, int]], share: float) -> None:
    successes, trials = np.array(cases, np.int64).reshape(-1, 2).T
    assert chances(successes, trials, share) == pytest.approx(binom.pmf(successes, trials, share), rel=1e-8, abs=1e-300)


@given(st.lists(st.booleans(), max_size=300), SHARES)
def test_the_chance_of_no_more_errors_than_there_are(wrong: list[bool], share: float) -> None:
    errors, n = np.cumsum(wrong), np.arange(1, len(wrong) + 1)
    found = chances_of_no_more(np.array(wrong, bool), share)
    assert found == pytest.approx(binom.cdf(errors, n, share), abs=1e-12)


@pytest.mark.parametrize("skill", [0.0, 0.02, 0.05, 0.5, 1.0])
def test_rounding_does_not_add_up(skill: float) -> None:
    wrong = np.random.default_rng(0).random(100_000) < skill
    found = chances_of_no_more(wrong, 0.05)
    assert found == pytest.approx(binom.cdf(np.cumsum(wrong), np.arange(1, len(wrong) + 1), 0.05), abs=1e-8)
