"""Which column of a table is what: by its name, and a column that gives each picture its part by its values, too."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from genus.data.formats import SUFFIXES, suffix_of
from genus.data.layout import part_named
from genus.errors import DataError, listing, nearest
from genus.types import Part

_NAMES = {  # what a column may be called, the first of these that is there; case, blanks and signs do not matter
    "path": "path paths filepath filepaths filename filenames file files image images imagepath imagepaths imagefile "
    "imagename imagenames imageid imageids img picture photo idcode id",
    "label": "label class category target labels classes classname labelname",
    "split": "split subset partition",
    "group": "group",
}
_PERHAPS_SPLIT = "dataset set fold phase part stage usage datasplit"  # where one value at least says a part
_PERHAPS_GROUP = (
    "groups groupid patient patientid subject subjectid person personid individual individualid specimen specimenid "
    "lesion lesionid plant plantid animal animalid session sessionid burst burstid"
)
_YES, _NO = {"true", "1", "1.0", "yes", "t", "y"}, {"false", "0", "0.0", "no", "f", "n", ""}
_DELIMITERS = (",", ";", "\t", "|")
_ENOUGH = 50
"""So many different values of a column are looked at: there are fewer words for a part."""


@dataclass(frozen=True, slots=True)
class Columns:
    """``places`` says where path, label, split and group are. Without a split, ``flags`` are the columns that say yes
    or no to one part (``is_test``). ``unused`` are the names of all others that are not empty."""

    header: Sequence[str]
    places: Mapping[str, int]
    flags: Mapping[int, Part]
    unused: Sequence[str]

    def parts(self, cells: Sequence[str]) -> list[Part]:
        """The parts that the flags of a line say: one, if they are right."""
        said = [part for place, part in self.flags.items() if cells[place].strip().lower() in _YES]
        others = [part for part in (Part.TRAIN, Part.TEST, Part.VAL) if part not in self.flags.values()]
        return said or others[:1]

    def notes(self, table: Path) -> Iterator[str]:
        """Which columns were taken that are called otherwise, and which were not."""
        names = {self.header[place]: name for name, place in self.places.items()}
        names |= {self.header[place]: "split" for place in self.flags}
        if other := [f"'{column}' for {name}" for column, name in names.items() if column.lower() != name]:
            yield f"Columns of {table} taken: {', '.join(other)}."
        if self.unused:
            yield f"Columns of {table} not used: {listing(self.unused, most=10)}."

    def cautions(self, table: Path) -> Iterator[str]:
        """On a column that may say which pictures belong together."""
        found = [name for name in self.unused if _plain(name) in _PERHAPS_GROUP.split()]
        if found and "group" not in self.places:
            yield (
                f"'{found[0]}' of {table} is not used. If pictures with the same value belong together, call this "
                "column 'group': they then stay in one part of the data."
            )


def find_columns(table: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> Columns:
    """Raises DataError where the path or the label is missing, a name stands twice, or two columns may be the split."""
    header = [name.strip() for name in header]
    places = _places(header)
    _require(table, header, places)
    values: list[set[str]] = [set() for _ in header]
    for row in rows:
        for seen, cell in zip(values, row, strict=False):
            if len(seen) < _ENOUGH:
                seen.add(cell.strip())
    free = [place for place in range(len(header)) if place not in places.values() and values[place] - {""}]
    flags: dict[int, Part] = {}
    if "split" not in places:
        found = [place for place in free if _says_parts(header[place], values[place])]
        if len(found) > 1:
            several = listing(header[place] for place in found)
            raise DataError(
                f"{table} has several columns that name parts: {several}. Call the one that counts 'split'."
            )
        if found:
            places["split"] = found[0]
        else:
            flags = {place: part for place in free if (part := _flagged(header[place], values[place]))}
    used = {*places.values(), *flags}
    return Columns(header, places, flags, [header[p] or f"column {p + 1}" for p in free if p not in used])


def delimiter_of(line: str) -> str:
    """That by which the names of the columns can be told apart."""
    found = {mark: _places(line.rstrip("\r\n").split(mark)) for mark in _DELIMITERS}
    return max(_DELIMITERS, key=lambda mark: ("path" in found[mark]) + ("label" in found[mark]))


def names_columns(line: str) -> bool:
    """Are both path and label among the names?"""
    return {"path", "label"} <= _places(line.rstrip("\r\n").split(delimiter_of(line))).keys()


def _says_parts(name: str, values: set[str]) -> bool:
    """Is this the user's own split? By whatever name, where all say a part and some of them train."""
    parts = {part_named(value) for value in values - {""}}
    if _plain(name) in _PERHAPS_SPLIT.split():
        return bool(parts - {None})
    return None not in parts and Part.TRAIN in parts and len(parts) > 1


def _flagged(name: str, values: set[str]) -> Part | None:
    """The part that ``is_valid`` says yes or no to."""
    named = re.fullmatch(r"is[\W_]*(.+)", name, re.IGNORECASE)
    return part_named(named[1]) if named and {value.lower() for value in values} <= _YES | _NO else None


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name.lower())


def _places(header: Sequence[str]) -> dict[str, int]:
    """Which column is which, as far as the names say."""
    names = [_plain(name) for name in header]
    return {
        column: names.index(known)
        for column, accepted in _NAMES.items()
        for known in [next((name for name in accepted.split() if name in names), None)]
        if known
    }


def _require(table: Path, header: Sequence[str], places: Mapping[str, int]) -> None:
    names = [name.lower() for name in header]
    for column in ("path", "label"):
        if column not in places:
            found = ", ".join(names) or "nothing"
            near = nearest(column, names)
            rename = f"{near} Then call it '{column}'." if near else ""
            above = " Put the names of the columns above the first picture." if _is_picture_line(header) else ""
            raise DataError(
                f"{table} has no column '{column}' (its first line says: {found}).{rename}{above} "
                "Expected: path,label[,split][,group]."
            )
    for place in places.values():
        if names.count(names[place]) > 1:
            raise DataError(f"{table} has the column '{names[place]}' {names.count(names[place])} times.")


def _is_picture_line(header: Sequence[str]) -> bool:
    return any(suffix_of(cell) in SUFFIXES for cell in header)
