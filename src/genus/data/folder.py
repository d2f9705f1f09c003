"""From a folder of class folders, or a table, to the list of its pictures. No file is opened here but a table.

Three layouts are understood: ``root/<class>/**``; ``root/train/<class>/**`` beside ``root/{val,valid,validation}``
and ``root/test``; a CSV file (see ``table``). What counts as a picture is decided here by name alone, and later by
content (see ``inspect``).
"""

import os
import unicodedata
from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from genus.data.table import PARTS, read_table
from genus.errors import DataError
from genus.types import Part

SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".gif", ".bmp", ".dib"}
    | {".tif", ".tiff", ".heic", ".heif", ".hif"}
)
_Entries = list[os.DirEntry[str]]
_SYSTEM = frozenset({"thumbs.db", "desktop.ini", "__macosx", "@eadir", "$recycle.bin", "system volume information"})


@dataclass(frozen=True, slots=True)
class Picture:
    """A file that is a picture by its name. ``part`` and ``group`` are set where the user gave them: pictures of one
    group (one patient, one plant) stay on one side of a split."""

    path: Path
    label: str
    part: Part | None = None
    group: str | None = None


@dataclass(frozen=True, slots=True)
class Catalog:
    """What a scan found. ``classes`` are sorted by name, ``pictures`` by label and path.

    ``ignored`` counts hidden and system entries; ``others`` are files in class folders that are no pictures by name;
    ``loose`` are pictures outside any class folder; ``cautions`` are sentences for the user. ``root`` is the folder
    that holds everything (of a table, its own folder).
    """

    root: Path
    classes: tuple[str, ...]
    pictures: tuple[Picture, ...]
    ignored: int = 0
    others: tuple[Path, ...] = ()
    loose: tuple[Path, ...] = ()
    cautions: tuple[str, ...] = ()


def scan(root: Path) -> Catalog:
    """List the pictures under ``root``, a folder or a CSV file, in any of the three layouts.

    Links are followed inside ``root`` only, and every folder is visited once. Raises DataError where training could
    only fail: no class folders, a class folder without pictures, one class only, a class in val or test that train
    lacks, class names that some file systems cannot keep apart, a folder that cannot be read.
    """
    if os.path.isfile(root):  # noqa: PTH113 (answers False, not an error, for what is out of reach)
        return _scan_table(root)
    if not os.path.isdir(root):  # noqa: PTH112
        raise DataError(f"There is no folder {root}. Give a folder that holds one folder of pictures per class.")
    walk = _Walk(root)
    folders, files = walk.entries(root)
    walk.keep_loose(files)
    parts = _part_folders(root, folders)
    starts = list(_starts(walk, parts) if parts else (_Start(folder.path, folder.name) for folder in folders))
    trained = [start.label for start in starts if start.part in (None, Part.TRAIN)]
    if not trained:
        raise _no_classes(root, parts, walk)
    _require_distinct(root, (start.label for start in starts))
    pictures = sorted(walk.pictures(starts), key=lambda picture: (picture.label, str(picture.path)))
    _require_pictures(trained, pictures, walk)
    if len(trained) == 1 and not parts:
        raise _one_class(root, trained[0], walk.entries(starts[0].path)[0])
    _require_trained(root, trained, [start.label for start in starts])
    return Catalog(
        root=root,
        classes=tuple(sorted(trained)),
        pictures=tuple(pictures),
        ignored=walk.ignored,
        others=tuple(walk.others),
        loose=tuple(walk.loose),
        cautions=(*walk.cautions(), *_layout_cautions(folders, parts), *_class_cautions(pictures)),
    )


def listing(names: Iterable[str], most: int = 5) -> str:
    """``'a', 'b' and 3 more``: the first of ``names``, quoted, for a message."""
    names = list(names)
    shown = ", ".join(f"'{name}'" for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def plural(number: int, noun: str) -> str:
    """``1 link``, ``2,000 links``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _scan_table(table: Path) -> Catalog:
    if table.suffix.lower() != ".csv":
        raise DataError(
            f"{table} is a file. Give a folder that holds one folder of pictures per class, or a .csv table."
        )
    rows = read_table(table)
    if not rows:
        raise DataError(f"{table} lists no pictures.")
    pictures = sorted(
        (Picture(row.path, row.label, row.part, row.group) for row in rows),
        key=lambda picture: (picture.label, str(picture.path)),
    )
    labels = sorted({picture.label for picture in pictures})
    _require_distinct(table, labels)
    trained = sorted({picture.label for picture in pictures if picture.part in (None, Part.TRAIN)})
    _require_trained(table, trained, labels)
    return Catalog(table.parent, tuple(labels), tuple(pictures), cautions=tuple(_class_cautions(pictures)))


@dataclass(frozen=True, slots=True)
class _Start:
    """A folder whose pictures, at any depth, all bear ``label``."""

    path: str
    label: str
    part: Part | None = None


class _Walk:
    """One walk through a folder: the pictures it finds, and what it leaves aside on the way."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.ignored = 0
        self.outside = 0
        self.others: list[Path] = []
        self.loose: list[Path] = []
        self._inside = os.path.join(os.path.realpath(root), "")  # noqa: PTH118 (a prefix, with the separator)
        self._visited: set[tuple[int, int]] = set()

    def entries(self, folder: str | Path) -> tuple[_Entries, _Entries]:
        """The folders and the files in ``folder`` that count, by name. scandir knows what is what without a stat."""
        folders: _Entries = []
        files: _Entries = []
        self._visited.add(_identity(folder))
        try:
            with os.scandir(folder) as entries:
                for entry in sorted(entries, key=lambda entry: entry.name):
                    if is_hidden(entry.name):
                        self.ignored += 1
                    elif entry.is_symlink() and not self._leads_inside(entry):
                        self.outside += 1
                    else:
                        (folders if _is_folder(entry) else files).append(entry)
        except OSError as error:
            raise _cannot_read(folder, error) from error
        return folders, files

    def pictures(self, starts: Iterable[_Start]) -> Iterator[Picture]:
        """All pictures below ``starts``. Links come last: what is reached by several ways keeps the name of its own."""
        plain: deque[_Start] = deque()
        linked: deque[_Start] = deque()
        for start in starts:
            (linked if Path(start.path).is_symlink() else plain).append(start)
        while plain or linked:
            start = (plain or linked).popleft()
            if _identity(start.path) in self._visited:
                continue
            folders, files = self.entries(start.path)
            for folder in folders:
                (linked if folder.is_symlink() else plain).append(_Start(folder.path, start.label, start.part))
            for file in files:
                if _may_be_picture(file):
                    yield Picture(Path(file.path), start.label, start.part)
                else:
                    self.others.append(Path(file.path))

    def keep_loose(self, files: _Entries) -> None:
        """Remember the pictures among files that lie in no class folder."""
        self.loose.extend(Path(file.path) for file in files if _suffix(file.name) in SUFFIXES)

    def cautions(self) -> list[str]:
        """What the user should know of what was left aside."""
        cautions = [self.unfollowed] if self.unfollowed else []
        if self.loose:
            where = f"outside any class folder, {self.loose[0]} for one"
            cautions.append(f"Not used: {plural(len(self.loose), 'picture')} {where}.")
        return cautions

    @property
    def unfollowed(self) -> str:
        """A sentence about links that lead out of the root, or nothing."""
        if not self.outside:
            return ""
        way_out = "copy what they point to, or list the pictures in a CSV file"
        return f"Not followed: {plural(self.outside, 'link')} out of {self.root}; {way_out}."

    def _leads_inside(self, link: os.DirEntry[str]) -> bool:
        return os.path.join(os.path.realpath(link.path), "").startswith(self._inside)  # noqa: PTH118


def _identity(folder: str | Path) -> tuple[int, int]:
    """What stays the same under all names of a folder."""
    try:
        status = os.stat(folder)  # noqa: PTH116 (called for every folder)
    except OSError as error:
        raise _cannot_read(folder, error) from error
    return status.st_dev, status.st_ino


def is_hidden(name: str) -> bool:
    """Is a file or folder of this name no business of ours: hidden, or one of the system's?"""
    return name.startswith(".") or name.lower() in _SYSTEM


def _is_folder(entry: os.DirEntry[str]) -> bool:
    if entry.is_symlink():
        return os.path.isdir(entry.path)  # noqa: PTH112 (answers False, not an error, for a link to itself)
    return entry.is_dir(follow_symlinks=False)


def _may_be_picture(file: os.DirEntry[str]) -> bool:
    """By its name; pipes and devices, which would block the reader, are none. A broken link is found out on reading."""
    return (_suffix(file.name) in SUFFIXES or "." not in file.name) and (file.is_symlink() or file.is_file())


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()  # noqa: PTH122 (a Path for each of a million names takes seconds)


def _cannot_read(folder: str | Path, error: OSError) -> DataError:
    return DataError(f"Cannot read {folder}: {(error.strerror or str(error)).lower()}. Check its access rights.")


def _part_folders(root: Path, folders: _Entries) -> dict[Part, str]:
    """Part -> its folder, where ``root`` is laid out as train, val, test; empty where its folders are classes.

    A folder ``train`` among folders of other names, without any val or test, is a class: a data set of vehicles.
    """
    named = [(PARTS[folder.name.lower()], folder) for folder in folders if folder.name.lower() in PARTS]
    parts = {part: folder.path for part, folder in named}
    if len(parts) < len(named):
        names = listing(folder.name for _, folder in named)
        raise DataError(f"{root} has several folders for one part of the data: {names}. Keep one of each.")
    all_named = len(named) == len(folders)
    if parts and all_named and Part.TRAIN not in parts:
        raise DataError(f"{root} has {listing(folder.name for folder in folders)} but no 'train'. Add it.")
    if Part.TRAIN in parts and (all_named or len(parts) > 1):
        return {part: parts[part] for part in Part if part in parts}
    return {}


def _starts(walk: _Walk, parts: dict[Part, str]) -> Iterator[_Start]:
    for part, path in parts.items():
        folders, files = walk.entries(path)
        walk.keep_loose(files)
        yield from (_Start(folder.path, folder.name, part) for folder in folders)


def _no_classes(root: Path, parts: dict[Part, str], walk: _Walk) -> DataError:
    place = parts.get(Part.TRAIN, root)
    found = f"Found 0 folders, {plural(len(walk.loose), 'loose image')}."
    return DataError(
        f"No class folders in {place}; expected {place}/<class>/<image>. {found} {walk.unfollowed}".rstrip()
    )


def _one_class(root: Path, label: str, inner: _Entries) -> DataError:
    hint = f" If its {len(inner)} folders are the classes, give {root / label}." if len(inner) > 1 else ""
    return DataError(f"Only class '{label}' found in {root}; at least 2 are needed.{hint}")


def _require_distinct(root: Path, labels: Iterable[str]) -> None:
    """No two classes may fall together on a file system that ignores case or Unicode form."""
    spelling: dict[str, str] = {}
    for label in sorted(set(labels)):
        other = spelling.setdefault(unicodedata.normalize("NFC", label.casefold()), label)
        if other != label:
            alike = unicodedata.normalize("NFC", other) == unicodedata.normalize("NFC", label)
            why = " (they differ only in how their accents are encoded)" if alike else ""
            raise DataError(
                f"Classes '{other}' and '{label}' cannot both exist on Windows/macOS{why}; rename one in {root}."
            )


def _require_pictures(labels: Collection[str], pictures: Iterable[Picture], walk: _Walk) -> None:
    filled = {picture.label for picture in pictures if picture.part in (None, Part.TRAIN)}
    if empty := [label for label in labels if label not in filled]:
        what = f"No pictures in the class folders {listing(empty)}. Fill or remove them."
        raise DataError(f"{what} {walk.unfollowed}".rstrip())


def _require_trained(root: Path, trained: Collection[str], labels: Iterable[str]) -> None:
    if strange := sorted(set(labels) - set(trained)):
        raise DataError(
            f"In {root}, val or test has classes that train lacks: {listing(strange)}. "
            "They could never be predicted; add training pictures of them, or remove them."
        )
    if len(trained) < 2:
        raise DataError(f"Only class {listing(trained)} found in {root}; at least 2 are needed.")


def _layout_cautions(folders: _Entries, parts: dict[Part, str]) -> Iterator[str]:
    unused = [folder.name for folder in folders if parts and folder.name.lower() not in PARTS]
    if unused:
        yield f"Beside train, val and test these folders are not used: {listing(unused)}."
    if not parts and any(folder.name.lower() in PARTS for folder in folders):
        names = listing(folder.name for folder in folders if folder.name.lower() in PARTS)
        yield f"{names} is taken for a class like the folders beside it, not for a part of the data."


def _class_cautions(pictures: Sequence[Picture]) -> Iterator[str]:
    counts = Counter(picture.label for picture in pictures)
    if single := [label for label, count in counts.items() if count == 1]:
        yield f"Classes with a single picture cannot be tested: {listing(single)}."
    for part in (Part.VAL, Part.TEST):
        present = {picture.label for picture in pictures if picture.part == part}
        if present and (missing := [label for label in counts if label not in present and counts[label] > 1]):
            yield f"Classes without a picture in {part}: {listing(missing)}."
