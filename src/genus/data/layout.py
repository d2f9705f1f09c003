"""Where in a data folder the class folders are: at the top, in parts of a split, or one folder further down.

Folders are parts by their names: ``train``, ``Testing``, ``seg_pred``.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from genus.data.formats import ARCHIVES, TABLES, inner_folders, suffix_of
from genus.data.walk import Entries, Start, Walk
from genus.errors import DataError, listing, plural
from genus.types import Part

PARTS = {"train": Part.TRAIN, "val": Part.VAL, "valid": Part.VAL, "validation": Part.VAL, "test": Part.TEST}
"""What the parts are called in plain words, in any case."""

Role = Part | Literal["evaluation", "unlabelled"]
_WORDS: dict[str, Role] = {
    **PARTS,
    **dict.fromkeys(("training", "trn"), Part.TRAIN),
    **dict.fromkeys(("validate", "validating", "dev"), Part.VAL),
    **dict.fromkeys(("testing", "tst", "holdout"), Part.TEST),
    **dict.fromkeys(("eval", "evaluation"), "evaluation"),  # the test part, or beside another one validation
    **dict.fromkeys(("pred", "predict", "prediction", "predictions", "unlabeled", "unlabelled"), "unlabelled"),
}
_FILLER = "datasets?|data|sets?|images?|imgs?|pictures?|pics?|photos?|folder|dir|split|samples?|subset|part|files?"
_NO_LABEL = ("unknown", "unlabeled", "unlabelled")  # alone in a part, which holds no labels then
_WRAPPER = re.compile("data|datasets?|images?|imgs?", re.IGNORECASE)
_WORD = re.compile(f"(?:{_FILLER})?({'|'.join(sorted(_WORDS, key=len, reverse=True))})(?:{_FILLER})?")


@dataclass(frozen=True, slots=True)
class Parts:
    """``of`` gives each folder name its part: None for one that holds pictures without labels. Empty: the folders are
    classes; ``doubtful`` are then those whose names are also names of parts."""

    of: Mapping[str, Part | None]
    doubtful: tuple[str, ...] = ()


def parts_of(root: Path, names: Sequence[str], *, for_training: bool = True) -> Parts:
    """What the folders ``names`` of ``root`` are: parts of a split, or classes.

    They are parts where a name for the training part stands beside one for another part, and both are the same but for
    this word (``train`` and ``test``, ``seg_train`` and ``seg_test``), or where there is nothing but the training part.
    A single ``train`` among other names is a class: a data set of vehicles. Raises DataError where they look like
    parts, but not of one split.
    """
    roles = {name: found for name in names if (found := _role(name))}
    splits = _splits(roles)
    if len(splits) == 1:
        return Parts(_assign(root, splits[0]))
    plain = {name: role for name, (role, rest) in roles.items() if not rest}
    if names and len(plain) == len(names):
        if Part.TRAIN in plain.values() or not for_training:
            return Parts(_assign(root, plain))
        raise DataError(f"{root} has {listing(names)} but no 'train'. Add it; if these are classes, rename them.")
    among = {role for role, _ in roles.values()} if len(roles) == len(names) else set(plain.values())
    if splits or len(among - {"unlabelled"}) > 1:
        raise DataError(
            f"The folders of {root} look like parts of the data, not like classes: {listing(roles)}. "
            f"Expected: {root}/train/<class>/<image>, and the same in 'val' and 'test'. Sort or rename them so."
        )
    return Parts({}, tuple(plain))


def is_split(names: Sequence[str]) -> bool:
    """Is there a training part among folders of these names, and another one that goes with it?"""
    return bool(_splits({name: found for name in names if (found := _role(name))}))


def part_named(word: str) -> Part | None:
    """The part that a cell of a table names, or None."""
    role, rest = _role(word) or (None, ())
    if rest:
        return None
    return Part.TEST if role == "evaluation" else None if role == "unlabelled" else role


def is_plain(name: str) -> bool:
    """Does a folder name say nothing but that it holds data, as ``images`` does?"""
    words = _words(name)
    return bool(words) and all(re.fullmatch(_FILLER, word) for word in words)


def _splits(roles: Mapping[str, tuple[Role, tuple[str, ...]]]) -> list[dict[str, Role]]:
    """Names of a training part and at least one other that are the same but for the word of the part."""
    alike: defaultdict[tuple[str, ...], dict[str, Role]] = defaultdict(dict)
    for name, (role, rest) in roles.items():
        alike[rest][name] = role
    return [found for found in alike.values() if Part.TRAIN in found.values() and len(set(found.values())) > 1]


def _assign(root: Path, roles: Mapping[str, Role]) -> dict[str, Part | None]:
    """Folder name -> part."""
    evaluation = Part.VAL if Part.TEST in roles.values() else Part.TEST
    parts: dict[str, Part | None] = {}
    for name, role in roles.items():
        parts[name] = None if role == "unlabelled" else evaluation if role == "evaluation" else role
    labelled = [part for part in parts.values() if part]
    if len(set(labelled)) < len(labelled):
        several = listing(name for name, part in parts.items() if labelled.count(part or Part.TRAIN) > 1 and part)
        raise DataError(f"{root} has several folders for one part of the data: {several}. Keep one of each.")
    return parts


def _role(name: str) -> tuple[Role, tuple[str, ...]] | None:
    """The role that a folder of this name has in a split, if any, and the other words of the name."""
    found: list[Role] = []
    rest: list[str] = []
    for word in _words(unicodedata.normalize("NFKC", name)):
        match = _WORD.fullmatch(word)
        if match:
            found.append(_WORDS[match[1]])
        elif not re.fullmatch(_FILLER, word):
            rest.append(word)
    return (found[0], tuple(sorted(rest))) if len(found) == 1 else None


def _words(name: str) -> list[str]:
    """The words of ``name`` in lower case, without digits and signs; ``SegTrain`` is two, ``TRAIN`` and ``hold-out``
    are one."""
    words = []
    for run in re.findall(r"[^\W\d_]+", re.sub(r"(?i)hold[\W_]out", "holdout", name)):
        known = _WORD.fullmatch(run.lower()) or re.fullmatch(_FILLER, run.lower())
        words += [run] if known else re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[^A-Z]+", run)
    return [word.lower() for word in words]


@dataclass(frozen=True, slots=True)
class FolderLayout:
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


def find_layout(walk: Walk, root: Path, *, for_training: bool = True) -> FolderLayout:
    """Find the class folders of ``root``; a folder that holds nothing but one folder of folders is looked through.

    Raises DataError where there are none, and where folder names look like parts but make no split.
    """
    place = root
    folders, files = walk.entries(place)
    walk.keep_loose(files)
    while not (parts := parts_of(place, [entry.name for entry in folders], for_training=for_training)).of:
        if not (only := _wrapper(walk, folders)):
            break
        place = Path(only)
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
    return FolderLayout(place, classes, tuple(notes), (*cautions, *_deep(classes)))


def _wrapper(walk: Walk, folders: Entries) -> str | None:
    """The only one of ``folders``, where nothing but folders is in it, and no link leads back to where one has been."""
    only = folders[0].path if len(folders) == 1 else None
    return only if only and inner_folders(only) and not walk.has_been_in(only) else None


def _in_parts(
    walk: Walk, folders: Entries, parts: Mapping[str, Part | None], for_training: bool
) -> tuple[tuple[Start, ...], list[str]]:
    """The class folders of every part, and the names of the folders whose pictures have no labels."""
    classes: list[Start] = []
    unlabelled: list[str] = []
    for part in (*Part, None):  # training comes first: it says which labels there are
        for folder in (entry for entry in folders if entry.name in parts and parts[entry.name] == part):
            trained = {start.label for start in classes}
            inner, files = _class_folders(walk, folder.path, part, trained) if part else ([], [])
            if inner or part == Part.TRAIN:
                walk.keep_loose(files)
            else:
                unlabelled.append(folder.name)
            if not inner and part == Part.TRAIN and for_training:
                raise _no_classes(Path(folder.path), files, walk)
            classes += [Start(entry.path, entry.name, part) for entry in inner]
    return tuple(classes), unlabelled


def _class_folders(walk: Walk, folder: str, part: Part, trained: set[str]) -> tuple[Entries, Entries]:
    """The class folders of a part, and the files beside them. One folder too many is looked through
    (``seg_train/seg_train/<class>``); ``images``, ``unknown`` or the part once more, without folders
    (``test/test/1.jpg``), are no classes."""
    inner, files = walk.entries(folder)
    if len(inner) == 1 and (name := inner[0].name) not in trained:
        if only := _wrapper(walk, inner):
            return walk.entries(only)
        if trained and (is_plain(name) or part_named(name) == part or name.lower() in _NO_LABEL):
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
    deep = {start: folders for start in classes if len(folders := inner_folders(start.path) or []) > 1}
    names = {start: sorted(Path(folder).name for folder in folders) for start, folders in deep.items()}
    for start, below in names.items():
        if is_split(below):
            raise DataError(
                f"{start.path} holds parts of the data ({listing(below)}), so it is no class. If it is the whole data "
                "set, give it; if every class is split by itself, sort the pictures into train/<class>, test/<class>."
            )
    if not deep:
        return
    inner = listing(dict.fromkeys(name for below in names.values() for name in below))
    labels = listing(dict.fromkeys(start.label for start in deep))
    if len(deep) == len(classes) > 1 and _alike(names):
        raise DataError(
            f"{labels} hold the same folders, {inner}, and no pictures beside them, so those seem to be the classes. "
            f"If {labels} are the parts of a split, rename them to train, val and test; else give one of them, or put "
            "the pictures of each class together. If they are the classes after all, list the pictures in a CSV table: "
            "path,label."
        )
    only = next(iter(deep)) if len(deep) == 1 else None
    if only and _WRAPPER.fullmatch(only.label):
        raise DataError(
            f"{only.path} seems to hold the classes ({inner}), not to be one. Give it. If it is one, rename it."
        )
    yield (
        f"{labels}: no picture lies there directly, but in {inner} below. If the folders below are the classes, "
        + (f"give {only.path}." if only else "sort the pictures by them.")
    )


def _alike(names: Mapping[Start, Sequence[str]]) -> bool:
    """Do folders that are in no part hold the same folders each? Of those beside one that is called like a part, some
    may lack some."""
    if any(start.part for start in names):
        return False
    most = max(names.values(), key=len)
    beside_part = any(part_named(start.label) and below == most for start, below in names.items())
    return all(below == most or (beside_part and set(below) <= set(most)) for below in names.values())


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
