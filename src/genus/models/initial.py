"""Random weights to begin with. On the ``meta`` device, where the weights of a file will be put, none are drawn: torch
would import a second's worth of modules for it."""

from torch import Tensor, nn


def normal(weight: Tensor, std: float) -> None:
    """Normally distributed numbers around 0, in place."""
    if not weight.is_meta:
        nn.init.normal_(weight, std=std)


def truncated_normal(weight: Tensor, std: float = 0.02) -> None:
    """The same, none further than 2 from 0: as ViT and Swin start."""
    if not weight.is_meta:
        nn.init.trunc_normal_(weight, std=std)
