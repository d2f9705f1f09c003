"""Intervals that are called 95 % have to hold the truth in at least 93 % of all experiments: counted, not believed."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats
from scipy.stats import binom, binomtest

from genus.evaluation.intervals import (
    FEW_GROUPS,
    Estimate,
    beta_quantile,
    difference,
    differences,
    incomplete_beta,
    share,
    shares,
    t_quantile,
)
from genus.evaluation.metrics import averages


def held(estimates: tuple[Estimate | None, ...], truth: float) -> float:
    """The share of intervals that hold ``truth``."""
    intervals = [one.interval for one in estimates if one]
    assert len(intervals) == len(estimates)
    return float(np.mean([low <= truth + 1e-12 and truth - 1e-12 <= high for low, high in intervals]))


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3)), max_size=40))
def test_independent_shares_are_those_of_clopper_and_pearson(hits: list[tuple[bool, int]]) -> None:
    right, rows = np.array([hit for hit, _ in hits], bool), np.array([row for _, row in hits], np.int64)
    for row, found in enumerate(shares(right, rows, 4)):
        here = right[rows == row]
        if not len(here):
            assert found is None
            continue
        expected = binomtest(int(here.sum()), len(here)).proportion_ci(method="exact")
        assert found
        assert (found.value, found.low, found.high) == pytest.approx((here.mean(), expected.low, expected.high))
        assert share(here, np.arange(len(here)) * 7).interval == pytest.approx(found.interval)


def test_no_share_of_nothing() -> None:
    with pytest.raises(ValueError, match="no share"):
        share(np.zeros(0, bool))


def test_independent_shares_hold_the_truth() -> None:
    """Exactly, by the binomial distribution, and also where no error is likely."""
    for n in (1, 5, 20, 100, 794):
        hits = np.arange(n) < np.arange(n + 1)[:, None]
        estimates = shares(hits.ravel(), np.arange(n + 1).repeat(n), n + 1)
        low, high = np.array([one.interval for one in estimates if one]).T
        for truth in (0.5, 0.8, 0.95, 0.99, 0.999, 1 - 0.17 / n, 1 - 1 / (2 * n), 1.0):
            chances = binom.pmf(np.arange(n + 1), n, truth)
            assert chances[(low <= truth) & (truth <= high)].sum() >= 0.95


def grouped(
    rng: np.random.Generator, experiments: int, groups: int, mean_size: int, uneven: bool, accuracy: float, rho: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Beta-binomial answers: right, experiment, group; ``rho`` is the correlation within a group."""
    sizes = np.full(experiments * groups, mean_size)
    if uneven:
        sizes = np.maximum(1, np.round(mean_size * rng.lognormal(-0.32, 0.8, len(sizes)))).astype(np.int64)
    shapes = np.array([accuracy, 1 - accuracy]) * (1 - rho) / rho
    skill = rng.beta(*shapes, len(sizes))
    group = np.repeat(np.arange(len(sizes)), sizes)
    return rng.random(len(group)) < skill[group], group // groups, group


@pytest.mark.parametrize("groups", [5, 10, 20])
@pytest.mark.parametrize("uneven", [False, True])
def test_shares_of_groups_hold_the_truth(groups: int, uneven: bool) -> None:
    """Few groups of very different skill, among them many experiments without an error."""
    rng, experiments = np.random.default_rng(0), 600
    without_error = 0
    for size, accuracy, rho in itertools.product((3, 30), (0.5, 0.9, 0.97, 0.995), (0.1, 0.3, 0.5)):
        right, row, group = grouped(rng, experiments, groups, size, uneven, accuracy, rho)
        estimates = shares(right, row, experiments, group)
        assert held(estimates, accuracy) >= 0.93
        without_error += sum(one.value == 1 for one in estimates if one)
    assert without_error > 900


def test_pictures_that_belong_together_tell_less() -> None:
    """From copies of each picture as much is known as from one, and from pictures that differ, as from all of them."""
    right = np.arange(60) % 10 > 0
    alone = share(right)
    copies = share(np.repeat(right, 10), np.repeat(np.arange(60), 10))
    apart = share(np.tile(right, 10), np.repeat(np.arange(60), 10))
    assert copies.value == alone.value == apart.value
    width = [high - low for low, high in (one.interval or (0, 0) for one in (alone, copies, apart))]
    assert width[0] <= width[1] <= 1.3 * width[0]
    assert width[2] < 0.4 * width[0]


def test_one_copy_among_many_changes_little() -> None:
    right, groups = np.arange(200) % 10 > 0, np.minimum(np.arange(200), 198)
    assert share(right, groups).interval == pytest.approx(share(right).interval, abs=0.003)


def test_few_groups_say_nothing() -> None:
    right = np.ones(1000, bool)
    for groups in range(1, FEW_GROUPS):
        found = share(right, np.arange(1000) % groups)
        assert (found.value, found.interval, str(found)) == (1.0, None, "1.000 (too few groups for an interval)")
    assert share(right, np.arange(1000) % FEW_GROUPS).interval
    assert share(right[:3], np.arange(3)).interval  # three pictures of three groups are just three pictures


def joint_chances(classes: int, skill: list[float], uneven: bool) -> np.ndarray:
    """K x K: how often a picture has this label (rows) and gets that answer (columns)."""
    sizes = 1 / np.arange(1, classes + 1) if uneven else np.ones(classes)
    answers = np.random.default_rng(classes).dirichlet(np.ones(classes), size=classes) + 1e-3
    np.fill_diagonal(answers, 0)
    wrong = 1 - np.resize(skill, classes)
    answers *= (wrong / answers.sum(axis=1))[:, None]
    return (answers + np.diag(1 - wrong)) * (sizes / sizes.sum())[:, None]


def true_averages(joint: np.ndarray) -> list[float]:
    """Macro, then weighted: precision, recall, F1."""
    hits, support, predicted = joint.diagonal(), joint.sum(axis=1), joint.sum(axis=0)
    scores = np.stack([hits / predicted, hits / support, 2 * hits / (support + predicted)])
    return [*scores.mean(axis=1), *(scores @ support)]


def six_averages(labels: np.ndarray, answers: np.ndarray, classes: int, groups: np.ndarray | None) -> list[Estimate]:
    both = averages(labels, answers, classes, groups)
    return [score for one in both for score in (one.precision, one.recall, one.f1)]


@pytest.mark.parametrize(
    ("n", "classes", "skill", "uneven"),
    [
        (60, 3, [0.999], False),  # mostly without an error
        (60, 3, [1.0, 1.0, 0.95], True),
        (200, 10, [0.995], True),
        (200, 5, [0.9, 0.99, 0.6], True),
        (400, 40, [0.8], False),
        (400, 4, [0.99, 0.5], False),
        (1000, 60, [0.6], True),  # few pictures of most classes: some averages are biased
    ],
)
def test_averages_over_classes_hold_the_truth(n: int, classes: int, skill: list[float], uneven: bool) -> None:
    """Test parts are drawn from known classifiers; the truth is what these reach on infinitely many pictures."""
    joint, rng, found = joint_chances(classes, skill, uneven), np.random.default_rng(0), []
    while len(found) < 200:
        cells = rng.choice(classes**2, size=n, p=joint.ravel() / joint.sum())
        labels, answers = cells // classes, cells % classes
        if len(np.unique(labels)) == classes:  # averages run over the classes that are there
            found.append(six_averages(labels, answers, classes, None))
    for estimates, truth in zip(zip(*found, strict=True), true_averages(joint), strict=True):
        assert held(estimates, truth) >= 0.93
        assert all(one.high - one.low > 0.5 / n for one in estimates)


@pytest.mark.parametrize(("groups", "accuracy"), [(6, 0.99), (12, 0.9), (20, 0.6)])
def test_averages_of_groups_hold_the_truth(groups: int, accuracy: float) -> None:
    """Patients of different skill, each with pictures of all three classes; errors go to the next class."""
    rng, found = np.random.default_rng(0), []
    for _ in range(100):
        right, _, group = grouped(rng, 1, groups, 20, True, accuracy, 0.3)
        labels = rng.integers(3, size=len(right))
        found.append(six_averages(labels, (labels + ~right) % 3, 3, group))
    for estimates in zip(*found, strict=True):
        assert held(estimates, accuracy) >= 0.93


@pytest.mark.parametrize("better", [0.0, 0.02, 0.2])
@pytest.mark.parametrize("groups", [None, 8, 20])
def test_differences_hold_the_truth(better: float, groups: int | None) -> None:
    """Gains of -1, 0 and 1, few of them not 0; in groups, some gain and some lose."""
    rng, experiments, n = np.random.default_rng(0), 1000, 160
    tilt = 0 if groups is None else rng.choice([-0.1, 0.1], (experiments, groups)).repeat(n // groups, axis=1)
    draw = rng.random((experiments, n))
    gains = (draw < better + 0.11 + tilt).astype(float) - (draw > 0.89 + tilt)
    group = None if groups is None else np.arange(experiments * groups).repeat(n // groups)
    estimates = differences(gains.ravel(), 1.0, np.arange(experiments).repeat(n), experiments, group)
    assert held(estimates, better) >= 0.93


def test_no_difference_is_not_certain() -> None:
    found = difference(np.zeros(50), 0.5)
    assert found.interval == pytest.approx((-found.high, found.high))  # type: ignore[operator]
    assert 0.005 < found.high < 0.05  # type: ignore[operator]
    assert difference(np.zeros(50), 0.5, np.arange(50) % 4).interval is None


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
