"""The pictures among the files, folders and patterns that a user names, and what is not among them: nothing is left out
without a word."""

import glob
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from genus.data.formats import HEADER_BYTES, SUFFIXES, UNREADABLE, is_hidden, is_output, sniff, suffix_of
from genus.errors import DataError, plural
from genus.files import irregular

_OWN = "of genus's own folders"


@dataclass(frozen=True, slots=True)
class Found:
    """``pictures`` is whatever is a picture, or claims to be one by its name: paths as the user would write them.

    ``unread`` pairs a folder, link or special file that could not be looked into with the reason; ``others`` counts the
    files left alone, by suffix.
    """

    pictures: list[str] = field(default_factory=list)
    unread: list[tuple[str, str]] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)

    @property
    def left_alone(self) -> str:
        """``Left alone: 2 .txt, 1 hidden.``, or nothing."""
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in self.others.most_common())
        return f"Left alone, being no pictures: {kinds}." if kinds else ""


def find_pictures(arguments: Sequence[str]) -> Found:
    """Files as they are, the pictures below folders and those that patterns match; sorted within each argument.

    A file named outright is kept whatever it is, and a pattern that matches nothing, too: both get an error later.
    Links are followed inside a folder; one to a folder outside is not looked into. Raises DataError when there is no
    picture and nothing that could not be read.
    """
    found = Found()
    for argument in arguments:
        if os.path.isdir(argument):  # noqa: PTH112 (False, not an error, for what is out of reach)
            _walk(argument, found)
        elif not os.path.lexists(argument) and (matches := _matches(argument)):
            _sort_out(argument, matches, found)
        else:
            found.pictures.append(argument)
    if not found.pictures and not found.unread:
        number = sum(found.others.values())
        own = " What genus has written is left alone." if found.others[_OWN] else ""
        where = ", ".join(arguments) or "an empty list"
        raise DataError(f"No pictures in {where} ({plural(number, 'other file')}).{own}")
    return found


def _matches(pattern: str) -> list[str]:
    if not glob.has_magic(pattern):
        return []
    try:
        return sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207 (any path, not one below a folder)
    except (OSError, ValueError):
        return []


def _sort_out(pattern: str, matches: Iterable[str], found: Found) -> None:
    """What a pattern matched, each file once, although ``**`` matches folders and the files in them; not what genus has
    written, unless the pattern names its folder outright (``runs/x/*.png``)."""
    below = Found(others=found.others)
    named = os.path.dirname(re.split(r"[*?[]", pattern)[0])  # noqa: PTH120 (as the pattern writes it)
    written: dict[str, str] = {}  # folder -> what it lies in that genus has written, or nothing
    for match in matches:
        is_folder = os.path.isdir(match)  # noqa: PTH112
        folder = match if is_folder else os.path.dirname(match)  # noqa: PTH120
        if folder not in written:
            written[folder] = _written(folder, named)
        if written[folder]:
            continue
        if is_folder:
            _walk(match, below)
        else:
            _look_at(match, below)
    if own := len({*written.values()} - {""}):
        found.others[_OWN] += own
    found.pictures.extend(dict.fromkeys(below.pictures))
    found.unread.extend(dict.fromkeys(below.unread))


def _written(folder: str, named: str) -> str:
    """The outermost folder that genus has written on the way from ``named`` to ``folder``, or nothing."""
    way = [Path(folder), *Path(folder).parents]
    below = [one for one in reversed(way) if len(one.parts) > len(Path(named).parts)]
    return next((str(one) for one in below if is_output(one)), "")


def _walk(root: str, found: Found) -> None:
    """All below ``root``, every folder once: the one that is reached by several links keeps its own name."""
    inside = os.path.join(os.path.realpath(root), "")  # noqa: PTH118 (a prefix, with the separator)
    files: list[str] = []
    visited: set[str] = set()
    plain, linked = [root], list[str]()
    while plain or linked:
        folder = (plain or linked).pop()
        real = os.path.realpath(folder)
        if real in visited:
            continue
        visited.add(real)
        for entry in _entries(folder, found):
            if not os.path.isdir(entry):  # noqa: PTH112
                files.append(entry)
            elif is_output(entry):
                found.others[_OWN] += 1
            elif not os.path.islink(entry):  # noqa: PTH114
                plain.append(entry)
            elif os.path.join(os.path.realpath(entry), "").startswith(inside):  # noqa: PTH118
                linked.append(entry)
            else:
                found.unread.append((entry, "a link to a folder outside; name that folder to have it read"))
    for file in sorted(files):
        _look_at(file, found)


def _entries(folder: str, found: Found) -> Iterator[str]:
    try:
        names = os.listdir(folder)  # noqa: PTH208
    except OSError as error:
        found.unread.append((folder, f"cannot read: {(error.strerror or str(error)).lower()}"))
        return
    for name in names:
        if is_hidden(name):
            found.others["hidden"] += 1
        else:
            yield os.path.join(folder, name)  # noqa: PTH118 (a Path for each of a million names takes seconds)


def _look_at(file: str, found: Found) -> None:
    """Is the file a picture by its name, or by its first bytes?"""
    suffix = suffix_of(file)
    if suffix in SUFFIXES or suffix in UNREADABLE:
        found.pictures.append(file)
    elif special := irregular(file):
        found.unread.append((file, f"is {special}, not a file"))
    else:
        try:
            with open(file, "rb") as stream:  # noqa: PTH123
                kind = sniff(stream.read(HEADER_BYTES))
        except OSError as error:
            found.unread.append((file, f"cannot read: {(error.strerror or str(error)).lower()}"))
        else:
            if kind and kind.role != "other":
                found.pictures.append(file)
            else:
                found.others[suffix or "without suffix"] += 1
