"""How the weights move: learning rates by layer and over the run, and the moving average of the weights."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from genus.models.backbone import Backbone, module

Tensors = tuple[Tensor, ...] | list[Tensor]

NEVER_DECAYED = ("pos_embed", "_token", "relative_bias", "relative_position_bias_table")  # the last: timm's Swin


def parameter_groups(model: Backbone, *, lr: float, weight_decay: float, layer_decay: float) -> list[dict[str, Any]]:
    """Groups for AdamW: the layers nearer to the input learn slower than the head.

    The head and the last group before it learn at ``lr``, each group below at ``layer_decay`` times the rate of the one
    above it (Clark et al. 2020, ELECTRA; Bao et al. 2022, BEiT). Norms, biases and position tables are not decayed.
    """
    names = {parameter: name for name, parameter in module(model).named_parameters()}
    groups = [[parameter for parameter in group if parameter.requires_grad] for group in model.layer_groups()]
    result: list[dict[str, Any]] = []
    for depth, group in enumerate(groups):
        rate = lr * layer_decay ** max(0, len(groups) - 2 - depth)
        decayed = [parameter for parameter in group if _is_decayed(names[parameter], parameter)]
        others = [parameter for parameter in group if not _is_decayed(names[parameter], parameter)]
        for parameters, decay in ((decayed, weight_decay), (others, 0.0)):
            if parameters:
                result.append({"params": parameters, "lr": rate, "weight_decay": decay})
    return result


def _is_decayed(name: str, parameter: nn.Parameter) -> bool:
    return parameter.ndim > 1 and not name.endswith(NEVER_DECAYED)


def cosine_factor(step: int, *, total: int, warmup: int, lrf: float) -> float:
    """Share of the peak rate at ``step`` of ``total``: linear warm-up, then a half cosine from 1 down to ``lrf``."""
    if step < warmup:
        return (step + 1) / (warmup + 1)
    progress = (step - warmup) / max(total - warmup, 1)
    return lrf + (1 - lrf) * (1 + math.cos(math.pi * min(progress, 1.0))) / 2


def cosine_schedule(
    optimizer: torch.optim.Optimizer, *, total: int, warmup: int, lrf: float
) -> torch.optim.lr_scheduler.LambdaLR:
    """``cosine_factor`` on every group's own rate, one ``step()`` an optimizer step."""
    return torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: cosine_factor(step, total=total, warmup=warmup, lrf=lrf)
    )


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
