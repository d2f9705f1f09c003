"""EfficientNet-Lite 0-4: EfficientNet (Tan & Le 2019, Table 1) made for phones and plain processors.

Mobile inverted bottlenecks (MBConv): a 1 x 1 convolution widens the channels, a depthwise one looks around, a
1 x 1 one narrows them again, and a skip goes past all three. Width and depth grow together from Lite0 to Lite4.
"Lite" (the authors' README in tensorflow/tpu, models/official/efficientnet/lite): ReLU6 instead of Swish, no
squeeze-and-excitation, stem and top not scaled in width, first and last stage not scaled in depth.

    input     H    x W    x 3
    stem      H/2  x W/2  x 32
    stage 1   H/2  x W/2  x 16         the seven rows of STAGES
    ...
    stage 7   H/32 x W/32 x 320
    top       H/32 x W/32 x 1280       -> mean over places -> dropout -> head
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genus.models.backbone import Tail, features_for_cam, parameter_groups
from genus.models.layers import StochasticDepth, init_normal

STEM, TOP = 32, 1280
EPS, MOMENTUM = 1e-3, 0.01  # of batch norm, as in TensorFlow, whose decay of 0.99 is torch's momentum of 0.01


class Stage(NamedTuple):
    """One row of Table 1, before scaling. ``stride`` is that of the first block."""

    expansion: int
    kernel: int
    stride: int
    width: int
    depth: int


STAGES = (
    Stage(expansion=1, kernel=3, stride=1, width=16, depth=1),
    Stage(expansion=6, kernel=3, stride=2, width=24, depth=2),
    Stage(expansion=6, kernel=5, stride=2, width=40, depth=2),
    Stage(expansion=6, kernel=3, stride=2, width=80, depth=3),
    Stage(expansion=6, kernel=5, stride=1, width=112, depth=3),
    Stage(expansion=6, kernel=5, stride=2, width=192, depth=4),
    Stage(expansion=6, kernel=3, stride=1, width=320, depth=1),
)


def scale_width(channels: int, factor: float) -> int:
    """The multiple of 8 nearest to ``channels * factor``, but never more than 10 % below it."""
    scaled = channels * factor
    rounded = max(8, int(scaled + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * scaled else rounded


def pad_same(maps: Tensor, kernel: int, stride: int) -> Tensor:
    """TensorFlow's "same" padding: zeros for ceil(size / stride) outputs, the odd one at the right and bottom.

    B x C x H x W -> B x C x (H + p) x (W + q). Needs kernel >= stride.
    """
    vertical, horizontal = (kernel - stride + -size % stride for size in maps.shape[-2:])
    left, top = horizontal // 2, vertical // 2
    return F.pad(maps, (left, horizontal - left, top, vertical - top))


class ConvNorm(nn.Module):
    """Convolution with "same" padding, batch norm and, where ``activation``, ReLU6."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        activation: bool = True,
    ) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride
        padding = kernel // 2 if stride == 1 else 0  # with stride 1 "same" is symmetric: the convolution does it
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(outputs, eps=EPS, momentum=MOMENTUM)
        self.act = nn.ReLU6(inplace=True) if activation else nn.Identity()
        self.slow_gradient = groups > 1 and (stride > 1 or kernel > 3)

    def forward(self, maps: Tensor) -> Tensor:
        """B x inputs x H x W -> B x outputs x ceil(H / stride) x ceil(W / stride)."""
        if self.stride > 1:
            maps = pad_same(maps, self.kernel, self.stride)
        return self.act(self.norm(self.convolve(maps)))

    def convolve(self, maps: Tensor) -> Tensor:
        """In fp32 where a processor has to learn in bf16 and oneDNN has no bf16 code for the gradient: its stopgap
        takes 2 to 5 times as long (docs/benchmarks.md, "Training step")."""
        if self.slow_gradient and self.training and maps.dtype == torch.bfloat16 and maps.device.type == "cpu":
            with torch.autocast("cpu", enabled=False):
                return self.conv(maps.float()).to(maps.dtype)
        return self.conv(maps)


class MBConv(nn.Module):
    """Mobile inverted bottleneck (Sandler et al. 2018, "MobileNetV2", figure 4d): expand, depthwise, project.

    Without expansion (stage 1) the first convolution is left out; where shape allows, a skip goes past the block.
    """

    def __init__(
        self, inputs: int, outputs: int, *, expansion: int, kernel: int, stride: int, drop_path: float
    ) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.expand = nn.Identity() if expansion == 1 else ConvNorm(inputs, hidden)
        self.depthwise = ConvNorm(hidden, hidden, kernel=kernel, stride=stride, groups=hidden)
        self.project = ConvNorm(hidden, outputs, activation=False)
        self.drop_path = StochasticDepth(drop_path)
        self.skip = stride == 1 and inputs == outputs

    def forward(self, maps: Tensor) -> Tensor:
        """B x inputs x H x W -> B x outputs x ceil(H / stride) x ceil(W / stride)."""
        return self.drop_path(maps, self.branch) if self.skip else self.branch(maps)

    def branch(self, maps: Tensor) -> Tensor:
        """The block without its skip."""
        return self.project(self.depthwise(self.expand(maps)))


class EfficientNetLite(nn.Module):
    """EfficientNet-Lite that keeps the contract of ``backbone.Backbone``.

    ``width`` and ``depth`` are the paper's multipliers w and d. ``dropout`` acts before the head, ``drop_path`` is
    the stochastic depth rate, growing linearly over the blocks from 0; both in training only.
    """

    def __init__(
        self,
        *,
        width: float = 1.0,
        depth: float = 1.0,
        num_classes: int = 1000,
        dropout: float = 0.2,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        inner = range(1, len(STAGES) - 1)
        depths = [math.ceil(stage.depth * depth) if i in inner else stage.depth for i, stage in enumerate(STAGES)]
        channels, done = STEM, 0
        self.stem = ConvNorm(3, STEM, kernel=3, stride=2)
        self.blocks = nn.ModuleList()
        for stage, repeats in zip(STAGES, depths, strict=True):
            outputs = scale_width(stage.width, width)
            blocks = [
                MBConv(
                    outputs if index else channels,
                    outputs,
                    expansion=stage.expansion,
                    kernel=stage.kernel,
                    stride=1 if index else stage.stride,
                    drop_path=drop_path * (done + index) / sum(depths),
                )
                for index in range(repeats)
            ]
            self.blocks.append(nn.Sequential(*blocks))
            channels, done = outputs, done + repeats
        self.top = ConvNorm(channels, TOP)
        self.dropout = nn.Dropout(dropout)
        self.num_features = TOP
        self.head = nn.Linear(TOP, num_classes)
        initialise(self)

    @property
    def stages(self) -> Sequence[nn.Module]:
        """Stem, the seven stages of blocks, top."""
        return [self.stem, *self.blocks, self.top]

    def features(self, images: Tensor) -> Tensor:
        """B x 3 x H x W -> B x 1280 x H/32 x W/32 (rounded up)."""
        maps = images
        for stage in self.stages:
            maps = stage(maps)
        return maps

    def finish(self, data: Tensor) -> Tensor:
        """The features are what the last stage gives."""
        return data

    def pool(self, features: Tensor) -> Tensor:
        """Mean over all places: B x 1280 x h x w -> B x 1280."""
        return self.dropout(features.mean(dim=(2, 3)))

    def forward(self, images: Tensor) -> Tensor:
        """B x 3 x H x W -> B x classes."""
        return self.head(self.pool(self.features(images)))

    def cam_features(self, images: Tensor) -> tuple[Tensor, Tail]:
        """The features."""
        return features_for_cam(self, images)

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """Stem, each block, top, head."""
        parts = [self.stem, *(block for stage in self.blocks for block in stage.children()), self.top, self.head]
        return [parameter_groups(part) for part in parts]


def initialise(model: nn.Module) -> None:
    """Kaiming-normal convolutions by fan out per group, uniform ±1/√classes head, as the authors."""
    for part in model.modules():
        if isinstance(part, nn.Conv2d):
            fan_out = part.out_channels // part.groups * math.prod(part.kernel_size)
            init_normal(part.weight, std=math.sqrt(2 / fan_out))
        elif isinstance(part, nn.Linear):
            bound = 1 / math.sqrt(part.out_features)
            nn.init.uniform_(part.weight, -bound, bound)
            nn.init.zeros_(part.bias)


def efficientnet_lite0(num_classes: int = 1000, **arguments: Any) -> EfficientNetLite:
    """Made for 224 x 224. 4,652,008 parameters at 1000 classes."""
    return EfficientNetLite(num_classes=num_classes, **arguments)


def efficientnet_lite1(num_classes: int = 1000, **arguments: Any) -> EfficientNetLite:
    """Made for 240 x 240. 5,416,680 parameters at 1000 classes."""
    return EfficientNetLite(depth=1.1, num_classes=num_classes, **arguments)


def efficientnet_lite2(num_classes: int = 1000, **arguments: Any) -> EfficientNetLite:
    """Made for 260 x 260. 6,092,072 parameters at 1000 classes."""
    return EfficientNetLite(width=1.1, depth=1.2, num_classes=num_classes, **{"dropout": 0.3, **arguments})


def efficientnet_lite3(num_classes: int = 1000, **arguments: Any) -> EfficientNetLite:
    """Made for 280 x 280. 8,197,096 parameters at 1000 classes."""
    return EfficientNetLite(width=1.2, depth=1.4, num_classes=num_classes, **{"dropout": 0.3, **arguments})


def efficientnet_lite4(num_classes: int = 1000, **arguments: Any) -> EfficientNetLite:
    """Made for 300 x 300. 13,006,568 parameters at 1000 classes."""
    return EfficientNetLite(width=1.4, depth=1.8, num_classes=num_classes, **{"dropout": 0.3, **arguments})
