"""The minimum of a smooth convex function of many variables.

SciPy's own takes longer to import than a head takes to learn, and its threads and NumPy's get in each other's way.
"""

from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

MEMORY = 10  # steps from which the curvature is estimated
DESCENT = 1e-4  # share of the promised descent that a step must bring (Nocedal & Wright, eq. 3.6a)
SHORTEST = 1e-6  # of the full step: what does not descend by then is rounding
NEGLIGIBLE = 1e-9  # descent, of the value


def minimise(
    function: Callable[[Vector], tuple[float, Vector]], start: Vector, *, steps: int, tolerance: float
) -> Vector:
    """Where ``function``, which gives its value and gradient, is smallest, to a gradient of ``tolerance`` at most.

    Limited-memory BFGS with a backtracking line search (Nocedal & Wright 2006, algorithms 7.5 and 3.1).
    """
    place, (value, gradient) = start, function(start)
    pairs: deque[tuple[Vector, Vector]] = deque(maxlen=MEMORY)
    for _ in range(steps):
        if np.abs(gradient).max() <= tolerance:
            break
        direction = -_times_inverse_curvature(pairs, gradient)
        slope, share = float(gradient @ direction), 1.0
        while (new := function(place + share * direction))[0] > value + DESCENT * share * slope:
            share /= 2
            if share < SHORTEST:
                return place
        step, bend = share * direction, new[1] - gradient
        if step @ bend > 0:
            pairs.append((step, bend))
        descent, place, (value, gradient) = value - new[0], place + step, new
        if descent <= NEGLIGIBLE * max(abs(value), 1.0):
            break
    return place


def _times_inverse_curvature(pairs: deque[tuple[Vector, Vector]], gradient: Vector) -> Vector:
    """Algorithm 7.4; without pairs, a direction of length one."""
    if not pairs:
        return gradient / np.linalg.norm(gradient)
    result, shares = gradient.copy(), []
    for step, bend in reversed(pairs):
        shares.append((step @ result) / (step @ bend))
        result -= shares[-1] * bend
    step, bend = pairs[-1]
    result *= (step @ bend) / (bend @ bend)
    for step, bend in pairs:
        result += (shares.pop() - (bend @ result) / (step @ bend)) * step
    return result
