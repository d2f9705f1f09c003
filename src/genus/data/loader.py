"""Work in threads, results in order; above all pictures to batches, read ahead while the processor computes.

Threads, not processes: Pillow and torch release the interpreter's lock while they work, nothing has to be copied
between processes, and macOS and Windows behave as Linux does. The exception is in ``processes.py``.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from genus.errors import PictureError

Pixels = NDArray[np.uint8]
Read = Callable[[int], Pixels]
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Batch:
    """``pixels`` (n x S x S x 3, uint8) of the pictures number ``indices``; ``failures`` could not be read."""

    indices: tuple[int, ...]
    pixels: Pixels
    failures: tuple[tuple[int, PictureError], ...]


def load_batches(order: Sequence[int], read: Read, batch_size: int, workers: int) -> Iterator[Batch]:
    """Batches of ``batch_size`` pictures in the given order; each is read by one of ``workers`` threads.

    A PictureError of ``read`` is collected in its batch (whose ``pixels`` are then fewer, or none); any other error
    ends the iteration. Memory holds at most ``2 * workers`` batches, however many pictures there are.
    """
    return in_threads(lambda chunk: read_batch(chunk, read), chunks(order, batch_size), workers)


def fill(pixels: Pixels, pictures: int) -> Pixels:
    """``pixels``, and black ones behind, until there are so many ``pictures``."""
    missing = pictures - len(pixels)
    return np.pad(pixels, ((0, missing), (0, 0), (0, 0), (0, 0))) if missing else np.ascontiguousarray(pixels)


def chunks(order: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    """``order`` cut into pieces of ``size``; the last one may be shorter."""
    return (order[start : start + size] for start in range(0, len(order), size))


def read_batch(chunk: Sequence[int], read: Read) -> Batch:
    """The pictures of ``chunk`` that can be read, and the errors of those that cannot."""
    indices: list[int] = []
    pictures: list[Pixels] = []
    failures: list[tuple[int, PictureError]] = []
    for index in chunk:
        try:
            pictures.append(read(index))
            indices.append(index)
        except PictureError as error:
            failures.append((index, error))
    pixels = np.stack(pictures) if pictures else np.empty((0, 0, 0, 3), np.uint8)
    return Batch(tuple(indices), pixels, tuple(failures))


def in_threads(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    workers: int,
    enter: Callable[[], None] = lambda: None,
) -> Iterator[Result]:
    """``function`` of every item, in the order of ``items``, in ``workers`` threads; each thread first calls ``enter``.

    At most ``2 * workers`` items are under way or finished and not yet taken, however many there are. An error of
    ``function`` ends the iteration.
    """
    waiting: deque[Future[Result]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="genus-worker", initializer=enter)
    try:
        for item in items:
            if len(waiting) == 2 * workers:
                yield waiting.popleft().result()
            waiting.append(pool.submit(function, item))
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


SERIAL = 0.25e-3
"""Seconds of reading a picture in which no other thread can run Python (docs/benchmarks.md, "Workers")."""


def useful_readers(workers: int, seconds: float) -> int:
    """Of ``workers`` threads, as many as can read pictures side by side when each picture takes ``seconds``.

    More would only wait for Python's lock, and whoever hands work to a graphics card would wait with them.
    """
    return max(1, min(workers, round(seconds / SERIAL)))


def default_workers() -> int:
    """Threads, unless the user says: one for each processor that this process may use, at most 16."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(usable, 16)
