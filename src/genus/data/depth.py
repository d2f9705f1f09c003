"""From pixels of more than 8 bits a channel to pixels of 8.

Unsigned integers of up to 16 bits keep their high 8 bits. Cameras and microscopes often store 10, 12 or 14 bits in 16,
which this would turn black. So by the rule ``full-range`` the depth of a picture is the smallest of 8, 10, 12, 14 and
16 bits that holds its largest value. It is decided for every picture by itself: nothing has to be known of a data set,
and one camera's pictures keep their relative brightness as long as their largest values fall into one depth.
The older rules take 16 bits for what they are.

All other numbers (signed, of 32 bits, floating-point) have no agreed white: the picture's own minimum..maximum becomes
0..255.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from genus.errors import PictureError
from genus.types import DecodeRule

USUAL_DEPTHS = (8, 10, 12, 14)
_VALUES_AT_A_TIME = 1 << 18


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
