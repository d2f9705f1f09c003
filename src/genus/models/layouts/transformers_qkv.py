"""What the Hugging Face layouts of ViT, DINOv2 and Swin share: q, k and v stored apart."""

import re

import torch

from genus.models.layouts.layout import State

_QUERY = re.compile(r"^(.*?\battention)\.(?:attention\.|self\.)?(?:query|q_proj)\.(weight|bias)$")


def join_qkv(state: State) -> State:
    """``...attention[.self].query.weight`` with its key and value -> one ``...attention.qkv.weight`` (3D x D)."""
    joined = dict(state)
    for key in state:
        if match := _QUERY.match(key):
            parts = [key] + [
                key.replace("query", name).replace("q_proj", short)
                for name, short in (("key", "k_proj"), ("value", "v_proj"))
            ]
            joined[f"{match[1]}.qkv.{match[2]}"] = torch.cat([joined.pop(part) for part in parts])
    return joined


# Old and new names alike; the new ones (transformers >= 5) are shorter.
BLOCK_RENAMES = (
    (r"\battention\.qkv\.", "attn.qkv."),
    (r"\battention\.(output\.dense|o_proj)\.", "attn.proj."),
    (r"\blayernorm_before\.", "norm1."),
    (r"\blayernorm_after\.", "norm2."),
    (r"\bintermediate\.dense\.", "mlp.fc1."),
    (r"\boutput\.dense\.", "mlp.fc2."),
    (r"^layernorm\.", "norm."),
    (r"^classifier\.", "head."),
)
