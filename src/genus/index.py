"""Features of training pictures: does a new picture look like any of them, and like which?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ROWS = 256  # pictures at a time


@dataclass(frozen=True, slots=True, eq=False)
class Index:
    """``features`` n x D float32 in half precision's steps, each row of length one; ``pictures`` n x 32 uint8: sha256.

    The distance between two pictures is 1 - the cosine of the angle between their features: 0 (alike) to 2.
    """

    features: NDArray[np.float32]
    pictures: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.pictures)

    @staticmethod
    def of(features: NDArray[np.float32], pictures: Sequence[str]) -> "Index":
        """The index of these pictures (sha256, hexadecimal) with these features (n x D)."""
        digests = np.frombuffer(b"".join(map(bytes.fromhex, pictures)), np.uint8).reshape(-1, 32)
        return Index(_unit(features).astype(np.float16).astype(np.float32), digests)

    def nearest(self, features: NDArray[np.float32], k: int = 1) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Distances and places of the ``k`` pictures nearest to each of N x D: both N x k, the nearest first."""
        distances = np.empty((len(features), k), np.float32)
        places = np.empty((len(features), k), np.int64)
        for start in range(0, len(features), ROWS):
            here = slice(start, start + ROWS)
            cosines = _unit(features[here]) @ self.features.T
            best = np.argpartition(cosines, -k, axis=1)[:, -k:]
            order = np.take_along_axis(cosines, best, axis=1).argsort(axis=1, kind="stable")[:, ::-1]
            places[here] = np.take_along_axis(best, order, axis=1)
            distances[here] = 1 - np.take_along_axis(cosines, places[here], axis=1)
        return np.clip(distances, 0, 2), places  # rounding can bring a cosine above one

    def distances(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """The distance of each of N x D to its nearest picture: N."""
        return self.nearest(features)[0][:, 0]


def _unit(features: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    return np.asarray(features / np.maximum(lengths, 1e-12), np.float32)
