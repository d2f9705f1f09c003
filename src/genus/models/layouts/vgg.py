"""The names under which VGG checkpoints are published: ours, torchvision's, timm's.

Counters of batch norm are dropped everywhere: with a fixed momentum nothing reads them.
"""

import re

from genus.models.layouts.layout import Layout, State

COUNTERS = r"\.num_batches_tracked$"


def number_blocks(state: State) -> State:
    """``features.N`` -> ``blocks.B.I``: one flat list of layers becomes five blocks.

    Within a block, layers with weights lie 1 apart (convolution, norm) or 2 (a ReLU between); 3 means that a ReLU
    and a max-pool lie between, so a new block begins.
    """
    places = sorted({int(found[1]) for key in state if (found := re.match(r"features\.(\d+)\.", key))})
    names: dict[str, str] = {}
    block, start = 0, 0
    for before, place in zip([0, *places], places, strict=False):
        if place - before == 3:
            block, start = block + 1, place
        names[f"features.{place}."] = f"blocks.{block}.{place - start}."
    return {re.sub(r"^features\.\d+\.", lambda found: names[found[0]], key): state[key] for key in state}


def flatten_convolutions(state: State) -> State:
    """timm keeps the fully connected layers as 7 x 7 and 1 x 1 convolutions: the same numbers in the same order."""
    hidden = {key: tensor.flatten(1) for key, tensor in state.items() if re.match(r"pre_logits\.fc\d\.weight", key)}
    return number_blocks({**state, **hidden})


LAYOUTS = (
    Layout("genus", signature=r"^blocks\.0\.0\.", dropped=COUNTERS),
    Layout(
        "torchvision",
        signature=r"^classifier\.0\.",
        renames=((r"^classifier\.0\.", "fc1."), (r"^classifier\.3\.", "fc2."), (r"^classifier\.6\.", "head.")),
        dropped=COUNTERS,
        prepare=number_blocks,
    ),
    Layout(
        "timm",
        signature=r"^pre_logits\.fc1\.",
        renames=((r"^pre_logits\.", ""), (r"^head\.fc\.", "head.")),
        dropped=COUNTERS,
        prepare=flatten_convolutions,
    ),
)
