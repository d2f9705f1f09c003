"""Which parameter learns how fast, and how the rate moves over the run."""

import math
from typing import Any

import torch
from torch import nn

from genus.models.backbone import Backbone, module

NEVER_DECAYED = ("pos_embed", "_token", "relative_bias", "relative_position_bias_table")  # the last: timm's Swin


def parameter_groups(
    model: Backbone, *, lr: float, weight_decay: float, layer_decay: float, head_lr: float
) -> list[dict[str, Any]]:
    """Groups for AdamW: the layers nearer to the input learn slower, the head ``head_lr`` times faster.

    The rate of a layer group is ``lr * layer_decay ** depth below the last group before the head`` (Clark et al.
    2020, ELECTRA; Bao et al. 2022, BEiT). Norms, biases and position tables are not decayed.
    """
    names = {parameter: name for name, parameter in module(model).named_parameters()}
    groups = [[parameter for parameter in group if parameter.requires_grad] for group in model.layer_groups()]
    result: list[dict[str, Any]] = []
    for depth, group in enumerate(groups):
        is_head = depth == len(groups) - 1
        rate = lr * (head_lr if is_head else layer_decay ** (len(groups) - 2 - depth))
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
