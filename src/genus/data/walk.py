"""One walk through a data folder: every folder once, whatever links there are; and what is left aside on the way.

Nothing is left out silently: what is no picture, or none that is used, is counted by kind and told in sentences.
"""

import os
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from genus.data.catalog import BadFile, Picture
from genus.data.formats import (
    HEADER_BYTES,
    SUFFIXES,
    UNREADABLE,
    is_hidden,
    is_output,
    may_be_picture,
    sniff,
    suffix_of,
)
from genus.errors import DataError, plural
from genus.types import Part

Entries = list[os.DirEntry[str]]
_SNIFFED = 8
"""So many files of each suffix are opened to see whether they are pictures after all."""
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
            if os.path.realpath(start.path) in self._visited:
                continue
            folders, files = self.entries(start.path)
            for folder in folders:
                (linked if folder.is_symlink() else plain).append(Start(folder.path, start.label, start.part))
            for file in files:
                if not may_be_picture(file.name):
                    self.leftovers.add(file.path)
                elif reason := _no_file(file):
                    self.bad.append(BadFile(Path(file.path), start.label, reason))
                else:
                    yield Picture(Path(file.path), start.label, start.part)

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
        self._others: Counter[str] = Counter()
        self._first: defaultdict[str, list[str]] = defaultdict(list)  # of each suffix

    def add(self, file: str) -> None:
        """A file in a class folder that is no picture by its name."""
        suffix = suffix_of(file)
        if suffix[1:].isdigit():
            suffix = ".<number>"
        self._others[suffix] += 1
        if len(self._first[suffix]) < _SNIFFED:
            self._first[suffix].append(file)

    def notes(self) -> Iterator[str]:
        """On what is none of the user's pictures."""
        if self.outputs:
            yield f"Left alone: {plural(len(self.outputs), 'folder')} written by genus, {self.outputs[0]} for one."
        disguised = self._disguised()
        others = Counter({s: n for s, n in self._others.items() if s not in UNREADABLE and s not in disguised})
        counts = []
        if count := others.total():
            what = "that is no picture" if count == 1 else "that are no pictures"
            counts.append(f"{plural(count, 'file')} {what} ({_by_suffix(others)})")
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
        if self.unreadable:
            yield self.unreadable
        if disguised := self._disguised():
            count, first = sum(self._others[suffix] for suffix in disguised), next(iter(disguised.values()))
            yield (
                f"Not used: {plural(count, 'file')} with other suffixes than pictures have, though they hold pictures: "
                f"{_by_suffix(Counter({suffix: self._others[suffix] for suffix in disguised}))}; {first} for one. "
                "Rename them, to .jpg for instance."
            )

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
        found = Counter({suffix: count for suffix, count in self._others.items() if suffix in UNREADABLE})
        if not found:
            return ""
        kinds = ", ".join(f"{count:,} {UNREADABLE[suffix]} ({suffix})" for suffix, count in found.most_common())
        first = self._first[found.most_common(1)[0][0]][0]
        return (
            f"Not used: {plural(found.total(), 'picture')} in formats that genus does not read: {kinds}; {first} for "
            "one. Save them as JPEG, PNG or TIFF."
        )

    def _disguised(self) -> dict[str, str]:
        """Suffix -> a file with it that is a picture by its first bytes, though not by its name."""
        found = {}
        for suffix, files in self._first.items():
            if suffix not in UNREADABLE and (file := next(filter(_holds_picture, files), None)):
                found[suffix] = file
        return found


def _holds_picture(file: str) -> bool:
    try:
        if not os.path.isfile(file):  # noqa: PTH113 (a pipe would block)
            return False
        with open(file, "rb") as opened:  # noqa: PTH123
            kind = sniff(opened.read(HEADER_BYTES))
        return kind is not None and kind.role == "read"
    except OSError:
        return False


def _by_suffix(counts: Counter[str]) -> str:
    """``.txt 10, .xml 2``, the most frequent first."""
    shown = [f"{suffix or 'no suffix'} {count:,}" for suffix, count in counts.most_common(_NAMED)]
    more = len(counts) - len(shown)
    return ", ".join(shown) + (f" and {more} more kinds" if more > 0 else "")
