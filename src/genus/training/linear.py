"""Softmax regression with its gradient written out: the classifier that the two ways of fitting a head move.

In NumPy, for the steps of a head are so small that torch's bookkeeping takes three times as long as the arithmetic.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from genus.probabilities import log_softmax

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class LinearClassifier:
    """``values``, the one vector that an optimiser moves, holds the weights of ``classes`` rows, then their biases."""

    values: Floats
    classes: int

    @staticmethod
    def of(head: nn.Linear) -> "LinearClassifier":
        """A copy of ``head``'s weights."""
        parts = head.weight.detach().flatten(), head.bias.detach()
        return LinearClassifier(torch.cat(parts).cpu().numpy(), head.out_features)

    def copy_to(self, head: nn.Linear) -> None:
        """Give ``head`` these weights."""
        with torch.no_grad():
            head.weight.copy_(torch.from_numpy(self.weight))
            head.bias.copy_(torch.from_numpy(self.bias))

    @property
    def weight(self) -> Floats:
        """K x D, a view."""
        return self.values[: -self.classes].reshape(self.classes, -1)

    @property
    def bias(self) -> Floats:
        """K, a view."""
        return self.values[-self.classes :]

    def logits(self, inputs: Floats) -> Floats:
        """N x K for N x D."""
        answer: Floats = inputs @ self.weight.T
        answer += self.bias
        return answer

    def loss_and_gradient(self, inputs: Floats, labels: Labels, shares: Floats) -> tuple[float, Floats]:
        """Sum of the cross-entropies (nats), each times its share, and the gradient in the order of ``values``."""
        log_probabilities, rows = log_softmax(self.logits(inputs)), np.arange(len(labels))
        loss = -float(shares @ log_probabilities[rows, labels])
        errors = np.exp(log_probabilities)
        errors[rows, labels] -= 1
        errors *= shares[:, None]
        gradient = LinearClassifier(np.empty_like(self.values), self.classes)
        np.matmul(errors.T, inputs, out=gradient.weight)
        errors.sum(axis=0, out=gradient.bias)
        return loss, gradient.values
