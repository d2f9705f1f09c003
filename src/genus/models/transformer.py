"""The transformer block that ViT and Swin share; only the attention inside differs."""

import torch
from torch import Tensor, nn

from genus.models.initial import truncated_normal
from genus.models.stochastic_depth import StochasticDepth
from genus.models.token_linear import TokenLinear


class Mlp(nn.Module):
    """Two linear layers with a GELU between, applied to each token by itself (Vaswani et al. 2017, §3.3)."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = TokenLinear(dim, hidden)
        self.act = nn.GELU()
        self.fc2 = TokenLinear(hidden, dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """(..., dim) -> (..., dim)."""
        return self.fc2(self.act(self.fc1(tokens)))


class LayerScale(nn.Module):
    """One learned factor per channel on a residual branch (Touvron et al. 2021, "CaiT", §2)."""

    def __init__(self, dim: int, initial: float) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((dim,), initial))

    def forward(self, branch: Tensor) -> Tensor:
        """(..., dim) -> (..., dim)."""
        return branch * self.gamma


class Block(nn.Module):
    """Pre-norm residual block: x + attention(norm(x)), then x + mlp(norm(x)).

    ``attention`` maps tokens to tokens of the same shape. Dosovitskiy et al. 2021 (ViT), eq. 2-3.
    """

    def __init__(
        self,
        dim: int,
        attention: nn.Module,
        *,
        eps: float,
        mlp_ratio: float = 4.0,
        drop_path: float = 0.0,
        layer_scale: float | None = None,
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=eps)
        self.attn = attention
        self.ls1 = nn.Identity() if layer_scale is None else LayerScale(dim, layer_scale)
        self.norm2 = nn.LayerNorm(dim, eps=eps)
        self.mlp = Mlp(dim, int(dim * mlp_ratio))
        self.ls2 = nn.Identity() if layer_scale is None else LayerScale(dim, layer_scale)
        self.drop_path = StochasticDepth(drop_path)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, ..., dim) -> (B, ..., dim)."""
        tokens = self.drop_path(tokens, lambda some: self.ls1(self.attn(self.norm1(some))))
        return self.drop_path(tokens, lambda some: self.ls2(self.mlp(self.norm2(some))))


def initialise(model: nn.Module) -> None:
    """Truncated normal (std 0.02) weights and zero biases in every linear layer, as ViT and Swin start."""
    for part in model.modules():
        if isinstance(part, nn.Linear):
            truncated_normal(part.weight)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
