"""The layouts of checkpoints: the names under which the tensors of each model family have been published."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

State = dict[str, Tensor]


def _unchanged(state: State) -> State:
    return state


@dataclass(frozen=True, slots=True)
class WeightLayout:
    """How to turn somebody's tensor names into ours.

    ``signature``: regular expression that matches a key of this layout and no key of the family's other layouts.
    ``renames``: (regular expression, replacement) pairs, applied in order to every key.
    ``dropped``: regular expression for keys that hold no weights (index buffers, masks, counters).
    ``prepare``: reshapes or joins tensors, under the foreign names, before the renaming.
    """

    name: str
    signature: str
    renames: tuple[tuple[str, str], ...] = ()
    dropped: str = r"$^"
    prepare: Callable[[State], State] = _unchanged

    def recognises(self, state: Mapping[str, Tensor]) -> bool:
        """Does one of the keys carry this layout's signature?"""
        return any(re.search(self.signature, key) for key in state)

    def prefixes(self, state: Mapping[str, Tensor]) -> set[str]:
        """What stands before the names of this layout, ``""`` or, in a larger network, for example ``"backbone."``."""
        return {
            key[:start]
            for key in state
            for start in (0, *(dot.end() for dot in re.finditer(r"\.", key)))
            if re.search(self.signature, key[start:])
        }

    def convert(self, state: Mapping[str, Tensor]) -> State:
        """The same tensors under our names."""
        kept = {key: tensor for key, tensor in state.items() if not re.search(self.dropped, key)}
        converted: State = {}
        for key, tensor in self.prepare(kept).items():
            for pattern, replacement in self.renames:
                key = re.sub(pattern, replacement, key)
            converted[key] = tensor
        return converted


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
    WeightLayout("genus", signature=r"^layers\.1\.merging\."),
    WeightLayout("timm", signature=r"^layers\.3\.downsample\.", renames=_SWIN_RENAMES, dropped=_NO_WEIGHTS),
    WeightLayout(
        "Swin release",  # and the tutorial family's model-N.pth
        signature=r"^layers\.0\.downsample\.",
        prepare=_merge_at_start,
        renames=_SWIN_RENAMES,
        dropped=_NO_WEIGHTS,
    ),
    WeightLayout(
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
    WeightLayout(
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
    WeightLayout("genus", signature=r"^embed\.cls_token$"),
    WeightLayout(
        "timm",  # and the official DINOv2 release, and the tutorial family's model-N.pth
        signature=r"^cls_token$",
        renames=((r"^(cls_token|pos_embed)$", r"embed.\1"), (r"^patch_embed\.", "embed.")),
        dropped=r"^(mask_token$|decoder_)",
    ),
    WeightLayout(
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
    WeightLayout(
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


_COUNTERS = r"\.num_batches_tracked$"  # of batch norm: with a fixed momentum nothing reads them


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
    WeightLayout("genus", signature=r"^blocks\.0\.0\.", dropped=_COUNTERS),
    WeightLayout(
        "torchvision",
        signature=r"^classifier\.0\.",
        renames=((r"^classifier\.0\.", "fc1."), (r"^classifier\.3\.", "fc2."), (r"^classifier\.6\.", "head.")),
        dropped=_COUNTERS,
        prepare=_number_blocks,
    ),
    WeightLayout(
        "timm",
        signature=r"^pre_logits\.fc1\.",
        renames=((r"^pre_logits\.", ""), (r"^head\.fc\.", "head.")),
        dropped=_COUNTERS,
        prepare=_flatten_convolutions,
    ),
)

EFFICIENTNET_LITE = (
    WeightLayout("genus", signature=r"^stem\.conv\.", dropped=_COUNTERS),
    WeightLayout(
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
    WeightLayout(
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

LAYOUTS: dict[str, tuple[WeightLayout, ...]] = {
    "Swin": SWIN,
    "ViT": VIT,
    "VGG": VGG,
    "EfficientNetLite": EFFICIENTNET_LITE,
}
"""Every layout that genus reads, by model family (the class name of the model)."""
