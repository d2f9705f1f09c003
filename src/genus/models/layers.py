"""The layers that several models share: the linear layer of transformers, stochastic depth, the transformer block."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# From so many tokens a channel on, the convolution is faster (docs/benchmarks.md, "Linear layers").
TOKENS_PER_CHANNEL = 2
TOKENS_PER_CHANNEL_LEARNING = 12


def init_normal(weight: Tensor, std: float) -> None:
    """Fill ``weight`` with normally distributed numbers around 0.

    A weight on the ``meta`` device is left alone, here and below: it waits for the numbers of a file, and torch would
    import a second's worth of modules to draw none.
    """
    if not weight.is_meta:
        nn.init.normal_(weight, std=std)


def init_truncated_normal(weight: Tensor, std: float = 0.02) -> None:
    """The same with no number beyond -2 and 2: how ViT and Swin start."""
    if not weight.is_meta:
        nn.init.trunc_normal_(weight, std=std)


def init_transformer(model: nn.Module) -> None:
    """Truncated normal (std 0.02) weights and zero biases in every linear layer of ``model``."""
    for part in model.modules():
        if isinstance(part, nn.Linear):
            init_truncated_normal(part.weight)
            if part.bias is not None:
                nn.init.zeros_(part.bias)


class TokenLinear(nn.Linear):
    """``nn.Linear``, on a processor computed as a 1 x 1 convolution where there are many tokens; equal up to rounding.

    oneDNN's convolution is fast for long, narrow matrices, because it adds the bias while it multiplies; its matrix
    product, which ``nn.Linear`` calls, writes the bias first, and is faster where tokens are few.
    """

    def forward(self, tokens: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        if not self._as_convolution(tokens):
            return super().forward(tokens)
        maps = tokens.reshape(1, -1, 1, self.in_features).permute(0, 3, 1, 2)  # 1 x in x tokens x 1, channels last
        maps = F.conv2d(maps, self.weight[:, :, None, None], self.bias)
        return maps.permute(0, 2, 3, 1).reshape(*tokens.shape[:-1], self.out_features)

    def _as_convolution(self, tokens: Tensor) -> bool:
        if tokens.device.type != "cpu" or torch.compiler.is_compiling() or not torch.backends.mkldnn.is_available():
            return False
        per_channel = tokens.numel() // self.in_features / min(self.in_features, self.out_features)
        return per_channel >= (TOKENS_PER_CHANNEL_LEARNING if torch.is_grad_enabled() else TOKENS_PER_CHANNEL)


class StochasticDepth(nn.Module):
    """The sum at the end of a residual branch; in training, a random ``rate`` of the pictures skips the branch.

    Huang et al. 2016, "Deep Networks with Stochastic Depth". What is skipped is never computed: the branch is given the
    remaining pictures only (Oquab et al. 2023, "DINOv2", §5, "Efficient stochastic depth").
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, data: Tensor, branch: Callable[[Tensor], Tensor]) -> Tensor:
        """``data + branch(data)``, (B, ...) both. In training, S of the B pictures go through the branch, and what it
        adds to them is multiplied by B / S."""
        if not self.training or self.rate == 0:
            return data + branch(data)
        batch = data.shape[0]
        kept = batch - self._skipping(batch)
        if kept == batch:
            return data + branch(data)
        places = torch.randperm(batch, device=data.device)[:kept]
        added = branch(data.index_select(0, places)).to(data.dtype)
        return data.index_add(0, places, added, alpha=batch / kept)

    def _skipping(self, batch: int) -> int:
        """How many of ``batch`` pictures skip the branch: ``rate * batch`` rounded up or down at random, so that its
        mean is exact for small batches, too; at least one picture stays. A compiled step needs one fixed number."""
        chance = 0.5 if torch.compiler.is_compiling() else torch.rand(()).item()
        return min(int(self.rate * batch + chance), batch - 1)


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
