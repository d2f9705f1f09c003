"""What a bundle remembers of the pictures behind it: what those that it learnt from look like, how it answered others,
and which took part where.

All of it travels with the model, so that a new picture can be held against those that it knows, that a threshold can be
chosen again later, and that no picture that a model was trained on, or decided by, is ever taken for a test of it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from genus.types import Part

ROWS = 256  # pictures at a time that are looked up
KEY_BYTES = 8  # of a sha256


@dataclass(frozen=True, slots=True, eq=False)
class Index:
    """Does a new picture look like any of those that were trained on, and like which?

    ``features``: n x D float32, rounded to half precision, each row of length one. ``pictures``: n x 32 uint8, the
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


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """How the model answered N pictures that it had not learnt from: those of validation, or all of them out of fold.

        confidence  float32  0..1   probability of the answer, after the temperature
        right       bool            is the answer the true label?
        groups      int64           one number for all pictures that belong together (a patient, copies of a file)
        distances   float32  0..2   from the nearest training picture, as ``Index`` measures it

    Raises ValueError for arrays of another type, length or range.
    """

    confidence: NDArray[np.float32]
    right: NDArray[np.bool_]
    groups: NDArray[np.int64]
    distances: NDArray[np.float32]

    def __post_init__(self) -> None:
        sound = (
            self.confidence.dtype == self.distances.dtype == np.float32
            and self.right.dtype == np.bool_
            and self.groups.dtype == np.int64
            and self.confidence.ndim == 1
            and self.confidence.shape == self.right.shape == self.groups.shape == self.distances.shape
            and bool(np.all((self.confidence >= 0) & (self.confidence <= 1)))
            and bool(np.all(self.right.view(np.uint8) <= 1))
            and bool(np.all((self.distances >= 0) & (self.distances <= 2)))
        )
        if not sound:
            raise ValueError("confidence, right, groups and distances do not describe N answers")

    def __len__(self) -> int:
        return len(self.confidence)

    def near(self, max_distance: float) -> "Evidence":
        """The answers for pictures that are no further than ``max_distance`` from a training picture."""
        kept = self.distances <= max_distance
        return Evidence(self.confidence[kept], self.right[kept], self.groups[kept], self.distances[kept])


@dataclass(frozen=True, slots=True, eq=False)
class SplitHashes:
    """The pictures of a run and of all runs that it descends from (``--from``), by their part of the split.

    Of each picture's file the first 8 bytes of its sha256 are kept, read as a big-endian number: n uint64 a part, in
    ascending order, none twice. That is short enough to travel with the model, and two of a million pictures get the
    same number with a chance of 1 in 37 million. Raises ValueError for other arrays.
    """

    train: NDArray[np.uint64]
    val: NDArray[np.uint64]
    test: NDArray[np.uint64]

    def __post_init__(self) -> None:
        for keys in (self.train, self.val, self.test):
            if keys.dtype != np.uint64 or keys.ndim != 1 or not np.all(keys[:-1] < keys[1:]):
                raise ValueError("train, val and test have to be ascending numbers of 64 bits")

    @staticmethod
    def of(train: Iterable[str], val: Iterable[str], test: Iterable[str]) -> "SplitHashes":
        """The pictures with these sha256 (hexadecimal) of their files."""
        return SplitHashes(
            *(np.unique(np.array([_key(one) for one in part], np.uint64)) for part in (train, val, test))
        )

    def part_of(self, sha256: str) -> Part | None:
        """Where the picture with this sha256 was; None if it took no part.

        A picture can have been in several parts, of several runs: ``train`` counts before ``val``, ``val`` before
        ``test``.
        """
        key = np.uint64(_key(sha256))
        for part in Part:
            keys: NDArray[np.uint64] = getattr(self, part)
            index = np.searchsorted(keys, key)
            if index < len(keys) and keys[index] == key:
                return part
        return None

    def union(self, other: "SplitHashes") -> "SplitHashes":
        """The pictures of both, each in the parts where either has it."""
        pairs = ((self.train, other.train), (self.val, other.val), (self.test, other.test))
        return SplitHashes(*(np.union1d(*pair) for pair in pairs))


def _key(sha256: str) -> int:
    return int.from_bytes(bytes.fromhex(sha256)[:KEY_BYTES], "big")
