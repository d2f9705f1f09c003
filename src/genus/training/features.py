"""One pass of an engine over many pictures: features of a frozen backbone, or logits for validation."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from genus.data.decode import decode
from genus.data.loader import Pixels
from genus.engine.stream import Engine, stream
from genus.errors import PictureError
from genus.types import OnEvent, Preprocess, Progress


@dataclass(frozen=True, slots=True)
class Pass:
    """``rows`` n x K of the pictures number ``indices``; ``failures`` could no longer be read."""

    indices: NDArray[np.int64]
    rows: NDArray[np.float32]
    failures: tuple[tuple[int, PictureError], ...]
    seconds: float


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

    start = time.monotonic()
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
    return Pass(np.array(indices, np.int64), table, tuple(failures), time.monotonic() - start)
