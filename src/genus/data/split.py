"""Which picture trains, which one validates, and which one tests.

What must not be torn apart is one group (see ``groups``): the pictures that the user says belong together (of one
patient, one plant), copies and near copies of one photo, series; groups that share a picture are one. Within each class
the groups are ranked by a keyed hash of seed and group name; the first 15 % of them test, the last 15 % validate, the
rest train. So the shares hold within every class to one group, and neither the order nor the paths of the pictures
matter. A class of one group trains; of two, one tests; of three or more, all parts have one.

Without an earlier split, a class that has grown moves some of its old pictures, because the borders of the parts lie
at ranks. Of n old pictures about 0.57 sqrt(n g / (1 + g)) move when a share g of new ones is added: of 400 pictures
3 or 4 for 10 % more, and 8 for 100 % more. With the earlier split none moves, and the new ones fill the parts up.
"""

import hashlib
import json
import math
import re
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from genus.data.folds import rank_key
from genus.data.groups import Because, Link, Relation, join_groups
from genus.data.inspect import Inspected
from genus.errors import DataError, listing, plural
from genus.evidence import SplitHashes
from genus.types import Part

SHARE = Fraction(15, 100)
"""Of the groups of a class: for the test part, and again for the validation part."""


@dataclass(frozen=True, slots=True)
class Member:
    """One picture and its part; ``sha256`` (hexadecimal) is that of the file's bytes, ``group`` the name of what it
    belongs to, where that is more than itself, and ``because`` says why."""

    path: Path
    label: str
    sha256: str
    part: Part
    group: str | None = None
    because: Because = ()

    @property
    def unit(self) -> str:
        """The name of what stays together: the group, or the picture alone."""
        return self.group or self.sha256


@dataclass(frozen=True, slots=True)
class Split:
    """The parts of all pictures, in the order given to ``split``.

    ``left_out`` are pictures of parts given by the user that are in none, because they would tell nothing: an ancestor
    was trained on them or decided by them, or they are copies of training (or, in the test part, validation) pictures.
    ``cautions`` are sentences on what makes the numbers less honest than they look.
    """

    pictures: tuple[Member, ...]
    seed: int
    left_out: tuple[Member, ...] = ()
    cautions: tuple[str, ...] = ()

    def members(self, part: Part) -> tuple[Member, ...]:
        """The pictures of one part, in order."""
        return tuple(member for member in self.pictures if member.part == part)

    @property
    def fingerprint(self) -> str:
        """sha256 (hexadecimal) over who is where: contents, labels and parts, whatever the order and the file names."""
        lines = sorted(json.dumps([member.sha256, member.label, member.part]) for member in self.pictures)
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def to_json(self, root: Path) -> dict[str, Any]:
        """The content of ``split.json``. Paths below ``root`` are written relative to it, with ``/``."""
        members = [_to_json(member, root) for member in self.pictures]
        left_out = {"left_out": [_to_json(member, root) for member in self.left_out]} if self.left_out else {}
        content = {"seed": self.seed, "members": members, **left_out}
        return {"schema": 1, "fingerprint": self.fingerprint, "checksum": _checksum(content), **content}

    @classmethod
    def from_json(cls, value: Any, root: Path) -> "Split":
        """Read back what ``to_json`` wrote, with or without fingerprint and checksum. Raises DataError naming the first
        thing that is wrong."""
        if not isinstance(value, dict) or value.get("schema") != 1:
            raise DataError("The split is not in schema 1; it must come from the split.json of a run.")
        lists: list[Any] = [value.get("members"), value.get("left_out", [])]
        if not isinstance(value.get("seed"), int) or not all(isinstance(members, list) for members in lists):
            raise DataError("The split lacks its 'seed' (a number) or its 'members' (a list).")
        pictures, left_out = (tuple(_member(i, entry, root) for i, entry in enumerate(members)) for members in lists)
        found = cls(pictures, value["seed"], left_out)
        _require_unchanged(value, found)
        return found


def split(
    inspected: Sequence[Inspected],
    seed: int,
    earlier: Sequence[Split] = (),
    ancestors: SplitHashes | None = None,
    links: Sequence[Link] = (),
) -> Split:
    """Give every picture its part: 15 % test, 15 % validation, the rest training (see the top of this file).

    ``links`` are pictures found to belong together; an ``earlier`` split says so of others. Where the user gave parts,
    these are kept, and a missing one (test or validation) is taken from training. A picture that an ``earlier`` split
    knows, by its bytes, keeps its part from there, whatever the folder says now; the first split that knows it counts.
    So does one that took part in the ``ancestors`` of the run. A picture that an ancestor was trained on or decided by
    is never tested: it is left out where the user put it into the test part. So is a picture with the bytes of a
    training or validation picture, and, in a given validation part, of a training picture.
    Raises DataError for a class without training pictures.
    """
    members = as_members(inspected, links, earlier)
    given = [item.picture.part for item in inspected]
    wanted = tuple(part for part in (Part.TEST, Part.VAL) if part not in given)
    ancestor_parts = [ancestors.part_of(member.sha256) if ancestors else None for member in members]
    spoilt = [
        part == Part.TEST and before in (Part.TRAIN, Part.VAL)
        for part, before in zip(given, ancestor_parts, strict=True)
    ]
    left_out = [member for member, is_spoilt in zip(members, spoilt, strict=True) if is_spoilt]
    kept_in = [number for number, is_spoilt in enumerate(spoilt) if not is_spoilt]
    members, given = [members[number] for number in kept_in], [given[number] for number in kept_in]
    bound = _bound_parts(members, earlier, [ancestor_parts[number] for number in kept_in])
    kept = [old or _kept_part(part, wanted) for part, old in zip(given, bound, strict=True)]
    parts = {  # of groups: what is new follows what is bound; test before validation before training
        member.unit: part
        for part in (Part.TRAIN, Part.VAL, Part.TEST)
        for member, old in zip(members, bound, strict=True)
        if old == part
    }
    groups: defaultdict[str, set[str]] = defaultdict(set)
    for member, part in zip(members, kept, strict=True):
        if part is None or member.unit in parts:
            groups[member.label].add(member.unit)
    _divide(groups, parts, wanted, seed)
    divided = [replace(member, part=part or parts[member.unit]) for member, part in zip(members, kept, strict=True)]
    pictures, copies = _without_copies(divided)
    _require_trained(pictures)
    cautions = (
        *_left_out_cautions(left_out), *_copies_cautions(copies), *_overruled_cautions(given, bound),
        *(_uneven_cautions(pictures) if wanted else ()),
    )  # fmt: skip
    return Split(tuple(pictures), seed, (*left_out, *copies), cautions)


def as_members(inspected: Sequence[Inspected], links: Sequence[Link], earlier: Sequence[Split] = ()) -> list[Member]:
    """The pictures with their groups (see ``split``), in the part that the user gave, or for now in the test part."""
    contents = [item.sha256 for item in inspected]
    names = [item.picture.group for item in inspected]
    known_links: list[Link] = []
    for before in earlier:
        known = {member.sha256: member for member in (*before.pictures, *before.left_out) if member.group}
        first: dict[tuple[Relation, str], int] = {}
        for number, content in enumerate(contents):
            if member := known.get(content):
                for relation, name in member.because:
                    if relation == Relation.GROUP:
                        names[number] = names[number] or name
                    elif (other := first.setdefault((relation, name), number)) != number:
                        known_links.append(Link(other, number, relation))
    groups = join_groups(contents, names, (*links, *known_links))
    alone = [
        Member(item.picture.path, item.picture.label, item.sha256, item.picture.part or Part.TEST) for item in inspected
    ]
    return [
        replace(member, group=group.name, because=group.because) if group else member
        for member, group in zip(alone, groups, strict=True)
    ]


def moved(earlier: Split, new: Split) -> int:
    """How many pictures that both splits know, by their bytes, have changed their part."""
    known = _Known(earlier)
    return sum(known.part(member.sha256, member.path) not in (None, member.part) for member in new.pictures)


class _Known:
    """What a split says about a picture."""

    def __init__(self, split: Split) -> None:
        self._by_path = {(member.sha256, member.path): member.part for member in split.pictures}
        self._by_bytes = {member.sha256: part for part in Part for member in split.members(part)}

    def part(self, sha256: str, path: Path) -> Part | None:
        """Its part; of copies in several parts that are not found by their path, test before validation before
        training."""
        return self._by_path.get((sha256, path), self._by_bytes.get(sha256))


def _bound_parts(
    members: Sequence[Member], earlier: Sequence[Split], ancestor_parts: Sequence[Part | None]
) -> list[Part | None]:
    """The part that each picture must have, or None; ``ancestor_parts`` are those in the ancestors of the run."""
    known = [_Known(split) for split in earlier]
    bound: list[Part | None] = []
    for member, ancestor_part in zip(members, ancestor_parts, strict=True):
        answers = (split.part(member.sha256, member.path) for split in known)
        part = next((answer for answer in answers if answer), None)
        bound.append(ancestor_part if ancestor_part in (Part.TRAIN, Part.VAL) else part or ancestor_part)
    return bound


def _kept_part(given: Part | None, wanted: Sequence[Part]) -> Part | None:
    """The part that the user gave, unless the picture is among those from which a missing part is taken."""
    return None if given == Part.TRAIN and wanted else given


def _without_copies(pictures: Sequence[Member]) -> tuple[list[Member], list[Member]]:
    """The pictures without, and apart from them, those of a held-out part that are in a part before it, too."""
    contents = {part: {member.sha256 for member in pictures if member.part == part} for part in Part}
    before = {
        Part.TRAIN: frozenset(),
        Part.VAL: contents[Part.TRAIN],
        Part.TEST: contents[Part.TRAIN] | contents[Part.VAL],
    }
    copies = [member for member in pictures if member.sha256 in before[member.part]]
    return [member for member in pictures if member.sha256 not in before[member.part]], copies


def _divide(groups: Mapping[str, set[str]], parts: dict[str, Part], wanted: Sequence[Part], seed: int) -> None:
    """Give each group of each class (label -> groups) that is not yet in ``parts`` one there.

    Small classes come first: a group that spans classes has the part that it gets in the smallest of them.
    """
    for label in sorted(groups, key=lambda label: (len(groups[label]), label)):
        pool = [group for group in groups[label] if parts.get(group, Part.TRAIN) in (Part.TRAIN, *wanted)]
        free = deque(sorted((group for group in pool if group not in parts), key=lambda group: rank_key(group, seed)))
        taken = Counter(parts[group] for group in pool if group in parts)
        spare = len(free) - (0 if taken[Part.TRAIN] else 1)
        for part, quota in _quotas(len(pool), wanted).items():
            for _ in range(min(quota - taken[part], spare)):
                parts[free.popleft() if part == Part.TEST else free.pop()] = part
                spare -= 1
        parts.update(dict.fromkeys(free, Part.TRAIN))


def _quotas(groups: int, wanted: Sequence[Part]) -> dict[Part, int]:
    """How many of so many groups each wanted part gets: at least one, as long as one is left to train; of an odd
    number, the first part gets one more."""
    share = math.floor(groups * len(wanted) * SHARE + Fraction(1, 2))
    held_out = max(share, min(len(wanted), groups - 1))
    return {part: (held_out + len(wanted) - 1 - place) // len(wanted) for place, part in enumerate(wanted)}


def _require_trained(pictures: Iterable[Member]) -> None:
    trained = {member.label for member in pictures if member.part == Part.TRAIN}
    if lost := sorted({member.label for member in pictures} - trained):
        raise DataError(
            f"No training picture of {listing(lost)}: all are in val or test. "
            "Add pictures, remove the class, or choose another seed."
        )


def _left_out_cautions(left_out: Sequence[Member]) -> Iterator[str]:
    if left_out:
        are = "is" if len(left_out) == 1 else "are"
        yield (
            f"{plural(len(left_out), 'picture')} of the test part {are} left out, {left_out[0].path} for one: "
            "an earlier run of this line was trained on them or decided by them."
        )


def _copies_cautions(copies: Sequence[Member]) -> Iterator[str]:
    for part in (Part.VAL, Part.TEST):
        if of_part := [member for member in copies if member.part == part]:
            which = f"{plural(len(of_part), 'picture')} of {part} {'is' if len(of_part) == 1 else 'are'} left out"
            yield f"{which}, {of_part[0].path} for one: copies of pictures that the model learns from or is decided by."


def _overruled_cautions(given: Sequence[Part | None], bound: Sequence[Part | None]) -> Iterator[str]:
    overruled = sum(part not in (None, old) for part, old in zip(given, bound, strict=True) if old)
    if overruled:
        yield f"The earlier split holds, though the folder now gives another part to {plural(overruled, 'picture')}."


def _uneven_cautions(pictures: Sequence[Member]) -> Iterator[str]:
    """A sentence on a class most of whose pictures do not train, because a large group was held out."""
    sizes = Counter(member.label for member in pictures)
    trained = Counter(member.label for member in pictures if member.part == Part.TRAIN)
    short = [label for label in sizes if 2 * trained[label] < sizes[label]]
    if short and any(member.group for member in pictures):
        told = ", ".join(f"{label} ({trained[label]} of {sizes[label]})" for label in short)
        yield f"Large groups are held out: few pictures are left to train {told}. Another --seed divides otherwise."


def _checksum(value: Mapping[str, Any]) -> str:
    """sha256 (hexadecimal) over all that ``split.json`` says about its pictures."""
    content = [value["seed"], value["members"], value.get("left_out", [])]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _require_unchanged(value: Mapping[str, Any], found: Split) -> None:
    """Raise DataError where ``found`` is not what was written into ``value``. Older files have no checksum."""
    for key, now in (("fingerprint", found.fingerprint), ("checksum", _checksum(value))):
        if value.get(key, now) != now:
            raise DataError(
                f"The split is damaged: its pictures, labels, parts or groups are not those of its {key}. Restore a "
                "copy; or, if it was changed on purpose, remove its lines 'fingerprint' and 'checksum'."
            )
    times = Counter(member.path for member in (*found.pictures, *found.left_out))
    if twice := [path for path, count in times.items() if count > 1]:
        raise DataError(f"The split is damaged: it lists {twice[0]} twice. Restore a copy, or remove one of the two.")


def _to_json(member: Member, root: Path) -> dict[str, Any]:
    path = member.path.as_posix().removeprefix(root.as_posix().rstrip("/") + "/")
    group = {"group": member.group, "because": dict(member.because)} if member.group else {}
    return {"path": path, "label": member.label, "part": member.part.value, "sha256": member.sha256, **group}


def _member(number: int, entry: Any, root: Path) -> Member:
    if not isinstance(entry, dict):
        raise DataError(f"Member {number} of the split is no object with path, label, sha256 and part.")
    for key in ("path", "label", "sha256", "part"):
        if not isinstance(entry.get(key), str):
            raise DataError(f"Member {number} of the split has no text for '{key}'.")
    if "\0" in entry["path"]:
        raise DataError(f"Member {number} of the split has a path with a zero byte.")
    if entry["part"] not in set(Part):
        raise DataError(f"Member {number} of the split has the unknown part '{entry['part']}'; use train, val or test.")
    if not re.fullmatch("[0-9a-f]{64}", entry["sha256"]):
        raise DataError(f"Member {number} of the split has a 'sha256' that is not 64 hexadecimal digits.")
    if not isinstance(entry.get("group"), (str, type(None))):
        raise DataError(f"Member {number} of the split has a 'group' that is no text.")
    group = entry.get("group")
    because = entry.get("because", {Relation.GROUP: group}) if group else {}
    if not isinstance(because, dict) or not set(because) <= set(Relation) or set(map(type, because.values())) - {str}:
        raise DataError(f"Member {number} of the split has a 'because' that does not name {listing(Relation)}.")
    reasons = tuple((Relation(relation), name) for relation, name in because.items())
    return Member(root / entry["path"], entry["label"], entry["sha256"], Part(entry["part"]), group, reasons)
