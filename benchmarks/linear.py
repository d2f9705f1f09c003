"""The linear layers of a transformer block, as matrix products and as 1 x 1 convolutions.

A block has four: to query, key and value, to the attention's result, and the two of the MLP. Freed memory is kept, as
in training.
"""

import torch
import torch.nn.functional as F

from benchmarks.timing import in_turns, machine, table
from genus.engine.device import freed_memory_kept

BLOCKS = {  # tokens, channels
    "Swin-T, 16 pictures, stage 1": (16 * 56 * 56, 96),
    "Swin-T, 16 pictures, stage 2": (16 * 28 * 28, 192),
    "Swin-T, 16 pictures, stage 3": (16 * 14 * 14, 384),
    "Swin-T, 16 pictures, stage 4": (16 * 7 * 7, 768),
    "ViT-Ti, 16 pictures": (16 * 197, 192),
    "ViT-B, 8 pictures": (8 * 197, 768),
}


def product(tokens: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    return F.linear(tokens, weight, bias)


def convolution(tokens: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    maps = tokens.reshape(1, len(tokens), 1, -1).permute(0, 3, 1, 2)
    return F.conv2d(maps, weight[:, :, None, None], bias).permute(0, 2, 3, 1).reshape(len(tokens), -1)


def main() -> None:
    machine()
    for name, (tokens, width) in BLOCKS.items():
        for dtype in (torch.float32, torch.bfloat16):
            layers = [
                [torch.randn(shape, dtype=dtype, requires_grad=True) for shape in ((tokens, into), (out, into), (out,))]
                for into, out in ((width, 3 * width), (width, width), (width, 4 * width), (4 * width, width))
            ]
            arriving = [torch.randn(tokens, len(bias), dtype=dtype) for _, _, bias in layers]

            def forward(compute, layers=layers) -> None:
                with torch.inference_mode():
                    for layer in layers:
                        compute(*layer)

            def backward(compute, layers=layers, arriving=arriving) -> None:
                for layer, gradient in zip(layers, arriving, strict=True):
                    torch.autograd.grad(compute(*layer), layer, gradient)

            for way, call in (("forward", forward), ("with backward", backward)):
                seconds = in_turns(
                    {
                        "matrix products": lambda call=call: call(product),
                        "convolutions": lambda call=call: call(convolution),
                    }
                )
                table(f"{name}, {str(dtype).removeprefix('torch.')}, {way}", seconds, "matrix products")


if __name__ == "__main__":
    with freed_memory_kept():
        main()
