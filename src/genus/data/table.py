"""A data set written down as a table: ``path,label[,split][,group]``, one picture a line."""

import csv
import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO
from urllib.parse import urlsplit
from urllib.request import url2pathname

from genus.data.catalog import BadFile, Catalog, Picture, is_blank, require_distinct, too_many
from genus.data.columns import Columns, delimiter_of, find_columns, names_columns
from genus.data.formats import SUFFIXES, suffix_of
from genus.data.layout import PARTS, part_named
from genus.errors import DataError, nearest
from genus.types import Part

_QUOTED = re.compile(r"\s*'[^']+'\s*")


def read_table(table: Path) -> Catalog:
    """Read a table in UTF-8 or UTF-16, whose first line names the columns; above it, blank lines, comments and the
    ``sep=;`` of Excel are passed over.

    Columns are separated by commas, semicolons, tabs or bars; what they may be called says ``columns``. Paths are
    relative to the folder of the table, with ``/`` or ``\\``; a path that no file has as it is written takes the one
    file of this name in other capitals, or with the suffix that the path lacks. Further columns are ignored, which a
    note says; an empty group is no group. A picture that is not there becomes a bad file.
    Raises DataError, naming line and value, for a missing column, an unknown split, an empty cell, a path that is
    listed twice, labels that look alike; and when more than 5 % of the pictures are not there.
    """
    try:
        return _Reader(table).read()
    except UnicodeError as error:
        raise _not_unicode(table) from error
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

    def read(self) -> Catalog:
        """All lines, twice: what a column is, its values say as well. Raises DataError."""
        rows = self._rows()
        _, header = next(rows, (1, []))
        columns = find_columns(self._table, header, (cells for _, cells in rows))
        rows = self._rows()
        next(rows)
        for line, cells in rows:
            if len(cells) != len(header):
                raise self._wrong(line, f"{len(cells)} cells, but the first line names {len(header)} columns")
            self._add(line, cells, columns)
        return self._catalog(columns)

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        """Number of its first line (a quoted cell may hold line ends) and cells of each row, that of the names first,
        that are not all blank."""
        encoding = _encoding(self._table)
        with self._table.open(encoding=encoding, newline="") as file:
            above, delimiter, quote = _form(file)
        with self._table.open(encoding=encoding, newline="") as file:
            for _ in range(above):
                file.readline()
            lines = csv.reader(file, delimiter=delimiter, quotechar=quote, skipinitialspace=True, strict=True)
            end = above
            while True:
                try:
                    cells = next(lines, None)
                except csv.Error as error:
                    raise self._wrong(end + 1, _not_csv(error)) from error
                if cells is None:
                    return
                line, end = end + 1, above + lines.line_num
                if zero := next((cell for cell in cells if "\0" in cell), None):
                    raise self._wrong(line, f"{zero!r} holds a zero byte. Save the table anew, as CSV in UTF-8")
                if any(cell.strip() for cell in cells):
                    yield line, cells

    def _add(self, line: int, row: Sequence[str], columns: Columns) -> None:
        """One picture."""
        cells = {name: row[place] for name, place in columns.places.items()}
        for name in ("path", "label"):
            if is_blank(cells[name]):
                raise self._wrong(line, f"the {name} is empty")
        label = cells["label"].strip()
        if len(label) > 1 and label[0] == label[-1] and label[0] in "'\"":
            raise self._wrong(line, f"the label {label} stands in quotes. Remove them")
        part = self._part(line, row, columns)
        path, reason = self._files.find(cells["path"])
        known = self._line_of.setdefault(os.path.normpath(path), line)
        if known != line:
            raise self._wrong(line, f"{path} is already in line {known}. List each picture once")
        self._labels.setdefault(cells["label"], f"line {line} of {self._table.name}")
        if reason:
            self._missing.append(BadFile(path, label, f"line {line} of {self._table.name}: {reason}", part))
            return
        if path != self._table.parent / cells["path"]:
            self._found.append(f"'{cells['path']}' in line {line} is {path}")
        self._pictures.append(Picture(path, label, part, cells.get("group", "").strip() or None))

    def _part(self, line: int, row: Sequence[str], columns: Columns) -> Part | None:
        if columns.flags:
            parts = columns.parts(row)
            if len(parts) != 1:
                flags = ", ".join(f"{columns.header[place]} '{row[place].strip()}'" for place in columns.flags)
                raise self._wrong(line, f"{flags}: these are not one part of the data")
            return parts[0]
        if "split" not in columns.places:
            return None
        split = row[columns.places["split"]]
        part = part_named(split)
        if part is None:
            raise self._wrong(line, f"unknown split '{split}'. Use train, val or test.{nearest(split, PARTS)}", end="")
        return part

    def _catalog(self, columns: Columns) -> Catalog:
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
        notes = (*columns.notes(self._table), *self._found_notes())
        return Catalog(
            root=self._table.parent,
            classes=tuple(labels),
            pictures=tuple(self._pictures),
            bad=tuple(self._missing),
            notes=notes,
            cautions=tuple(columns.cautions(self._table)),
        )

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
        if written.startswith("file://"):
            written = url2pathname(urlsplit(written).path)
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
    """UTF-16 by its mark, or by the zero bytes of the letters that it begins with."""
    with table.open("rb") as file:
        head = file.read(4)
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    if head[1::2] == b"\0\0":
        return "utf-16-le"
    return "utf-16-be" if head[::2] == b"\0\0" else "utf-8-sig"


def _form(file: TextIO) -> tuple[int, str, str]:
    """The number of lines above the names of the columns, the sign between cells, and that around a quoted one."""
    above, names = 0, ""
    for line in file:
        if line.strip() and not _is_remark(line):
            names = line
            break
        above += 1
    delimiter = delimiter_of(names)
    cells = (names + delimiter + next(file, "")).split(delimiter)
    return above, delimiter, "'" if any(map(_QUOTED.fullmatch, cells)) else '"'


def _is_remark(line: str) -> bool:
    return line.strip('" ').lower().startswith("sep=") or (line.startswith("#") and not names_columns(line))


def _not_csv(error: csv.Error) -> str:
    if "unexpected end" in str(error) or "field limit" in str(error):
        return "a quote opens here that is never closed. Close it, or double it where it is part of a cell"
    return f"not a CSV file that can be read: {error}"


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
