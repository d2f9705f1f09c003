import numpy as np
import pytest
from scipy.stats import mannwhitneyu
from sklearn.metrics import roc_auc_score

from genus.evaluation.distribution_shift import distribution_shift


def distances(
    rng: np.random.Generator, groups: int, size: int, shift: float = 0.0, by_group: float = 1.0
) -> np.ndarray:
    """Of ``groups`` x ``size`` pictures; positive, skewed, and alike within a group."""
    return np.exp(shift + by_group * rng.normal(size=(groups, 1)) + rng.normal(size=(groups, size))).ravel()


def test_the_area_is_that_of_scikit_learn_and_the_test_close_to_that_of_scipy() -> None:
    rng = np.random.default_rng(0)
    near, far = rng.integers(0, 30, 80) / 10, rng.integers(2, 32, 60) / 10  # with equals
    found = distribution_shift(near, far)
    assert found.auc == pytest.approx(roc_auc_score(np.repeat([0, 1], [80, 60]), np.concatenate([near, far])))
    assert found.p_value == pytest.approx(mannwhitneyu(far, near, alternative="greater").pvalue, rel=0.3)
    assert distribution_shift(far, near).p_value == pytest.approx(1 - (found.p_value or 0))


@pytest.mark.parametrize(("n", "size"), [(20, 1), (5, 1), (200, 1), (5000, 1), (6, 30), (25, 10)])
def test_no_alarm_without_a_reason(n: int, size: int) -> None:
    """Test pictures from the same source as validation, alone or in groups; twice as many of them, too."""
    rng, alarms = np.random.default_rng(0), []
    for _ in range(400 if n * size < 1000 else 40):
        for times in (1, 2):
            group = np.arange(n).repeat(size), np.arange(n * times).repeat(size)
            found = distribution_shift(distances(rng, n, size), distances(rng, n * times, size), *group)
            alarms.append(found.from_elsewhere)
    assert np.mean(alarms) <= 0.02


@pytest.mark.parametrize(("n", "size", "shift"), [(20, 1, 2.5), (60, 1, 1.5), (1000, 1, 0.8), (12, 30, 3.0)])
def test_alarm_where_the_test_is_farther_away(n: int, size: int, shift: float) -> None:
    rng, group = np.random.default_rng(0), np.arange(n).repeat(size)
    alarms = [
        distribution_shift(distances(rng, n, size), distances(rng, n, size, shift), group, group).from_elsewhere
        for _ in range(60)
    ]
    assert np.mean(alarms) >= 0.9


def test_a_difference_that_does_not_matter_and_one_the_other_way() -> None:
    rng = np.random.default_rng(0)
    slight = distribution_shift(rng.normal(size=5000), rng.normal(0.15, size=5000))
    assert (slight.from_elsewhere, slight.p_value is not None and slight.p_value < 0.001) == (False, True)
    assert distribution_shift(rng.normal(size=500), rng.normal(-2, size=500)).from_elsewhere is False
    assert distribution_shift(np.zeros(500), np.zeros(500)).from_elsewhere is False


def test_few_groups_say_nothing() -> None:
    near, far = np.arange(100.0), np.arange(100.0) + 1000
    found = distribution_shift(near, far, None, np.arange(100) % 4)
    assert (found.auc, found.beyond, found.p_value, found.from_elsewhere) == (1.0, 1.0, None, None)
    assert distribution_shift(near, far, None, np.arange(100) % 5).from_elsewhere
