"""A data set written down as a table: ``path,label[,split][,group]``, one picture a line."""

import csv
import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TextIO

from genus.data.catalog import BadFile, Catalog, Picture, is_blank, require_distinct, too_many
from genus.data.formats import SUFFIXES, suffix_of
from genus.data.layout import PARTS, part_named
from genus.errors import DataError, nearest

_COLUMNS = {  # what a column may be called, the first of these that is there; case, blanks and signs do not matter
    "path": "path filepath filename file image imagepath imagefile imagename imageid img picture photo idcode id",
    "label": "label class category target labels classes classname labelname",
    "split": "split subset partition",
    "group": "group",
}
_DELIMITERS = (",", ";", "\t")
_EXPECTED = "Expected: path,label[,split][,group]."


def read_table(table: Path) -> Catalog:
    """Read a table in UTF-8 (with or without byte order mark) or UTF-16, whose first line names the columns.

    Columns are separated by commas, semicolons or tabs. Paths are relative to the folder of the table, with ``/`` or
    ``\\``; a path that no file has as it is written takes the one file of this name, whatever its capitals and suffix.
    Further columns are ignored; an empty group is no group. A picture that is not there becomes a bad file.
    Raises DataError, naming line and value, for a missing column, an unknown split, an empty cell, a path that is
    listed twice, labels that look alike; and when more than 5 % of the pictures are not there.
    """
    try:
        with table.open(encoding=_encoding(table), newline="") as file:
            return _Reader(table).read(file)
    except UnicodeError as error:
        raise _not_unicode(table) from error
    except csv.Error as error:
        raise DataError(f"{table}: not a CSV file that can be read: {error}.") from error
    except OSError as error:
        raise DataError(f"Cannot read {table}: {(error.strerror or str(error)).lower()}.") from error


class _Reader:
    """Reads one table, line by line, and keeps what it finds."""

    def __init__(self, table: Path) -> None:
        self._table = table
        self._files = _Files(table.parent)
        self._pictures: list[Picture] = []
        self._missing: list[BadFile] = []
        self._found: list[str] = []  # sentences on files found under another name
        self._line_of: dict[str, int] = {}  # of each path
        self._labels: dict[str, str] = {}  # as they are written, and where first

    def read(self, file: TextIO) -> Catalog:
        """All lines. Raises DataError."""
        first = file.readline()
        delimiter = _delimiter(first)
        header = next(csv.reader([first], delimiter=delimiter, strict=True), [])
        columns = _columns(self._table, header)
        lines = csv.reader(file, delimiter=delimiter, strict=True)
        end = 1  # a quoted cell may hold line ends
        for cells in lines:
            line, end = end + 1, lines.line_num + 1
            if not any(cells):
                continue
            if len(cells) != len(header):
                raise self._wrong(line, f"{len(cells)} cells, but the first line names {len(header)} columns")
            self._add(line, {name: cells[place] for name, place in columns.items()})
        return self._catalog(header, columns)

    def _add(self, line: int, cells: Mapping[str, str]) -> None:
        """One picture."""
        for name in ("path", "label"):
            if is_blank(cells[name]):
                raise self._wrong(line, f"the {name} is empty")
        split, label = cells.get("split"), cells["label"].strip()
        part = None if split is None else part_named(split)
        if split is not None and part is None:
            raise self._wrong(line, f"unknown split '{split}'. Use train, val or test.{nearest(split, PARTS)}", end="")
        path, reason = self._files.find(cells["path"])
        known = self._line_of.setdefault(os.path.normpath(path), line)
        if known != line:
            raise self._wrong(line, f"{path} is already in line {known}. List each picture once")
        self._labels.setdefault(cells["label"], f"line {line} of {self._table.name}")
        if reason:
            self._missing.append(BadFile(path, label, f"line {line} of {self._table.name}: {reason}"))
            return
        if path != self._table.parent / cells["path"]:
            self._found.append(f"'{cells['path']}' in line {line} is {path}")
        self._pictures.append(Picture(path, label, part, cells.get("group", "").strip() or None))

    def _catalog(self, header: Sequence[str], columns: Mapping[str, int]) -> Catalog:
        total = len(self._pictures) + len(self._missing)
        if not total:
            raise DataError(f"{self._table} lists no pictures.")
        require_distinct(self._labels)
        if share := too_many(len(self._missing), total):
            first = "; ".join(file.reason for file in self._missing[:3])
            raise DataError(
                f"{share} of {self._table} are not there, more than 5 %: {first}. "
                f"Paths are relative to {self._table.parent}; correct the paths or remove the lines."
            )
        labels = sorted({label.strip() for label in self._labels})
        notes = (*self._column_notes(header, columns), *self._found_notes())
        return Catalog(self._table.parent, tuple(labels), tuple(self._pictures), tuple(self._missing), notes)

    def _column_notes(self, header: Sequence[str], columns: Mapping[str, int]) -> Iterator[str]:
        names = {header[place].strip(): name for name, place in columns.items()}
        if other := [f"'{column}' for {name}" for column, name in names.items() if column.lower() != name]:
            yield f"Columns of {self._table} taken: {', '.join(other)}."

    def _found_notes(self) -> Iterator[str]:
        if self._found:
            fit = "path fits" if len(self._found) == 1 else "paths fit"
            yield (
                f"{len(self._found):,} {fit} no file as written in {self._table}, but one of this name is there: "
                f"{self._found[0]}."
            )

    def _wrong(self, line: int, what: str, end: str = ".") -> DataError:
        return DataError(f"{self._table}, line {line}: {what}{end}")


class _Files:
    """Finds files by what a table calls them."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._listed: dict[str, dict[str, list[str]]] = {}  # folder -> name or stem, made alike -> file names

    def find(self, written: str) -> tuple[Path, str]:
        """The file that is meant, and an empty string; or the path as it is written, and why there is no file."""
        path = self._root / written
        if os.path.isfile(path):  # noqa: PTH113 (Path.is_file takes twice as long, and tables can be long)
            return path, ""
        tidy = self._root / written.strip().strip("'\"").replace("\\", "/")
        if os.path.isfile(tidy):  # noqa: PTH113
            return tidy, ""
        alike = self._alike(tidy)
        if len(alike) == 1:
            return tidy.with_name(alike[0]), ""
        if alike:
            return path, f"'{written}' may be {' or '.join(alike[:3])}; write it out"
        if re.match(r"\w+://", written):
            return path, f"'{written}' is an address, not a file; download it"
        if os.path.exists(path):  # noqa: PTH110
            return path, f"'{written}' is no file"
        return path, f"there is no file '{written}'"

    def _alike(self, path: Path) -> list[str]:
        """The files beside ``path`` with its name but for capitals, Unicode form and a missing suffix."""
        folder = str(path.parent)
        if folder not in self._listed:
            self._listed[folder] = _names_in(folder)
        return self._listed[folder].get(_plain(path.name), [])


def _names_in(folder: str) -> dict[str, list[str]]:
    names: defaultdict[str, list[str]] = defaultdict(list)
    try:
        entries = sorted(entry.name for entry in os.scandir(folder) if entry.is_file())
    except OSError:
        return names
    for name in entries:
        names[_plain(name)].append(name)
        if suffix_of(name) in SUFFIXES:
            names[_plain(os.path.splitext(name)[0])].append(name)  # noqa: PTH122
    return names


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _encoding(table: Path) -> str:
    with table.open("rb") as file:
        return "utf-16" if file.read(2) in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"


def _not_unicode(table: Path) -> DataError:
    """Which line it is."""
    with table.open("rb") as file:
        for line, content in enumerate(file, 1):
            try:
                content.decode()
            except UnicodeDecodeError as error:
                shown = content.decode("cp1252", "replace").strip()[:80]
                return DataError(
                    f"{table}, line {line}: not UTF-8 text ({error.reason}), perhaps '{shown}' in the encoding of "
                    "Windows. Save the table as CSV in UTF-8."
                )
    return DataError(f"{table} is not UTF-8 text. Save it as CSV in UTF-8.")


def _delimiter(first_line: str) -> str:
    """The one by which the names of the columns can be told apart."""
    found = {mark: _places(first_line.rstrip("\r\n").split(mark)) for mark in _DELIMITERS}
    return max(_DELIMITERS, key=lambda mark: ("path" in found[mark]) + ("label" in found[mark]))


def _places(header: Sequence[str]) -> dict[str, int]:
    """Which column is which, as far as the names say."""
    names = [re.sub(r"[\W_]", "", name.lower()) for name in header]
    return {
        column: names.index(known)
        for column, accepted in _COLUMNS.items()
        for known in [next((name for name in accepted.split() if name in names), None)]
        if known
    }


def _columns(table: Path, header: Sequence[str]) -> dict[str, int]:
    places = _places(header)
    names = [name.strip().lower() for name in header]
    for column in ("path", "label"):
        if column not in places:
            found = ", ".join(names) or "nothing"
            above = " Put the names of the columns above the first picture." if _is_picture_line(header) else ""
            raise DataError(
                f"{table} has no column '{column}' (its first line says: {found}).{nearest(column, names)}{above} "
                f"{_EXPECTED}"
            )
    for place in places.values():
        if names.count(names[place]) > 1:
            raise DataError(f"{table} has the column '{names[place]}' {names.count(names[place])} times.")
    return places


def _is_picture_line(header: Sequence[str]) -> bool:
    return any(suffix_of(cell) in SUFFIXES for cell in header)
