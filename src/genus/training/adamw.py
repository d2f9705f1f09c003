"""AdamW for one vector of parameters.

``torch.optim`` loads torch's compiler, which takes a second, and spends more time on each step of a head than the step
itself; the head's whole training takes not longer than that second.
"""

import numpy as np
from numpy.typing import NDArray

BETAS = (0.9, 0.999)
EPS = 1e-8


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
