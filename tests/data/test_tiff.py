"""Deep TIFF: every layout gives back the numbers that were written, and hostile ones cost no memory."""

import contextlib
import struct
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from genus.data.decode import open_rgb
from genus.data.tiff import Tags, read_layout, read_samples
from genus.errors import PictureError
from tests.corpus import encode
from tests.encoders import tiff

TYPES = ["u1", "i1", "u2", "i2", "u4", "i4", "f2", "f4", "f8"]
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, CMYK = 0, 1, 2, 5
PREMULTIPLIED, UNASSOCIATED = 1, 2
SAMPLES = [  # samples, photometric interpretation, alpha
    (1, BLACK_IS_ZERO, 0),
    (1, WHITE_IS_ZERO, 0),
    (2, BLACK_IS_ZERO, PREMULTIPLIED),
    (2, BLACK_IS_ZERO, UNASSOCIATED),
    (3, RGB, 0),
    (3, BLACK_IS_ZERO, 0),
    (4, RGB, UNASSOCIATED),
    (4, CMYK, 0),
    (6, RGB, 0),
]


def numbers(kind: str, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if kind.startswith("f"):
        return rng.normal(size=shape, scale=1000).astype(kind)
    range_ = np.iinfo(kind)
    return rng.integers(range_.min, range_.max, shape, dtype=kind, endpoint=True)


def read(data: bytes) -> np.ndarray:
    return read_samples(data, read_layout(Tags(data)))


@settings(max_examples=250, deadline=None)
@given(
    kind=st.sampled_from(TYPES),
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    layout=st.sampled_from(SAMPLES),
    order=st.sampled_from("<>"),
    planes=st.booleans(),
    tile=st.sampled_from([None, (16, 16), (32, 48)]),
    rows=st.integers(1, 9) | st.none(),
    deflate=st.booleans(),
    predictor=st.sampled_from([1, 2, 3]),
    big=st.booleans(),
    seed=st.integers(0, 9),
)
def test_all_layouts_give_the_numbers(
    kind: str, size: tuple[int, int], layout: tuple[int, int, int], deflate: bool, predictor: int, seed: int, **how: Any
) -> None:
    samples, photometric, alpha = layout
    predictor = predictor if deflate and (predictor < 3 or kind in ("f2", "f4", "f8")) else 1
    pixels = numbers(kind, (*size, samples), seed)
    data = tiff(pixels, photometric=photometric, alpha=alpha, deflate=deflate, predictor=predictor, **how)
    found = read(data)
    assert found.dtype == pixels.dtype
    assert np.array_equal(found, pixels)
    assert open_rgb(data).size == (size[1], size[0])


@pytest.mark.parametrize("bits", [9, 10, 12, 14])
@pytest.mark.parametrize("planes", [False, True])
def test_packed_numbers(bits: int, planes: bool) -> None:
    pixels = numbers("u2", (7, 13, 3)) >> (16 - bits)
    assert np.array_equal(read(tiff(pixels, bits=bits, planes=planes, rows=2)), pixels)


@pytest.mark.parametrize("planes", [False, True])
@pytest.mark.parametrize("kind", ["u1", "u2"])
def test_a_sample_of_no_known_kind_is_passed_over(kind: str, planes: bool) -> None:
    pixels = numbers(kind, (7, 13, 4))
    colour = pixels[:, :, :3] >> (8 * pixels.itemsize - 8)
    assert np.array_equal(np.asarray(open_rgb(tiff(pixels, planes=planes, tags={338: 0}))), colour)


@pytest.mark.parametrize("compression", ["tiff_lzw", "packbits", "tiff_adobe_deflate", "lzma", "zstd"])
def test_what_libtiff_has_compressed(compression: str) -> None:
    grey = numbers("u2", (31, 17))
    assert np.array_equal(read(encode(Image.fromarray(grey), "TIFF", compression=compression))[:, :, 0], grey)


@pytest.mark.skipif(sys.platform not in ("linux", "darwin"), reason="libtiff is a part of Pillow's own module there")
def test_libtiff_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    for compression in ("tiff_lzw", "group4"):
        data = bytearray(
            encode(noise.convert("1") if compression == "group4" else noise, "TIFF", compression=compression)
        )
        data[60:400:7] = bytes(len(range(60, 400, 7)))
        with contextlib.suppress(PictureError):
            open_rgb(bytes(data))
    assert capfd.readouterr() == ("", "")


HOSTILE = {
    "pixels": (tiff(numbers("u2", (8, 8, 1)), tags={256: 2**20, 257: 2**20}), "over the limit of 178 megapixels"),
    "bytes": (tiff(numbers("f8", (8, 8, 4)), tags={256: 10_000, 257: 10_000}), "need 6.8 GB of memory, over the limit"),
    "tile": (tiff(numbers("u2", (8, 8, 1)), tile=(16, 16), tags={322: 2**20, 323: 2**20}), "do not fit the picture"),
    "height": (tiff(numbers("u2", (8, 8, 1)), tags={257: 4000, 278: 4000}), "truncated"),
    "strips": (tiff(numbers("u2", (8, 8, 1)), rows=1, tags={257: 4000}), "fewer strips or tiles"),
    "overlap": (tiff(numbers("u2", (8, 8, 1)), deflate=True, tags={279: 2**31}), "overlap"),
    "no width": (tiff(numbers("u2", (8, 8, 1)), tags={256: 0}), "damaged TIFF file: 0 x 8 pixels"),
    "LERC of 8 bits": (tiff(numbers("u1", (8, 8, 3)), tags={259: 34887}), "not supported .*compression 34887"),
    "WebP of 8 bits": (tiff(numbers("u1", (8, 8, 3)), tags={259: 50001}), "not supported .*compression 50001"),
    "subsampled, raw": (
        tiff(numbers("u1", (8, 4, 3)), photometric=6, tags={256: 8, 530: 2}),
        "not supported .*photometric 6",
    ),
    "JPEG of 16 bits": (tiff(numbers("u2", (8, 8, 1)), tags={259: 7}), "not supported .*compression 7"),
    "no tags": (struct.pack("<2sHI", b"II", 42, 2**31), "truncated"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_layouts_are_refused(name: str) -> None:
    data, message = HOSTILE[name]
    with pytest.raises(PictureError, match=message):
        open_rgb(data)
