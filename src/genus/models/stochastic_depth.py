"""Stochastic depth: in training, some pictures go past a residual branch, others at every step (Huang et al. 2016)."""

from collections.abc import Callable

import torch
from torch import Tensor, nn


class StochasticDepth(nn.Module):
    """The sum that ends a residual branch. In training, the branch leaves out a random ``rate`` of the pictures.

    What these would have added is never computed (Oquab et al. 2023, "DINOv2", §5, "Efficient stochastic depth").
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, data: Tensor, branch: Callable[[Tensor], Tensor]) -> Tensor:
        """``data + branch(data)``, (B, ...) both; where the branch sees S of B pictures, it counts B / S times."""
        pictures = len(data)
        seen = pictures - self._left_out(pictures)
        if seen == pictures:
            return data + branch(data)
        places = torch.randperm(pictures, device=data.device)[:seen]
        added = branch(data.index_select(0, places)).to(data.dtype)
        return data.index_add(0, places, added, alpha=pictures / seen)

    def _left_out(self, pictures: int) -> int:
        """Rounded up or down by chance, so that small batches keep the rate, too; a compiler wants one number.

        One picture always stays.
        """
        if not self.training or self.rate == 0:
            return 0
        chance = 0.5 if torch.compiler.is_compiling() else torch.rand(()).item()
        return min(int(self.rate * pictures + chance), pictures - 1)
