"""One pass over every picture file before training: can it be decoded, and what are its bytes?

Later checks of the data that need pixels belong into ``_inspect_one``, so that every file is read and decoded once.
"""

import hashlib
import time
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from genus.data.decode import decode, read
from genus.data.folder import Picture, listing, plural
from genus.errors import DataError, PictureError
from genus.tables import csv_text
from genus.types import OnEvent, Preprocess, Progress

TOLERATED = 0.05
"""Share of pictures that may be unreadable; with more of them something is wrong with the folder."""

_AHEAD = 4
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


def inspect(pictures: Sequence[Picture], preprocess: Preprocess, workers: int, on_event: OnEvent) -> Inspection:
    """Read, hash and decode every picture in ``workers`` (at least 1) threads; the pixels are dropped.

    At most a few pictures per worker are held in memory. Sends Progress events, at most ten a second.
    """
    good: list[Inspected] = []
    bad: list[BadFile] = []
    last_event = 0.0
    for done, result in enumerate(_in_threads(pictures, preprocess, workers), start=1):
        if isinstance(result, Inspected):
            good.append(result)
        else:
            bad.append(result)
        now = time.monotonic()
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


def _in_threads(pictures: Sequence[Picture], preprocess: Preprocess, workers: int) -> Iterator[Inspected | BadFile]:
    """The results in order, with a bounded number of them under way."""
    waiting: deque[Future[Inspected | BadFile]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="genus-inspect") as pool:
        try:
            for picture in pictures:
                waiting.append(pool.submit(_inspect_one, picture, preprocess))
                if len(waiting) > _AHEAD * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _inspect_one(picture: Picture, preprocess: Preprocess) -> Inspected | BadFile:
    try:
        data = read(picture.path)
        decode(data, preprocess)
    except PictureError as error:
        return BadFile(picture.path, picture.label, str(error))
    return Inspected(picture, hashlib.sha256(data).hexdigest())
