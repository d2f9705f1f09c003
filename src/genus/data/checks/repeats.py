"""Pictures that belong together: across the parts of a split that the user made, and on one side."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from genus.data.checks.finding import Examined, Finding
from genus.data.checks.near_copies import groups_without_chains
from genus.data.groups import Relation, connected
from genus.data.leaks import SAME_PHOTO, Leak, find_leaks
from genus.errors import plural
from genus.types import Part

PART_NAMES = {Part.TEST: "test", Part.VAL: "validation"}
KEPT = {
    Relation.COPY: "are copies of each other",
    Relation.NEAR_COPY: "are near copies of each other",
    Relation.SERIES: "belong to series",
}
SHARED_BY = {
    Relation.COPY: "have a copy",
    Relation.NEAR_COPY: "have a near copy",
    Relation.SERIES: "are of a series that has pictures",
    Relation.GROUP: "are of a group that has pictures",
}


def leaks(data: Examined) -> Iterator[Finding]:
    """Held-out pictures that belong together with some that the model learns from or is decided by."""
    found = find_leaks(data.members)
    for part in (Part.TEST, Part.VAL):
        total = sum(member.part == part for member in data.members)
        for relation in Relation:
            here = [leak for leak in found if leak.member.part == part and leak.relation == relation]
            if here:
                yield _leak(data, here, total)


def _leak(data: Examined, found: Sequence[Leak], total: int) -> Finding:
    """What ``found`` says, all of one part, of ``total`` pictures, and of one relation."""
    member, other, relation = found[0]
    part = member.part
    others = " or ".join(part for part in Part if any(leak.other.part == part for leak in found))
    effect = "Of new ones, fewer will be named right."
    if relation in SAME_PHOTO:
        effect = f"Where they count, the {PART_NAMES[part]} accuracy is too high."
    return Finding(
        f"{part} {relation}",
        "serious" if part == Part.TEST else "warning",
        f"{len(found):,} of {total:,} pictures of {part} {SHARED_BY[relation]} in {others}: {data.name(member.path)} "
        f"and {data.name(other.path)} for one. {effect}",
        "Remove them from one of the two, or give genus the classes without parts: its split keeps them together.",
        tuple((leak.member.path, leak.other.path) for leak in found),
    )


def kept_together(data: Examined) -> Iterator[Finding]:
    """Copies, near copies and series that are all on one side."""
    torn = {path for leak in find_leaks(data.members) for path in (leak.member.path, leak.other.path)}
    for relation, what in KEPT.items():
        groups = [paths for paths in _groups(data, relation) if len(paths) > 1 and not torn.intersection(paths)]
        if groups:
            first, second, *_ = groups[0]
            yield Finding(
                relation.value,
                "note",
                f"{plural(sum(map(len, groups)), 'picture')} {what}, {plural(len(groups), 'group')}: "
                f"{data.name(first)} and {data.name(second)} for one. They stay on one side of every split.",
                "Copies teach little: --plan lists those to remove." if relation in SAME_PHOTO else "",
                tuple(groups),
            )


def _groups(data: Examined, relation: Relation) -> list[tuple[Path, ...]]:
    """Pictures that belong together by this relation. The first of near copies stands for the others: each shows the
    same photo as it does, while the ends of a chain of them may have nothing in common."""
    pairs = [(link.first, link.second) for link in data.links if link.relation == relation]
    groups = groups_without_chains(pairs) if relation == Relation.NEAR_COPY else connected(pairs)
    return [tuple(data.inspection.good[number].picture.path for number in group) for group in groups]
