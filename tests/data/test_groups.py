"""What belongs together is one group, whatever order it is told in."""

import hashlib

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from genus.data.groups import Link, Relation, connected, join_groups

NUMBERS = st.integers(0, 11)
PAIRS = st.lists(st.tuples(NUMBERS, NUMBERS), max_size=20)
LINKS = st.lists(st.builds(Link, NUMBERS, NUMBERS, st.sampled_from(Relation)), max_size=12)


def content(number: int) -> str:
    return hashlib.sha256(f"{number}".encode()).hexdigest()


def partition(numbers: list[int], pairs: list[tuple[int, int]]) -> set[frozenset[int]]:
    """By scipy."""
    first, second = np.array(pairs or [(0, 0)]).T
    labels = connected_components(coo_array((np.ones(len(first)), (first, second)), (12, 12)), directed=False)[1]
    return {frozenset(n for n in numbers if labels[n] == label) for label in {labels[n] for n in numbers}}


@given(PAIRS)
def test_connected_numbers_are_those_of_scipy(pairs: list[tuple[int, int]]) -> None:
    found = connected(pairs)
    assert {frozenset(group) for group in found} == partition(sorted({n for pair in pairs for n in pair}), pairs)
    assert all(list(group) == sorted(group) for group in found)


@given(
    st.lists(st.integers(0, 8), min_size=12, max_size=12),
    st.lists(st.sampled_from([None, None, "a", "b", "c"]), min_size=12, max_size=12),
    LINKS,
)
def test_groups_are_what_hangs_together(files: list[int], names: list[str | None], links: list[Link]) -> None:
    contents = [content(file) for file in files]
    groups = join_groups(contents, names, links)
    pairs = [(n, m) for n in range(12) for m in range(n) if files[n] == files[m] or (names[n] and names[n] == names[m])]
    pairs += [(link.first, link.second) for link in links]
    for together in partition(list(range(12)), pairs):
        found = {groups[number] and groups[number].name for number in together}  # type: ignore[union-attr]
        given_names = [name for number in together if (name := names[number])]
        assert len(found) == 1
        assert len({number for number, group in enumerate(groups) if group and group.name in found} - together) == 0
        if given_names:
            assert found == {min(given_names)}
        elif len(together) > 1:
            assert found == {min(contents[number] for number in together)}


def test_the_reasons_are_those_of_each_picture() -> None:
    """0 and 1 are one file, 2 is a near copy of it; 3 goes with 2 by what the user says; 4 to 6 are a series."""
    contents = [content(0), content(0), *(content(number) for number in range(2, 8))]
    names = [None, None, "plant 7", "plant 7", None, None, None, None]
    links = [Link(1, 2, Relation.NEAR_COPY), Link(4, 5, Relation.SERIES), Link(5, 6, Relation.SERIES)]
    groups = join_groups(contents, names, links)
    assert [group and group.name for group in groups] == ["plant 7"] * 4 + [min(contents[4:7])] * 3 + [None]
    photo, series = min(contents[:3]), min(contents[4:7])
    assert [group and dict(group.because) for group in groups] == [
        {"copy": content(0), "near copy": photo},
        {"copy": content(0), "near copy": photo},
        {"group": "plant 7", "near copy": photo},
        {"group": "plant 7"},
        *[{"series": series}] * 3,
        None,
    ]
