"""One walk through a data folder: every folder once, whatever links there are; and what is left aside on the way.

Nothing is left out silently: what is no picture, or none that is used, is counted by kind and told in sentences.
"""

import os
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from genus.data.catalog import BadFile, Picture
from genus.data.formats import (
    HEADER_BYTES,
    SUFFIXES,
    UNREADABLE,
    FileKind,
    is_hidden,
    is_output,
    may_be_picture,
    sniff,
    suffix_of,
)
from genus.errors import DataError, plural
from genus.types import Part

Entries = list[os.DirEntry[str]]
_OPENED = 1000
"""So many files of each suffix are opened to see whether they are pictures after all; of more, that is said."""
_NAMED = 5  # suffixes in a sentence


@dataclass(frozen=True, slots=True)
class Start:
    """A folder whose pictures, at any depth, all bear ``label``."""

    path: str
    label: str
    part: Part | None = None


class Walk:
    """What is found below ``root``, and in ``leftovers`` what is left aside on the way.

    A folder is known again by its real path, not by its inode: network drives report 0 for all of them, or one number
    for several.
    """

    def __init__(self, root: Path) -> None:
        self.leftovers = Leftovers(root)
        self.bad: list[BadFile] = []
        self._inside = os.path.join(os.path.realpath(root), "")  # noqa: PTH118 (a prefix, with the separator)
        self._visited: set[str] = set()

    def entries(self, folder: str | Path) -> tuple[Entries, Entries]:
        """The folders and the files in ``folder`` that count, by name. scandir knows what is what without a stat."""
        folders: Entries = []
        files: Entries = []
        left = self.leftovers
        self._visited.add(os.path.realpath(folder))
        try:
            with os.scandir(folder) as entries:
                for entry in sorted(entries, key=lambda entry: entry.name):
                    if is_hidden(entry.name):
                        left.hidden += 1
                    elif entry.is_symlink() and not self._leads_inside(entry):
                        left.links_outside += 1
                    elif not _is_folder(entry):
                        files.append(entry)
                    elif is_output(entry.path):
                        left.outputs.append(entry.path)
                    else:
                        folders.append(entry)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise DataError(f"Cannot read {folder}: {reason}. Check its access rights.") from error
        return folders, files

    def pictures(self, starts: Iterable[Start]) -> Iterator[Picture]:
        """All pictures below ``starts``. Links come last: what is reached by several ways keeps the name of its own."""
        plain: deque[Start] = deque()
        linked: deque[Start] = deque()
        for start in starts:
            (linked if Path(start.path).is_symlink() else plain).append(start)
        while plain or linked:
            start = (plain or linked).popleft()
            if self.has_been_in(start.path):
                continue
            folders, files = self.entries(start.path)
            for folder in folders:
                (linked if folder.is_symlink() else plain).append(Start(folder.path, start.label, start.part))
            for file in files:
                if not may_be_picture(file.name):
                    self.leftovers.add(file.path)
                elif reason := _no_file(file):
                    self.bad.append(BadFile(Path(file.path), start.label, reason, start.part))
                else:
                    yield Picture(Path(file.path), start.label, start.part)

    def has_been_in(self, folder: str) -> bool:
        """Was it entered before, be it by another way?"""
        return os.path.realpath(folder) in self._visited

    def keep_loose(self, files: Entries) -> None:
        """Remember the pictures among files that lie in no class folder."""
        suffixes = ((file.path, suffix_of(file.name)) for file in files)
        self.leftovers.loose.extend(path for path, suffix in suffixes if suffix in SUFFIXES or suffix in UNREADABLE)

    def _leads_inside(self, link: os.DirEntry[str]) -> bool:
        return os.path.join(os.path.realpath(link.path), "").startswith(self._inside)  # noqa: PTH118


def _is_folder(entry: os.DirEntry[str]) -> bool:
    if entry.is_symlink():
        return os.path.isdir(entry.path)  # noqa: PTH112 (answers False, not an error, for a link to itself)
    return entry.is_dir(follow_symlinks=False)


def _no_file(entry: os.DirEntry[str]) -> str:
    """Why what is no folder is no file either, or an empty string."""
    if not entry.is_symlink():
        return "" if entry.is_file() else "is a pipe or a device, not a file"
    if not os.path.exists(entry.path):  # noqa: PTH110
        return "is a link to a file that is not there"
    return "" if os.path.isfile(entry.path) else "is a link to a pipe or a device"  # noqa: PTH113


class Leftovers:
    """Collects what lies in a data folder and is no picture by its name."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.hidden = 0
        self.links_outside = 0
        self.outputs: list[str] = []  # folders that genus wrote
        self.loose: list[str] = []  # pictures outside any class folder
        self._opened: Counter[str] = Counter()  # by suffix, like all that follow
        self._unopened: Counter[str] = Counter()
        self._others: Counter[str] = Counter()  # no pictures
        self._disguised: Counter[str] = Counter()  # pictures under another name
        self._unreadable: Counter[str] = Counter()  # pictures in formats that are not read, with the kind
        self._first_disguised = ""
        self._first_unreadable = ""

    def add(self, file: str) -> None:
        """A file in a class folder that is no picture by its name; it may be one by its first bytes."""
        suffix = suffix_of(file)
        if suffix[1:].isdigit():
            suffix = ".<number>"
        if suffix in UNREADABLE:
            self._add_unreadable(file, f"{UNREADABLE[suffix]} ({suffix})")
            return
        if self._opened[suffix] >= _OPENED:
            self._unopened[suffix] += 1
            return
        self._opened[suffix] += 1
        kind = _kind(file)
        if kind is None or kind.role == "other":
            self._others[suffix] += 1
        elif kind.role == "picture":
            self._add_unreadable(file, f"{kind.noun} ({suffix})")
        else:
            self._disguised[suffix] += 1
            self._first_disguised = self._first_disguised or file

    def _add_unreadable(self, file: str, kind: str) -> None:
        self._unreadable[kind] += 1
        self._first_unreadable = self._first_unreadable or file

    def notes(self) -> Iterator[str]:
        """On what is none of the user's pictures."""
        if self.outputs:
            yield f"Left alone: {plural(len(self.outputs), 'folder')} written by genus, {self.outputs[0]} for one."
        counts = []
        if count := self._others.total():
            what = "that is no picture" if count == 1 else "that are no pictures"
            counts.append(f"{plural(count, 'file')} {what} ({_by_suffix(self._others)})")
        if count := self._unopened.total():
            counts.append(f"{plural(count, 'further file')}, not looked into ({_by_suffix(self._unopened)})")
        if self.hidden:
            counts.append(
                "1 hidden or system entry" if self.hidden == 1 else f"{self.hidden:,} hidden or system entries"
            )
        if counts:
            yield f"Left alone in {self._root}: {' and '.join(counts)}."

    def cautions(self) -> Iterator[str]:
        """On pictures that are not used."""
        if self.unfollowed:
            yield self.unfollowed
        if self.loose:
            yield f"Not used: {plural(len(self.loose), 'picture')} outside any class folder, {self.loose[0]} for one."
        yield from (sentence for sentence in (self.unreadable, self.disguised) if sentence)

    @property
    def unfollowed(self) -> str:
        """A sentence about links that lead out of the root, or nothing."""
        if not self.links_outside:
            return ""
        way_out = "copy what they point to, or list the pictures in a CSV file"
        return f"Not followed: {plural(self.links_outside, 'link')} out of {self._root}; {way_out}."

    @property
    def unreadable(self) -> str:
        """A sentence about pictures in formats that genus does not read, or nothing."""
        if not self._unreadable:
            return ""
        shown = [f"{count:,} {kind}" for kind, count in self._unreadable.most_common(2 * _NAMED)]
        more = len(self._unreadable) - len(shown)
        kinds = ", ".join(shown) + (f" and {more} more kinds" if more else "")
        return (
            f"Not used: {plural(self._unreadable.total(), 'picture')} in formats that genus does not read: {kinds}; "
            f"{self._first_unreadable} for one. Save them as JPEG, PNG or TIFF."
        )

    @property
    def disguised(self) -> str:
        """A sentence about pictures that do not look like any by their names, or nothing."""
        if not self._disguised:
            return ""
        return (
            f"Not used: {plural(self._disguised.total(), 'file')} with other suffixes than pictures have, though they "
            f"hold pictures: {_by_suffix(self._disguised)}; {self._first_disguised} for one. Rename them, to .jpg for "
            "instance."
        )


def _kind(file: str) -> FileKind | None:
    """What a file is by its first bytes."""
    try:
        if not os.path.isfile(file):  # noqa: PTH113 (a pipe would block)
            return None
        with open(file, "rb") as opened:  # noqa: PTH123
            return sniff(opened.read(HEADER_BYTES))
    except OSError:
        return None


def _by_suffix(counts: Counter[str]) -> str:
    """``.txt 10, .xml 2``, the most frequent first."""
    shown = [f"{suffix or 'no suffix'} {count:,}" for suffix, count in counts.most_common(_NAMED)]
    more = len(counts) - len(shown)
    return ", ".join(shown) + (f" and {more} more kinds" if more > 0 else "")
