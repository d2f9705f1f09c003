"""The minimum of a smooth convex function of many variables.

SciPy's own takes longer to import than a head takes to learn, and its threads and NumPy's get in each other's way.
"""

from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

MEMORY = 20  # steps from which the curvature is estimated
DESCENT = 1e-4  # share of the promised descent that a step must bring (Nocedal & Wright, eq. 3.6a)
SHORTEST = 1e-6  # of the full step: what does not descend by then is rounding
NEGLIGIBLE = 1e-9  # descent, of the value


class Curvature:
    """How a function bends, as far as the last steps have shown: each with the change of the gradient along it."""

    def __init__(self) -> None:
        self._steps: deque[tuple[Vector, Vector]] = deque(maxlen=MEMORY)

    def learn(self, step: Vector, bend: Vector) -> None:
        """A step has been taken, and the gradient has changed by ``bend``."""
        if step @ bend > 0:
            self._steps.append((step, bend))

    def stiffen(self, springs: Vector) -> None:
        """From now on the function has ½ Σ springs · x² more than it had."""
        known = list(self._steps)
        self._steps.clear()
        for step, bend in known:
            self.learn(step, bend + springs * step)

    def divide(self, gradient: Vector) -> Vector:
        """The inverse of the curvature times ``gradient`` (algorithm 7.4); a vector of length one before any step."""
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
    """Where ``function``, which gives its value and gradient, is smallest, to a gradient of ``tolerance`` at most.

    Limited-memory BFGS with a backtracking line search (Nocedal & Wright 2006, algorithms 7.5 and 3.1). What is known
    of the ``curvature`` helps from the first step on, and grows.
    """
    place, (value, gradient) = start, function(start)
    curvature = curvature or Curvature()
    for _ in range(steps):
        if np.abs(gradient).max() <= tolerance:
            break
        direction = -curvature.divide(gradient)
        slope, share = float(gradient @ direction), 1.0
        while (new := function(place + share * direction))[0] > value + DESCENT * share * slope:
            share /= 2
            if share < SHORTEST:
                return place
        step = share * direction
        curvature.learn(step, new[1] - gradient)
        descent, place, (value, gradient) = value - new[0], place + step, new
        if descent <= NEGLIGIBLE * max(abs(value), 1.0):
            break
    return place
