"""Softmax regression, and the two optimisers that fit it: AdamW batch by batch, L-BFGS on everything at once.

Written out in NumPy because a head is small: torch's bookkeeping takes three times as long as a step itself, and
``torch.optim`` and ``scipy.optimize`` each take longer to import than a head takes to learn.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from genus.probabilities import log_softmax

Floats = NDArray[np.float32]
Vector = NDArray[np.float64]
Labels = NDArray[np.int64]

MEMORY = 20  # steps from which the curvature is estimated
DESCENT = 1e-4  # share of the promised descent that a step must bring (Nocedal & Wright, eq. 3.6a)
SHORTEST = 1e-6  # of the full step: what does not descend by then is rounding
NEGLIGIBLE = 1e-9  # descent, of the value
STEPS = 300  # of L-BFGS, at most
EXACT, COARSE = 1e-4, 1e-3  # tolerances, of the largest component of the gradient
BETAS = (0.9, 0.999)
EPS = 1e-8


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


class Inputs(Protocol):
    """Rows of features, which may lie on disk."""

    def pieces(self) -> Iterator[Floats]:
        """All rows, in order, some at a time."""


class LogisticRegression:
    """Moves ``classifier`` to the minimum of mean weighted cross-entropy + |weights|² / (2 c n), for c after c.

    ``c`` is the inverse strength of the penalty and n the sum of the examples' weights, as scikit-learn has them. Each
    step is one pass over ``inputs``, seldom two.
    """

    def __init__(
        self, classifier: LinearClassifier, inputs: Inputs, labels: Labels, class_weights: tuple[float, ...] | None
    ) -> None:
        weights = np.ones(len(labels)) if class_weights is None else np.array(class_weights)[labels]
        self._classifier, self._inputs, self._labels = classifier, inputs, labels
        self._total = float(weights.sum())
        self._shares = (weights / self._total).astype(np.float32)
        self._curvature, self._penalty = Curvature(), np.zeros(len(classifier.values))

    def solve(self, c: float, tolerance: float = EXACT) -> None:
        """Go on from where ``classifier`` is, knowing the curvature that the strengths before have shown."""
        rows = 2 if self._classifier.classes == 2 else 1  # for two classes scikit-learn has one row of weights, not two
        penalty = np.zeros_like(self._penalty)
        penalty[: -self._classifier.classes] = rows / (c * self._total)  # none on the biases
        self._curvature.add_quadratic(penalty - self._penalty)
        self._penalty = penalty
        self._classifier.values[:] = minimise(
            self._loss_and_gradient,
            self._classifier.values.astype(np.float64),
            steps=STEPS,
            tolerance=tolerance,
            curvature=self._curvature,
        )

    def _loss_and_gradient(self, values: Vector) -> tuple[float, NDArray[np.float64]]:
        self._classifier.values[:] = values
        loss, gradient, start = float(self._penalty @ values**2) / 2, self._penalty * values, 0
        for piece in self._inputs.pieces():
            here = slice(start, start + len(piece))
            part, slope = self._classifier.loss_and_gradient(piece, self._labels[here], self._shares[here])
            loss, gradient, start = loss + part, gradient + slope, here.stop
        return loss, gradient


class AdamW:
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019, algorithm 2), as ``torch.optim.AdamW`` does it."""

    def __init__(self, values: NDArray[np.float32], weight_decay: float) -> None:
        self.values, self.weight_decay = values, weight_decay
        self.steps = 0
        self._mean, self._square, self._spare = (np.zeros_like(values) for _ in range(3))

    def step(self, gradient: NDArray[np.float32], lr: float) -> None:
        """One step down ``gradient``; changes ``values`` in place."""
        self.steps += 1
        mean, square, spare = self._mean, self._square, self._spare
        first, second = 1 - BETAS[0] ** self.steps, 1 - BETAS[1] ** self.steps
        mean *= BETAS[0]
        mean += np.multiply(gradient, 1 - BETAS[0], out=spare)
        square *= BETAS[1]
        np.square(gradient, out=spare)
        spare *= 1 - BETAS[1]
        square += spare
        np.sqrt(square, out=spare)
        spare *= second**-0.5
        spare += EPS
        np.divide(mean, spare, out=spare)
        spare *= lr / first
        self.values *= 1 - lr * self.weight_decay
        self.values -= spare


class Curvature:
    """The Hessian of a function as L-BFGS knows it: the last steps, each with the change of the gradient along it."""

    def __init__(self) -> None:
        self._steps: deque[tuple[Vector, Vector]] = deque(maxlen=MEMORY)

    def update(self, step: Vector, bend: Vector) -> None:
        """A ``step`` has been taken, and the gradient has changed by ``bend``."""
        if step @ bend > 0:
            self._steps.append((step, bend))

    def add_quadratic(self, diagonal: Vector) -> None:
        """The function has changed by ½ Σ ``diagonal`` · x²: what was learnt about it stays true of the sum."""
        known = list(self._steps)
        self._steps.clear()
        for step, bend in known:
            self.update(step, bend + diagonal * step)

    def solve(self, gradient: Vector) -> Vector:
        """The inverse Hessian times ``gradient`` (Nocedal & Wright 2006, algorithm 7.4).

        Before any step nothing is known of the Hessian: then a vector of length one along ``gradient``.
        """
        if not self._steps:
            return gradient / np.linalg.norm(gradient)
        result, shares = gradient.copy(), []
        for step, bend in reversed(self._steps):
            shares.append((step @ result) / (step @ bend))
            result -= shares[-1] * bend
        step, bend = self._steps[-1]
        result *= (step @ bend) / (bend @ bend)
        for step, bend in self._steps:
            result += (shares.pop() - (bend @ result) / (step @ bend)) * step
        return result


def minimise(
    function: Callable[[Vector], tuple[float, Vector]],
    start: Vector,
    *,
    steps: int,
    tolerance: float,
    curvature: Curvature | None = None,
) -> Vector:
    """The minimum of a smooth convex ``function``, which returns its value and its gradient.

    Limited-memory BFGS with a backtracking line search (Nocedal & Wright 2006, algorithms 7.5 and 3.1). It stops once
    no component of the gradient is larger than ``tolerance``, or after so many ``steps``. ``curvature`` from an earlier
    call speeds up this one, and is updated.
    """
    place, (value, gradient) = start, function(start)
    curvature = curvature or Curvature()
    for _ in range(steps):
        if np.abs(gradient).max() <= tolerance:
            break
        direction = -curvature.solve(gradient)
        slope, share = float(gradient @ direction), 1.0
        while (new := function(place + share * direction))[0] > value + DESCENT * share * slope:
            share /= 2
            if share < SHORTEST:
                return place
        step = share * direction
        curvature.update(step, new[1] - gradient)
        descent, place, (value, gradient) = value - new[0], place + step, new
        if descent <= NEGLIGIBLE * max(abs(value), 1.0):
            break
    return place
