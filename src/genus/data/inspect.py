"""One pass over every picture file before training: can it be decoded, and what are its bytes?

Whoever else needs the pixels of every picture (features, later checks of the data) joins this pass as a ``Consumer``,
so that every file is read and decoded once.
"""

import hashlib
import os
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from genus.data.decode import decode, read
from genus.data.folder import Picture, listing, plural
from genus.data.loader import chunks, in_threads
from genus.errors import DataError, PictureError
from genus.tables import csv_text
from genus.types import OnEvent, Preprocess, Progress

TOLERATED = 0.05
"""Share of pictures that may be unreadable; with more of them something is wrong with the folder."""

_RECOGNISED_AT_ONCE = 1024
SETTLED_AFTER = 2.0
"""Seconds: the coarsest clock of a file system in use (FAT)."""
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


class Consumer:
    """Who else works on the pixels of the pass, so many pictures at a time as suit it. Called from several threads.

    This one wants to see every picture decoded, and makes nothing of it.
    """

    batch_size = 8

    def recognise(self, stamps: Sequence[bytes | None]) -> list[bytes | None]:
        """For each file, given by its stamp, the sha256 (32 bytes) of the picture in it, where the consumer has had its
        pixels before, under the same Preprocess. Such a file is not opened."""
        return [None] * len(stamps)

    def remember(self, stamps: Sequence[bytes], pictures: Sequence[bytes]) -> None:
        """Files that hold these pictures, to be recognised by their stamps in later runs."""

    def wants(self, picture: bytes) -> bool:
        """Is the picture with this sha256 wanted? One that is not need not be decoded again either: the consumer has
        had its pixels before, under the same Preprocess."""
        return True

    def take(self, pictures: Sequence[bytes], pixels: NDArray[np.uint8]) -> None:
        """A few wanted pictures: their sha256 and B x S x S x 3 uint8."""


def inspect(
    pictures: Sequence[Picture], preprocess: Preprocess, workers: int, on_event: OnEvent, consumer: Consumer
) -> Inspection:
    """Read, hash and decode every picture in ``workers`` (at least 1) threads; the pixels go to ``consumer``. A file
    that it recognises is not opened.

    At most a few pictures per worker are held in memory. Sends Progress events, at most ten a second.
    """
    results: list[Inspected | BadFile | None] = [
        Inspected(picture, content.hex()) if content else None
        for block in chunks(pictures, _RECOGNISED_AT_ONCE)
        for picture, content in zip(block, consumer.recognise([stamp(picture.path) for picture in block]), strict=True)
    ]
    unread = [number for number, result in enumerate(results) if not result]
    on_event(Progress("Reading pictures", len(pictures) - len(unread), len(pictures)))
    last_event = time.monotonic()

    def work(numbers: Sequence[int]) -> list[Inspected | BadFile]:
        return _look_at([pictures[number] for number in numbers], preprocess, consumer)

    looked_at = chain.from_iterable(in_threads(work, chunks(unread, consumer.batch_size), workers))
    for left, number in enumerate(unread, 1 - len(unread)):
        results[number] = next(looked_at)
        if left == 0 or time.monotonic() - last_event >= _SECONDS_BETWEEN_EVENTS:
            on_event(Progress("Reading pictures", len(pictures) + left, len(pictures)))
            last_event = time.monotonic()
    good = tuple(result for result in results if isinstance(result, Inspected))
    return Inspection(good, tuple(result for result in results if isinstance(result, BadFile)))


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


def _look_at(pictures: Sequence[Picture], preprocess: Preprocess, consumer: Consumer) -> list[Inspected | BadFile]:
    results: list[Inspected | BadFile] = []
    wanted: dict[bytes, NDArray[np.uint8]] = {}
    settled: dict[bytes, bytes] = {}
    for picture in pictures:
        try:
            before = stamp(picture.path)
            data = read(picture.path)
            digest = hashlib.sha256(data)
            if consumer.wants(digest.digest()):
                wanted[digest.digest()] = decode(data, preprocess)
            if before:
                settled[before] = digest.digest()
            results.append(Inspected(picture, digest.hexdigest()))
        except PictureError as error:
            results.append(BadFile(picture.path, picture.label, str(error)))
    if wanted:
        consumer.take(list(wanted), np.stack(list(wanted.values())))
    if settled:
        consumer.remember(list(settled), list(settled.values()))
    return results


def stamp(path: Path) -> bytes | None:
    """32 bytes that are others as soon as the file is; None for a file that is not there, or has only just changed."""
    try:
        status = os.stat(path)  # noqa: PTH116 (called for every picture)
    except (OSError, ValueError):
        return None
    if max(status.st_mtime, status.st_ctime) + SETTLED_AFTER > time.time():
        return None
    facts = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return hashlib.sha256(os.fsencode(os.path.abspath(path)) + repr(facts).encode()).digest()  # noqa: PTH100
