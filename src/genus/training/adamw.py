"""AdamW for a handful of small tensors.

``torch.optim`` loads torch's compiler, which takes a second, and spends more time on each step of a head than the step
itself; the head's whole training takes not much longer than that second.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

BETAS = (0.9, 0.999)
EPS = 1e-8


class AdamW:
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019, algorithm 2), as ``torch.optim.AdamW`` does it."""

    def __init__(self, parameters: Sequence[Tensor], weight_decay: float) -> None:
        self.parameters = list(parameters)
        self.weight_decay = weight_decay
        self.steps = 0
        self._means = [torch.zeros_like(parameter) for parameter in self.parameters]
        self._squares = [torch.zeros_like(parameter) for parameter in self.parameters]

    @torch.no_grad()
    def step(self, lr: float) -> None:
        """One step down the gradients, which are forgotten then."""
        self.steps += 1
        first, second = 1 - BETAS[0] ** self.steps, 1 - BETAS[1] ** self.steps
        for parameter, mean, square in zip(self.parameters, self._means, self._squares, strict=True):
            assert parameter.grad is not None
            mean.lerp_(parameter.grad, 1 - BETAS[0])
            square.mul_(BETAS[1]).addcmul_(parameter.grad, parameter.grad, value=1 - BETAS[1])
            parameter.mul_(1 - lr * self.weight_decay)
            parameter.addcdiv_(mean / first, square.sqrt().mul_(second**-0.5).add_(EPS), value=-lr)
            parameter.grad = None
