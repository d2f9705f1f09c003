import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

from genus.evaluation.selective import (
    FALSE_ALARMS,
    answers_needed,
    max_distance,
    min_probability,
    risk_coverage,
)


@given(
    st.lists(st.tuples(st.integers(1, 8), st.booleans()), min_size=1, max_size=99), st.sampled_from([0.05, 0.2, 0.5])
)
def test_the_threshold_is_the_lowest_that_can_be_shown(answers: list[tuple[int, bool]], max_error: float) -> None:
    """Held against trying every one, by the interval of Clopper and Pearson."""
    confidence = np.array([level / 8 for level, _ in answers])
    right = np.array([is_right for _, is_right in answers])
    n, needed, fitting = len(answers), answers_needed(max_error), []
    begins = [max(n // 3, needed)] + [n // 3**k for k in (2, 3, 4) if n // 3**k >= 2 * needed]
    for begin in begins:
        for threshold in sorted(set(confidence), reverse=True):
            answered = confidence >= threshold
            count, errors = int(answered.sum()), int((answered & ~right).sum())
            if count >= begin:
                if errors == count or beta.ppf(1 - 0.05 / len(begins), errors + 1, count - errors) > max_error:
                    break
                fitting.append(threshold)
    assert min_probability(confidence, right, max_error) == min(fitting, default=None)


@pytest.mark.parametrize("max_error", [0.02, 0.05, 0.2])
def test_one_of_many_thresholds_passes_in_5_percent_of_the_worst_cases(max_error: float) -> None:
    """Where every threshold has an error of just ``max_error``, and in the worst case passes on its own."""
    rng, fewest = np.random.default_rng(0), answers_needed(max_error)
    for n, sets in ((fewest, 1000), (3 * fewest, 600), (20 * fewest, 150)):
        passed = np.mean(
            [min_probability(np.arange(n)[::-1], rng.random(n) > max_error, max_error) is not None for _ in range(sets)]
        )
        assert 0 < passed <= 0.05 + 3 * (0.05 * 0.95 / sets) ** 0.5


Answers = tuple[np.ndarray, np.ndarray]


def of_kind(kind: str, accuracy: float, n: int, rng: np.random.Generator) -> Answers:
    """Confidence and chance to be right of ``n`` pictures."""
    chance = rng.beta(6 * accuracy, 6 * (1 - accuracy), n)
    match kind:
        case "calibrated":
            return chance, chance
        case "too sure":
            return chance**0.1, chance
        case "without meaning":
            return rng.random(n), np.full(n, accuracy)
        case "trap":  # one in ten is very sure and often wrong
            trapped = rng.random(n) < 0.1
            return np.where(trapped, 0.98 + 0.02 * rng.random(n), chance), np.where(trapped, 0.4, chance)
    raise ValueError(kind)


def exceeded(kind: str, accuracy: float, n: int, max_error: float, sets: int = 100) -> tuple[float, float]:
    """Of ``sets`` validation parts: the share whose threshold lets more errors through on fresh pictures than was asked
    for, and the mean share of the pictures that is answered."""
    rng, broken, answered = np.random.default_rng(0), 0, 0.0
    confidence, chance = of_kind(kind, accuracy, 200_000, rng)
    order = np.argsort(-confidence)
    ranked, errors = confidence[order], np.cumsum(1 - chance[order])
    for _ in range(sets):
        drawn = rng.integers(len(chance), size=n)
        threshold = min_probability(confidence[drawn], rng.random(n) < chance[drawn], max_error)
        if threshold is not None:
            known = int(np.searchsorted(-ranked, -threshold, "right"))
            broken += errors[known - 1] / known > max_error
            answered += known / len(ranked)
    return broken / sets, answered / sets


@pytest.mark.parametrize(
    ("kind", "accuracy"),
    [
        ("calibrated", 0.9),
        ("too sure", 0.8),
        ("without meaning", 0.949),  # all thresholds are just too bad
        ("trap", 0.97),
    ],
)
def test_the_promise_is_kept(kind: str, accuracy: float) -> None:
    for n in (30, 100, 600, 4000 if kind == "without meaning" else 1500):
        assert exceeded(kind, accuracy, n, 0.05)[0] <= 0.1, n


@pytest.mark.parametrize(("accuracy", "n", "least"), [(0.99, 100, 0.8), (0.95, 200, 0.5), (0.9, 600, 0.4)])
def test_the_promise_is_made_where_it_can_be(accuracy: float, n: int, least: float) -> None:
    assert exceeded("calibrated", accuracy, n, 0.05)[1] >= least


@pytest.mark.parametrize("groups", [8, 60])
@pytest.mark.parametrize(("size", "accuracy"), [(5, 0.9), (20, 0.9), (20, 0.97)])
def test_the_promise_is_kept_for_new_groups(groups: int, size: int, accuracy: float) -> None:
    """The pictures of a group stand and fall together; the promise is about groups that nobody has seen."""
    rng, broken, sets, rho = np.random.default_rng(0), 0, 120, 0.2
    group = np.arange(groups).repeat(size)
    for _ in range(sets):
        skill = rng.beta(accuracy * (1 - rho) / rho, (1 - accuracy) * (1 - rho) / rho, groups)
        right = rng.random(len(group)) < skill[group]
        threshold = min_probability(rng.random(len(group)), right, (1 - accuracy) / 1.02, group)
        broken += threshold is not None  # every threshold has an error of 1 - accuracy: just too much
    assert broken / sets <= 0.1


def test_how_many_answers_it_takes() -> None:
    assert [answers_needed(max_error) for max_error in (0.01, 0.05, 0.1, 0.5)] == [299, 59, 29, 5]
    assert answers_needed(1e-6) == 2995731  # the smallest that may be asked for
    for max_error in (0.01, 0.05, 0.1, 0.5):
        n = answers_needed(max_error)
        assert min_probability(np.full(n, 0.9), np.ones(n, bool), max_error) == 0.9
        assert min_probability(np.full(n - 1, 0.9), np.ones(n - 1, bool), max_error) is None


def test_too_few_or_too_bad_to_promise_anything() -> None:
    assert min_probability(np.linspace(0, 1, 500), np.zeros(500, bool), 0.05) is None
    assert min_probability(np.empty(0), np.empty(0, bool), 0.05) is None
    sure, right = np.full(800, 0.99), np.ones(800, bool)
    assert min_probability(sure, right, 0.05, np.arange(800)) == 0.99
    assert min_probability(sure, right, 0.05, np.arange(800) % 80) == 0.99
    assert min_probability(sure, right, 0.05, np.arange(800) % 40) is None  # 40 patients, perhaps all alike
    assert min_probability(sure, right, 0.5, np.arange(800) % 4) is None


def test_an_ordinary_picture_is_seldom_too_far() -> None:
    rng = np.random.default_rng(0)
    for n, alarms in ((99, FALSE_ALARMS), (499, FALSE_ALARMS), (20, 1 / 21), (1, 1 / 2)):
        false = np.mean([rng.normal() > max_distance(rng.normal(size=n)) for _ in range(5000)])
        assert false <= 1.15 * alarms + 0.001


@pytest.mark.parametrize("groups", [10, 120])
def test_an_ordinary_picture_of_a_new_group_is_seldom_too_far(groups: int) -> None:
    """Every group has its own mean, and the large ones are nearer."""
    rng, sizes = np.random.default_rng(0), np.arange(groups) % 10 + 1
    group, too_far = np.arange(groups).repeat(sizes), []
    for _ in range(2000):
        *means, new = rng.normal(size=groups + 1) - np.append(sizes, rng.choice(sizes)) / 2
        too_far.append(rng.normal(new) > max_distance(rng.normal(np.array(means)[group]), group))
    assert np.mean(too_far) <= 1.15 * max(FALSE_ALARMS, 1 / (groups + 1)) + 0.002


def test_the_curve_from_strict_to_all() -> None:
    coverage, risk = risk_coverage(np.array([0.2, 0.9, 0.6, 0.8]), np.array([False, True, True, False]))
    assert coverage.tolist() == [0.25, 0.5, 0.75, 1.0]
    assert risk.tolist() == [0.0, 0.5, pytest.approx(1 / 3), 0.5]
