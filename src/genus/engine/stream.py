"""Many pictures through an engine: every worker reads the pictures of a batch, then computes it.

On a processor each worker computes with one thread. That beats one computation spread over all cores, whose threads
wait for each other after every layer, and for the readers all the time (docs/benchmarks.md, "Workers").
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from genus.data.loader import Pixels, Read, chunks, in_threads, read_batch
from genus.errors import PictureError


class Engine(Protocol):
    """What turns pixels into numbers. ``batch_size``: how many pictures at a time suit it best."""

    name: str
    batch_size: int

    def __call__(self, pixels: Pixels) -> NDArray[np.float32]:
        """B x S x S x 3 uint8 -> B x K. May be called from several threads."""

    def enter_thread(self) -> None:
        """To be called once in each thread that uses the engine beside others."""


@dataclass(frozen=True, slots=True)
class Piece:
    """``rows`` (n x K float32) of the pictures number ``indices``; ``failures`` could not be read."""

    indices: tuple[int, ...]
    rows: NDArray[np.float32]
    failures: tuple[tuple[int, PictureError], ...]


def stream(order: Sequence[int], read: Read, engine: Engine, workers: int) -> Iterator[Piece]:
    """What ``engine`` says about the pictures ``order``, piece by piece, in order, as they come."""

    def work(chunk: Sequence[int]) -> Piece:
        batch = read_batch(chunk, read)
        rows = engine(batch.pixels) if batch.indices else np.empty((0, 0), np.float32)
        return Piece(batch.indices, rows, batch.failures)

    if len(order) <= engine.batch_size:  # a single batch may have all cores
        yield from ([work(order)] if len(order) else [])
    else:
        yield from in_threads(work, chunks(order, engine.batch_size), workers, engine.enter_thread)
