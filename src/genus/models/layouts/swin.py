"""Published layouts of Swin Transformers."""

import re

from genus.models.layouts.layout import Layout, State
from genus.models.layouts.transformers_qkv import BLOCK_RENAMES, join_qkv

_BUFFERS = r"\b(relative_position_index|attn_mask)$"

_RENAMES = (
    (r"^patch_embed\.", "embed."),
    (r"\bdownsample\.", "merging."),
    (r"\battn\.(qkv|proj)\.", r"attn.msa.\1."),
    (r"\battn\.relative_position_bias_table$", "attn.relative_bias"),
    (r"^head\.fc\.", "head."),
)


def _merge_at_start(state: State) -> State:
    """The authors merge patches at the end of stage i; we, like timm, at the start of stage i + 1."""
    return {
        re.sub(r"\blayers\.(\d+)\.downsample\.", lambda m: f"layers.{int(m[1]) + 1}.downsample.", key): tensor
        for key, tensor in state.items()
    }


LAYOUTS = (
    Layout("genus", signature=r"^layers\.1\.merging\."),
    Layout("timm", signature=r"^layers\.3\.downsample\.", renames=_RENAMES, dropped=_BUFFERS),
    Layout(
        "Swin release",  # and the tutorial family's model-N.pth
        signature=r"^layers\.0\.downsample\.",
        prepare=_merge_at_start,
        renames=_RENAMES,
        dropped=_BUFFERS,
    ),
    Layout(
        "transformers",
        signature=r"^(swin\.)?encoder\.layers\.0\.downsample\.",
        prepare=lambda state: _merge_at_start(join_qkv(state)),
        renames=(
            (r"^swin\.", ""),
            (r"^embeddings\.patch_embeddings\.projection\.", "embed.proj."),
            (r"^embeddings\.norm\.", "embed.norm."),
            (r"^encoder\.layers\.", "layers."),
            (r"\battention\.(self|relative_position_bias)\.relative_position_bias_table$", "attn.relative_bias"),
            *BLOCK_RENAMES,
            *_RENAMES,
        ),
        dropped=_BUFFERS,
    ),
)
