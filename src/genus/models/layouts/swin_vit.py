"""The names under which Swin and ViT checkpoints are published."""

import re

import torch

from genus.models.layouts.layout import Layout, State

_QUERY = re.compile(r"^(.*?\battention)\.(?:attention\.|self\.)?(?:query|q_proj)\.(weight|bias)$")


def join_qkv(state: State) -> State:
    """Hugging Face stores q, k and v apart: ``...attention[.self].query.weight`` with its key and value becomes one
    ``...attention.qkv.weight``, 3D x D."""
    joined = dict(state)
    for key in state:
        if match := _QUERY.match(key):
            parts = [key] + [
                key.replace("query", name).replace("q_proj", short)
                for name, short in (("key", "k_proj"), ("value", "v_proj"))
            ]
            if joined.keys() >= set(parts):
                joined[f"{match[1]}.qkv.{match[2]}"] = torch.cat([joined.pop(part) for part in parts])
    return joined


# What the Hugging Face layouts of ViT, DINOv2 and Swin share. Old and new names alike; those of transformers >= 5 are
# shorter.
_BLOCK_RENAMES = (
    (r"\battention\.qkv\.", "attn.qkv."),
    (r"\battention\.(output\.dense|o_proj)\.", "attn.proj."),
    (r"\blayernorm_before\.", "norm1."),
    (r"\blayernorm_after\.", "norm2."),
    (r"\bintermediate\.dense\.", "mlp.fc1."),
    (r"\boutput\.dense\.", "mlp.fc2."),
    (r"^layernorm\.", "norm."),
    (r"^classifier\.", "head."),
)

_NO_WEIGHTS = r"\b(relative_position_index|attn_mask|mask_token)$"  # the last serves pre-training alone

_SWIN_RENAMES = (
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


def _by_stage(state: State) -> State:
    """torchvision numbers all parts through: ``features.0`` embeds, ``features.1`` holds the blocks of the first stage,
    ``features.2`` merges patches for the blocks in ``features.3``, and so on."""

    def name(match: re.Match[str]) -> str:
        number = int(match[1])
        return f"layers.{number // 2}.{'blocks' if number % 2 else 'merging'}."

    embedding = {"features.0.0.": "embed.proj.", "features.0.2.": "embed.norm."}
    named = {re.sub(r"^features\.0\.[02]\.", lambda m: embedding[m[0]], key): tensor for key, tensor in state.items()}
    return {re.sub(r"^features\.(\d+)\.", name, key): tensor for key, tensor in named.items()}


SWIN = (
    Layout("genus", signature=r"^layers\.1\.merging\."),
    Layout("timm", signature=r"^layers\.3\.downsample\.", renames=_SWIN_RENAMES, dropped=_NO_WEIGHTS),
    Layout(
        "Swin release",  # and the tutorial family's model-N.pth
        signature=r"^layers\.0\.downsample\.",
        prepare=_merge_at_start,
        renames=_SWIN_RENAMES,
        dropped=_NO_WEIGHTS,
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
            *_BLOCK_RENAMES,
            *_SWIN_RENAMES,
        ),
        dropped=_NO_WEIGHTS,
    ),
    Layout(
        "torchvision",
        signature=r"^features\.1\.0\.attn\.qkv\.",
        prepare=_by_stage,
        renames=(
            (r"\bmlp\.0\.", "mlp.fc1."),
            (r"\bmlp\.3\.", "mlp.fc2."),
            *_SWIN_RENAMES,
        ),
        dropped=_NO_WEIGHTS,
    ),
)

VIT = (
    Layout("genus", signature=r"^embed\.cls_token$"),
    Layout(
        "timm",  # and the official DINOv2 release, and the tutorial family's model-N.pth
        signature=r"^cls_token$",
        renames=((r"^(cls_token|pos_embed)$", r"embed.\1"), (r"^patch_embed\.", "embed.")),
        dropped=r"^(mask_token$|decoder_)",
    ),
    Layout(
        "transformers",
        signature=r"^(vit\.|dinov2\.)?embeddings\.cls_token$",
        prepare=join_qkv,
        renames=(
            (r"^(vit|dinov2)\.", ""),
            (r"^embeddings\.cls_token$", "embed.cls_token"),
            (r"^embeddings\.position_embeddings$", "embed.pos_embed"),
            (r"^embeddings\.patch_embeddings\.projection\.", "embed.proj."),
            (r"^(encoder\.layer|layers)\.", "blocks."),
            (r"\blayer_scale(\d)\.lambda1$", r"ls\1.gamma"),
            *_BLOCK_RENAMES,
        ),
        dropped=r"(^|\.)(pooler\.|embeddings\.mask_token$)",
    ),
    Layout(
        "torchvision",
        signature=r"^conv_proj\.weight$",
        renames=(
            (r"^class_token$", "embed.cls_token"),
            (r"^conv_proj\.", "embed.proj."),
            (r"^encoder\.pos_embedding$", "embed.pos_embed"),
            (r"^encoder\.layers\.encoder_layer_(\d+)\.", r"blocks.\1."),
            (r"\bln_(\d)\.", r"norm\1."),
            (r"\bself_attention\.in_proj_(weight|bias)$", r"attn.qkv.\1"),
            (r"\bself_attention\.out_proj\.", "attn.proj."),
            (r"\bmlp\.(0|linear_1)\.", "mlp.fc1."),
            (r"\bmlp\.(3|linear_2)\.", "mlp.fc2."),
            (r"^encoder\.ln\.", "norm."),
            (r"^heads\.head\.", "head."),
        ),
    ),
)
