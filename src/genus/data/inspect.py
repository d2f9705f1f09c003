"""One pass over every picture file before training: can it be decoded, what are its bytes, and what are its facts?

Whoever else needs the pixels of every picture (features) joins this pass as a ``Consumer``, so that every file is read
and decoded once; a ``Memory`` spares those that earlier passes have seen.
"""

import hashlib
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from genus.data.catalog import BadFile, Catalog, Picture, too_many
from genus.data.decode import opened_for, read
from genus.data.facts import FACTS, Facts, facts_of
from genus.data.loader import chunks, in_threads
from genus.data.preprocess import fit
from genus.errors import DataError, PictureError, listing
from genus.types import OnEvent, Preprocess, Progress

_KNOWN_AT_ONCE = 1024
_SECONDS_BETWEEN_EVENTS = 0.1


@dataclass(frozen=True, slots=True)
class Inspected:
    """A picture that can be decoded, with the sha256 (hexadecimal) of its file's bytes."""

    picture: Picture
    sha256: str


@dataclass(frozen=True, slots=True, eq=False)
class Inspection:
    """Every picture of a catalog is in exactly one of the two, in its order; its bad files come first in ``bad``.
    ``facts`` are those of the good ones."""

    good: tuple[Inspected, ...]
    bad: tuple[BadFile, ...]
    facts: Facts


class Memory(Protocol):
    """What earlier passes have found out; pictures are called by their sha256 (32 bytes).

    How it knows that a file is unchanged is its own affair: it is asked for the ``stamp`` of a file just before the
    file is read, and gets it back in ``remember``. It is called from several threads.
    """

    def contents(self, paths: Sequence[Path]) -> list[bytes | None]:
        """For each file the picture that it holds, where that is known; else None."""

    def stamp(self, path: Path) -> bytes | None:
        """What tells this state of the file from any other; None for a file that is not to be remembered."""

    def remember(self, stamps: Sequence[bytes], pictures: Sequence[bytes]) -> None:
        """The files with these stamps hold these pictures."""

    def facts(self, pictures: Sequence[bytes | None]) -> list[Facts | None]:
        """The facts of each picture, where they are known; else None."""

    def keep_facts(self, pictures: Sequence[bytes], facts: Facts) -> None:
        """The facts of these pictures."""


class Consumer(Protocol):
    """Who else works on the pixels of the pass. It is called from several threads."""

    batch_size: int
    """So many pictures at a time suit it."""

    def wants(self, pictures: Sequence[bytes]) -> list[bool]:
        """Are the pixels of each picture wanted? If not, the consumer has had them before, under the same
        Preprocess."""

    def take(self, pictures: Sequence[bytes], pixels: NDArray[np.uint8]) -> None:
        """A few wanted pictures: their sha256 and B x S x S x 3 uint8."""


class FactsOnly:
    """A ``Consumer`` that wants no pixels."""

    batch_size = 8

    def wants(self, pictures: Sequence[bytes]) -> list[bool]:
        """None."""
        return [False] * len(pictures)

    def take(self, pictures: Sequence[bytes], pixels: NDArray[np.uint8]) -> None:
        """Nothing is made of them."""


def inspect(
    catalog: Catalog, preprocess: Preprocess, workers: int, on_event: OnEvent, memory: Memory, consumer: Consumer
) -> Inspection:
    """Read, hash and decode every picture in ``workers`` (at least 1) threads; the pixels go to ``consumer``. A file
    of which all is known is not opened.

    At most a few pictures per worker are held in memory. Sends Progress events, at most ten a second.
    """
    pictures = catalog.pictures
    results: list[_Seen | BadFile | None] = []
    for block in chunks(pictures, _KNOWN_AT_ONCE):
        results += _known(block, memory, consumer)
    unread = [number for number, result in enumerate(results) if not result]
    on_event(Progress("Reading pictures", len(pictures) - len(unread), len(pictures)))
    last_event = time.monotonic()

    def work(numbers: Sequence[int]) -> list[_Seen | BadFile]:
        return _read_batch([pictures[number] for number in numbers], preprocess, memory, consumer)

    read_now = chain.from_iterable(in_threads(work, chunks(unread, consumer.batch_size), workers))
    for left, number in enumerate(unread, 1 - len(unread)):
        results[number] = next(read_now)
        if left == 0 or time.monotonic() - last_event >= _SECONDS_BETWEEN_EVENTS:
            on_event(Progress("Reading pictures", len(pictures) + left, len(pictures)))
            last_event = time.monotonic()
    seen = [result for result in results if isinstance(result, _Seen)]
    facts = np.array([one.facts for one in seen], FACTS)
    bad = (*catalog.bad, *(result for result in results if isinstance(result, BadFile)))
    return Inspection(tuple(Inspected(one.picture, one.content.hex()) for one in seen), bad, facts)


class _Seen(NamedTuple):
    picture: Picture
    content: bytes
    facts: Facts


def _known(pictures: Sequence[Picture], memory: Memory, consumer: Consumer) -> list[_Seen | None]:
    """The pictures of which all is known, None for the others."""
    contents = memory.contents([picture.path for picture in pictures])
    facts = memory.facts(contents)
    known = [content for content, of_it in zip(contents, facts, strict=True) if content and of_it is not None]
    wanted = dict(zip(known, consumer.wants(known), strict=True))
    return [
        _Seen(picture, content, of_it) if content and of_it is not None and not wanted[content] else None
        for picture, content, of_it in zip(pictures, contents, facts, strict=True)
    ]


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


def _read_batch(
    pictures: Sequence[Picture], preprocess: Preprocess, memory: Memory, consumer: Consumer
) -> list[_Seen | BadFile]:
    results: list[_Seen | BadFile] = []
    pixels: dict[bytes, NDArray[np.uint8]] = {}
    new_facts: dict[bytes, Facts] = {}
    stamped: dict[bytes, bytes] = {}
    for picture in pictures:
        try:
            stamp = memory.stamp(picture.path)
            data = read(picture.path)
            content = hashlib.sha256(data).digest()
            facts, wanted = memory.facts([content])[0], consumer.wants([content])[0]
            if facts is None or wanted:
                with opened_for(data, preprocess) as image:
                    if wanted:
                        pixels[content] = fit(image, preprocess)
                    if facts is None:
                        facts = new_facts[content] = facts_of(data, image)
            if stamp:
                stamped[stamp] = content
            results.append(_Seen(picture, content, facts))
        except PictureError as error:
            results.append(BadFile(picture.path, picture.label, str(error)))
    if pixels:
        consumer.take(list(pixels), np.stack(list(pixels.values())))
    if new_facts:
        memory.keep_facts(list(new_facts), np.array(list(new_facts.values()), FACTS))
    if stamped:
        memory.remember(list(stamped), list(stamped.values()))
    return results
