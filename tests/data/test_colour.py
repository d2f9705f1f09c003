"""Pictures of more than 8 bits: what they show survives, whatever part of the range a camera uses."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from genus.data.decode import decode, open_rgb
from genus.types import Preprocess
from tests.corpus import encode, scene
from tests.encoders import png, tiff

GREY = np.asarray(scene((96, 64), seed=3).convert("L")).astype(np.uint16)
COLOUR = np.asarray(scene((96, 64), seed=3)).astype(np.uint16)
OPAQUE, OPAQUE_12 = (np.full_like(GREY, value) for value in (65535, 4095))
KINDS: dict[str, tuple[np.ndarray, Callable[[np.ndarray], bytes]]] = {
    "grey PNG": (GREY, lambda values: png(values, 0)),
    "grey and alpha PNG": (GREY, lambda values: png(np.dstack([values, OPAQUE]), 4)),
    "RGB PNG": (COLOUR, lambda values: png(values, 2)),
    "RGBA PNG": (COLOUR, lambda values: png(np.dstack([values, OPAQUE]), 6)),
    "grey TIFF": (GREY, lambda values: tiff(values[:, :, None], order=">", deflate=True, predictor=2)),
    "RGB TIFF": (COLOUR, lambda values: tiff(values, planes=True)),
    "RGBA TIFF": (COLOUR, lambda values: tiff(np.dstack([values, OPAQUE_12]), alpha=2)),
    "grey PNM": (GREY, lambda values: b"P5 96 64 65535\n" + values.astype(">u2").tobytes()),
    "RGB PNM": (COLOUR, lambda values: b"P6 96 64 65535\n" + values.astype(">u2").tobytes()),
    "RGB PNM in text": (COLOUR, lambda values: f"P3 96 64 65535\n{' '.join(map(str, values.flat))}".encode()),
}


def photographed(pixels: np.ndarray, bits: int) -> np.ndarray:
    """What a camera with so many bits, somewhere overexposed, stores of 0..255."""
    values = pixels.astype(np.uint32) * ((1 << bits) - 1) // 255
    values[:, 0] = (1 << bits) - 1
    return values.astype(np.uint16)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_a_small_part_of_the_range_is_not_dark(kind: str, bits: int) -> None:
    pixels, write = KINDS[kind]
    found = np.asarray(open_rgb(write(photographed(pixels, bits)))).astype(int)
    assert np.abs(found - pixels.reshape(64, 96, -1))[:, 1:].max() <= 1


def test_a_camera_of_12_bits_measured() -> None:
    """Twenty drawn scenes, of which a camera fills a quarter to the whole of its 12 bits. Of 255, the brightest pixel
    of each comes to 62 and more (median 138); by the older rule, to 15 and less (median 8), which is black."""
    brightest = {"full-range": list[int](), "draft-cut": list[int]()}
    for seed in range(20):
        share = np.random.default_rng(seed).uniform(0.26, 1)
        values = np.asarray(scene((96, 64), seed).convert("L")) / 255.0 * 4095 * share
        for rule, found in brightest.items():
            image = open_rgb(png(values.astype(np.uint16), 0), None, rule)  # type: ignore[arg-type]
            found.append(int(np.asarray(image).max()))
    assert min(brightest["full-range"]) >= 62
    assert max(brightest["draft-cut"]) <= 15
    assert {rule: int(np.median(found)) for rule, found in brightest.items()} == {"full-range": 138, "draft-cut": 8}


def test_pictures_of_one_depth_keep_their_relative_brightness() -> None:
    values = photographed(GREY, 12)
    whole, less, least = (
        np.asarray(open_rgb(png((values * share).astype(np.uint16), 0))).mean() for share in (1, 0.8, 0.6)
    )
    assert less / whole == pytest.approx(0.8, abs=0.02)
    assert least / whole == pytest.approx(0.6, abs=0.02)


@pytest.mark.parametrize(
    ("kind", "scale", "no_data"),
    [
        ("f4", 1 / 255, "-9999"),
        ("f4", 1, "-3.4028234663852886e+38"),
        ("f8", 1, "nan"),
        ("i2", 20, "-32768"),
        ("u4", 9, "0"),
        ("u2", 16, "65535"),
        ("f4", 1, "no number"),
        ("i2", 20, "1e300"),
    ],
)
def test_samples_without_data_are_black_and_change_no_others(kind: str, scale: float, no_data: str) -> None:
    values = ((GREY + 1) * scale).astype(kind)
    values[:, :2] = values[:, 2:3]
    expected = np.asarray(open_rgb(tiff(values[:, :, None]))).copy()
    if no_data not in ("no number", "1e300"):
        values[:5, :2] = np.array(float(no_data)).astype(kind)
        expected[:5, :2] = 0
    data = tiff(values[:, :, None], tags={42113: no_data.encode() + b"\0"})
    assert np.array_equal(np.asarray(open_rgb(data)), expected)


@pytest.mark.parametrize("rule", ["draft-cut", "draft"])
def test_older_models_see_what_they_saw(rule: str) -> None:
    preprocess = Preprocess(32, decode=rule)  # type: ignore[arg-type]
    for kind in ("grey PNG", "RGB PNG", "RGBA PNG", "grey TIFF", "RGB TIFF"):
        pixels, write = KINDS[kind]
        values = photographed(pixels, 13)
        high_bytes = encode(Image.fromarray((values >> 8).astype(np.uint8)), "PNG")
        assert np.array_equal(decode(write(values), preprocess), decode(high_bytes, preprocess)), kind
    sparse = photographed(GREY, 16).astype(np.float32)[:, :, None]
    sparse[0] = -9999
    assert np.array_equal(decode(tiff(sparse, tags={42113: b"-9999\0"}), preprocess), decode(tiff(sparse), preprocess))


def test_a_picture_in_python_is_as_deep_as_its_file() -> None:
    data = png(photographed(GREY, 12), 0)
    assert np.array_equal(decode(Image.open(io.BytesIO(data)), Preprocess(32)), decode(data, Preprocess(32)))
