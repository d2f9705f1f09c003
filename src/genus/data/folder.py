"""From a folder of class folders, or a table, to the list of its pictures.

Three layouts are understood: ``root/<class>/**``; ``root/train/<class>/**`` beside ``root/{val,valid,validation}``
and ``root/test`` (see ``layout`` for further names); a table (see ``table``). What counts as a picture is decided here
by its name, and later by its content (see ``inspect``).
"""

import os
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from genus.data.catalog import BadFile, Catalog, Picture, require_distinct
from genus.data.formats import ARCHIVES, OTHER_TABLES, TABLES, inner_folders, is_written, suffix_of
from genus.data.layout import FolderLayout, find_layout
from genus.data.table import read_table
from genus.data.walk import Walk
from genus.errors import DataError, listing, nearest
from genus.types import Part


def scan(root: Path, *, for_training: bool = True) -> Catalog:
    """List the pictures under ``root``, a folder or a table, in any of the three layouts.

    Links are followed inside ``root`` only, and every folder is visited once. Raises DataError where training could
    only fail: no class folders, a class folder without pictures, one class only, a class in val or test that train
    lacks, labels that look alike, folder names that are those of parts but make no split, a folder that cannot be
    read. Pictures that are not ``for_training`` may be of one class, or of a test part alone.
    """
    if os.path.isfile(root):  # noqa: PTH113 (answers False, not an error, for what is out of reach)
        catalog = read_table(_require_table(root))
    elif os.path.isdir(root):  # noqa: PTH112
        catalog = _read_folder(root, for_training)
    else:
        raise DataError(f"There is no folder {root}. Give a folder that holds one folder of pictures per class.")
    pictures = tuple(sorted(catalog.pictures, key=lambda picture: (picture.label, str(picture.path))))
    if not for_training:
        return replace(catalog, pictures=pictures)
    files: tuple[Picture | BadFile, ...] = (*pictures, *catalog.bad)
    trained = {file.label for file in files if file.part in (None, Part.TRAIN)}
    _require_trained(root, trained, catalog.classes)
    return replace(catalog, pictures=pictures, cautions=(*catalog.cautions, *_class_cautions(pictures)))


def _require_table(file: Path) -> Path:
    suffix = suffix_of(file.name)
    if suffix in TABLES:
        return file
    if suffix in ARCHIVES:
        raise DataError(f"{file} is an archive. Unpack it, and give the folder that holds one folder per class.")
    if suffix in OTHER_TABLES:
        raise DataError(f"{file} is no table that genus reads. Save it as CSV with the columns path and label.")
    raise DataError(f"{file} is a file. Give a folder that holds one folder of pictures per class, or a .csv table.")


def _read_folder(root: Path, for_training: bool) -> Catalog:
    if is_written(root):
        raise DataError(f"{root} is a folder that genus wrote, not one of pictures. Give the folder of the pictures.")
    walk = Walk(root)
    layout = find_layout(walk, root, for_training=for_training)
    require_distinct({start.label: start.path for start in layout.classes})
    pictures = tuple(walk.pictures(layout.classes))
    if for_training:
        _require_pictures(layout, pictures, walk)
    return Catalog(
        root=root,
        classes=tuple(sorted({start.label for start in layout.classes})),
        pictures=pictures,
        bad=tuple(walk.bad),
        notes=(*layout.notes, *walk.leftovers.notes()),
        cautions=(*walk.leftovers.cautions(), *layout.cautions),
    )


def _require_pictures(layout: FolderLayout, pictures: Sequence[Picture], walk: Walk) -> None:
    filled = {picture.label for picture in pictures if picture.part in (None, Part.TRAIN)}
    left = walk.leftovers
    hints = [hint for hint in (left.unfollowed, left.unreadable, left.disguised) if hint]
    empty = [label for label in layout.trained if label not in filled]
    if len(filled) == 1 and (inner := _folders_in(layout, next(iter(filled)))):
        hints.append(inner)
    if empty:
        what = f"No pictures in the class folders {listing(empty)}. Fill or remove them."
        raise DataError(" ".join([what, *hints]))
    if len(filled) == 1:
        what = f"Only class {listing(filled)} found in {layout.place}; at least 2 are needed."
        raise DataError(" ".join([what, *hints]))


def _folders_in(layout: FolderLayout, label: str) -> str:
    """A hint that the folders in the one class folder may be the classes."""
    inner = {start.path: inner_folders(start.path) for start in layout.classes if start.label == label}
    path, folders = next(iter(inner.items()))
    return f"If the {len(folders)} folders in {path} are the classes, give it." if folders and len(folders) > 1 else ""


def _require_trained(root: Path, trained: Collection[str], labels: Collection[str]) -> None:
    if strange := sorted(set(labels) - set(trained)):
        meant = "".join(nearest(label, trained) for label in strange[:5])
        raise DataError(
            f"In {root}, val or test has classes that train lacks: {listing(strange)}.{meant} "
            "They could never be predicted; rename them, add training pictures of them, or remove them."
        )
    if len(trained) < 2:
        raise DataError(f"Only class {listing(trained)} found in {root}; at least 2 are needed.")


def _class_cautions(pictures: Sequence[Picture]) -> Iterator[str]:
    counts = Counter(picture.label for picture in pictures)
    if single := [label for label, count in counts.items() if count == 1]:
        yield f"Classes with a single picture cannot be tested: {listing(single)}."
    for part in (Part.VAL, Part.TEST):
        present = {picture.label for picture in pictures if picture.part == part}
        if present and (missing := [label for label in counts if label not in present and counts[label] > 1]):
            yield f"Classes without a picture in {part}: {listing(missing)}."
