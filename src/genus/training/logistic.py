"""Multinomial logistic regression on scaled features, which may lie on disk."""

import numpy as np
from numpy.typing import NDArray

from genus.training.lbfgs import Curvature, Vector, minimise
from genus.training.linear import Labels, LinearClassifier
from genus.training.scaling import Scaled

STEPS = 300
EXACT, COARSE = 1e-4, 1e-3  # tolerances, of the largest component of the gradient


class LogisticRegression:
    """Moves ``classifier`` to the minimum of mean weighted cross-entropy + |weights|² / (2 c n), for c after c.

    ``c`` is the inverse strength of the penalty and n the sum of the examples' weights, as scikit-learn has them. Each
    step is one pass over ``inputs``, seldom two.
    """

    def __init__(
        self, classifier: LinearClassifier, inputs: Scaled, labels: Labels, class_weights: tuple[float, ...] | None
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
        self._curvature.stiffen(penalty - self._penalty)
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
