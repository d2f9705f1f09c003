"""Features of training pictures: does a new picture look like any of them, and like which?"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

ROWS = 256  # pictures at a time


@dataclass(frozen=True, slots=True, eq=False)
class Index:
    """``features``: n x D float32, rounded to half precision, each row of length one. ``pictures``: n x 32 uint8, the
    sha256 of each file.

    The distance between two pictures is 1 - the cosine of the angle between their features: 0 (alike) to 2.
    """

    features: NDArray[np.float32]
    pictures: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.pictures)

    @staticmethod
    def of(features: NDArray[np.float32], pictures: Sequence[str]) -> "Index":
        """From ``features`` (n x D) and the sha256 of each picture's file in hexadecimal (n)."""
        digests = np.frombuffer(b"".join(map(bytes.fromhex, pictures)), np.uint8).reshape(-1, 32)
        half = torch.from_numpy(_unit(features)).half()  # NumPy takes thirty times as long
        return Index(half.float().numpy(), digests)

    def nearest(self, features: NDArray[np.float32], k: int = 1) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Distances and row numbers of the ``k`` <= n nearest pictures of each of ``features`` (N x D): both N x k, the
        nearest first."""
        places, cosines = [np.empty((0, k), np.int64)], [np.empty((0, k), np.float32)]
        for block in self._cosines(features):
            best = np.argpartition(block, -k, axis=1)[:, -k:]
            order = np.take_along_axis(block, best, axis=1).argsort(axis=1, kind="stable")[:, ::-1]
            places.append(np.take_along_axis(best, order, axis=1))
            cosines.append(np.take_along_axis(block, places[-1], axis=1))
        return _distances(np.concatenate(cosines)), np.concatenate(places)

    def distances(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """The distance of each of ``features`` (N x D) to its nearest picture (N)."""
        nearest = [block.max(axis=1) for block in self._cosines(features)]
        return _distances(np.concatenate([np.empty(0, np.float32), *nearest]))

    def _cosines(self, features: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
        """The cosines between ``features`` (N x D) and all pictures, in blocks of ``ROWS`` x n."""
        for start in range(0, len(features), ROWS):
            yield _unit(features[start : start + ROWS]) @ self.features.T


def _distances(cosines: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.clip(1 - cosines, 0, 2)  # rounding can bring a cosine above one


def _unit(features: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    return np.asarray(features / np.maximum(lengths, 1e-12), np.float32)
