"""Candidates are looked at; groups hold only what is like the picture that stands for them."""

from itertools import combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from genus.data.checks.alignment import Likeness
from genus.data.checks.near_copies import compared, groups_without_chains
from genus.demo import draw
from genus.errors import PictureError
from tests.alterations import altered


def test_of_all_pairs_those_of_one_photo_are_verified() -> None:
    rng = np.random.default_rng(0)
    drawings = [draw("rose", number, size=120) for number in range(4)]
    pictures = [*drawings, altered(drawings[1], "crop 90 %", rng), altered(drawings[3], "mirrored", rng), None]

    def load(number: int) -> Image.Image:
        picture = pictures[number]
        if picture is None:
            raise PictureError("gone")
        return picture

    candidates = np.array(list(combinations(range(len(pictures)), 2)))
    for workers in (1, 3):
        found = list(compared(candidates, load, workers))
        assert candidates[np.array(found) == Likeness.PHOTO].tolist() == [[1, 4], [3, 5]]
        assert Likeness.SCENE not in found


PAIRS = st.sets(st.tuples(st.integers(0, 12), st.integers(0, 12)).filter(lambda pair: pair[0] < pair[1]), max_size=30)


@given(PAIRS)
def test_groups_are_no_chains(pairs: set[tuple[int, int]]) -> None:
    groups = groups_without_chains(pairs)
    members = [number for group in groups for number in group]
    assert len(members) == len(set(members))
    sizes = [len(group) for group in groups]
    assert sizes == sorted(sizes, reverse=True)
    for centre, *others in groups:
        assert others
        assert all(tuple(sorted((centre, other))) in pairs for other in others)
    for first, second in pairs:
        assert first in members or second in members, "no pair is left where both could be together"


def test_who_has_most_partners_stands_for_them() -> None:
    whole, *crops = range(5, 1, -1)
    chain = [(10, 11), (11, 12), (12, 13)]
    found = groups_without_chains([*((crop, whole) for crop in crops), *chain])
    assert found == [(5, 2, 3, 4), (11, 10, 12)]
