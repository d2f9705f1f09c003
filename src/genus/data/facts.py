"""What is known of every picture in plain numbers, small enough to keep for a million: from its header, and from one
look at its pixels."""

import hashlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from genus.data.formats import HEADER_BYTES, require_picture
from genus.data.header import Header, read_header
from genus.errors import PictureError

FACTS = np.dtype(
    [
        ("bytes", "<u8"),  # of the file
        ("format", "S9"),
        ("width", "<u4"),  # upright, like all that follows
        ("height", "<u4"),
        ("bits", "u1"),  # a channel
        ("colour", "S8"),
        ("alpha", "?"),
        ("frames", "<u4"),
        ("orientation", "u1"),
        ("quality", "u1"),  # of a JPEG; 0: none
        ("camera", "S64"),  # UTF-8
        ("taken", "<M8[s]"),
        ("pixels", "<u8"),  # a hash of them: equal for copies
        ("difference_hash", "<u8"),
        ("mean", "<f4", (3,)),  # of red, green, blue in 0..1
        ("deviation", "<f4", (3,)),
        ("saturation", "<f4"),
        ("brightness", "<f4"),
        ("contrast", "<f4"),
        ("sharpness", "<f4"),
        ("margins", "<f4", (4,)),  # top, bottom, left, right: shares of the side that are even
        ("thumbnail", "u1", (8, 8, 3)),
    ]
)
Facts = NDArray[np.void]
"""n records of ``FACTS``, or one."""

VERSION = 1
"""Of what the numbers mean; facts of another version are gathered anew."""

LUMINANCE = np.array((0.299, 0.587, 0.114))

MEASURED_AT = 64  # pixels of the shorter side, about, for colours
SHARPNESS_AT = 256  # and for edges
SHARPEST = 0.01  # share of the pixels that decides how sharp a picture is: its subject may be small
WIDEST_MARGIN = 0.3  # of a side
EVEN = 2.5  # largest standard deviation of an even row, of brightness 0..255


def facts_of(data: bytes, image: Image.Image) -> Facts:
    """The facts of a picture with the content ``data``. ``image`` is how it looks: whole, upright, RGB, of any size."""
    header = _header(data, image)
    turned = header.orientation > 4
    width, height = (header.height, header.width) if turned else (header.width, header.height)
    small, grey = image.reduce(_factor(image, MEASURED_AT)), image.convert("L")
    planes = np.ascontiguousarray(np.asarray(small).reshape(-1, 3).T, np.float32) / 255
    mean, covariance = planes.mean(axis=1), np.cov(planes, bias=True)
    levels = np.asarray(grey.reduce(_factor(grey, SHARPNESS_AT)))
    record = np.zeros((), FACTS)
    for name, value in {
        **{name: getattr(header, name) for name in ("format", "bits", "colour", "alpha", "frames", "orientation")},
        "bytes": len(data),
        "width": width,
        "height": height,
        "quality": header.quality or 0,
        "camera": header.camera.encode()[:64],
        "taken": np.datetime64(header.taken or "NaT", "s"),
        "pixels": pixel_hash(image),
        "difference_hash": difference_hash(grey),
        "mean": mean,
        "deviation": np.sqrt(np.diag(covariance)),
        "saturation": (planes.max(axis=0) - planes.min(axis=0)).mean(),
        "brightness": LUMINANCE @ mean,
        "contrast": np.sqrt(LUMINANCE @ covariance @ LUMINANCE),
        "sharpness": _sharpness(levels),
        "margins": [_margin(side) for side in (levels, levels[::-1], levels.T, levels.T[::-1])],
        "thumbnail": np.asarray(small.resize((8, 8), Image.Resampling.BOX)),
    }.items():
        record[name] = value
    return record


def _header(data: bytes, image: Image.Image) -> Header:
    """A picture that could be decoded counts, though its header be odd."""
    try:
        return read_header(data)
    except PictureError:
        return Header(require_picture(data[:HEADER_BYTES]).name, *image.size)


def pixel_hash(image: Image.Image) -> int:
    """64 bits that two RGB pictures share when all their pixels are equal, and else as good as never."""
    digest = hashlib.sha256(repr(image.size).encode())
    digest.update(image.tobytes())
    return int.from_bytes(digest.digest()[:8])


def difference_hash(image: Image.Image) -> int:
    """64 bits of a whole picture: in a grid of 8 rows and 9 columns, is a place brighter than that left of it?

    N. Krawetz, "Kind of Like That", 2013.
    """
    grid = np.asarray(image.convert("L").resize((9, 8), Image.Resampling.BOX))
    return int.from_bytes(np.packbits(grid[:, 1:] > grid[:, :-1]).tobytes(), "big")


def _factor(image: Image.Image, side: int) -> int:
    return max(1, min(image.size) // side)


def _sharpness(grey: NDArray[np.uint8]) -> float:
    """How strong the strongest edges are, 0..1: a high quantile of the Laplacian (Pech-Pacheco et al., 2000, take its
    variance, which a plain background lowers)."""
    if min(grey.shape) < 3:
        return 0.0
    levels = grey.astype(np.int16)
    around = levels[:-2, 1:-1] + levels[2:, 1:-1] + levels[1:-1, :-2] + levels[1:-1, 2:]
    counts = np.bincount(np.abs(4 * levels[1:-1, 1:-1] - around).ravel(), minlength=1021)
    return float(np.searchsorted(np.cumsum(counts), (1 - SHARPEST) * counts.sum()) / 1020)


def _margin(levels: NDArray[np.uint8]) -> float:
    """The share of the rows, from the top, that are even."""
    most = int(WIDEST_MARGIN * len(levels))
    return next((row for row in range(most) if levels[row].std() > EVEN), most) / len(levels)
