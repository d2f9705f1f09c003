"""Augmentation of single pictures, on the CPU: random views of them, new ones in every epoch.

``light``: a random crop of at least 35 % of the area, mirrored half of the time.
``strong``: a random crop of at least 20 %, mirrored, then two random operations of RandAugment (Cubuk et al. 2020).
What happens to whole batches (light and contrast, erasing, mixing) is in ``training/mixing.py``.

By the fit ``crop``, the random crop is about square, and scaled to a square. By ``pad`` and ``stretch``, it has about
the proportions of the picture, and is padded or stretched as that is in use: so an object has the same shape in both,
and no view is all ground.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps

from genus.data.decode import Source, decode, opened_rgb
from genus.data.preprocess import central, fit_part
from genus.types import AugmentName, Preprocess

Operation = Callable[[Image.Image, float], Image.Image]

MIN_AREA = {"light": 0.35, "strong": 0.20}
MAX_LOG_ASPECT = math.log(4 / 3)
OPERATIONS_PER_PICTURE = 2
GREY = (124, 116, 104)  # the mean of ImageNet: what a rotation uncovers


@dataclass(frozen=True, slots=True)
class Views:
    """The views that full training sees of the pictures ``paths``: always the same for a ``seed``, an epoch and a
    picture, in whichever process or thread they are made."""

    paths: Sequence[Path]
    preprocess: Preprocess
    strength: AugmentName
    seed: int

    def __call__(self, epoch: int, index: int) -> NDArray[np.uint8]:
        """Picture number ``index`` as ``epoch`` sees it: size x size x 3 uint8. Raises PictureError."""
        if self.strength == "none":
            return decode(self.paths[index], self.preprocess)
        rng = np.random.default_rng((self.seed, epoch, index))
        return read_view(self.paths[index], self.preprocess, self.strength, rng)


def read_view(
    source: Source, preprocess: Preprocess, strength: Literal["light", "strong"], rng: np.random.Generator
) -> NDArray[np.uint8]:
    """A random view of a picture, which is decoded no larger than that takes. Raises PictureError."""
    at_least = round(preprocess.size / MIN_AREA[strength] ** 0.5)
    with opened_rgb(source, at_least, preprocess.decode, by_long_side=preprocess.fit == "pad") as image:
        return random_view(image, preprocess, strength, rng)


def random_view(
    image: Image.Image, preprocess: Preprocess, strength: Literal["light", "strong"], rng: np.random.Generator
) -> NDArray[np.uint8]:
    """An upright RGB picture -> a random view of it, ``size`` x ``size`` x 3 uint8. The same ``rng`` state, the
    same view."""
    aspect = 1.0 if preprocess.fit == "crop" else image.width / image.height
    across, down = random_crop(image.width, image.height, MIN_AREA[strength], rng, aspect)
    view = fit_part(image, down, across, preprocess)
    if rng.random() < 0.5:
        view = view[:, ::-1]
    if strength == "strong":
        changed = Image.fromarray(view)
        for operation in rng.choice(len(OPERATIONS), OPERATIONS_PER_PICTURE, replace=False):
            changed = OPERATIONS[operation](changed, rng.uniform(-1, 1))
        view = np.array(changed)
    return np.ascontiguousarray(view)


def random_crop(
    width: int, height: int, min_area: float, rng: np.random.Generator, aspect: float = 1.0
) -> tuple[slice, slice]:
    """Columns and rows of a crop with ``min_area``..1 of the area and 3/4..4/3 of this ``aspect`` ratio (both before
    rounding to whole pixels); the largest central crop with a fitting ratio where ten tries find none."""
    for _ in range(10):
        area = width * height * rng.uniform(min_area, 1)
        ratio = aspect * math.exp(rng.uniform(-MAX_LOG_ASPECT, MAX_LOG_ASPECT))
        across, down = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 1 <= across <= width and 1 <= down <= height:
            left, upper = rng.integers(width - across + 1), rng.integers(height - down + 1)
            return slice(left, left + across), slice(upper, upper + down)
    return central(width, min(width, height * aspect * 4 / 3)), central(height, min(height, width / aspect * 4 / 3))


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
