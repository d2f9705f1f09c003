"""Vision Transformer (Dosovitskiy et al. 2021, "An Image Is Worth 16x16 Words").

A picture is cut into patches, each patch becomes one token, a class token joins them, a table of learned vectors
says where each token stands, and a stack of identical transformer blocks lets all tokens look at all others.

    picture  B x 3 x H x W
    tokens   B x (1 + h·w) x D      h = H / patch, w = W / patch; token 0 is the class token
    features B x 2D x h x w         the class token, repeated at every place, then the patch tokens
"""

import math
from collections.abc import Sequence
from typing import Any, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genus.models.attention import MultiHeadSelfAttention
from genus.models.backbone import Tail, parameter_groups
from genus.models.layers import Block, init_normal, init_transformer, init_truncated_normal

Pool = Literal["token", "mean", "token+mean"]
NORM_EPS = 1e-6
STAGES_AFTER_CAM = 3  # of the last stages, which heat maps look past: two blocks and the norm


class Embedding(nn.Module):
    """Patches -> tokens, class token in front, position table added (ViT, eq. 1)."""

    def __init__(self, image_size: int, patch_size: int, dim: int) -> None:
        super().__init__()
        self.patch_size = patch_size
        self.grid = (image_size // patch_size, image_size // patch_size)
        self.proj = nn.Conv2d(3, dim, patch_size, stride=patch_size)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + self.grid[0] * self.grid[1], dim))
        init_truncated_normal(self.pos_embed)
        init_normal(self.cls_token, std=1e-6)

    def grid_of(self, images: Tensor) -> tuple[int, int]:
        """Rows and columns of patches; a last, incomplete patch counts."""
        height, width = images.shape[-2:]
        return -(-height // self.patch_size), -(-width // self.patch_size)

    def forward(self, images: Tensor) -> Tensor:
        """B x 3 x H x W -> B x (1 + h·w) x D. Sides that the patch does not divide are padded with zeros."""
        rows, columns = self.grid_of(images)
        right, bottom = (
            columns * self.patch_size - images.shape[-1],
            rows * self.patch_size - images.shape[-2],
        )
        if right or bottom:
            images = F.pad(images, (0, right, 0, bottom))
        patches = self.proj(images).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.cls_token.expand(patches.shape[0], -1, -1), patches], dim=1)
        return tokens + resize_position_table(self.pos_embed, self.grid, (rows, columns))


class ViT(nn.Module):
    """Vision Transformer that keeps the contract of ``backbone.Backbone``.

    ``pool`` chooses what the head sees: the class token (the paper), the mean of the patch tokens, or both one
    behind the other (DINOv2's linear evaluation; Oquab et al. 2023). ``layer_scale``: initial factor, None for none.
    """

    def __init__(
        self,
        *,
        image_size: int = 224,
        patch_size: int = 16,
        dim: int = 768,
        depth: int = 12,
        num_heads: int = 12,
        num_classes: int = 1000,
        pool: Pool = "token",
        layer_scale: float | None = None,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        if pool not in get_args(Pool):
            raise ValueError(f"pool is {pool!r}, but has to be one of {', '.join(get_args(Pool))}")
        self.dim = dim
        self.pooling = pool
        self.num_features = 2 * dim if pool == "token+mean" else dim
        self.embed = Embedding(image_size, patch_size, dim)
        self.blocks = nn.ModuleList(
            Block(
                dim,
                MultiHeadSelfAttention(dim, num_heads),
                eps=NORM_EPS,
                drop_path=drop_path * index / max(depth - 1, 1),
                layer_scale=layer_scale,
            )
            for index in range(depth)
        )
        self.norm = nn.LayerNorm(dim, eps=NORM_EPS)
        self.head = nn.Linear(self.num_features, num_classes)
        init_transformer(self)

    @property
    def stages(self) -> Sequence[nn.Module]:
        """Embedding, every block, the last norm."""
        return [self.embed, *self.blocks, self.norm]

    def features(self, images: Tensor) -> Tensor:
        """B x 3 x H x W -> B x 2D x h x w: the class token repeated at every place, then the patch tokens."""
        tokens = images
        for stage in self.stages:
            tokens = stage(tokens)
        return self._as_maps(tokens, self.embed.grid_of(images))

    def finish(self, data: Tensor) -> Tensor:
        """B x (1 + h·h) x D -> B x 2D x h x h."""
        return self._as_maps(data, square_grid(data))

    def _as_maps(self, tokens: Tensor, grid: tuple[int, int]) -> Tensor:
        patches = tokens[:, 1:].transpose(1, 2).unflatten(2, grid)
        class_token = tokens[:, 0, :, None, None].expand_as(patches)
        return torch.cat([class_token, patches], dim=1)

    def pool(self, features: Tensor) -> Tensor:
        """B x 2D x h x w -> B x num_features."""
        class_token, patches = features[:, : self.dim, 0, 0], features[:, self.dim :].mean(dim=(2, 3))
        if self.pooling == "token":
            return class_token
        return patches if self.pooling == "mean" else torch.cat([class_token, patches], dim=1)

    def forward(self, images: Tensor) -> Tensor:
        """B x 3 x H x W -> B x classes."""
        return self.head(self.pool(self.features(images)))

    def cam_features(self, images: Tensor) -> tuple[Tensor, Tail]:
        """The patch tokens before the last two blocks, in which the class token takes from them what counts."""
        grid, tokens = self.embed.grid_of(images), images
        for stage in self.stages[:-STAGES_AFTER_CAM]:
            tokens = stage(tokens)
        class_token, patches = tokens[:, :1], tokens[:, 1:]

        def tail(maps: Tensor) -> Tensor:
            tokens = torch.cat([class_token, maps.flatten(2).transpose(1, 2)], dim=1)
            for stage in self.stages[-STAGES_AFTER_CAM:]:
                tokens = stage(tokens)
            return self.pool(self._as_maps(tokens, grid))

        return patches.transpose(1, 2).unflatten(2, grid), tail

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """Embedding, each block, the last norm, the head."""
        return [parameter_groups(part) for part in [*self.stages, self.head]]


def resize_position_table(table: Tensor, old: tuple[int, int], new: tuple[int, int]) -> Tensor:
    """Position table for another grid of patches: bicubic, antialiased, the class token's row unchanged (as timm).

    table: 1 x (1 + rows·columns of ``old``) x D -> 1 x (1 + rows·columns of ``new``) x D.
    """
    if old == new:
        return table
    grid = table[:, 1:].float().unflatten(1, old).permute(0, 3, 1, 2)
    grid = F.interpolate(grid, size=new, mode="bicubic", antialias=True)
    return torch.cat([table[:, :1], grid.flatten(2).transpose(1, 2).to(table.dtype)], dim=1)


def square_grid(table: Tensor) -> tuple[int, int]:
    """The grid of a position table, or of the tokens of a square picture: n x (1 + side²) x D -> (side, side)."""
    side = math.isqrt(table.shape[1] - 1)
    return side, side


def vit_tiny(**arguments: Any) -> ViT:
    """ViT-Ti: 192 channels, 12 blocks, 3 heads (Touvron et al. 2021, "DeiT", table 1)."""
    return ViT(**{"dim": 192, "depth": 12, "num_heads": 3, **arguments})


def vit_small(**arguments: Any) -> ViT:
    """ViT-S: 384 channels, 12 blocks, 6 heads (DeiT, table 1)."""
    return ViT(**{"dim": 384, "depth": 12, "num_heads": 6, **arguments})


def vit_base(**arguments: Any) -> ViT:
    """ViT-B: 768 channels, 12 blocks, 12 heads (ViT, table 1)."""
    return ViT(**{"dim": 768, "depth": 12, "num_heads": 12, **arguments})


def vit_large(**arguments: Any) -> ViT:
    """ViT-L: 1024 channels, 24 blocks, 16 heads (ViT, table 1)."""
    return ViT(**{"dim": 1024, "depth": 24, "num_heads": 16, **arguments})
