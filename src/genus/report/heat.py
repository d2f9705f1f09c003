"""A heat map laid over its picture: grey where nothing speaks for the class, glowing where much does."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from genus.report.gradient import gradient

Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels: the part of a picture that the model saw."""

STRENGTH = 0.65  # of the colours, against the grey picture
UNSEEN = 0.35  # brightness of what the model did not see
INFERNO = (  # every tenth of the colour map of that name (Smith and van der Walt, 2015): evenly brighter
    *("#000004", "#160b39", "#420a68", "#6a176e", "#932667", "#bc3754"),
    *("#dd513a", "#f37819", "#fca50a", "#f6d746", "#fcffa4"),
)


def overlay(picture: NDArray[np.uint8], heat: NDArray[np.floating], box: Box) -> NDArray[np.uint8]:
    """``picture`` (H x W x 3, RGB) with ``heat`` (h x w, not negative) over its ``box``: H x W x 3 uint8.

    The hottest place has the brightest colour; the scale is that of this picture. All grey: no place speaks for the
    class. What lies outside ``box`` is dark.
    """
    left, top, right, bottom = box
    grey = np.repeat(picture.mean(axis=2, keepdims=True), 3, axis=2) / 255
    laid = grey * UNSEEN
    scaled = Image.fromarray((heat / max(float(heat.max()), 1e-12)).astype(np.float32))
    smooth = np.asarray(scaled.resize((right - left, bottom - top), Image.Resampling.BICUBIC)).clip(0, 1)
    colours = gradient(smooth, INFERNO) / 255
    weight = STRENGTH * smooth[..., None] ** 0.5
    laid[top:bottom, left:right] = (1 - weight) * grey[top:bottom, left:right] + weight * colours
    return np.round(255 * laid).astype(np.uint8)


def to_png(pixels: NDArray[np.uint8]) -> bytes:
    """H x W x 3, RGB, as the bytes of a PNG."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, format="PNG")
    return out.getvalue()
