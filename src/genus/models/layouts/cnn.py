"""The names under which VGG and EfficientNet-Lite checkpoints are published.

Counters of batch norm are dropped everywhere: with a fixed momentum nothing reads them.
"""

import re

from genus.models.layouts.layout import Layout, State

_COUNTERS = r"\.num_batches_tracked$"


def _number_blocks(state: State) -> State:
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


def _flatten_convolutions(state: State) -> State:
    """timm keeps the fully connected layers as 7 x 7 and 1 x 1 convolutions: the same numbers in the same order."""
    hidden = {key: tensor.flatten(1) for key, tensor in state.items() if re.match(r"pre_logits\.fc\d\.weight", key)}
    return _number_blocks({**state, **hidden})


def _number_stages(state: State) -> State:
    """``_blocks.N`` -> ``blocks.S.I``: the pip packages count blocks through, we count them stage by stage.

    All blocks of a stage have the same number of output channels, and no two neighbouring stages have.
    """
    widths = {
        int(found[1]): len(tensor)
        for key, tensor in state.items()
        if (found := re.fullmatch(r"_blocks\.(\d+)\._project_conv\.weight", key))
    }
    names: dict[str, str] = {}
    stage, start = 0, 0
    for block in sorted(widths):
        if block and widths[block] != widths.get(block - 1):
            stage, start = stage + 1, block
        names[f"_blocks.{block}."] = f"blocks.{stage}.{block - start}."
    return {re.sub(r"^_blocks\.\d+\.", lambda found: names.get(found[0], found[0]), key): state[key] for key in state}


VGG = (
    Layout("genus", signature=r"^blocks\.0\.0\.", dropped=_COUNTERS),
    Layout(
        "torchvision",
        signature=r"^classifier\.0\.",
        renames=((r"^classifier\.0\.", "fc1."), (r"^classifier\.3\.", "fc2."), (r"^classifier\.6\.", "head.")),
        dropped=_COUNTERS,
        prepare=_number_blocks,
    ),
    Layout(
        "timm",
        signature=r"^pre_logits\.fc1\.",
        renames=((r"^pre_logits\.", ""), (r"^head\.fc\.", "head.")),
        dropped=_COUNTERS,
        prepare=_flatten_convolutions,
    ),
)

EFFICIENTNET_LITE = (
    Layout("genus", signature=r"^stem\.conv\.", dropped=_COUNTERS),
    Layout(
        "timm",
        signature=r"^conv_stem\.",
        renames=(
            (r"^conv_stem\.", "stem.conv."),
            (r"^bn1\.", "stem.norm."),
            (r"^(blocks\.0\.\d+)\.conv_dw\.", r"\1.depthwise.conv."),  # stage 1 has no expansion,
            (r"^(blocks\.0\.\d+)\.bn1\.", r"\1.depthwise.norm."),  # so its norms count from the depthwise one
            (r"^(blocks\.0\.\d+)\.conv_pw\.", r"\1.project.conv."),
            (r"^(blocks\.0\.\d+)\.bn2\.", r"\1.project.norm."),
            (r"^(blocks\.\d+\.\d+)\.conv_pw\.", r"\1.expand.conv."),
            (r"^(blocks\.\d+\.\d+)\.bn1\.", r"\1.expand.norm."),
            (r"^(blocks\.\d+\.\d+)\.conv_dw\.", r"\1.depthwise.conv."),
            (r"^(blocks\.\d+\.\d+)\.bn2\.", r"\1.depthwise.norm."),
            (r"^(blocks\.\d+\.\d+)\.conv_pwl\.", r"\1.project.conv."),
            (r"^(blocks\.\d+\.\d+)\.bn3\.", r"\1.project.norm."),
            (r"^conv_head\.", "top.conv."),
            (r"^bn2\.", "top.norm."),
            (r"^classifier\.", "head."),
        ),
        dropped=_COUNTERS,
    ),
    Layout(
        "pip",
        signature=r"^_conv_stem\.",
        renames=(
            (r"^_conv_stem\.", "stem.conv."),
            (r"^_bn0\.", "stem.norm."),
            (r"\._expand_conv\.", ".expand.conv."),
            (r"\._bn0\.", ".expand.norm."),
            (r"\._depthwise_conv\.", ".depthwise.conv."),
            (r"\._bn1\.", ".depthwise.norm."),
            (r"\._project_conv\.", ".project.conv."),
            (r"\._bn2\.", ".project.norm."),
            (r"^_conv_head\.", "top.conv."),
            (r"^_bn1\.", "top.norm."),
            (r"^_fc\.", "head."),
        ),
        dropped=_COUNTERS,
        prepare=_number_stages,
    ),
)
