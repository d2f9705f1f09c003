"""Folds and ranks: what they promise, for random data sets."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from genus.data.folds import assign_folds, rank_in_class

ROWS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 25)), min_size=1, max_size=80)


def columns(rows: list[tuple[int, int]]) -> tuple[np.ndarray, list[str]]:
    """Each group has one label here."""
    label_of = {group: label for label, group in rows}
    return np.array([label_of[group] for _, group in rows]), [f"g{group}\udcff" for _, group in rows]


@given(ROWS, st.integers(2, 6), st.integers(0, 99))
def test_groups_stay_whole_and_folds_are_even(rows: list[tuple[int, int]], folds: int, seed: int) -> None:
    labels, groups = columns(rows)
    fold_of = assign_folds(labels, groups, folds, seed)
    by_group = {}
    for group, fold, label in zip(groups, fold_of.tolist(), labels.tolist(), strict=True):
        assert by_group.setdefault(group, (fold, label)) == (fold, label)
    sizes = np.bincount([fold for fold, _ in by_group.values()], minlength=folds)
    assert sizes.max() - sizes.min() <= 1
    for label in range(4):
        of_class = np.bincount([fold for fold, own in by_group.values() if own == label], minlength=folds)
        assert of_class.max() - of_class.min() <= 1
    assert set(fold_of) <= set(range(folds))


@given(ROWS, st.integers(0, 99))
def test_shares_are_nested_and_the_same_of_every_class(rows: list[tuple[int, int]], seed: int) -> None:
    labels, groups = columns(rows)
    ranks = rank_in_class(labels, groups, seed)
    assert ((ranks >= 0) & (ranks < 1)).all()
    for label in set(labels.tolist()):
        own = {group: rank for group, rank, one in zip(groups, ranks, labels, strict=True) if one == label}
        assert sorted(own.values()) == [place / len(own) for place in range(len(own))]


def test_the_seed_decides_and_nothing_else() -> None:
    labels, groups = np.repeat([0, 1], 50), [str(number) for number in range(100)]
    assert (assign_folds(labels, groups, 5, 1) == assign_folds(labels, groups, 5, 1)).all()
    assert (assign_folds(labels, groups, 5, 1) != assign_folds(labels, groups, 5, 2)).any()
    shuffled = np.random.default_rng(0).permutation(100)
    again = assign_folds(labels[shuffled], [groups[place] for place in shuffled], 5, 1)
    assert (again == assign_folds(labels, groups, 5, 1)[shuffled]).all()
