"""The data of a run: scanned, looked at once, split. Every later step reads from here."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from genus.bundle import Bundle
from genus.config import TrainConfig
from genus.data.catalog import BadFile, Catalog, bad_files_csv
from genus.data.inspect import Consumer, inspect, require_usable
from genus.data.split import Member, Split, split
from genus.errors import DataError, ModelError, UsageError, plural
from genus.files import write_json, write_text
from genus.types import Caution, Note, OnEvent, Part, Preprocess
from genus.workflows.run_folder import BAD_FILES, SPLIT


@dataclass(frozen=True, slots=True)
class Side:
    """The pictures of one part, the class number of each, and the number of the group that each belongs to."""

    paths: tuple[Path, ...]
    labels: NDArray[np.int64]
    groups: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.paths)

    def take(self, indices: Sequence[int] | NDArray[np.int64]) -> "Side":
        """The pictures at these places only."""
        chosen = list(indices)
        return Side(tuple(self.paths[index] for index in chosen), self.labels[chosen], self.groups[chosen])


@dataclass(frozen=True, slots=True)
class Pictures:
    """``classes`` in the order of the model's outputs; ``bad`` are files that take no part."""

    root: Path
    classes: tuple[str, ...]
    split: Split
    bad: tuple[BadFile, ...]

    def side(self, part: Part) -> Side:
        """The pictures of one part, in a fixed order."""
        return side_of(self.split, part, self.classes)


def side_of(split: Split, part: Part, classes: Sequence[str]) -> Side:
    """The pictures of one part of ``split`` with class numbers by ``classes``."""
    members = split.members(part)
    return Side(tuple(member.path for member in members), labels_of(members, classes), groups_of(members))


def labels_of(members: Sequence[Member], classes: Sequence[str]) -> NDArray[np.int64]:
    """The class number of each member."""
    number = {label: index for index, label in enumerate(classes)}
    return np.array([number[member.label] for member in members], np.int64)


def groups_of(members: Sequence[Member]) -> NDArray[np.int64]:
    """A number for each member, the same for those of one group; copies of one file are a group."""
    return np.unique([member.unit for member in members], return_inverse=True)[1].astype(np.int64)


def pictures_per_epoch(pictures: int, batch_size: int) -> int:
    """All of them, unless one alone would be left for the last batch: batch norm cannot work on a single picture."""
    return pictures - 1 if pictures % batch_size == 1 and pictures > 1 else pictures


def prepare_pictures(
    catalog: Catalog,
    config: TrainConfig,
    preprocess: Preprocess,
    folder: Path,
    on_event: OnEvent,
    workers: int,
    consumer: Consumer,
) -> Pictures:
    """Look at every file in ``workers`` threads, write ``bad_files.csv``, split, write ``split.json``. ``consumer``
    gets the pixels.

    Raises DataError before any training when the data cannot be used, UsageError for a bad ``--split`` file.
    """
    for caution in catalog.cautions:
        on_event(Caution(caution))
    on_event(Note(f"{len(catalog.pictures)} pictures of {len(catalog.classes)} classes in {config.data}."))
    for note in catalog.notes:
        on_event(Note(note))
    inspection = inspect(catalog, preprocess, workers, on_event, consumer)
    if inspection.bad:
        write_text(folder / BAD_FILES, bad_files_csv(inspection.bad))
        on_event(
            Caution(f"{plural(len(inspection.bad), 'file')} cannot be read; {folder / BAD_FILES} says which and why.")
        )
    require_usable(inspection, catalog.classes)
    parts = split(inspection.good, config.seed, [read_split(config.split, catalog.root)] if config.split else [])
    for caution in parts.cautions:
        on_event(Caution(caution))
    write_json(folder / SPLIT, parts.to_json(catalog.root))
    sizes = ", ".join(f"{len(parts.members(part))} {part}" for part in Part)
    on_event(Note(f"Split: {sizes}."))
    return Pictures(catalog.root, catalog.classes, parts, inspection.bad)


def own_split(run: Path, bundle: Bundle) -> Split:
    """The split of ``run``. Raises ModelError when it is not there, DataError when it is damaged."""
    if not (run / SPLIT).exists():
        raise ModelError(
            f"{run} has no {SPLIT}, so its test part is not known. Name the pictures: genus evaluate RUN DATA."
        )
    return read_split(run / SPLIT, Path(bundle.record.get("data", {}).get("root", ".")))


def read_split(path: Path, root: Path) -> Split:
    """The ``split.json`` of an earlier run. Raises UsageError when it cannot be read, DataError when it is no split."""
    try:
        return Split.from_json(json.loads(path.read_bytes()), root)
    except OSError as error:
        raise UsageError(f"Cannot read the split {path}: {error.strerror}.") from error
    except ValueError as error:
        raise DataError(f"{path} is not valid JSON: {error}") from error
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
