"""Numbers as colours."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import ImageColor


def gradient(positions: NDArray[np.floating], colours: Sequence[str]) -> NDArray[np.float64]:
    """``positions`` (any shape, 0..1) on the way through ``colours``, evenly spaced: a last axis of red, green, blue.

    These are 0..255, interpolated linearly. ``colours``: as ``#rrggbb`` or by name.
    """
    stops = np.linspace(0, 1, len(colours))
    channels = np.array([ImageColor.getrgb(colour) for colour in colours], float).T
    return np.stack([np.interp(positions, stops, channel) for channel in channels], axis=-1)
