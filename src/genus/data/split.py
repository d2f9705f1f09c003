"""Which picture trains, which one validates, and which one tests.

A picture's side is a keyed hash of its group (what the user says belongs together, or else the bytes of the file), so
it depends on nothing but seed and group: adding pictures moves no old one, and copies of one file stay together. The
shares are therefore met up to sampling error: of n pictures, 0.15 n ± about 0.36 sqrt(n) are tested. Classes too small
for that are divided by the rank of the hash instead, and that may move an old picture when one is added.
"""

import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genus.data.folder import listing, plural
from genus.data.inspect import Inspected
from genus.errors import DataError
from genus.types import Part

SHARE = 0.15
"""Of the test part, and of the validation part."""

SMALL = 20
"""A class with fewer groups than this is divided by rank."""


@dataclass(frozen=True, slots=True)
class Member:
    """One picture and its side; ``sha256`` is that of the file's bytes, ``group`` the user's name for what belongs
    together."""

    path: Path
    label: str
    sha256: str
    part: Part
    group: str | None = None

    @property
    def unit(self) -> str:
        """The name of what stands and falls together: the group, or the copies of one file."""
        return self.group or self.sha256


@dataclass(frozen=True, slots=True)
class Split:
    """The sides of all pictures, in the order given to ``split``; ``notes`` say how small classes were divided,
    ``cautions`` what makes the numbers less honest than they look."""

    pictures: tuple[Member, ...]
    seed: int
    left_out: tuple[Member, ...] = ()
    notes: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()

    def members(self, part: Part) -> tuple[Member, ...]:
        """The pictures of one side, in order."""
        return tuple(member for member in self.pictures if member.part == part)

    @property
    def fingerprint(self) -> str:
        """sha256 (hexadecimal) over who is where: contents, labels and parts, whatever the order and the file names."""
        lines = sorted(json.dumps([member.sha256, member.label, member.part]) for member in self.pictures)
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def to_json(self, root: Path) -> dict[str, Any]:
        """The content of ``split.json``. Paths below ``root`` are written relative to it, with ``/``."""
        members = [
            {
                "path": _relative(member.path, root),
                "label": member.label,
                "part": member.part.value,
                "sha256": member.sha256,
                **({"group": member.group} if member.group else {}),
            }
            for member in self.pictures
        ]
        return {"schema": 1, "seed": self.seed, "fingerprint": self.fingerprint, "members": members}

    @classmethod
    def from_json(cls, value: Any, root: Path) -> "Split":
        """Read back what ``to_json`` wrote. Raises DataError naming the first thing that is wrong."""
        if not isinstance(value, dict) or value.get("schema") != 1:
            raise DataError("The split is not in schema 1; it must come from the split.json of a run.")
        if not isinstance(value.get("seed"), int) or not isinstance(value.get("members"), list):
            raise DataError("The split lacks its 'seed' (a number) or its 'members' (a list).")
        return cls(tuple(_member(i, entry, root) for i, entry in enumerate(value["members"])), value["seed"])


def split(inspected: Sequence[Inspected], seed: int, earlier: Split | None = None) -> Split:
    """Give every picture its side: 15 % test, 15 % validation, the rest training.

    Where the user gave parts, these are kept, and a missing one (test or val) is taken from train. What ``earlier``
    holds, known by its bytes, keeps its side from there. Raises DataError for a class without training pictures.
    """
    wanted = tuple(part for part in (Part.TEST, Part.VAL) if all(item.picture.part != part for item in inspected))
    bound = _earlier_parts(inspected, earlier)
    kept = [old or _kept_part(item, wanted) for item, old in zip(inspected, bound, strict=True)]
    sides = {  # where the earlier split put a group, new pictures of it follow; the strictest side comes last
        _group(item): part
        for part in (Part.TRAIN, *reversed(wanted))
        for item, old in zip(inspected, bound, strict=True)
        if old == part
    }
    groups: defaultdict[str, set[str]] = defaultdict(set)
    for item, part in zip(inspected, kept, strict=True):
        if part is None or _group(item) in sides:
            groups[item.picture.label].add(_group(item))
    notes = _divide(groups, sides, wanted, seed)
    pictures = tuple(
        Member(item.picture.path, item.picture.label, item.sha256, part or sides[_group(item)], item.picture.group)
        for item, part in zip(inspected, kept, strict=True)
    )
    _require_trained(pictures)
    cautions = (*_moved_cautions(inspected, bound), *leak_cautions(pictures), *label_cautions(pictures))
    return Split(pictures, seed, (), notes, cautions)


def _earlier_parts(inspected: Sequence[Inspected], earlier: Split | None) -> list[Part | None]:
    """What the earlier split says about each picture. Of copies on several sides that are not found by their path,
    the strictest side holds: test before val before train."""
    if earlier is None:
        return [None] * len(inspected)
    by_path = {(member.sha256, member.path): member.part for member in earlier.pictures}
    by_bytes = {member.sha256: part for part in Part for member in earlier.members(part)}
    return [by_path.get((item.sha256, item.picture.path), by_bytes.get(item.sha256)) for item in inspected]


def _kept_part(item: Inspected, wanted: Sequence[Part]) -> Part | None:
    """The part that the user gave, unless the picture is among those from which a missing part is taken."""
    part = item.picture.part
    return None if part == Part.TRAIN and wanted else part


def _group(item: Inspected) -> str:
    return item.picture.group or item.sha256


def _divide(
    groups: Mapping[str, set[str]], sides: dict[str, Part], wanted: Sequence[Part], seed: int
) -> tuple[str, ...]:
    """Give each group of each class (label -> groups) that is not yet in ``sides`` one there; say what was done.

    Classes where the threshold serves every side go first, so that a group which spans classes is hashed if it can be.
    """
    hashes = {group: _uniform(group, seed) for members in groups.values() for group in members}
    ranked = []
    for label, members in sorted(groups.items()):
        if sides.keys() >= members:
            continue
        hashed = {group: sides.get(group) or _by_threshold(hashes[group], wanted) for group in members}
        if len(members) >= SMALL and set(hashed.values()) >= {Part.TRAIN, *wanted}:
            sides.update(hashed)
        else:
            ranked.append(label)
    for label in ranked:
        _rank(sorted(groups[label], key=hashes.__getitem__), sides, wanted)
    small = [label for label in ranked if len(groups[label]) < SMALL]
    large = [label for label in ranked if len(groups[label]) >= SMALL]
    by_rank = "divided by rank, so that train, then test, then val get at least one"
    notes = [f"Classes with fewer than {SMALL} pictures are {by_rank}: {listing(small)}."] if small else []
    notes += [f"Classes where chance left a part empty are {by_rank}: {listing(large)}."] if large else []
    return tuple(notes)


def _uniform(group: str, seed: int) -> float:
    """The keyed hash as a number in [0, 1)."""
    key = hashlib.blake2b(str(seed).encode(), digest_size=32).digest()
    digest = hashlib.blake2b(group.encode("utf-8", "surrogatepass"), key=key, digest_size=8).digest()
    return int.from_bytes(digest) / 2**64


def _by_threshold(uniform: float, wanted: Sequence[Part]) -> Part:
    place = int(uniform / SHARE)
    return wanted[place] if place < len(wanted) else Part.TRAIN


def _rank(groups: Sequence[str], sides: dict[str, Part], wanted: Sequence[Part]) -> None:
    """Divide the ``groups`` of one class, sorted by hash, that are not in ``sides``: the lowest are held out, as they
    would be by threshold, in numbers as near to the shares as whole groups allow."""
    taken = Counter(sides[group] for group in groups if group in sides)
    free = [group for group in groups if group not in sides]
    held_out = max(min(len(wanted), len(groups) - 1), round(len(groups) * SHARE * len(wanted)))
    spare = len(free) - (0 if taken[Part.TRAIN] else 1)
    start = 0
    for place, part in enumerate(wanted):
        quota = (held_out + len(wanted) - 1 - place) // len(wanted)
        count = max(0, min(quota - taken[part], spare - start))
        sides.update(dict.fromkeys(free[start : start + count], part))
        start += count
    sides.update(dict.fromkeys(free[start:], Part.TRAIN))


def _require_trained(pictures: Sequence[Member]) -> None:
    trained = {member.label for member in pictures if member.part == Part.TRAIN}
    if lost := sorted({member.label for member in pictures} - trained):
        raise DataError(
            f"No training picture of {listing(lost)}: all are in val or test. "
            "Add pictures, remove the class, or choose another seed."
        )


def _moved_cautions(inspected: Sequence[Inspected], bound: Sequence[Part | None]) -> Iterator[str]:
    moved = sum(item.picture.part not in (None, old) for item, old in zip(inspected, bound, strict=True) if old)
    if moved:
        yield f"The earlier split holds, though the folder now gives another part to {plural(moved, 'picture')}."


def leak_cautions(pictures: Sequence[Member]) -> Iterator[str]:
    """Copies of one file on several sides, and what that does to the numbers."""
    contents = {part: {member.sha256 for member in pictures if member.part == part} for part in Part}
    for part, other, result in (
        (Part.TEST, Part.TRAIN, "the test accuracy is too high"),
        (Part.TEST, Part.VAL, "the test accuracy is too high"),
        (Part.VAL, Part.TRAIN, "the validation accuracy is too high"),
    ):
        copies = sum(member.part == part and member.sha256 in contents[other] for member in pictures)
        if copies:
            which = f"{plural(copies, 'picture')} of {part} {'is' if copies == 1 else 'are'}"
            yield f"{which} byte-identical to pictures of {other}: {result}."


def label_cautions(pictures: Sequence[Member]) -> Iterator[str]:
    """Copies of one file under two labels."""
    first: dict[str, Member] = {}
    twice: dict[str, Member] = {}
    for member in pictures:
        if first.setdefault(member.sha256, member).label != member.label:
            twice.setdefault(member.sha256, member)
    if twice:
        contents, member = next(iter(twice.items()))
        yield (
            f"{plural(len(twice), 'picture')} with the same bytes under two labels: "
            f"{first[contents].path} is '{first[contents].label}', {member.path} is '{member.label}'."
        )


def _relative(path: Path, root: Path) -> str:
    return path.as_posix().removeprefix(root.as_posix().rstrip("/") + "/")


def _member(number: int, entry: Any, root: Path) -> Member:
    if not isinstance(entry, dict):
        raise DataError(f"Member {number} of the split is no object with path, label, sha256 and part.")
    for key in ("path", "label", "sha256", "part"):
        if not isinstance(entry.get(key), str):
            raise DataError(f"Member {number} of the split has no text for '{key}'.")
    if entry["part"] not in set(Part):
        raise DataError(f"Member {number} of the split has the unknown part '{entry['part']}'; use train, val or test.")
    if not re.fullmatch("[0-9a-f]{64}", entry["sha256"]):
        raise DataError(f"Member {number} of the split has a 'sha256' that is not 64 hexadecimal digits.")
    if not isinstance(entry.get("group"), (str, type(None))):
        raise DataError(f"Member {number} of the split has a 'group' that is no text.")
    return Member(root / entry["path"], entry["label"], entry["sha256"], Part(entry["part"]), entry.get("group"))
