"""Pictures to batches: a pool of threads reads ahead while the processor computes.

Threads, not processes: Pillow releases the interpreter's lock while it decodes and resizes, nothing has to be
copied between processes, and macOS and Windows behave as Linux does.
"""

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genus.errors import PictureError

Pixels = NDArray[np.uint8]
AHEAD = 2  # batches that are being read while one computes


@dataclass(frozen=True, slots=True)
class Batch:
    """``pixels`` (n x S x S x 3, uint8) of the pictures number ``indices``; ``failures`` could not be read."""

    indices: tuple[int, ...]
    pixels: Pixels
    failures: tuple[tuple[int, PictureError], ...]


def load_batches(order: Sequence[int], read: Callable[[int], Pixels], batch_size: int, workers: int) -> Iterator[Batch]:
    """Batches of ``batch_size`` pictures in the given order; ``read(index)`` runs in ``workers`` threads.

    A PictureError of ``read`` is collected in its batch (whose ``pixels`` are then fewer, or none); any other
    error ends the iteration. Memory holds at most ``AHEAD + 1`` batches, however many pictures there are.
    """
    chunks = (order[start : start + batch_size] for start in range(0, len(order), batch_size))
    waiting: deque[tuple[Sequence[int], list[Future[Pixels]]]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="genus-read")
    try:
        for chunk in chunks:
            waiting.append((chunk, [pool.submit(read, index) for index in chunk]))
            if len(waiting) > AHEAD:
                yield _collect(*waiting.popleft())
        while waiting:
            yield _collect(*waiting.popleft())
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def default_workers() -> int:
    """Threads that read, unless the user says: one for each processor that this process may use, at most 16."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(usable, 16)


def _collect(chunk: Sequence[int], futures: Sequence[Future[Pixels]]) -> Batch:
    indices: list[int] = []
    pictures: list[Pixels] = []
    failures: list[tuple[int, PictureError]] = []
    for index, future in zip(chunk, futures, strict=True):
        try:
            pictures.append(future.result())
            indices.append(index)
        except PictureError as error:
            failures.append((index, error))
    pixels = np.stack(pictures) if pictures else np.empty((0, 0, 0, 3), np.uint8)
    return Batch(tuple(indices), pixels, tuple(failures))
