"""How Swin divides a picture into windows, and what a token takes from its own (Liu et al. 2021, figures 2 to 4)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from genus.models.swin import Stage, Swin, WindowAttention, padded_sides, window_order
from genus.models.transformer import Block


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """The windows of one block: where they begin, and the attention of one token inside its own.

    ``grid``: rows and columns of tokens. A window starts at every token whose row and column are ``shift`` plus a
    multiple of ``window``; what lies before the first belongs to windows that the cyclic shift fills up from the other
    side, with a mask between. ``asker``: row and column of the token; ``attention``, rows x columns: how much it takes
    from each other token, the mean of all heads; 0 outside its window, sums to 1.
    """

    reduction: int
    grid: tuple[int, int]
    window: int
    shift: int
    asker: tuple[int, int]
    attention: Tensor


def windows(model: Swin, image: Tensor, place: tuple[float, float]) -> list[tuple[Windows, Windows]]:
    """The first two blocks (W-MSA, SW-MSA) of every stage that has two.

    ``image``: 1 x 3 x H x W, normalised; ``place``: the asking token's, 0..1 from the top and from the left. ``model``
    is in eval mode.
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
    shift, size = attention.shift_for(rows, columns), attention.window**2
    asker = min(int(place[0] * rows), rows - 1), min(int(place[1] * columns), columns - 1)
    order, way_back = window_order(down, across, attention.window, shift, tokens.device)
    number, inside = divmod(int(way_back[asker[0] * across + asker[1]]), size)
    weights = attention.msa.weights(*attention.windows(tokens))[0, number, :, inside].mean(dim=0)
    taken = torch.zeros(down * across, device=tokens.device)
    taken[order[number * size : (number + 1) * size]] = weights
    return Windows(
        -(-height // rows),
        (rows, columns),
        attention.window,
        shift,
        asker,
        taken.view(down, across)[:rows, :columns],
    )
