import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

from genus.evaluation.unknown import FALSE_ALARMS, max_distance, min_probability, risk_coverage


@given(
    st.lists(st.tuples(st.integers(1, 8), st.booleans()), min_size=1, max_size=60), st.sampled_from([0.05, 0.2, 0.5])
)
def test_the_threshold_is_the_lowest_that_can_be_shown(answers: list[tuple[int, bool]], max_error: float) -> None:
    """Held against trying every one, by the interval of Clopper and Pearson."""
    confidence = np.array([level / 8 for level, _ in answers])
    right = np.array([is_right for _, is_right in answers])
    fitting = []
    for threshold in np.unique(confidence):
        answered = confidence >= threshold
        errors, n = int((answered & ~right).sum()), int(answered.sum())
        if errors < n and beta.ppf(0.95, errors + 1, n - errors) <= max_error:
            fitting.append(threshold)
    assert min_probability(confidence, right, max_error) == min(fitting, default=None)


@pytest.mark.parametrize("shape", [(8, 0.5), (6, 0.8)])
def test_the_promise_is_kept(shape: tuple[float, float]) -> None:
    """Thresholds from many small validation parts: how often is the true error of the answers above the limit?"""
    rng, max_error, broken, set_at_all = np.random.default_rng(0), 0.05, 0, 0
    all_confidence = rng.beta(*shape, 200_000)
    all_right = rng.random(200_000) < all_confidence
    for start in range(0, 200_000, 500):
        here = slice(start, start + 500)
        threshold = min_probability(all_confidence[here], all_right[here], max_error)
        if threshold is not None:
            set_at_all += 1
            broken += (~all_right[all_confidence >= threshold]).mean() > max_error
    assert set_at_all > 200
    assert broken / 400 < 0.08


def test_too_few_or_too_bad_to_promise_anything() -> None:
    assert min_probability(np.full(40, 0.99), np.ones(40, bool), 0.05) is None
    assert min_probability(np.full(80, 0.99), np.ones(80, bool), 0.05) == 0.99
    assert min_probability(np.linspace(0, 1, 500), np.zeros(500, bool), 0.05) is None
    assert min_probability(np.empty(0), np.empty(0, bool), 0.05) is None


def test_an_ordinary_picture_is_seldom_too_far() -> None:
    rng = np.random.default_rng(0)
    for n, alarms in ((99, FALSE_ALARMS), (499, FALSE_ALARMS), (20, 1 / 21), (1, 1 / 2)):
        false = np.mean([rng.normal() > max_distance(rng.normal(size=n)) for _ in range(20_000)])
        assert false <= 1.15 * alarms + 0.001


def test_the_curve_from_strict_to_all() -> None:
    coverage, risk = risk_coverage(np.array([0.2, 0.9, 0.6, 0.8]), np.array([False, True, True, False]))
    assert coverage.tolist() == [0.25, 0.5, 0.75, 1.0]
    assert risk.tolist() == [0.0, 0.5, pytest.approx(1 / 3), 0.5]
