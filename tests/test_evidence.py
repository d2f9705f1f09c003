"""Index, evidence and members: what arrays they are, what is near, and on which side a picture was."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from genus.evidence import ROWS, Evidence, Index, SplitHashes
from genus.types import Part
from tests.bundles import sha256s


def index_of(features: np.ndarray) -> Index:
    return Index.of(features.astype(np.float32), [f"{number:064x}" for number in range(len(features))])


@given(
    seed=st.integers(0, 2**32 - 1), n=st.integers(3, 40), k=st.integers(1, 3), asked=st.sampled_from([1, 5, ROWS + 3])
)
def test_the_nearest_are_those_of_scikit_learn(seed: int, n: int, k: int, asked: int) -> None:
    rng = np.random.default_rng(seed)
    features, questions = rng.normal(size=(n, 6)), rng.normal(size=(asked, 6)).astype(np.float32)
    distances, places = index_of(features).nearest(questions, k)
    expected, theirs = NearestNeighbors(n_neighbors=k, metric="cosine").fit(features).kneighbors(questions)
    assert distances == pytest.approx(expected, abs=2e-3)  # half precision
    apart = np.diff(np.sort(1 - questions @ features.T / np.linalg.norm(features, axis=1), axis=1)[:, : k + 1]).min()
    if apart > 1e-2 * np.linalg.norm(questions, axis=1).max():
        assert (places == theirs).all()


def test_itself_is_the_nearest_whatever_its_length() -> None:
    features = np.random.default_rng(0).normal(size=(20, 8))
    distances, places = index_of(features).nearest((7 * features).astype(np.float32))
    assert places[:, 0].tolist() == list(range(20))
    assert distances == pytest.approx(np.zeros((20, 1)), abs=2e-3)
    assert bytes(index_of(features).pictures[17]).hex() == f"{17:064x}"


def test_no_distance_is_negative() -> None:
    """Rounding to half precision can make a row a little longer than one."""
    features = np.random.default_rng(0).normal(size=(500, 64)).astype(np.float32)
    found = index_of(features)
    assert (np.linalg.norm(found.features, axis=1) > 1).any()
    assert (found.distances(features) >= 0).all()


def test_features_that_are_all_zero_are_far_from_everything() -> None:
    assert index_of(np.eye(4)).distances(np.zeros((1, 4), np.float32)).tolist() == [1.0]


SOME = [f"{number << 59:016x}{0:048x}" for number in range(32)]  # checksums on both sides of 2⁶³
SIDES = st.tuples(*[st.sets(st.sampled_from(SOME), max_size=8)] * 3)


def answers() -> Evidence:
    return Evidence(
        np.array([0.2, 1.0, 0.7], np.float32),
        np.array([False, True, True]),
        np.array([4, 4, -1]),
        np.array([0.1, 0.5, 0.3], np.float32),
    )


def test_the_near_ones() -> None:
    near = answers().near(float(np.float32(0.3)))
    assert len(near) == 2
    assert (near.right == [False, True]).all()
    assert (near.groups == [4, -1]).all()


@pytest.mark.parametrize(
    "change",
    [
        {"confidence": np.array([0.2, 1.0, 1.1], np.float32)},
        {"confidence": np.array([0.2, 1.0, np.nan], np.float32)},
        {"confidence": np.array([0.2, 1.0, 0.7])},
        {"confidence": np.array([0.2, 1.0], np.float32)},
        {"right": np.array([0, 1, 1])},
        {"right": np.array([0, 1, 2], np.uint8).view(np.bool_)},
        {"groups": np.array([4.0, 4.0, -1.0])},
        {"distances": np.array([[0.1, 0.5, 0.3]], np.float32)},
        {"distances": np.array([-0.1, 0.5, 0.3], np.float32)},
    ],
)
def test_arrays_that_are_no_evidence(change: dict[str, np.ndarray]) -> None:
    with pytest.raises(ValueError, match="do not describe N answers"):
        replace(answers(), **change)


@given(SIDES, SIDES)
def test_a_picture_is_where_it_was_most_involved(
    first: tuple[set[str], set[str], set[str]], second: tuple[set[str], set[str], set[str]]
) -> None:
    """Against Python's sets."""
    united = SplitHashes.of(*first).union(SplitHashes.of(*second))
    sides = [one | other for one, other in zip(first, second, strict=True)]
    assert [len(side) for side in (united.train, united.val, united.test)] == [len(side) for side in sides]
    for sha256 in SOME:
        expected = next((part for part, side in zip(Part, sides, strict=True) if sha256 in side), None)
        assert united.part_of(sha256) == expected


def test_the_number_is_the_start_of_the_checksum() -> None:
    (sha256,) = sha256s(7, 8)
    assert SplitHashes.of([sha256], [], []).train.tolist() == [int(sha256[:16], 16)]
    assert SplitHashes.of([sha256.upper()], [], []).part_of(sha256) == Part.TRAIN


@pytest.mark.parametrize(
    "side", [np.array([1, 2]), np.array([2, 1], np.uint64), np.array([1, 1], np.uint64), np.ones((1, 1), np.uint64)]
)
def test_arrays_that_are_no_members(side: np.ndarray) -> None:
    nobody = SplitHashes.of([], [], [])
    with pytest.raises(ValueError, match="ascending numbers of 64 bits"):
        replace(nobody, val=side)
