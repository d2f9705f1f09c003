"""One pass over every picture file before training: can it be decoded, and what are its bytes?

Whoever else needs the pixels of every picture (features, later checks of the data) joins this pass as a ``Consumer``,
so that every file is read and decoded once.
"""

import hashlib
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from genus.data.catalog import BadFile, Catalog, Picture, too_many
from genus.data.decode import decode, read
from genus.data.loader import chunks, in_threads
from genus.errors import DataError, PictureError, listing
from genus.types import OnEvent, Preprocess, Progress

_RECOGNISED_AT_ONCE = 1024
_SECONDS_BETWEEN_EVENTS = 0.1


@dataclass(frozen=True, slots=True)
class Inspected:
    """A picture that can be decoded, with the sha256 (hexadecimal) of its file's bytes."""

    picture: Picture
    sha256: str


@dataclass(frozen=True, slots=True)
class Inspection:
    """Every picture of a catalog is in exactly one of the two, in its order; its bad files come first in ``bad``."""

    good: tuple[Inspected, ...]
    bad: tuple[BadFile, ...]


class Consumer(Protocol):
    """Who else works on the pixels of the pass.

    A consumer that remembers files from earlier runs may recognise them; these are not opened. How it knows that a file
    is unchanged is its own affair: it is asked for the ``stamp`` of a file just before the file is read, and gets it
    back in ``remember``. All but ``recognise`` are called from several threads.
    """

    batch_size: int
    """So many pictures at a time suit it."""

    def recognise(self, paths: Sequence[Path]) -> list[bytes | None]:
        """For each file the sha256 (32 bytes) of its content, where the consumer knows that and has had the pixels
        before, under the same Preprocess; else None."""

    def stamp(self, path: Path) -> bytes | None:
        """What tells this state of the file from any other; None for a file that is not to be remembered."""

    def wants(self, picture: bytes) -> bool:
        """Are the pixels of the picture with this sha256 wanted? If not, it is not decoded: the consumer has had its
        pixels before, under the same Preprocess."""

    def take(self, pictures: Sequence[bytes], pixels: NDArray[np.uint8]) -> None:
        """A few wanted pictures: their sha256 and B x S x S x 3 uint8."""

    def remember(self, stamps: Sequence[bytes], pictures: Sequence[bytes]) -> None:
        """The files with these stamps hold these pictures (sha256)."""


class DecodeOnly:
    """A ``Consumer`` that wants every picture decoded, makes nothing of it, and remembers no file."""

    batch_size = 8

    def recognise(self, paths: Sequence[Path]) -> list[bytes | None]:
        """None of them."""
        return [None] * len(paths)

    def stamp(self, path: Path) -> bytes | None:
        """No file is to be remembered."""
        return None

    def wants(self, picture: bytes) -> bool:
        """All are wanted."""
        return True

    def take(self, pictures: Sequence[bytes], pixels: NDArray[np.uint8]) -> None:
        """They could be decoded: that was all."""

    def remember(self, stamps: Sequence[bytes], pictures: Sequence[bytes]) -> None:
        """Nothing is remembered."""


def inspect(
    catalog: Catalog, preprocess: Preprocess, workers: int, on_event: OnEvent, consumer: Consumer
) -> Inspection:
    """Read, hash and decode every picture in ``workers`` (at least 1) threads; the pixels go to ``consumer``. A file
    that it recognises is not opened.

    At most a few pictures per worker are held in memory. Sends Progress events, at most ten a second.
    """
    pictures = catalog.pictures
    results: list[Inspected | BadFile | None] = [
        Inspected(picture, content.hex()) if content else None
        for block in chunks(pictures, _RECOGNISED_AT_ONCE)
        for picture, content in zip(block, consumer.recognise([picture.path for picture in block]), strict=True)
    ]
    unread = [number for number, result in enumerate(results) if not result]
    on_event(Progress("Reading pictures", len(pictures) - len(unread), len(pictures)))
    last_event = time.monotonic()

    def work(numbers: Sequence[int]) -> list[Inspected | BadFile]:
        return _read_batch([pictures[number] for number in numbers], preprocess, consumer)

    read_now = chain.from_iterable(in_threads(work, chunks(unread, consumer.batch_size), workers))
    for left, number in enumerate(unread, 1 - len(unread)):
        results[number] = next(read_now)
        if left == 0 or time.monotonic() - last_event >= _SECONDS_BETWEEN_EVENTS:
            on_event(Progress("Reading pictures", len(pictures) + left, len(pictures)))
            last_event = time.monotonic()
    good = tuple(result for result in results if isinstance(result, Inspected))
    return Inspection(good, (*catalog.bad, *(result for result in results if isinstance(result, BadFile))))


def require_usable(inspection: Inspection, classes: Collection[str]) -> None:
    """Raise DataError when more than 5 % of the files are bad, or none of a class is left."""
    bad = inspection.bad
    first = "; ".join(f"{file.path} ({file.reason})" for file in bad[:3])
    if share := too_many(len(bad), len(inspection.good) + len(bad)):
        raise DataError(f"{share} cannot be read, more than 5 %: {first}. See bad_files.csv; repair or remove them.")
    left = {inspected.picture.label for inspected in inspection.good}
    if lost := [label for label in classes if label not in left]:
        raise DataError(
            f"No picture of {listing(lost)} can be read: {first}. See bad_files.csv; repair them or remove the class."
        )


def _read_batch(pictures: Sequence[Picture], preprocess: Preprocess, consumer: Consumer) -> list[Inspected | BadFile]:
    results: list[Inspected | BadFile] = []
    wanted: dict[bytes, NDArray[np.uint8]] = {}
    stamped: dict[bytes, bytes] = {}
    for picture in pictures:
        try:
            stamp = consumer.stamp(picture.path)
            data = read(picture.path)
            digest = hashlib.sha256(data)
            if consumer.wants(digest.digest()):
                wanted[digest.digest()] = decode(data, preprocess)
            if stamp:
                stamped[stamp] = digest.digest()
            results.append(Inspected(picture, digest.hexdigest()))
        except PictureError as error:
            results.append(BadFile(picture.path, picture.label, str(error)))
    if wanted:
        consumer.take(list(wanted), np.stack(list(wanted.values())))
    if stamped:
        consumer.remember(list(stamped), list(stamped.values()))
    return results
