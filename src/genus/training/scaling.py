"""Features as the head sees them: scaled, in memory where they fit, else read from disk piece by piece."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from genus.errors import DivergedError
from genus.training.softmax_regression import LinearClassifier

IN_MEMORY = 2**30
"""Bytes of features that are loaded at once; larger tables stay on disk."""

CHUNK = 1024  # rows


class Features(Protocol):
    """N x D float32: an array, or rows on disk."""

    def __len__(self) -> int: ...

    @property
    def nbytes(self) -> int: ...

    def __getitem__(self, index: Any, /) -> NDArray[np.float32]: ...


@dataclass(frozen=True, slots=True)
class Concatenated:
    """The rows of ``first``, then those of ``second``."""

    first: Features
    second: Features

    def __len__(self) -> int:
        return len(self.first) + len(self.second)

    @property
    def nbytes(self) -> int:
        """Bytes of all rows."""
        return self.first.nbytes + self.second.nbytes

    def __getitem__(self, index: slice | NDArray[np.int64]) -> NDArray[np.float32]:
        places = np.arange(len(self))[index]
        in_first = places < len(self.first)
        rows = np.empty((len(places), self.first[:0].shape[1]), np.float32)
        rows[in_first] = self.first[places[in_first]]
        rows[~in_first] = self.second[places[~in_first] - len(self.first)]
        return rows


@dataclass(frozen=True, slots=True)
class Selected:
    """The rows of ``features`` with these numbers."""

    features: Features
    rows: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def nbytes(self) -> int:
        """Bytes of these rows."""
        return self.features.nbytes * len(self.rows) // max(len(self.features), 1)

    def __getitem__(self, index: slice | NDArray[np.int64]) -> NDArray[np.float32]:
        return self.features[self.rows[index]]


@dataclass(frozen=True, slots=True)
class Scaler:
    """Centres features and brings their spreads half way together: (x - mean) / √(std · typical std).

    Full standardisation would give a feature that hardly ever fires the weight of all others; none at all would let a
    few loud ones rule. Half way was best or equal in 5-fold cross-validation (docs/results.md, "Scaling").
    """

    mean: NDArray[np.float32]
    scale: NDArray[np.float32]

    @staticmethod
    def of(features: Features) -> "Scaler":
        """Mean and scale of the training pictures' features; a feature that never changes becomes 0.

        Raises DivergedError for NaN or infinity.
        """
        total = sum(chunk.sum(axis=0, dtype=np.float64) for chunk in pieces(features))
        mean = (total / len(features)).astype(np.float32)
        if not np.isfinite(mean).all():
            raise DivergedError("The network's features are no finite numbers. Try --precision fp32 or other weights.")
        squares = sum(np.square(chunk - mean).sum(axis=0).astype(np.float64) for chunk in pieces(features))
        std = np.sqrt(squares / len(features))
        typical = float(np.sqrt(np.mean(std**2))) or 1.0
        std[std < 1e-6 * typical] = typical
        return Scaler(mean, np.sqrt(std * typical).astype(np.float32))

    def __call__(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        scaled = features - self.mean
        scaled /= self.scale
        return scaled

    def fold_into(self, classifier: LinearClassifier) -> None:
        """Make ``classifier``, trained on scaled features, right for the features as they are."""
        weight, bias = classifier.weight, classifier.bias
        weight /= self.scale
        bias -= weight @ self.mean

    def fold_out_of(self, classifier: LinearClassifier) -> None:
        """The way back: make ``classifier``, right for the features as they are, right for scaled ones."""
        weight, bias = classifier.weight, classifier.bias
        bias += weight @ self.mean
        weight *= self.scale


class Scaled:
    """Scaled features, by index or piece by piece."""

    def __init__(self, features: Features, scaler: Scaler) -> None:
        self._features, self._scaler = features, scaler
        self._loaded = scaler(features[:]) if features.nbytes <= IN_MEMORY else None

    def __len__(self) -> int:
        return len(self._features)

    @property
    def nbytes(self) -> int:
        """Bytes of all rows."""
        return self._features.nbytes

    def __getitem__(self, index: NDArray[np.int64]) -> NDArray[np.float32]:
        return self._scaler(self._features[index]) if self._loaded is None else self._loaded[index]

    def pieces(self) -> Iterator[NDArray[np.float32]]:
        """All rows, in order, as few pieces as memory allows."""
        if self._loaded is not None:
            yield self._loaded
        else:
            yield from map(self._scaler, pieces(self._features))


def pieces(features: Features) -> Iterator[NDArray[np.float32]]:
    """The rows in order, ``CHUNK`` at a time."""
    for start in range(0, len(features), CHUNK):
        yield features[start : start + CHUNK]
