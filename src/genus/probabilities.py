"""From logits to probabilities, for training, evaluation and prediction, which do not know one another."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Float = TypeVar("Float", np.float32, np.float64)


def softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Probabilities (float64, summing to 1 along the last axis) of ``logits`` (... x K); no exponential overflows."""
    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


def log_softmax(logits: NDArray[Float]) -> NDArray[Float]:
    """Logarithms of the probabilities (N x K, nats), in the precision of ``logits``; no exponential overflows."""
    columns = np.array(logits.T, order="C")  # sums down long columns are faster than along many short rows
    columns -= columns.max(axis=0)
    columns -= np.log(np.exp(columns).sum(axis=0))
    return columns.T
