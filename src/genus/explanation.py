"""What a network sees in a picture: where it speaks for a class, and what attention, windows and stages look like.

All functions take a model in eval mode and change nothing; a picture is normalised, B x 3 x H x W.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from genus.models.attention import MultiHeadSelfAttention
from genus.models.backbone import Backbone
from genus.models.layers import Block
from genus.models.swin import Stage, Swin, WindowAttention, from_windows, padded_sides, to_windows
from genus.models.vit import ViT

LEVELS = 4  # of a picture's hierarchy, where all stages have one resolution


def heat_maps(model: Backbone, images: Tensor, classes: Sequence[int] | Tensor) -> Tensor:
    """How much each place speaks for the class: B x h x w, 0 where it says nothing or speaks against it.

    Grad-CAM on the ``cam_features`` of a model, the same for every family (Selvaraju et al. 2017, "Grad-CAM: Visual
    Explanations from Deep Networks via Gradient-based Localization", §3). Other methods, measured: docs/results.md,
    "Heat maps".

    ``images``: B x 3 x H x W, normalised, on the model's device; ``classes``: the class number to explain, one a
    picture. ``model`` is in eval mode. The scale differs from picture to picture.
    """
    return heat_and_features(model, images, classes)[0]


def heat_and_features(model: Backbone, images: Tensor, classes: Sequence[int] | Tensor) -> tuple[Tensor, Tensor]:
    """The maps of ``heat_maps``, and the pooled features that come about on the way: B x num_features."""
    with torch.no_grad():
        maps, tail = model.cam_features(images)
    with torch.enable_grad():
        maps = maps.detach().requires_grad_()
        pooled = tail(maps)
        logits = model.head(pooled)
        chosen = torch.as_tensor(classes, device=logits.device)[:, None]
        (gradient,) = torch.autograd.grad(logits.gather(1, chosen).sum(), maps)
    importance = gradient.mean(dim=(2, 3), keepdim=True)
    return (importance * maps.detach()).sum(dim=1).clamp(min=0), pooled.detach()


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """The windows of one block, and the attention of one token inside its own (Liu et al. 2021, figures 2 to 4).

    ``grid``: rows and columns of tokens; one token stands for ``reduction`` x ``reduction`` pixels. Windows begin at
    rows and columns ``shift``, ``shift + window``, ...; the tokens before the first of these are in windows that the
    cyclic shift completes with tokens from the opposite edge, kept apart by a mask. ``query``: row and column of the
    token that attends. ``attention``, rows x columns: its weight for every token, the mean over all heads. It is 0
    outside the window and sums to 1, less what falls on padding.
    """

    reduction: int
    grid: tuple[int, int]
    window: int
    shift: int
    query: tuple[int, int]
    attention: Tensor


def windows(model: Swin, image: Tensor, place: tuple[float, float]) -> list[tuple[Windows, Windows]]:
    """The first two blocks (W-MSA, SW-MSA) of every stage that has two.

    ``place``: where the attending token lies, as shares (0..1) of the height and of the width.
    """
    found = []
    with torch.no_grad():
        tokens = model.embed(image)
        for stage in cast(Sequence[Stage], model.layers):
            tokens = stage.merging(tokens)
            views = []
            for block in cast(Sequence[Block], stage.blocks):
                views.append(_windows(cast(WindowAttention, block.attn), block.norm1(tokens), image.shape[-2], place))
                tokens = block(tokens)
            if len(views) >= 2:
                found.append((views[0], views[1]))
    return found


def _windows(attention: WindowAttention, tokens: Tensor, height: int, place: tuple[float, float]) -> Windows:
    rows, columns = tokens.shape[1:3]
    down, across = padded_sides(rows, columns, attention.window)
    shift = attention.shift_for(rows, columns)
    query = min(int(place[0] * rows), rows - 1), min(int(place[1] * columns), columns - 1)
    numbers = torch.arange(down * across, device=tokens.device).view(1, down, across, 1)
    members = to_windows(numbers, attention.window, shift)  # 1 x n x M·M x 1: which token stands where
    window, inside = (members[0, :, :, 0] == query[0] * across + query[1]).nonzero()[0].tolist()
    weights = torch.zeros(members.shape, device=tokens.device)
    weights[0, window, :, 0] = attention.msa.weights(*attention.windows(tokens))[0, window, :, inside].mean(dim=0)
    return Windows(
        reduction=-(-height // rows),
        grid=(rows, columns),
        window=attention.window,
        shift=shift,
        query=query,
        attention=from_windows(weights, attention.window, shift, down, across)[0, :rows, :columns, 0],
    )


def position_similarity(model: ViT) -> Tensor:
    """Cosine of the position table's vectors, every patch with every patch: h x w x h x w, -1..1.

    Dosovitskiy et al. 2021, figure 7, centre.
    """
    return _cosines(model.embed.pos_embed[0, 1:], model.embed.grid)


def patch_similarity(model: ViT, image: Tensor) -> Tensor:
    """Cosine of the patch tokens after the last block, every patch with every patch: h x w x h x w, -1..1."""
    with torch.no_grad():
        tokens = model.embed(image)
        for block in model.blocks:
            tokens = block(tokens)
    return _cosines(tokens[0, 1:], model.embed.grid_of(image))


def attention_by_head(model: ViT, image: Tensor) -> Tensor:
    """The class token's attention to each patch, for every block and head: blocks x heads x h x w.

    A map sums to 1 together with the class token's attention to itself. Dosovitskiy et al. 2021, figure 6.
    """
    maps = []
    with torch.no_grad():
        tokens = model.embed(image)
        for block in cast(Sequence[Block], model.blocks):
            maps.append(cast(MultiHeadSelfAttention, block.attn).weights(block.norm1(tokens))[0, :, 0, 1:])
            tokens = block(tokens)
    return torch.stack(maps).unflatten(2, model.embed.grid_of(image))


def _cosines(vectors: Tensor, grid: tuple[int, int]) -> Tensor:
    """(h·w) x D -> h x w x h x w."""
    unit = F.normalize(vectors.detach(), dim=1)
    return (unit @ unit.T).unflatten(1, grid).unflatten(0, grid)


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """The features after stage number ``stage`` (from 1): each of h x w places has ``channels`` numbers and stands for
    ``reduction`` x ``reduction`` pixels. ``colours``: h x w x 3, 0..1."""

    stage: int
    reduction: int
    channels: int
    colours: Tensor


def hierarchy(model: Backbone, image: Tensor) -> list[Level]:
    """The features of the last stage at each resolution; where all stages have one, of four evenly spread.

    A place's channels are shown as a colour, their first three principal components over the picture: places of the
    same colour are the same to the network. Raises UsageError for a timm model, whose stages cannot be run one by one.
    """
    maps, data = [], image
    with torch.no_grad():
        for stage in model.stages:
            data = stage(data)
            maps.append(model.finish(data)[0])
    heights = [one.shape[1] for one in maps]
    chosen = [number for number, height in enumerate(heights) if [*heights, 0][number + 1] < height]
    if len(chosen) == 1:
        chosen = [round(level * len(maps) / LEVELS) - 1 for level in range(1, LEVELS + 1)]
    return [
        Level(number + 1, round(image.shape[-2] / heights[number]), len(maps[number]), _colours(maps[number]))
        for number in chosen
    ]


def _colours(maps: Tensor) -> Tensor:
    """C x h x w -> h x w x 3: three principal components, each stretched to 0..1. The sign of a component is arbitrary;
    it is turned so that the number of largest size is positive."""
    places = maps.flatten(1).T.float()
    places = places - places.mean(dim=0)
    _, _, directions = torch.linalg.svd(places, full_matrices=False)
    components = places @ directions[:3].T
    components = F.pad(components, (0, 3 - components.shape[1]))
    extremes = components.gather(0, components.abs().argmax(dim=0, keepdim=True))
    components = components * torch.where(extremes < 0, -1.0, 1.0)
    low, high = components.amin(dim=0), components.amax(dim=0)
    return ((components - low) / (high - low).clamp(min=1e-12)).unflatten(0, maps.shape[1:])
