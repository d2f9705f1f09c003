"""Many pictures through an engine: every worker reads the pictures of a batch, then computes it.

On a processor each worker computes with one thread. That beats one computation spread over all cores, whose threads
wait for each other after every layer, and for the readers all the time (docs/benchmarks.md, "Workers").
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from genus.data.decode import decode
from genus.data.loader import Pixels, Read, chunks, in_threads, read_batch
from genus.errors import PictureError
from genus.types import OnEvent, Preprocess, Progress


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


@dataclass(frozen=True, slots=True)
class Pass:
    """``rows`` n x K of the pictures number ``indices``; ``failures`` could no longer be read."""

    indices: NDArray[np.int64]
    rows: NDArray[np.float32]
    failures: tuple[tuple[int, PictureError], ...]


def run_over(
    paths: Sequence[Path],
    engine: Engine,
    preprocess: Preprocess,
    *,
    workers: int,
    task: str,
    on_event: OnEvent,
) -> Pass:
    """What ``engine`` says about each picture, without augmentation, in the order of ``paths``."""

    def read(index: int) -> Pixels:
        return decode(paths[index], preprocess)

    indices: list[int] = []
    rows: list[NDArray[np.float32]] = []
    failures: list[tuple[int, PictureError]] = []
    for piece in stream(range(len(paths)), read, engine, workers):
        if piece.indices:
            rows.append(piece.rows)
        indices.extend(piece.indices)
        failures.extend(piece.failures)
        on_event(Progress(task, len(indices) + len(failures), len(paths)))
    table = np.concatenate(rows) if rows else np.empty((0, 0), np.float32)
    return Pass(np.array(indices, np.int64), table, tuple(failures))
