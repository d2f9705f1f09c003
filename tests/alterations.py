"""What becomes of a photo on its way through the world: the same picture, and other bytes."""

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFont, ImageOps

Alteration = Callable[[Image.Image, np.random.Generator], Image.Image]


def jpeg(image: Image.Image, quality: int = 92) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


def half(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    return image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS)


def cropped(share: float) -> Alteration:
    """So much of each side, from anywhere."""

    def crop(image: Image.Image, rng: np.random.Generator) -> Image.Image:
        width, height = (int(share * side) for side in image.size)
        left = int(rng.integers(image.width - width + 1))
        top = int(rng.integers(image.height - height + 1))
        return image.crop((left, top, left + width, top + height))

    return crop


def turned(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    return image.rotate(float(rng.choice([-5, 5])), Image.Resampling.BICUBIC)


def written_on(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    image = image.copy()
    place = (0.05 * image.width, float(rng.uniform(0.05, 0.8)) * image.height)
    font = ImageFont.load_default(size=max(10, image.height // 8))
    ImageDraw.Draw(image).text(place, "Sample photo 2019", "white", font, stroke_width=2, stroke_fill="black")
    return image


def framed(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    return ImageOps.expand(image, round(0.06 * min(image.size)), str(rng.choice(["black", "white"])))


ALTERATIONS: dict[str, Alteration] = {
    "quality 30": lambda image, rng: jpeg(image, 30),
    "half size": half,
    "grey": lambda image, rng: ImageOps.grayscale(image).convert("RGB"),
    "brighter": lambda image, rng: ImageEnhance.Brightness(image).enhance(1.3),
    "crop 90 %": cropped(0.9),
    "crop 70 %": cropped(0.7),
    "mirrored": lambda image, rng: ImageOps.mirror(image),
    "turned 5°": turned,
    "text": written_on,
    "border": framed,
}
"""All are saved as JPEG afterwards; see ``altered``."""


def altered(image: Image.Image, how: str, rng: np.random.Generator) -> Image.Image:
    """``image`` (RGB) after one of ``ALTERATIONS`` and one more JPEG."""
    return jpeg(ALTERATIONS[how](image, rng))
