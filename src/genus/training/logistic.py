"""Multinomial logistic regression on scaled features, which may lie on disk."""

import numpy as np
from numpy.typing import NDArray

from genus.training.lbfgs import minimise
from genus.training.linear import Labels, LinearClassifier
from genus.training.scaling import Scaled

STEPS = 300
EXACT, COARSE = 1e-4, 1e-3  # tolerances, of the largest component of the gradient


def logistic_regression(
    classifier: LinearClassifier,
    inputs: Scaled,
    labels: Labels,
    c: float,
    class_weights: tuple[float, ...] | None,
    tolerance: float = EXACT,
) -> None:
    """Move ``classifier`` from where it is to the minimum of mean weighted cross-entropy + |weights|² / (2 c n).

    ``c`` is the inverse strength of the penalty and n the sum of the examples' weights, as scikit-learn has them.
    Each step is one pass over ``inputs``, seldom two.
    """
    weights = np.ones(len(labels)) if class_weights is None else np.array(class_weights)[labels]
    total = weights.sum()
    shares = (weights / total).astype(np.float32)
    rows = 2 if classifier.classes == 2 else 1  # for two classes scikit-learn has one row of weights, not two
    penalty = rows / (c * total)

    def objective(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        classifier.values[:] = values
        loss, gradient, start = 0.0, np.zeros_like(values), 0
        for piece in inputs.pieces():
            here = slice(start, start + len(piece))
            part, slope = classifier.loss_and_gradient(piece, labels[here], shares[here])
            loss, gradient, start = loss + part, gradient + slope, here.stop
        weight = values[: -classifier.classes]
        gradient[: len(weight)] += penalty * weight
        return loss + penalty / 2 * float(weight @ weight), gradient

    classifier.values[:] = minimise(objective, classifier.values.astype(np.float64), steps=STEPS, tolerance=tolerance)
