"""The moving average of the weights, which is what gets validated, kept and used."""

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

Tensors = tuple[Tensor, ...] | list[Tensor]


def average_of(model: nn.Module, decay: float) -> AveragedModel:
    """A copy of ``model`` that follows it: at each ``update_parameters``, average = d * average + (1 - d) * model.

    d is ``decay``, but at most (1 + n) / (10 + n) at update number n (as TensorFlow's ExponentialMovingAverage does
    it): the average of a short run would otherwise be little else than the weights after the first step. Floating
    buffers (batch norm) are averaged too, whole-numbered ones copied.
    """

    @torch.no_grad()
    def update(averages: Tensors, currents: Tensors, count: Tensor | int) -> None:
        if averages[0].is_floating_point():
            updates = int(count)
            torch._foreach_lerp_(averages, currents, 1 - min(decay, (1 + updates) / (10 + updates)))
        else:
            torch._foreach_copy_(averages, currents)

    return AveragedModel(model, multi_avg_fn=update, use_buffers=True)
