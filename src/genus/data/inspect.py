"""One pass over every picture file before training: can it be decoded, and what are its bytes?

Whoever else needs the pixels of every picture (features, later checks of the data) joins this pass as a ``Consumer``,
so that every file is read and decoded once.
"""

import hashlib
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from genus.data.decode import decode, read
from genus.data.folder import Picture, listing, plural
from genus.data.loader import chunks
from genus.data.threads import in_threads
from genus.errors import DataError, PictureError
from genus.tables import csv_text
from genus.types import OnEvent, Preprocess, Progress

TOLERATED = 0.05
"""Share of pictures that may be unreadable; with more of them something is wrong with the folder."""

_BATCH = 8
_SECONDS_BETWEEN_EVENTS = 0.1


@dataclass(frozen=True, slots=True)
class Inspected:
    """A picture that can be decoded, with the sha256 (hexadecimal) of its file's bytes."""

    picture: Picture
    sha256: str


@dataclass(frozen=True, slots=True)
class BadFile:
    """A file that cannot be decoded, and why."""

    path: Path
    label: str
    reason: str


@dataclass(frozen=True, slots=True)
class Inspection:
    """Every picture is in exactly one of the two, in the order given."""

    good: tuple[Inspected, ...]
    bad: tuple[BadFile, ...]


class Consumer(Protocol):
    """Who else works on the pixels of the pass, so many pictures at a time as suit it. Called from several threads."""

    batch_size: int

    def wants(self, picture: bytes) -> bool:
        """Is the picture with this sha256 (32 bytes) wanted? One that is not need not be decoded again either: the
        consumer has had its pixels before, under the same Preprocess."""

    def take(self, pictures: Sequence[bytes], pixels: NDArray[np.uint8]) -> None:
        """A few wanted pictures: their sha256 and B x S x S x 3 uint8."""


def inspect(
    pictures: Sequence[Picture],
    preprocess: Preprocess,
    workers: int,
    on_event: OnEvent,
    consumer: Consumer | None = None,
) -> Inspection:
    """Read, hash and decode every picture in ``workers`` (at least 1) threads; the pixels go to ``consumer``, if any.

    At most a few pictures per worker are held in memory. Sends Progress events, at most ten a second.
    """

    def work(batch: Sequence[Picture]) -> list[Inspected | BadFile]:
        return _inspect(batch, preprocess, consumer)

    good: list[Inspected] = []
    bad: list[BadFile] = []
    last_event = 0.0
    for results in in_threads(work, chunks(pictures, consumer.batch_size if consumer else _BATCH), workers):
        good += [result for result in results if isinstance(result, Inspected)]
        bad += [result for result in results if isinstance(result, BadFile)]
        done, now = len(good) + len(bad), time.monotonic()
        if done == len(pictures) or now - last_event >= _SECONDS_BETWEEN_EVENTS:
            on_event(Progress("Reading pictures", done, len(pictures)))
            last_event = now
    return Inspection(tuple(good), tuple(bad))


def require_usable(inspection: Inspection, classes: Collection[str]) -> None:
    """Raise DataError when more than 5 % of the files are bad, or none of a class is left."""
    bad, total = inspection.bad, len(inspection.good) + len(inspection.bad)
    first = "; ".join(f"{file.path} ({file.reason})" for file in bad[:3])
    if bad and len(bad) / total > TOLERATED:
        share = f"{len(bad)} of {plural(total, 'picture')} ({len(bad) / total:.1%})".replace("%", " %")
        raise DataError(f"{share} cannot be read, more than 5 %: {first}. See bad_files.csv; repair or remove them.")
    left = {inspected.picture.label for inspected in inspection.good}
    if lost := [label for label in classes if label not in left]:
        raise DataError(
            f"No picture of {listing(lost)} can be read: {first}. See bad_files.csv; repair them or remove the class."
        )


def bad_files_csv(bad: Sequence[BadFile]) -> str:
    """The content of ``bad_files.csv``: path, label, reason."""
    return csv_text([("path", "label", "reason"), *((str(file.path), file.label, file.reason) for file in bad)])


def _inspect(
    pictures: Sequence[Picture], preprocess: Preprocess, consumer: Consumer | None
) -> list[Inspected | BadFile]:
    results: list[Inspected | BadFile] = []
    wanted: dict[bytes, NDArray[np.uint8]] = {}
    for picture in pictures:
        try:
            data = read(picture.path)
            digest = hashlib.sha256(data)
            if consumer is None:
                decode(data, preprocess)
            elif consumer.wants(digest.digest()):
                wanted[digest.digest()] = decode(data, preprocess)
            results.append(Inspected(picture, digest.hexdigest()))
        except PictureError as error:
            results.append(BadFile(picture.path, picture.label, str(error)))
    if consumer and wanted:
        consumer.take(list(wanted), np.stack(list(wanted.values())))
    return results
