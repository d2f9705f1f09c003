"""The data of a run: scanned, every file looked at once, split. Every later step reads from here.

And which pictures took part in it, or in a run that it descends from: these can test nothing of it; and which of their
files are still what they were.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genus.bundle import Bundle, read_record
from genus.config import TrainConfig
from genus.data.catalog import BadFile, Catalog, bad_files_csv
from genus.data.checks.finding import Examined, Finding, to_json
from genus.data.checks.table import examine
from genus.data.decode import read
from genus.data.inspect import require_usable
from genus.data.loader import default_workers, in_threads
from genus.data.split import Member, Split, moved, split
from genus.errors import DataError, ModelError, PictureError, UsageError, listing, plural
from genus.evidence import SplitHashes
from genus.run import BAD_FILES, CHECK, CHECKPOINT, SPLIT, Run
from genus.types import Caution, Note, OnEvent, Part
from genus.workflows.examine import Look

TOLD_BEFORE = ("folder", "unreadable")  # kinds of findings, while the pictures were looked for and at
GENERATIONS = 100  # of runs that each started from another: more is a circle


@dataclass(frozen=True, slots=True)
class Subset:
    """Some pictures, the class number of each, and the number of the group that each belongs to."""

    paths: tuple[Path, ...]
    labels: NDArray[np.int64]
    groups: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.paths)

    def take(self, indices: Sequence[int] | NDArray[np.int64]) -> "Subset":
        """The pictures with these numbers only."""
        chosen = list(indices)
        return Subset(tuple(self.paths[index] for index in chosen), self.labels[chosen], self.groups[chosen])


@dataclass(frozen=True, slots=True)
class Dataset:
    """``classes`` in the order of the model's outputs; ``bad`` are files that take no part; ``findings``
    are what the checks say of all; ``given``: some part of the split is the user's."""

    root: Path
    classes: tuple[str, ...]
    split: Split
    bad: tuple[BadFile, ...]
    findings: tuple[Finding, ...] = ()
    given: bool = False

    def members(self, *parts: Part) -> tuple[Member, ...]:
        """The pictures of these parts, one part behind the other, each in a fixed order."""
        return tuple(member for part in parts for member in self.split.members(part))

    def subset(self, part: Part) -> Subset:
        """The pictures of one part."""
        return subset_of(self.split.members(part), self.classes)

    def labels(self, members: Sequence[Member]) -> NDArray[np.int64]:
        """The class number of each member."""
        return labels_of(members, self.classes)


def subset_of(members: Sequence[Member], classes: Sequence[str]) -> Subset:
    """``members`` with class numbers by ``classes``."""
    return Subset(tuple(member.path for member in members), labels_of(members, classes), groups_of(members))


def labels_of(members: Sequence[Member], classes: Sequence[str]) -> NDArray[np.int64]:
    """The class number of each member."""
    number = {label: index for index, label in enumerate(classes)}
    return np.array([number[member.label] for member in members], np.int64)


def groups_of(members: Sequence[Member]) -> NDArray[np.int64]:
    """A number for each member, the same for those of one group; copies of one file are a group."""
    return np.unique([member.unit for member in members], return_inverse=True)[1].astype(np.int64)


def stratified_sample(labels: NDArray[np.int64], count: int) -> list[int]:
    """About ``count`` places, the same share of every class (at least one of each), in the given order."""
    share = count / len(labels)
    places: list[int] = []
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        places.extend(members[: max(1, int(len(members) * share))].tolist())
    return sorted(places)


def pictures_per_epoch(pictures: int, batch_size: int) -> int:
    """All of them, unless one alone would be left for the last batch: batch norm cannot work on a single picture."""
    return pictures - 1 if pictures % batch_size == 1 and pictures > 1 else pictures


def prepare_dataset(
    catalog: Catalog, config: TrainConfig, look: Look, run: Run, on_event: OnEvent, ancestors: SplitHashes | None = None
) -> Dataset:
    """Look at every file, write ``bad_files.csv``, split, write ``split.json``, check, write ``check.json``.
    ``ancestors`` are the pictures of the runs that this one starts from, which keep their sides.

    Raises DataError before any training when the data cannot be used, UsageError for a bad ``--split`` file.
    """
    for caution in catalog.cautions:
        on_event(Caution(caution))
    on_event(Note(f"{len(catalog.pictures)} pictures of {len(catalog.classes)} classes in {config.data}."))
    for note in catalog.notes:
        on_event(Note(note))
    looked = look(catalog)
    inspection = looked.inspection
    if inspection.bad:
        run.write(BAD_FILES, bad_files_csv(inspection.bad))
        on_event(
            Caution(f"{plural(len(inspection.bad), 'file')} cannot be read; {run / BAD_FILES} says which and why.")
        )
    require_usable(inspection, catalog.classes)
    has_learnt = (run / CHECKPOINT).exists()
    own = run.split(catalog.root) if has_learnt else None
    earlier = [own] if own else [read_split(config.split, catalog.root)] if config.split else []
    parts = split(inspection.good, config.seed, earlier, ancestors, looked.links)
    for caution in parts.cautions:
        on_event(Caution(caution))
    if not has_learnt:
        run.write_json(SPLIT, parts.to_json(catalog.root))
    sizes = ", ".join(f"{len(parts.members(part))} {part}" for part in Part)
    on_event(Note(f"Split: {sizes}."))
    if not earlier and ancestors is None:
        _tell_moved(run, parts, catalog.root, on_event)
    members = (*parts.pictures, *parts.left_out)
    findings = tuple(examine(Examined(catalog, inspection, looked.links, members, looked.preprocess)))
    run.write_json(CHECK, to_json(catalog, inspection, findings))
    _tell(findings, config.strict, on_event)
    given = any(picture.part for picture in catalog.pictures)
    return Dataset(catalog.root, catalog.classes, parts, inspection.bad, findings, given)


def _tell(findings: Sequence[Finding], strict: bool, on_event: OnEvent) -> None:
    """Say what the checks found. Raises DataError where something is serious and ``strict``."""
    serious = [finding for finding in findings if finding.severity == "serious"]
    if serious and strict:
        raise DataError(" ".join(f"{finding.sentence} {finding.advice}" for finding in serious))
    for finding in findings:
        if finding.kind not in TOLD_BEFORE:
            told = f"{finding.sentence} {finding.advice}".strip()
            on_event(Caution(told) if finding in serious else Note(told))


def _tell_moved(run: Run, new: Split, root: Path, on_event: OnEvent) -> None:
    """How many pictures a fresh split of a folder that has grown has on other sides than the last run had."""
    last = run.last_sibling(root)
    before = last.split(root) if last else None
    if last and before and before.seed == new.seed and (count := moved(before, new)):
        on_event(
            Note(
                f"{plural(count, 'picture')} changed sides since {last.folder}, because the folder has changed; "
                f"--split {last / SPLIT} keeps all where they were."
            )
        )


def data_root(bundle: Bundle) -> Path:
    """The data folder that a run was trained on."""
    return _root_in(bundle.record)


def _root_in(record: Mapping[str, Any]) -> Path:
    return Path(record.get("data", {}).get("root", "."))


def require_split(run: Run, bundle: Bundle) -> Split:
    """The split of ``run``. Raises ModelError when it is not there any more, or speaks of other classes."""
    found = run.split(data_root(bundle))
    others = sorted({member.label for member in found.pictures} - set(bundle.classes)) if found else []
    if found is None or others:
        why = f": the model has no class {listing(others)}" if others else ""
        raise ModelError(
            f"{run.folder} has no sound {SPLIT}{why}, so its test part is not known. Name the pictures: "
            f"genus evaluate {run.folder} DATA."
        )
    return found


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


def split_hashes_of(run: Run, bundle: Bundle) -> SplitHashes | None:
    """Who took part in ``run`` and in all runs that it descends from; None where that is not known any more.

    A bundle of today knows it. For those of formats 1 and 2 it is put together from the ``split.json`` of the run and
    of each ancestor.
    """
    if bundle.split_hashes:
        return bundle.split_hashes
    found: SplitHashes | None = None
    folder: Path | None = run.folder
    for _ in range(GENERATIONS):
        if folder is None:
            return found
        try:
            record = read_record(folder)
        except ModelError:
            return None
        parts = Run(folder).split(_root_in(record))
        if parts is None:
            return None
        found = split_hashes_in(parts).union(found) if found else split_hashes_in(parts)
        parent = record.get("training", {}).get("from_run")
        folder = Path(parent) if parent else None
    return None


def split_hashes_in(parts: Split) -> SplitHashes:
    """The pictures of a split by their sides."""
    return SplitHashes.of(*([member.sha256 for member in parts.members(part)] for part in Part))


def left_out_of_test(parts: Split) -> tuple[Member, ...]:
    """The pictures of a given test part that training left out of it."""
    return tuple(member for member in parts.left_out if member.part == Part.TEST)


def file_hashes(paths: Iterable[Path]) -> list[str | None]:
    """The sha256 (hexadecimal) of each picture file as it is now; None where it cannot be read."""

    def digest(path: Path) -> str | None:
        try:
            return hashlib.sha256(read(path)).hexdigest()
        except PictureError:
            return None

    return list(in_threads(digest, paths, default_workers()))


@dataclass(frozen=True, slots=True)
class FilesNow:
    """Members of a split by what became of their files: they are the ``same`` by their bytes, ``gone`` (no
    picture can be read there), or ``changed``: another picture has their name."""

    same: tuple[Member, ...]
    gone: tuple[Member, ...]
    changed: tuple[Member, ...]

    def cautions(self) -> Iterator[str]:
        """Sentences on the pictures that cannot be tested because their files are not what they were."""
        yield from left_out_cautions(self.gone, "it can no longer be read")
        yield from left_out_cautions(self.changed, "its bytes are no longer those of the split")


def files_now(pictures: Sequence[Sequence[Member]]) -> FilesNow:
    """Look at the files of ``pictures``. Each is given by one or several members of the same bytes, its places: the
    first whose file still has these bytes is taken."""
    paths = list(dict.fromkeys(member.path for places in pictures for member in places))
    found = dict(zip(paths, file_hashes(paths), strict=True))
    same, gone, changed = [], [], []
    for places in pictures:
        kept = next((member for member in places if found[member.path] == member.sha256), None)
        if kept:
            same.append(kept)
        elif all(found[member.path] is None for member in places):
            gone.append(places[0])
        else:
            changed.append(places[0])
    return FilesNow(tuple(same), tuple(gone), tuple(changed))


def left_out_cautions(members: Sequence[Member], why: str) -> Iterator[str]:
    """A sentence on test pictures that do not count, and ``why``; none where there are none."""
    if members:
        yield f"{plural(len(members), 'test picture')} left out, {members[0].path} for one: {why}."
