"""Swin Transformer (Liu et al. 2021, "Hierarchical Vision Transformer using Shifted Windows").

Attention among all tokens costs the square of their number. Swin lets tokens attend within windows of M x M only,
shifts the windows by half in every second block so that neighbours can talk, and merges 2 x 2 patches between stages:

    input              H x W x 3
    patch partition    H/4 x W/4 x C      each 4 x 4 patch becomes a token
    stage 1            H/4 x W/4 x C      W-MSA, SW-MSA, ...
    stage 2            H/8 x W/8 x 2C     patch merging, W-MSA, SW-MSA, ...
    stage 3            H/16 x W/16 x 4C
    stage 4            H/32 x W/32 x 8C   -> norm -> mean over places -> head

Inside, tokens lie as B x H x W x C. Any input size works: what a patch, a window or a merge does not divide is
padded with zeros at the right and bottom, as the authors do for detection.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genus.models.attention import MultiHeadSelfAttention
from genus.models.backbone import Tail, features_for_cam, parameter_groups
from genus.models.layers import Block, TokenLinear, init_transformer, init_truncated_normal

PATCH = 4
MASKED = -100.0  # added to the score of two tokens that only the cyclic shift made neighbours; e⁻¹⁰⁰ ≈ 0


def padded_sides(height: int, width: int, multiple: int) -> tuple[int, int]:
    """The next sides that ``multiple`` divides."""
    return height + -height % multiple, width + -width % multiple


def pad_to_multiple(tokens: Tensor, multiple: int) -> Tensor:
    """B x H x W x C, zeros added at the right and bottom until ``multiple`` divides H and W."""
    height, width = tokens.shape[1:3]
    down, across = padded_sides(height, width, multiple)
    bottom, right = down - height, across - width
    return F.pad(tokens, (0, 0, 0, right, 0, bottom)) if bottom or right else tokens


def partition_windows(tokens: Tensor, window: int) -> Tensor:
    """B x H x W x C -> B x (windows) x (M·M) x C. ``window`` M divides H and W."""
    tokens = tokens.unflatten(2, (-1, window)).unflatten(1, (-1, window))  # B, H/M, M, W/M, M, C
    return tokens.transpose(2, 3).flatten(3, 4).flatten(1, 2)


def merge_windows(windows: Tensor, window: int, height: int, width: int) -> Tensor:
    """B x (windows) x (M·M) x C -> B x H x W x C: undoes ``partition_windows``."""
    tokens = windows.unflatten(2, (window, window)).unflatten(1, (height // window, width // window))
    return tokens.transpose(2, 3).flatten(3, 4).flatten(1, 2)


def to_windows(tokens: Tensor, window: int, shift: int) -> Tensor:
    """Cyclic shift towards the top left, then window partition (Swin, figure 4): B x H x W x C -> B x n x M·M x C."""
    return partition_windows(torch.roll(tokens, (-shift, -shift), dims=(1, 2)) if shift else tokens, window)


def from_windows(windows: Tensor, window: int, shift: int, height: int, width: int) -> Tensor:
    """Merges the windows and reverses the cyclic shift: B x n x M·M x C -> B x H x W x C."""
    tokens = merge_windows(windows, window, height, width)
    return torch.roll(tokens, (shift, shift), dims=(1, 2)) if shift else tokens


def relative_position_index(window: int) -> Tensor:
    """M·M x M·M: for tokens i, j of a window, the row of the bias table that belongs to their offset.

    Offsets run from -(M-1) to M-1 on both axes: (2M-1)² rows (Swin, §3.2, "Relative position bias").
    """
    axis = torch.arange(window, device="cpu")  # a table and no weight, so real even where weights are not yet
    places = torch.stack(torch.meshgrid(axis, axis, indexing="ij")).flatten(1)  # 2, M·M
    offsets = places[:, :, None] - places[:, None, :] + window - 1
    return offsets[0] * (2 * window - 1) + offsets[1]


def shifted_window_mask(
    height: int, width: int, window: int, shift: int, device: torch.device, dtype: torch.dtype
) -> Tensor:
    """(windows) x M·M x M·M: 0 where two tokens of a shifted window are true neighbours, else ``MASKED``.

    The cyclic shift puts up to four regions of the picture into one window (Swin, figure 4); every region gets a
    number, and tokens attend to tokens with the same number only.
    """

    def bands(length: int) -> Tensor:
        places = torch.arange(length, device=device)
        return (places >= length - window).long() + (places >= length - shift).long()

    regions = bands(height)[:, None] * 3 + bands(width)[None, :]
    windows = partition_windows(regions[None, :, :, None], window)[0, :, :, 0]
    return torch.where(windows[:, :, None] == windows[:, None, :], 0.0, MASKED).to(dtype)


class WindowAttention(nn.Module):
    """W-MSA (shift 0) or SW-MSA (shift M // 2): multi-head self-attention inside M x M windows (Swin, §3.2)."""

    relative_index: Tensor

    def __init__(self, dim: int, num_heads: int, window: int, shift: int) -> None:
        super().__init__()
        self.window = window
        self.shift = shift
        self.msa = MultiHeadSelfAttention(dim, num_heads)
        self.relative_bias = nn.Parameter(torch.zeros((2 * window - 1) ** 2, num_heads))
        init_truncated_normal(self.relative_bias)
        self.register_buffer("relative_index", relative_position_index(window), persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """B x H x W x C -> B x H x W x C."""
        height, width = tokens.shape[1:3]
        down, across = padded_sides(height, width, self.window)
        attended = self.msa(*self.windows(tokens))
        return from_windows(attended, self.window, self.shift_for(height, width), down, across)[:, :height, :width]

    def windows(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """What the attention sees: the (shifted) windows, B x n x M·M x C, and the bias, 1 or n x heads x M·M x M·M."""
        shift = self.shift_for(*tokens.shape[1:3])
        tokens = pad_to_multiple(tokens, self.window)
        bias = self.relative_bias[self.relative_index].permute(2, 0, 1).unsqueeze(0)
        if shift:
            height, width = tokens.shape[1:3]
            mask = shifted_window_mask(height, width, self.window, shift, bias.device, bias.dtype)
            bias = bias + mask.unsqueeze(1)
        return to_windows(tokens, self.window, shift), bias

    def shift_for(self, height: int, width: int) -> int:
        """No shift where one window covers a whole side: it would only tear neighbours apart."""
        return 0 if min(height, width) <= self.window else self.shift


class PatchEmbedding(nn.Module):
    """Patch partition and linear embedding in one convolution, then a norm (Swin, §3.1)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, dim, PATCH, stride=PATCH)
        self.norm = nn.LayerNorm(dim)

    def forward(self, images: Tensor) -> Tensor:
        """B x 3 x H x W -> B x H/4 x W/4 x C."""
        bottom, right = -images.shape[-2] % PATCH, -images.shape[-1] % PATCH
        if bottom or right:
            images = F.pad(images, (0, right, 0, bottom))
        return self.norm(self.proj(images).permute(0, 2, 3, 1))


class PatchMerging(nn.Module):
    """Four neighbours become one token with twice the channels (Swin, §3.1)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * dim)
        self.reduction = TokenLinear(4 * dim, 2 * dim, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """B x H x W x C -> B x H/2 x W/2 x 2C."""
        tokens = pad_to_multiple(tokens, 2).unflatten(2, (-1, 2)).unflatten(1, (-1, 2))  # B, h, 2, w, 2, C
        return self.reduction(self.norm(tokens.permute(0, 1, 3, 4, 2, 5).flatten(3)))


class Stage(nn.Module):
    """Patch merging (not in the first stage), then blocks with W-MSA and SW-MSA in turn (Swin, figure 3)."""

    def __init__(self, dim: int, num_heads: int, window: int, drop_paths: Sequence[float], *, merging: bool) -> None:
        super().__init__()
        self.merging = PatchMerging(dim // 2) if merging else nn.Identity()
        self.blocks = nn.Sequential()
        for index, drop_path in enumerate(drop_paths):
            shift = window // 2 if index % 2 else 0
            attention = WindowAttention(dim, num_heads, window, shift)
            self.blocks.append(Block(dim, attention, eps=1e-5, drop_path=drop_path))

    def forward(self, tokens: Tensor) -> Tensor:
        """B x H x W x C/2 -> B x H/2 x W/2 x C; in the first stage B x H x W x C stays as it is."""
        return self.blocks(self.merging(tokens))


class Swin(nn.Module):
    """Swin Transformer that keeps the contract of ``backbone.Backbone``.

    ``dim`` is C of the paper; ``depths`` and ``num_heads`` have one entry a stage; ``drop_path`` is the stochastic
    depth rate of the last block, growing linearly from 0.
    """

    def __init__(
        self,
        *,
        dim: int = 96,
        depths: Sequence[int] = (2, 2, 6, 2),
        num_heads: Sequence[int] = (3, 6, 12, 24),
        window: int = 7,
        num_classes: int = 1000,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        rates = iter(drop_path * block / max(sum(depths) - 1, 1) for block in range(sum(depths)))
        self.embed = PatchEmbedding(dim)
        self.layers = nn.ModuleList()
        for stage, (depth, heads) in enumerate(zip(depths, num_heads, strict=True)):
            drop_paths = [next(rates) for _ in range(depth)]
            self.layers.append(Stage(dim * 2**stage, heads, window, drop_paths, merging=stage > 0))
        self.num_features = dim * 2 ** (len(depths) - 1)
        self.norm = nn.LayerNorm(self.num_features)
        self.head = nn.Linear(self.num_features, num_classes)
        init_transformer(self)

    @property
    def stages(self) -> Sequence[nn.Module]:
        """Patch embedding, the four stages, the last norm; data between them lies as B x H x W x C."""
        return [self.embed, *self.layers, self.norm]

    def features(self, images: Tensor) -> Tensor:
        """B x 3 x H x W -> B x 8C x H/32 x W/32."""
        tokens = images
        for stage in self.stages:
            tokens = stage(tokens)
        return self.finish(tokens)

    def finish(self, data: Tensor) -> Tensor:
        """B x h x w x C -> B x C x h x w."""
        return data.permute(0, 3, 1, 2)

    def pool(self, features: Tensor) -> Tensor:
        """Mean over all places: B x 8C x h x w -> B x 8C."""
        return features.mean(dim=(2, 3))

    def forward(self, images: Tensor) -> Tensor:
        """B x 3 x H x W -> B x classes."""
        return self.head(self.pool(self.features(images)))

    def cam_features(self, images: Tensor) -> tuple[Tensor, Tail]:
        """The features."""
        return features_for_cam(self, images)

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """Embedding, each merging and block, the last norm, the head."""
        inner = [part for stage in self.layers if isinstance(stage, Stage) for part in (stage.merging, *stage.blocks)]
        groups = [parameter_groups(part) for part in [self.embed, *inner, self.norm, self.head]]
        return [group for group in groups if group]


def resize_relative_bias(table: Tensor, window: int) -> Tensor:
    """Relative-bias table for another window: (2m-1)² x heads -> (2·window-1)² x heads, bicubic (as the authors)."""
    old, new = round(table.shape[0] ** 0.5), 2 * window - 1
    if old == new:
        return table
    grid = table.float().T.unflatten(1, (old, old)).unsqueeze(0)
    grid = F.interpolate(grid, size=(new, new), mode="bicubic", align_corners=False)
    return grid[0].flatten(1).T.to(table.dtype)


def swin_tiny(**arguments: Any) -> Swin:
    """Swin-T (paper, §3.3): C = 96, 2-2-6-2 blocks. ``arguments`` as in ``Swin``, here and below.

    Stochastic depth is that of the authors' fine-tuning (their configurations ``*_22kto1k_finetune``): 0.1 here, 0.2 in
    the larger ones.
    """
    return Swin(**{"dim": 96, "depths": (2, 2, 6, 2), "num_heads": (3, 6, 12, 24), "drop_path": 0.1, **arguments})


def swin_small(**arguments: Any) -> Swin:
    """Swin-S: C = 96, 2-2-18-2 blocks."""
    return Swin(**{"dim": 96, "depths": (2, 2, 18, 2), "num_heads": (3, 6, 12, 24), "drop_path": 0.2, **arguments})


def swin_base(**arguments: Any) -> Swin:
    """Swin-B: C = 128, 2-2-18-2 blocks."""
    return Swin(**{"dim": 128, "depths": (2, 2, 18, 2), "num_heads": (4, 8, 16, 32), "drop_path": 0.2, **arguments})


def swin_large(**arguments: Any) -> Swin:
    """Swin-L: C = 192, 2-2-18-2 blocks."""
    return Swin(**{"dim": 192, "depths": (2, 2, 18, 2), "num_heads": (6, 12, 24, 48), "drop_path": 0.2, **arguments})
