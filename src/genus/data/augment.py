"""Random views of one picture for full training; everything here happens to a single picture, on the CPU.

``light``: a random crop of at least 35 % of the area, mirrored half of the time.
``strong``: a random crop of at least 20 %, mirrored, then two random operations of RandAugment (Cubuk et al. 2020).
What happens to whole batches (light and contrast, erasing, mixing) is in ``training/mixing.py``.
"""

import math
from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps

from genus.data.decode import RESAMPLING
from genus.types import Preprocess

Augment = Literal["none", "light", "strong"]
Operation = Callable[[Image.Image, float], Image.Image]

MIN_AREA = {"light": 0.35, "strong": 0.20}
MAX_LOG_ASPECT = math.log(4 / 3)
OPERATIONS_PER_PICTURE = 2
GREY = (124, 116, 104)  # the mean of ImageNet: what a rotation uncovers


def random_view(
    image: Image.Image, preprocess: Preprocess, strength: Literal["light", "strong"], rng: np.random.Generator
) -> NDArray[np.uint8]:
    """An upright RGB picture -> a random view of it, ``size`` x ``size`` x 3 uint8. The same ``rng`` state, the
    same view."""
    box = random_crop(image.width, image.height, MIN_AREA[strength], rng)
    view = image.resize((preprocess.size, preprocess.size), RESAMPLING[preprocess.resample], box)
    if rng.random() < 0.5:
        view = ImageOps.mirror(view)
    if strength == "strong":
        for operation in rng.choice(len(OPERATIONS), OPERATIONS_PER_PICTURE, replace=False):
            view = OPERATIONS[operation](view, rng.uniform(-1, 1))
    return np.array(view)


def random_crop(
    width: int, height: int, min_area: float, rng: np.random.Generator
) -> tuple[float, float, float, float]:
    """Left, upper, right, lower (pixels, fractions kept) of a crop with ``min_area``..1 of the area and an aspect
    ratio of 3/4..4/3; the largest central crop with a fitting ratio where ten tries find none."""
    for _ in range(10):
        area = width * height * rng.uniform(min_area, 1)
        aspect = math.exp(rng.uniform(-MAX_LOG_ASPECT, MAX_LOG_ASPECT))
        across, down = math.sqrt(area * aspect), math.sqrt(area / aspect)
        if across <= width and down <= height:
            left, upper = rng.uniform(0, width - across), rng.uniform(0, height - down)
            return left, upper, left + across, upper + down
    across, down = min(width, height * 4 / 3), min(height, width * 4 / 3)
    left, upper = (width - across) / 2, (height - down) / 2
    return left, upper, left + across, upper + down


def _affine(image: Image.Image, a: float, b: float, c: float, d: float, e: float, f: float) -> Image.Image:
    return image.transform(
        image.size, Image.Transform.AFFINE, (a, b, c, d, e, f), Image.Resampling.BILINEAR, fillcolor=GREY
    )


def _enhance(enhancer: Callable[[Image.Image], ImageEnhance._Enhance]) -> Operation:
    return lambda image, amount: enhancer(image).enhance(1 + 0.7 * amount)


OPERATIONS: tuple[Operation, ...] = (  # ``amount`` lies in -1..1
    lambda image, amount: ImageOps.autocontrast(image, cutoff=2 * abs(amount)),
    lambda image, amount: ImageOps.equalize(image) if amount > 0 else image,
    lambda image, amount: ImageOps.posterize(image, 8 - round(4 * abs(amount))),
    lambda image, amount: ImageOps.solarize(image, 256 - round(100 * abs(amount))),
    lambda image, amount: image.rotate(20 * amount, Image.Resampling.BILINEAR, fillcolor=GREY),
    lambda image, amount: _affine(image, 1, 0.2 * amount, -0.1 * amount * image.height, 0, 1, 0),
    lambda image, amount: _affine(image, 1, 0, 0, 0.2 * amount, 1, -0.1 * amount * image.width),
    _enhance(ImageEnhance.Color),
    _enhance(ImageEnhance.Brightness),
    _enhance(ImageEnhance.Contrast),
    _enhance(ImageEnhance.Sharpness),
)
