"""What belongs together and is never torn apart: copies of a picture, near copies, series, and what the user says."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Relation(StrEnum):
    """Why pictures belong together.

    A ``copy`` has equal pixels; a ``near copy`` shows the same photo re-encoded, resized, brightened, grey, cropped,
    mirrored, slightly turned, framed or written on; a ``series`` was taken at one go: a burst, frames of a video, one
    object again and again; a ``group`` is what the user named.
    """

    COPY = "copy"
    NEAR_COPY = "near copy"
    SERIES = "series"
    GROUP = "group"


class Link(NamedTuple):
    """The pictures number ``first`` and ``second`` belong together."""

    first: int
    second: int
    relation: Relation


_INCLUDING = {
    Relation.COPY: (Relation.COPY,),
    Relation.NEAR_COPY: (Relation.COPY, Relation.NEAR_COPY),
    Relation.SERIES: (Relation.SERIES,),
}
"""By which links pictures are of one relation: a near copy of a copy is a near copy."""

Because = tuple[tuple[Relation, str], ...]
"""Why a picture belongs to its group: each relation that it has to others there, and the name of these with it."""


@dataclass(frozen=True, slots=True)
class Group:
    """What a picture belongs to: its ``name`` is the first that the user gave to one of it, or else the lowest sha256
    of its pictures."""

    name: str
    because: Because


def join_groups(contents: Sequence[str], names: Sequence[str | None], links: Iterable[Link] = ()) -> list[Group | None]:
    """The group of each picture, None for one that is alone. ``contents`` tells their bytes (sha256), ``names`` the
    groups that the user gave.

    Pictures belong together that have one content or one name, or that a link joins, and whoever belongs to them.
    """
    joined = [*_same(contents, Relation.COPY), *_same(names, Relation.GROUP), *links]
    because: list[dict[Relation, str]] = [{Relation.GROUP: name} if name else {} for name in names]
    for relation, including in _INCLUDING.items():
        concerned = {number for link in joined if link.relation == relation for number in link[:2]}
        for together in connected(link[:2] for link in joined if link.relation in including):
            if concerned.intersection(together):
                for number in together:
                    because[number][relation] = min(contents[number] for number in together)
    groups: list[Group | None] = [None] * len(contents)
    alone = [(number, number) for number, name in enumerate(names) if name]
    for together in connected((*(link[:2] for link in joined), *alone)):
        given = [name for number in together if (name := names[number])]
        name = min(given or [contents[number] for number in together])
        for number in together:
            groups[number] = Group(name, tuple(because[number].items()))
    return groups


def connected(pairs: Iterable[tuple[int, int]]) -> list[tuple[int, ...]]:
    """The numbers that hang together by ``pairs``, directly or by others; each group ascending, the first first."""
    leader: dict[int, int] = {}

    def find(number: int) -> int:
        while (above := leader.setdefault(number, number)) != number:
            leader[number] = leader[above]
            number = above
        return number

    for first, second in pairs:
        leader[find(second)] = find(first)
    groups: defaultdict[int, list[int]] = defaultdict(list)
    for number in sorted(leader):
        groups[find(number)].append(number)
    return [tuple(group) for group in groups.values()]


def _same(values: Sequence[str | None], relation: Relation) -> Iterator[Link]:
    """Each picture with the first that has the same value."""
    first: dict[str, int] = {}
    for picture, value in enumerate(values):
        if value and (other := first.setdefault(value, picture)) != picture:
            yield Link(other, picture, relation)
