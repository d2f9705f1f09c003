"""Where in a data folder the class folders are: at the top, in parts of a split, or one folder further down."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from genus.data.kinds import ARCHIVES, TABLES, inner_folders, suffix_of
from genus.data.parts import PARTS, Parts, is_plain, is_split, part_named, parts_of
from genus.data.walk import Entries, Start, Walk
from genus.errors import DataError, listing, plural
from genus.types import Part


@dataclass(frozen=True, slots=True)
class Layout:
    """``classes`` are the class folders of all parts; they lie in ``place``, which is the root or a folder below it.
    ``notes`` and ``cautions`` are sentences on how the folders were understood."""

    place: Path
    classes: tuple[Start, ...]
    notes: tuple[str, ...]
    cautions: tuple[str, ...]

    @property
    def trained(self) -> list[str]:
        """The labels that there is a training folder of."""
        return [start.label for start in self.classes if start.part in (None, Part.TRAIN)]


def find_layout(walk: Walk, root: Path, *, for_training: bool = True) -> Layout:
    """Find the class folders of ``root``; a folder that holds nothing but one folder of folders is looked through.

    Raises DataError where there are none, and where folder names look like parts but make no split.
    """
    place = root
    folders, files = walk.entries(place)
    walk.keep_loose(files)
    while not (parts := parts_of(place, [entry.name for entry in folders], for_training=for_training)).of:
        if len(folders) != 1 or not inner_folders(folders[0].path):
            break
        place = Path(folders[0].path)
        folders, files = walk.entries(place)
        walk.keep_loose(files)
    notes = [f"The classes are those in {place}, the only folder in {root}."] if place != root else []
    if parts.of:
        classes, unlabelled = _in_parts(walk, folders, parts.of, for_training)
        notes += _renamed(parts.of)
        cautions = [*_unused(folders, parts.of, unlabelled)]
    else:
        classes = tuple(Start(entry.path, entry.name) for entry in folders)
        cautions = [*_doubtful(place, folders, parts)]
    if not classes:
        raise _no_classes(place, files, walk)
    return Layout(place, classes, tuple(notes), (*cautions, *_deep(classes)))


def _in_parts(
    walk: Walk, folders: Entries, parts: Mapping[str, Part | None], for_training: bool
) -> tuple[tuple[Start, ...], list[str]]:
    """The class folders of every part, and the names of the folders whose pictures have no labels."""
    classes: list[Start] = []
    unlabelled: list[str] = []
    for part in (*Part, None):  # training comes first: it says which labels there are
        for folder in (entry for entry in folders if entry.name in parts and parts[entry.name] == part):
            inner, files = _class_folders(walk, folder.path, {start.label for start in classes}) if part else ([], [])
            if inner or part == Part.TRAIN:
                walk.keep_loose(files)
            else:
                unlabelled.append(folder.name)
            if not inner and part == Part.TRAIN and for_training:
                raise _no_classes(Path(folder.path), files, walk)
            classes += [Start(entry.path, entry.name, part) for entry in inner]
    return tuple(classes), unlabelled


def _class_folders(walk: Walk, folder: str, trained: set[str]) -> tuple[Entries, Entries]:
    """The class folders of a part, and the files beside them. One folder too many is looked through
    (``seg_train/seg_train/<class>``); ``images`` without folders (``test/images/1.jpg``) is no class."""
    inner, files = walk.entries(folder)
    if len(inner) == 1 and inner[0].name not in trained:
        if inner_folders(inner[0].path):
            return walk.entries(inner[0].path)
        if trained and is_plain(inner[0].name):
            return [], files
    return inner, files


def _doubtful(place: Path, folders: Entries, parts: Parts) -> Iterator[str]:
    """Say that a folder with the name of a part is taken for a class; refuse it where that can hardly be meant."""
    names = {entry.name for entry in folders}
    for name in parts.doubtful:
        holds_classes = any((place / name / other).is_dir() for other in names)
        if holds_classes or part_named(name) in (Part.TEST, None):
            raise DataError(
                f"{place / name} looks like a part of the data, not like a class. If it is one, move the classes "
                f"beside it into {place / 'train'}; if its pictures have no labels, move it elsewhere; else rename it."
            )
        yield f"'{name}' is taken for a class like the folders beside it, not for a part of the data."


def _deep(classes: Sequence[Start]) -> Iterator[str]:
    """Class folders whose pictures all lie in several folders below: perhaps those are the classes."""
    deep = {start: inner for start in classes if len(inner := inner_folders(start.path) or []) > 1}
    inner = list(dict.fromkeys(Path(folder).name for folders in deep.values() for folder in sorted(folders)))
    for start, folders in deep.items():
        if is_split(names := sorted(Path(folder).name for folder in folders)):
            raise DataError(
                f"{start.path} holds parts of the data ({listing(names)}), so it is no class. If it is the whole data "
                "set, give it; if every class is split by itself, sort the pictures into train/<class>, test/<class>."
            )
    if deep:
        yield (
            f"{listing(start.label for start in deep)}: no picture lies there directly, but in {listing(inner)} below. "
            "If the folders below are the classes, sort the pictures by them."
        )


def _renamed(parts: Mapping[str, Part | None]) -> Iterator[str]:
    """How folder names were understood that are not the plain ones."""
    if any(part and name.lower() not in PARTS for name, part in parts.items()):
        taken = ", ".join(f"'{name}' for {part}" for name, part in parts.items() if part)
        yield f"Taken for the parts of the data: {taken}."


def _unused(folders: Entries, parts: Mapping[str, Part | None], unlabelled: Sequence[str]) -> Iterator[str]:
    if unlabelled:
        yield f"Left alone, because their pictures are in no class folders and have no labels: {listing(unlabelled)}."
    if unused := [entry.name for entry in folders if entry.name not in parts]:
        yield f"Beside train, val and test these folders are not used: {listing(unused)}."


def _no_classes(place: Path, files: Entries, walk: Walk) -> DataError:
    left = walk.leftovers
    hints = [left.unfollowed] if left.unfollowed else []
    if left.outputs:
        hints.append(f"{left.outputs[0]} was written by genus and is no data.")
    for entry in files:
        if suffix_of(entry.name) in ARCHIVES:
            hints.append(f"Unpack {entry.path} first.")
            break
        if left.loose and suffix_of(entry.name) in TABLES - {".txt"}:
            hints.append(f"If {entry.path} says what the pictures show, give it instead.")
            break
    found = f"Found 0 folders, {plural(len(left.loose), 'loose image')}."
    return DataError(" ".join([f"No class folders in {place}; expected {place}/<class>/<image>.", found, *hints]))
