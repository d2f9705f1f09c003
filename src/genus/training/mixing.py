"""What augmentation does to whole batches, on the device of the model."""

from dataclasses import dataclass

import torch
from torch import Tensor

from genus.types import AugmentName


@dataclass(frozen=True, slots=True)
class Mixing:
    """``jitter``: largest change of light and contrast, as a share. ``erase``: probability that a rectangle of a
    picture is filled with noise (Zhong et al. 2020). ``mix``: probability that a batch is mixed with itself."""

    jitter: float = 0.0
    erase: float = 0.0
    mix: float = 0.0


MIXINGS: dict[AugmentName, Mixing] = {
    "none": Mixing(),
    "light": Mixing(jitter=0.2),
    "strong": Mixing(jitter=0.2, erase=0.25, mix=0.5),
}


def mix(pixels: Tensor, targets: Tensor, mixing: Mixing, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """pixels: B x H x W x 3 float, 0..255; targets: B x classes, rows sum to 1 -> the same, changed at random.

    ``generator`` is a CPU generator: the draws do not depend on the device.
    """
    if mixing.jitter:
        pixels = jitter(pixels, mixing.jitter, generator)
    if mixing.erase:
        pixels = erase(pixels, mixing.erase, generator)
    if mixing.mix and _uniform(generator) < mixing.mix:
        blend = mixup if _uniform(generator) < 0.5 else cutmix
        pixels, targets = blend(pixels, targets, generator)
    return pixels, targets


def jitter(pixels: Tensor, amount: float, generator: torch.Generator) -> Tensor:
    """Each picture's contrast and light, changed by up to ``amount`` of their value and of the full range."""
    draws = torch.empty(2, len(pixels), 1, 1, 1).uniform_(-amount, amount, generator=generator).to(pixels.device)
    mean = pixels.mean(dim=(1, 2, 3), keepdim=True)
    return ((pixels - mean) * (1 + draws[0]) + mean + 255 * draws[1]).clamp_(0, 255)


def erase(pixels: Tensor, probability: float, generator: torch.Generator) -> Tensor:
    """In some pictures a rectangle of 2..25 % of the area becomes noise."""
    pixels = pixels.clone()
    height, width = pixels.shape[1:3]
    for picture in pixels:
        if _uniform(generator) < probability:
            top, left, bottom, right = _box(height, width, 0.02 + 0.23 * _uniform(generator), generator)
            noise = torch.empty(bottom - top, right - left, 3).uniform_(0, 255, generator=generator)
            picture[top:bottom, left:right] = noise.to(pixels.device)
    return pixels


def mixup(pixels: Tensor, targets: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Every picture and its target blended with those of another (Zhang et al. 2018)."""
    share = 0.5 + 0.5 * _uniform(generator)
    other = torch.randperm(len(pixels), generator=generator).to(pixels.device)
    return share * pixels + (1 - share) * pixels[other], share * targets + (1 - share) * targets[other]


def cutmix(pixels: Tensor, targets: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """A rectangle of every picture replaced by that of another, targets by area (Yun et al. 2019)."""
    height, width = pixels.shape[1:3]
    top, left, bottom, right = _box(height, width, 0.5 * _uniform(generator), generator)
    other = torch.randperm(len(pixels), generator=generator).to(pixels.device)
    pixels = pixels.clone()
    pixels[:, top:bottom, left:right] = pixels[other, top:bottom, left:right]
    share = 1 - (bottom - top) * (right - left) / (height * width)
    return pixels, share * targets + (1 - share) * targets[other]


def _box(height: int, width: int, area: float, generator: torch.Generator) -> tuple[int, int, int, int]:
    """Top, left, bottom, right of a random rectangle with the picture's aspect and ``area`` (0..1) of its area."""
    down, across = round(height * area**0.5), round(width * area**0.5)
    top = int((height - down + 1) * _uniform(generator))
    left = int((width - across + 1) * _uniform(generator))
    return top, left, top + down, left + across


def _uniform(generator: torch.Generator) -> float:
    return torch.rand(1, generator=generator).item()
