"""VGG (Simonyan & Zisserman 2015, "Very Deep Convolutional Networks for Large-Scale Image Recognition").

One idea, repeated: stacks of 3 x 3 convolutions, which see as far as one large filter with fewer weights and more
non-linearities between. After each block a 2 x 2 max-pool halves the picture while the channels double:

    input     H    x W    x 3
    block 1   H/2  x W/2  x 64
    block 2   H/4  x W/4  x 128
    block 3   H/8  x W/8  x 256
    block 4   H/16 x W/16 x 512
    block 5   H/32 x W/32 x 512    -> 7 x 7 places -> fc 4096 -> fc 4096 -> head

The paper's configurations A, B, D and E are named by their weight layers: 11, 13, 16, 19. Batch norm came later.
Numerically equal to torchvision's VGG, whose weights load.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from genus.models.backbone import Tail, features_for_cam, parameter_groups
from genus.models.layers import init_normal

GRID = 7  # places per side that the first fully connected layer expects: 224 / 32


def convolution_block(inputs: int, width: int, depth: int, batch_norm: bool) -> nn.Sequential:
    """``depth`` 3 x 3 convolutions to ``width`` channels, each with (batch norm and) ReLU, then a 2 x 2 max-pool."""
    layers: list[nn.Module] = []
    for index in range(depth):
        layers.append(nn.Conv2d(width if index else inputs, width, kernel_size=3, padding=1))
        if batch_norm:
            layers.append(nn.BatchNorm2d(width))
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers, nn.MaxPool2d(2))


class VGG(nn.Module):
    """VGG that keeps the contract of ``backbone.Backbone``.

    ``depths`` and ``widths``: convolutions and channels of each block (the paper's Table 1). ``hidden``: width of
    the two fully connected layers. ``dropout``: rate after each of them, in training only.
    """

    def __init__(
        self,
        *,
        depths: Sequence[int],
        widths: Sequence[int] = (64, 128, 256, 512, 512),
        batch_norm: bool = False,
        hidden: int = 4096,
        num_classes: int = 1000,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        inputs = (3, *widths[:-1])
        self.blocks = nn.ModuleList(
            convolution_block(before, width, depth, batch_norm)
            for before, width, depth in zip(inputs, widths, depths, strict=True)
        )
        self.fc1 = nn.Linear(widths[-1] * GRID**2, hidden)
        self.fc2 = nn.Linear(hidden, hidden)
        self.dropout = nn.Dropout(dropout)
        self.num_features = hidden
        self.head = nn.Linear(hidden, num_classes)
        initialise(self)

    @property
    def stages(self) -> Sequence[nn.Module]:
        """The five convolution blocks, each with its max-pool."""
        return list(self.blocks)

    def features(self, images: Tensor) -> Tensor:
        """B x 3 x H x W -> B x 512 x H/32 x W/32 (rounded down). H, W >= 32."""
        maps = images
        for block in self.blocks:
            maps = block(maps)
        return maps

    def finish(self, data: Tensor) -> Tensor:
        """The features are what the last stage gives."""
        return data

    def pool(self, features: Tensor) -> Tensor:
        """B x 512 x h x w -> averaged to 7 x 7 places -> two fully connected layers -> B x 4096."""
        places = F.adaptive_avg_pool2d(features, GRID).flatten(1)
        hidden = self.dropout(F.relu(self.fc1(places)))
        return self.dropout(F.relu(self.fc2(hidden)))

    def forward(self, images: Tensor) -> Tensor:
        """B x 3 x H x W -> B x classes."""
        return self.head(self.pool(self.features(images)))

    def cam_features(self, images: Tensor) -> tuple[Tensor, Tail]:
        """The features."""
        return features_for_cam(self, images)

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """Each convolution block, the two fully connected layers, the head."""
        return [parameter_groups(part) for part in (*self.blocks, self.fc1, self.fc2, self.head)]


def initialise(model: nn.Module) -> None:
    """Kaiming-normal convolutions (fan out), normal (std 0.01) linear layers, zero biases, as torchvision trains."""
    for part in model.modules():
        if isinstance(part, nn.Conv2d):
            init_normal(part.weight, std=math.sqrt(2 / (part.out_channels * math.prod(part.kernel_size))))
        elif isinstance(part, nn.Linear):
            init_normal(part.weight, std=0.01)
        if isinstance(part, nn.Conv2d | nn.Linear) and part.bias is not None:
            nn.init.zeros_(part.bias)


def vgg11(num_classes: int = 1000, **arguments: Any) -> VGG:
    """Configuration A. 132.9 M parameters at 1000 classes."""
    return VGG(depths=(1, 1, 2, 2, 2), num_classes=num_classes, **arguments)


def vgg13(num_classes: int = 1000, **arguments: Any) -> VGG:
    """Configuration B. 133.0 M parameters at 1000 classes."""
    return VGG(depths=(2, 2, 2, 2, 2), num_classes=num_classes, **arguments)


def vgg16(num_classes: int = 1000, **arguments: Any) -> VGG:
    """Configuration D. 138.4 M parameters at 1000 classes."""
    return VGG(depths=(2, 2, 3, 3, 3), num_classes=num_classes, **arguments)


def vgg19(num_classes: int = 1000, **arguments: Any) -> VGG:
    """Configuration E. 143.7 M parameters at 1000 classes."""
    return VGG(depths=(2, 2, 4, 4, 4), num_classes=num_classes, **arguments)


def vgg11_bn(num_classes: int = 1000, **arguments: Any) -> VGG:
    """Configuration A with batch norm after each convolution."""
    return vgg11(num_classes, batch_norm=True, **arguments)


def vgg13_bn(num_classes: int = 1000, **arguments: Any) -> VGG:
    """Configuration B with batch norm after each convolution."""
    return vgg13(num_classes, batch_norm=True, **arguments)


def vgg16_bn(num_classes: int = 1000, **arguments: Any) -> VGG:
    """Configuration D with batch norm after each convolution."""
    return vgg16(num_classes, batch_norm=True, **arguments)


def vgg19_bn(num_classes: int = 1000, **arguments: Any) -> VGG:
    """Configuration E with batch norm after each convolution."""
    return vgg19(num_classes, batch_norm=True, **arguments)
