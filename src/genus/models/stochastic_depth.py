"""Stochastic depth: whole residual branches are dropped in training."""

import torch
from torch import Tensor, nn


class StochasticDepth(nn.Module):
    """In training, drops a residual branch for a random ``rate`` of the pictures (Huang et al. 2016)."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, branch: Tensor) -> Tensor:
        """(B, ...) -> (B, ...); the branches that stay are scaled by 1 / (1 - rate)."""
        if not self.training or self.rate == 0:
            return branch
        keep = 1 - self.rate
        kept = torch.empty(branch.shape[0], *[1] * (branch.ndim - 1), dtype=branch.dtype, device=branch.device)
        return branch * kept.bernoulli_(keep).div_(keep)
