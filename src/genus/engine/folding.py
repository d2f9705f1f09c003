"""Batch norm that has finished learning only multiplies and adds: the convolution before it can do both."""

import copy
from itertools import pairwise

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from genus.models.efficientnet_lite import ConvNorm


def without_batch_norm(network: nn.Module) -> nn.Module:
    """A copy of ``network`` (in eval mode) whose convolutions do the work of the batch norms behind them, equal up to
    rounding; ``network`` itself where there is nothing to fold."""
    if not any(_pairs(part) for part in network.modules()):
        return network
    folded = copy.deepcopy(network)
    for part in folded.modules():
        for convolution, norm in _pairs(part):
            setattr(part, convolution, fuse_conv_bn_eval(getattr(part, convolution), getattr(part, norm)))
            setattr(part, norm, nn.Identity())
    return folded


def _pairs(part: nn.Module) -> list[tuple[str, str]]:
    """Names of a convolution and the batch norm that follows it, where the order of work is certain."""
    if not isinstance(part, nn.Sequential | ConvNorm):
        return []
    children = list(part.named_children())
    return [
        (first, second)
        for (first, convolution), (second, norm) in pairwise(children)
        if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
    ]
