"""Published layouts of Vision Transformers."""

from genus.models.layouts.layout import Layout
from genus.models.layouts.transformers_qkv import BLOCK_RENAMES, join_qkv

LAYOUTS = (
    Layout("genus", signature=r"^embed\.cls_token$"),
    Layout(
        "timm",  # and the official DINOv2 release, and the tutorial family's model-N.pth
        signature=r"^cls_token$",
        renames=((r"^(cls_token|pos_embed)$", r"embed.\1"), (r"^patch_embed\.", "embed.")),
        dropped=r"^mask_token$",
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
            *BLOCK_RENAMES,
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
