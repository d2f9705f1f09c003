import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from genus.index import ROWS, Index


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
