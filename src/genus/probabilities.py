"""From logits to probabilities."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Float = TypeVar("Float", np.float32, np.float64)


def log_softmax(logits: NDArray[Float]) -> NDArray[Float]:
    """Logarithms of the probabilities (N x K, nats), in the precision of ``logits``; no exponential overflows."""
    shifted: NDArray[Float] = logits - logits.max(axis=1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return shifted
