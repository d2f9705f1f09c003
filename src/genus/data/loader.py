"""Pictures to batches, read ahead while the processor computes."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from genus.data.threads import in_threads
from genus.errors import PictureError

Pixels = NDArray[np.uint8]
Read = Callable[[int], Pixels]
Item = TypeVar("Item")


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
