"""A data set written down as a CSV file: ``path,label[,split][,group]``, one picture a line."""

import csv
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from genus.errors import DataError, nearest
from genus.types import Part

PARTS = {"train": Part.TRAIN, "val": Part.VAL, "valid": Part.VAL, "validation": Part.VAL, "test": Part.TEST}
"""What the sides of a split are called in tables and folder names (in any case)."""

_COLUMNS = ("path", "label", "split", "group")


@dataclass(frozen=True, slots=True)
class Row:
    """One picture of a table; ``path`` is already joined to the folder of the table."""

    line: int
    path: Path
    label: str
    part: Part | None
    group: str | None


def read_table(table: Path) -> list[Row]:
    """Read a CSV file (UTF-8, with or without byte order mark) whose first line names the columns.

    Paths are relative to the folder of the table; further columns are ignored; an empty group is no group. Raises
    DataError, naming line and value, for a missing column, an unknown split, an empty cell, a path that is listed
    twice, and a picture that does not exist.
    """
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            return list(_rows(table, file))
    except UnicodeDecodeError as error:
        raise DataError(f"{table} is not UTF-8 text ({error.reason}). Save it as CSV in UTF-8.") from error
    except csv.Error as error:
        raise DataError(f"{table}: not a CSV file that can be read: {error}.") from error
    except OSError as error:
        raise DataError(f"Cannot read {table}: {(error.strerror or str(error)).lower()}.") from error


def _require_columns(table: Path, header: list[str]) -> None:
    if len(header) == 1 and ";" in header[0]:
        raise DataError(f"{table} separates its columns with ';'. Save it with commas.")
    for name in ("path", "label"):
        if name not in header:
            found = ", ".join(header) or "nothing"
            raise DataError(
                f"{table} has no column '{name}' (its first line says: {found}).{nearest(name, header)} "
                "Expected: path,label[,split][,group]."
            )
    for name in _COLUMNS:
        if header.count(name) > 1:
            raise DataError(f"{table} has the column '{name}' {header.count(name)} times.")


def _rows(table: Path, file: TextIO) -> Iterator[Row]:
    lines = csv.reader(file, strict=True)
    header = [name.strip().lower() for name in next(lines, [])]
    _require_columns(table, header)
    first_seen: dict[Path, int] = {}
    end = lines.line_num  # a quoted cell may hold line ends
    for cells in lines:
        line, end = end + 1, lines.line_num
        if not any(cells):
            continue
        where = f"{table}, line {line}"
        if len(cells) != len(header):
            raise DataError(f"{where}: {len(cells)} cells, but the first line names {len(header)} columns.")
        row = _row(table.parent, line, where, dict(zip(header, cells, strict=True)))
        if row.path in first_seen:
            raise DataError(f"{where}: {row.path} is already in line {first_seen[row.path]}. List each picture once.")
        first_seen[row.path] = line
        yield row


def _row(folder: Path, line: int, where: str, cells: dict[str, str]) -> Row:
    label, split = cells["label"].strip(), cells.get("split")
    for name, value in (("path", cells["path"]), ("label", label)):
        if not value:
            raise DataError(f"{where}: the {name} is empty.")
    path = folder / cells["path"]
    if not os.path.isfile(path):  # noqa: PTH113 (Path.is_file takes twice as long, and tables can be long)
        raise DataError(f"{where}: there is no file {path}.")
    if split is not None and split.strip().lower() not in PARTS:
        raise DataError(f"{where}: unknown split '{split}'. Use train, val or test.{nearest(split, PARTS)}")
    part = None if split is None else PARTS[split.strip().lower()]
    return Row(line, path, label, part, cells.get("group", "").strip() or None)
