"""From a loaded picture in any of Pillow's modes to upright sRGB of 8 bits: orientation, depth, profile, gamma,
transparency.

Depth: unsigned integers of up to 16 bits keep their high 8 bits. Cameras and microscopes often store 10, 12 or 14 bits
in 16, which this would turn black. So by the rule ``full-range`` the depth of a picture is the smallest of 8, 10, 12,
14 and 16 bits that holds its largest value. It is decided for every picture by itself: nothing has to be known of a
data set, and one camera's pictures keep their relative brightness as long as their largest values fall into one depth.
The older rules take 16 bits for what they are.

All other numbers (signed, of 32 bits, floating-point) have no agreed white: the picture's own minimum..maximum becomes
0..255. Samples that a GeoTIFF calls no data are black and count in neither depth nor minimum, by the rule
``full-range``.
"""

import io
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from genus.errors import PictureError
from genus.types import DecodeRule

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
USUAL_DEPTHS = (8, 10, 12, 14)
_VALUES_AT_A_TIME = 1 << 18
_NO_CHANGE = 2
"""Of 255: a profile or a gamma that changes no colour by more is taken for sRGB."""


def upright_rgb(image: Image.Image, rule: DecodeRule, *, consume: bool = False) -> Image.Image:
    """Mode RGB, 8 bits, sRGB: turned as EXIF says, what is transparent laid on white. The picture has to be loaded;
    with ``consume`` it is given up on the way, which saves its memory."""
    turn = _UPRIGHT.get(_orientation(image))
    rgb = _to_srgb(shallow(image, rule), image.info, rule)
    if consume and rgb is not image:
        image.close()
    rgb = rgb.transpose(turn) if turn is not None else rgb
    rgb.info = {}  # the profile and the orientation are used up; a copy saved later must not carry them
    return rgb


def _orientation(image: Image.Image) -> int:
    """EXIF (or XMP) orientation, 1..8; 1 where the block is missing or broken, for then it says nothing."""
    try:
        return int(image.getexif().get(0x0112, 1))
    except Exception:
        return 1


def _to_srgb(image: Image.Image, info: dict[str | tuple[int, int], object], rule: DecodeRule) -> Image.Image:
    """A picture of 8 bits -> RGB, a band of rows at a time, so that there are never more than two of it in memory."""
    profile = info.get("icc_profile")
    curve = None if profile or rule != "full-range" or "srgb" in info else _gamma_curve(info.get("gamma"))
    if image.mode == "RGB" and not (profile or curve or image.has_transparency_data):
        return image
    rgb = Image.new("RGB", image.size)
    for rows in blocks(image.height, image.width):
        box = (0, rows.start, image.width, rows.stop)
        rgb.paste(_band_to_srgb(image.crop(box), profile if isinstance(profile, bytes) else None, curve), box)
    return rgb


def _band_to_srgb(image: Image.Image, profile: bytes | None, curve: tuple[int, ...] | None) -> Image.Image:
    alpha = None
    if image.mode == "La":
        image = image.convert("LA")  # Pillow has no other way out of this mode
    if image.has_transparency_data:
        image = image.convert("RGBA")
        alpha = image.getchannel("A")
    if image.mode not in ("L", "RGB", "CMYK"):
        image = image.convert("RGB")
    transform = _profile_transform(profile, image.mode) if profile else None
    rgb = transform.apply(image) if transform else image.convert("RGB")
    if curve:
        rgb = rgb.point(curve * 3)
    if alpha is None:
        return rgb
    white = Image.new("RGB", rgb.size, "white")
    white.paste(rgb, mask=alpha)
    return white


@lru_cache(maxsize=16)
def _profile_transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """From an ICC profile to sRGB, perceptually; None where nothing is to be done: the profile is broken, is made
    for another colour space than the pixels', or is that of sRGB in one of its many names."""
    try:
        transform = ImageCms.ImageCmsTransform(
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")),
            mode,
            "RGB",
            ImageCms.Intent.PERCEPTUAL,
            flags=ImageCms.Flags.NOCACHE,  # the cache of one pixel is what threads would share
        )
    except (OSError, ValueError, TypeError, ImageCms.PyCMSError):
        return None
    if mode == "CMYK":
        return transform
    probe = _every_few_colours().convert(mode)
    before, after = np.asarray(probe.convert("RGB"), np.int16), np.asarray(transform.apply(probe), np.int16)
    return transform if np.abs(after - before).max() > _NO_CHANGE else None


def _every_few_colours() -> Image.Image:
    steps = np.arange(0, 256, 15, dtype=np.uint8)
    grid = np.stack(np.meshgrid(steps, steps, steps), axis=-1)
    return Image.fromarray(grid.reshape(len(steps), -1, 3))


def _gamma_curve(gamma: object) -> tuple[int, ...] | None:
    """What a PNG with this gamma (1 where its numbers are proportional to light) stores -> sRGB, 256 values; None where
    it is near that of sRGB, or makes no sense. Source: PNG (Third Edition), sections 11.3.2.2 and 13.13."""
    if not isinstance(gamma, float) or not 0.1 <= gamma <= 10:
        return None
    stored = np.arange(256) / 255
    as_usual, given = ((stored ** (1 / g)) for g in (0.45455, gamma))
    if np.abs(_srgb(as_usual) - _srgb(given)).max() * 255 <= _NO_CHANGE:
        return None
    return tuple(np.rint(255 * _srgb(given)).astype(int).tolist())


def _srgb(light: np.ndarray) -> np.ndarray:
    """IEC 61966-2-1: light, 0..1 -> what sRGB stores for it, 0..1."""
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def depth(highest: int, bits: int, rule: DecodeRule) -> int:
    """Bits that hold ``highest``, the largest of values that are stored in ``bits`` (at most 16)."""
    if rule != "full-range":
        return bits
    return next((usual for usual in USUAL_DEPTHS if usual < bits and highest < 1 << usual), bits)


def depth_of(values: NDArray[Any], bits: int, rule: DecodeRule) -> int:
    """The same of all ``values``; ``bits`` where they are signed, floating-point, or of more than 16."""
    return depth(int(values.max()), bits, rule) if values.dtype.kind == "u" and bits <= 16 else bits


def eight_bits(values: NDArray[Any], bits: int) -> NDArray[np.uint8]:
    """Numbers of any shape -> uint8. ``bits`` is the depth of unsigned ones; if it is above 16, and for all other
    numbers, minimum..maximum becomes 0..255. Raises PictureError for numbers that are not finite."""
    if values.dtype.kind == "u" and bits <= 16:
        return _in_blocks(values, lambda block: block >> (bits - 8))
    low, high = float(values.min()), float(values.max())
    if not np.isfinite(high - low):
        raise PictureError("has pixels that are not finite numbers (NaN or infinity); replace them and save it again")
    scale = 255 / (high - low) if high - low > 1e-300 else 0.0
    return _in_blocks(values, lambda block: np.rint((block.astype(np.float64) - low) * scale))


def blacken(values: NDArray[Any], no_data: float) -> None:
    """In place, the samples that are ``no_data`` become black: 0, or where the minimum is black, that of the others."""
    if values.dtype.kind == "f":
        missing = np.isnan(values) if np.isnan(no_data) else values == values.dtype.type(no_data)
    elif float(no_data).is_integer():
        missing = values == int(no_data)
    else:
        return
    if missing.any() and not missing.all():
        by_depth = values.dtype.kind == "u" and values.dtype.itemsize <= 2
        values[missing] = 0 if by_depth else values[~missing].min()


def opacity(alpha: NDArray[Any], bits: int, rule: DecodeRule) -> NDArray[np.uint8]:
    """Alpha of any kind -> uint8. Unlike colour it has an agreed largest value: 1, or that of unsigned integers."""
    if alpha.dtype.kind == "f":
        return _in_blocks(alpha, lambda block: np.rint(np.nan_to_num(block.astype(np.float64)).clip(0, 1) * 255))
    if alpha.dtype.kind == "i":
        return np.full(alpha.shape, 255, np.uint8)
    depth = depth_of(alpha, bits, rule)
    return _in_blocks(alpha, lambda block: block >> (depth - 8))


def shallow(image: Image.Image, rule: DecodeRule) -> Image.Image:
    """A picture in a mode of Pillow's of more than 8 bits (I;16, I, F) -> mode L. Other pictures stay as they are."""
    if not image.mode.startswith(("I", "F")):
        return image
    values = np.asarray(image)
    grey = eight_bits(values, depth_of(values, 16, rule))
    if image.mode.startswith("I;16") and image.has_transparency_data:
        grey = np.where(values == image.info["transparency"], np.uint8(255), grey)
    return Image.fromarray(grey)


def blocks(rows: int, values_in_a_row: int) -> Iterator[slice]:
    """All ``rows``, a few hundred thousand values at a time, which stay in the cache of the processor."""
    step = max(1, _VALUES_AT_A_TIME // max(1, values_in_a_row))
    return (slice(top, min(top + step, rows)) for top in range(0, rows, step))


def _in_blocks(values: NDArray[np.generic], function: Callable[[Any], Any]) -> NDArray[np.uint8]:
    result = np.empty(values.shape, np.uint8)
    for rows in blocks(len(values), values[0].size):
        result[rows] = function(values[rows])
    return result
