"""The gradients of depthwise convolutions on a processor, in fp32 and bf16: where bf16 is the slower one.

The shapes are those of EfficientNet-Lite0, 16 pictures of 224 px.
"""

import torch

from benchmarks.timing import in_turns, machine, table
from genus.engine.device import freed_memory_kept

SHAPES = {  # channels, kernel, stride, side of the (padded) maps
    "3 x 3": (144, 3, 1, 56),
    "3 x 3, stride 2": (96, 3, 2, 113),
    "5 x 5": (240, 5, 1, 28),
    "5 x 5, stride 2": (144, 5, 2, 59),
}
BATCH = 16


def gradients(channels: int, kernel: int, stride: int, side: int, dtype: torch.dtype):
    padding = kernel // 2 if stride == 1 else 0
    maps = torch.randn(BATCH, channels, side, side).to(dtype).contiguous(memory_format=torch.channels_last)
    weight = torch.randn(channels, 1, kernel, kernel).to(dtype)
    output = torch.nn.functional.conv2d(maps, weight, None, stride, padding, groups=channels)
    sizes = [stride] * 2, [padding] * 2, [1, 1], False, [0, 0], channels, [True, True, False]
    return lambda: torch.ops.aten.convolution_backward(torch.ones_like(output), maps, weight, None, *sizes)


def main() -> None:
    machine()
    with freed_memory_kept():
        for name, shape in SHAPES.items():
            competitors = {str(dtype)[6:]: gradients(*shape, dtype) for dtype in (torch.float32, torch.bfloat16)}
            table(f"{name}, {shape[0]} channels, {shape[3]} px, both gradients", in_turns(competitors), "float32")


if __name__ == "__main__":
    main()
