"""What in a split makes its numbers less honest than they look: pictures of a held-out part that belong together with
some that the model learns from or is decided by, and one photo under two labels."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from genus.data.groups import Because, Relation
from genus.data.split import Member
from genus.errors import plural
from genus.types import Part

SAME_PHOTO = (Relation.COPY, Relation.NEAR_COPY)


class Leak(NamedTuple):
    """``member``, which is held out, and ``other``, of a part before it, belong together because of ``relation``."""

    member: Member
    other: Member
    relation: Relation


def find_leaks(pictures: Sequence[Member]) -> list[Leak]:
    """One for each picture of val that has relatives in train, and of test that has any in train or val."""
    found = []
    before: dict[tuple[Relation, str], Member] = {}
    for part in (Part.TRAIN, Part.VAL, Part.TEST):
        members = [member for member in pictures if member.part == part]
        for member in members:
            shared = [reason for reason in _reasons(member) if reason in before]
            if shared:
                reason = min(shared, key=lambda one: list(Relation).index(one[0]))
                found.append(Leak(member, before[reason], reason[0]))
        for member in members:
            for reason in _reasons(member):
                before.setdefault(reason, member)
    return found


def _reasons(member: Member) -> Because:
    """Why it belongs to others; a split of earlier versions does not say so of equal bytes."""
    return (*member.because, (Relation.COPY, member.sha256))


def leak_cautions(pictures: Sequence[Member]) -> Iterator[str]:
    """Sentences on what of a held-out part other parts have, too, and what that does to the numbers."""
    leaks = find_leaks(pictures)
    for part, accuracy in ((Part.TEST, "test accuracy"), (Part.VAL, "validation accuracy")):
        for relation in Relation:
            here = [leak for leak in leaks if leak.member.part == part and leak.relation == relation]
            if not here:
                continue
            first, are = here[0], "is" if len(here) == 1 else "are"
            have = "has" if len(here) == 1 else "have"
            which = f"{plural(len(here), 'picture')} of {part}"
            pair = f"{first.member.path} and {first.other.path} for one"
            if relation in SAME_PHOTO:
                yield f"{which} {have} a {relation} in another part ({pair}): the {accuracy} is too high."
            elif relation == Relation.SERIES:
                yield (
                    f"{which} {are} of a series that another part has, too ({pair}): of new series, fewer will be "
                    "named right."
                )
            else:
                yield (
                    f"{which} {are} of groups that other parts have, too ('{first.member.group}' for one): of new "
                    "groups, fewer will be named right."
                )


def find_contradictions(pictures: Sequence[Member]) -> list[tuple[Member, ...]]:
    """Copies and near copies of one photo under different labels: one picture for each label of a photo."""
    photos: defaultdict[str, dict[str, Member]] = defaultdict(dict)
    for member in pictures:
        names = dict(member.because)
        photo = names.get(Relation.NEAR_COPY, names.get(Relation.COPY, member.sha256))
        photos[photo].setdefault(member.label, member)
    return [tuple(of_label.values()) for of_label in photos.values() if len(of_label) > 1]


def label_cautions(pictures: Sequence[Member]) -> Iterator[str]:
    """A sentence on photos under two labels."""
    if twice := find_contradictions(pictures):
        one, other, *_ = twice[0]
        have = "has" if len(twice) == 1 else "have"
        yield (
            f"{plural(len(twice), 'photo')} {have} copies under two labels: {one.path} is '{one.label}', {other.path} "
            f"is '{other.label}'."
        )
