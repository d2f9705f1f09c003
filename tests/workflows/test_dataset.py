import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from genus.workflows.dataset import pictures_per_epoch, stratified_sample


@given(st.integers(1, 200), st.integers(1, 40))
def test_no_batch_of_a_single_picture_unless_there_is_no_other(pictures: int, batch_size: int) -> None:
    used = pictures_per_epoch(pictures, batch_size)
    assert pictures - used in (0, 1)
    if pictures > 1 and batch_size > 1:
        assert used % batch_size != 1


def test_fewer_pictures_are_taken_evenly_from_all_classes() -> None:
    labels = np.repeat([0, 1, 2], [80, 10, 2])
    assert np.bincount(labels[stratified_sample(labels, 46)]).tolist() == [40, 5, 1]
    assert np.bincount(labels[stratified_sample(labels, 6)]).tolist() == [5, 1, 1]
