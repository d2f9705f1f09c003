"""Intervals that are called 95 % have to hold the truth in 95 % of all experiments: counted, not believed."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from genus.evaluation.intervals import bootstrap, wilson
from genus.evaluation.metrics import evaluate


@given(st.integers(1, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_is_that_of_scipy(case: tuple[int, int]) -> None:
    successes, n = case
    ours, theirs = wilson(successes, n), binomtest(successes, n).proportion_ci(method="wilson")
    assert ours.value == successes / n
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)
    assert 0 <= ours.low <= ours.value <= ours.high <= 1


def test_no_share_of_nothing() -> None:
    with pytest.raises(ValueError, match="no share"):
        wilson(0, 0)


def test_wilson_holds_the_truth_in_95_percent() -> None:
    """Exactly, by the binomial distribution: the mean over n >= 100 and true values from 0.1 to 0.95."""
    coverages = []
    for n in (100, 150, 200, 400, 794, 2000):
        estimates = [wilson(successes, n) for successes in range(n + 1)]
        low, high = (np.array([getattr(e, side) for e in estimates]) for side in ("low", "high"))
        for truth in (0.1, 0.25, 0.5, 0.75, 0.9, 0.95):
            chances = binom.pmf(np.arange(n + 1), n, truth)
            coverages.append(chances[(low <= truth) & (truth <= high)].sum())
    assert 0.94 <= np.mean(coverages) <= 0.96
    assert min(coverages) >= 0.93


SIZES = {400: (100, 100, 100, 100), 500: (40, 60, 150, 250), 1000: (80, 120, 300, 500)}
EXPERIMENTS = 120


def test_the_bootstrap_holds_the_truth_in_95_percent() -> None:
    """Test parts are drawn from known classifiers; the truth is what these reach on infinitely many pictures."""
    hits: dict[str, list[bool]] = {"recall": [], "f1": []}
    for (n, sizes), skill in itertools.product(SIZES.items(), (0.5, 0.9)):
        rng, shares = np.random.default_rng(n), np.array(sizes) / n
        answers = (1 - skill) * rng.dirichlet(np.ones(4), size=4) + skill * np.eye(4)
        joint = shares[:, None] * answers
        truth = {
            "recall": answers.diagonal().mean(),
            "f1": (2 * joint.diagonal() / (shares + joint.sum(axis=0))).mean(),
        }
        for _ in range(EXPERIMENTS):
            cells = rng.choice(16, size=n, p=joint.ravel())
            macro = evaluate(np.eye(4)[cells % 4], cells // 4, "abcd").macro
            for name, value in truth.items():
                estimate = getattr(macro, name)
                hits[name].append(estimate.low <= value <= estimate.high)
    assert {name: 0.93 <= np.mean(held) <= 0.97 for name, held in hits.items()} == {"recall": True, "f1": True}


@given(st.lists(st.integers(0, 3), min_size=1, max_size=12))
def test_groups_are_drawn_whole(groups: list[int]) -> None:
    """Each draw counts the pictures of one group equally often, and draws as many groups as there are."""
    seen = []

    def watch(counts: np.ndarray) -> np.ndarray:
        seen.append(counts)
        return np.array([counts.sum()], float)

    names = np.array(groups)
    bootstrap(watch, names)
    firsts = np.unique(names, return_index=True)[1]
    assert all((counts == counts[[groups.index(g) for g in groups]]).all() for counts in seen[:50])
    assert all(counts[firsts].sum() == len(firsts) for counts in seen[:50])
