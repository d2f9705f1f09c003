"""Attention on a processor: torch's fused kernel or the formula as written out, forward alone and with backward."""

import torch
import torch.nn.functional as F

from benchmarks.timing import in_turns, machine, table
from genus.models.attention import scaled_dot_product_attention

SHAPES = {  # batch, heads, tokens, channels of a head; is there a bias?
    "ViT-Ti, 196 patches": (8, 3, 197, 64, False),
    "ViT-B, 784 patches": (2, 12, 785, 64, False),
    "Swin-T, stage 1 windows": (8 * 64, 3, 49, 32, True),
    "Swin-T, stage 3 windows": (8 * 4, 12, 49, 32, True),
}


def main() -> None:
    machine()
    for name, (batch, heads, tokens, width, biased) in SHAPES.items():
        for dtype in (torch.float32, torch.bfloat16):
            query, key, value = torch.randn(3, batch, heads, tokens, width).to(dtype).unbind(0)
            bias = torch.randn(1, heads, tokens, tokens).to(dtype) if biased else None
            learning = [x.clone().requires_grad_() for x in (query, key, value)]
            learned = None if bias is None else bias.clone().requires_grad_()

            def fused(q=query, k=key, v=value, b=bias) -> object:
                return F.scaled_dot_product_attention(q, k, v, attn_mask=b)

            def written(q=query, k=key, v=value, b=bias) -> object:
                return scaled_dot_product_attention(q, k, v, b)

            competitors = {
                "fused, forward": fused,
                "written out, forward": written,
                "fused, with backward": lambda f=fused, x=learning, b=learned: f(*x, b).sum().backward(),
                "written out, with backward": lambda f=written, x=learning, b=learned: f(*x, b).sum().backward(),
            }
            seconds = in_turns(competitors, 5)
            kind = str(dtype).removeprefix("torch.")
            for way in ("forward", "with backward"):
                pair = {name: values for name, values in seconds.items() if name.endswith(way)}
                table(f"{name}, {kind}, {way}", pair, f"fused, {way}")


if __name__ == "__main__":
    main()
