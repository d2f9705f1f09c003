"""What a scan finds, of a folder or of a table, and the rule that its labels obey."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from genus.errors import DataError, UsageError, listing
from genus.files import csv_text
from genus.types import Part

TOLERATED = 0.05
"""Share of pictures that may be bad files; with more of them something is wrong with the whole."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A file that is a picture by its name. ``part`` and ``group`` are set where the user gave them: pictures of one
    group (one patient, one plant) stay in one part of a split."""

    path: Path
    label: str
    part: Part | None = None
    group: str | None = None


@dataclass(frozen=True, slots=True)
class BadFile:
    """A picture by its name, or by its line in a table, that cannot be used, and why."""

    path: Path
    label: str
    reason: str
    part: Part | None = None


@dataclass(frozen=True, slots=True)
class Catalog:
    """``classes`` are sorted by name, ``pictures`` by label and path.

    ``bad`` are files found to be unusable without opening them: pipes, and what a table lists but is not there.
    ``notes`` and ``cautions`` are sentences for the user: how the layout was understood, and what was left aside.
    ``root`` is the folder that holds everything (of a table, its own folder).
    """

    root: Path
    classes: tuple[str, ...]
    pictures: tuple[Picture, ...]
    bad: tuple[BadFile, ...] = ()
    notes: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()


def grouped(catalog: Catalog, pattern: str) -> Catalog:
    """``catalog`` with a group for each picture whose path, relative to the root and with ``/``, matches the regular
    expression ``pattern``: what its group named ``group``, else its first, else the whole matches.

    Raises UsageError for a pattern that is none, or that matches nothing.
    """
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise UsageError(f"--group {pattern!r} is no regular expression: {error}.") from error
    names = [_group_name(expression, _relative(picture.path, catalog.root)) for picture in catalog.pictures]
    if not any(names):
        shown = listing(_relative(picture.path, catalog.root) for picture in catalog.pictures)
        raise UsageError(f"--group {pattern!r} matches none of the {len(names):,} paths: {shown}.")
    pictures = tuple(
        replace(picture, group=name or picture.group) for picture, name in zip(catalog.pictures, names, strict=True)
    )
    missed = names.count(None)
    told = f"{len({*names} - {None}):,} groups of pictures by {pattern!r}"
    notes = (*catalog.notes, f"{told}; {missed:,} paths do not match." if missed else f"{told}.")
    return replace(catalog, pictures=pictures, notes=notes)


def _group_name(expression: re.Pattern[str], path: str) -> str | None:
    found = expression.search(path)
    if not found:
        return None
    return found["group"] if "group" in expression.groupindex else found[1 if expression.groups else 0]


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()


def bad_files_csv(bad: Sequence[BadFile]) -> str:
    """The content of ``bad_files.csv``: path, label, reason."""
    return csv_text([("path", "label", "reason"), *((str(file.path), file.label, file.reason) for file in bad)])


def too_many(bad: int, total: int) -> str:
    """``37 of 400 pictures (9.2 %)`` where that is more than is tolerated, else an empty string."""
    if not bad or bad / total <= TOLERATED:
        return ""
    pictures = "1 picture" if total == 1 else f"{total:,} pictures"
    return f"{bad:,} of {pictures} ({bad / total:.1%})".replace("%", " %")


def require_distinct(places: Mapping[str, str]) -> None:
    """Raise DataError where labels differ only in capitals, blanks, invisible characters or Unicode form, or are one
    number, 1 and 1.0.

    ``places`` says for each label where it was found. Windows and macOS cannot keep most such folders apart.
    """
    spelling: dict[str, str] = {}
    for label in sorted(places):
        if is_blank(label):
            raise DataError(f"The name of the class {label!r} ({places[label]}) is blank. Give it a name.")
        other = spelling.setdefault(_key(label), label)
        if other != label:
            raise DataError(
                f"Classes {other!r} ({places[other]}) and {label!r} ({places[label]}) differ only in "
                f"{_difference(other, label)}. Rename one of them, or put their pictures together."
            )


def is_blank(label: str) -> bool:
    """Is there nothing to be seen of ``label``?"""
    return not _key(label)


def _key(label: str) -> str:
    """The same for labels that look alike."""
    visible = _visible(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", label).casefold()))
    return re.sub(r"\A(-?\d+)\.0+\Z", r"\1", visible)


def _visible(text: str) -> str:
    """``text`` without blanks, control characters and characters of no width."""
    return "".join(char for char in text if not char.isspace() and unicodedata.category(char) not in ("Cc", "Cf"))


def _difference(one: str, other: str) -> str:
    one, other = (unicodedata.normalize("NFKC", label) for label in (one, other))
    if one == other:
        return "how their letters are encoded"
    if _visible(one).casefold() != _visible(other).casefold():
        return "how the number is written"
    return "capitals" if one.casefold() == other.casefold() else "blanks or invisible characters"
