"""What a ViT sees in a picture: which patches are alike, and where its class token looks.

Figures 7 and 6 of Dosovitskiy et al. 2021, on one's own pictures. All functions take a model in eval mode and change
nothing; ``image`` is 1 x 3 x H x W, normalised, cut into h x w patches.
"""

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from genus.models.attention import MultiHeadSelfAttention
from genus.models.transformer import Block
from genus.models.vit import ViT


def position_similarity(model: ViT) -> Tensor:
    """Cosine of the position table's vectors, every patch with every patch: h x w x h x w, -1..1."""
    return _cosines(model.embed.pos_embed[0, 1:]).unflatten(1, model.embed.grid).unflatten(0, model.embed.grid)


def patch_similarity(model: ViT, image: Tensor) -> Tensor:
    """Cosine of what the last block makes of the patches, every patch with every patch: h x w x h x w, -1..1."""
    grid = model.embed.grid_of(image)
    with torch.no_grad():
        tokens = model.embed(image)
        for block in model.blocks:
            tokens = block(tokens)
    return _cosines(tokens[0, 1:]).unflatten(1, grid).unflatten(0, grid)


def attention_by_head(model: ViT, image: Tensor) -> Tensor:
    """How much the class token takes from each patch, for every block and head: blocks x heads x h x w.

    What it takes from the patches and from itself sums to 1 (see ``MultiHeadSelfAttention.weights``).
    """
    taken = []
    with torch.no_grad():
        tokens = model.embed(image)
        for block in cast(Sequence[Block], model.blocks):
            taken.append(cast(MultiHeadSelfAttention, block.attn).weights(block.norm1(tokens))[0, :, 0, 1:])
            tokens = block(tokens)
    return torch.stack(taken).unflatten(2, model.embed.grid_of(image))


def _cosines(vectors: Tensor) -> Tensor:
    unit = F.normalize(vectors.detach(), dim=1)
    return unit @ unit.T
