"""The resampler against its definition, the central cut, and what becomes of a picture that is no square."""

from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from genus.data import preprocess
from genus.data.preprocess import central, fit, input_frame, resize, seen_part, seen_share
from genus.engine.torch_engine import Normalise
from genus.types import HALF, FitName, Preprocess, Resample
from tests.corpus import scene


def kernel(resample: str, at: np.ndarray) -> np.ndarray:
    distance = np.abs(at)
    if resample == "bilinear":
        return np.clip(1 - distance, 0, None)
    near = 1.5 * distance**3 - 2.5 * distance**2 + 1  # Keys 1981, equation 4, with a = -0.5
    far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
    return np.where(distance < 1, near, np.where(distance < 2, far, 0))


def weights(length: int, size: int, resample: str) -> np.ndarray:
    """size x length: what each old pixel gives to each new one."""
    scale = length / size
    centres = (np.arange(size) + 0.5) * scale - 0.5
    table = kernel(resample, (np.arange(length)[None] - centres[:, None]) / max(scale, 1))
    return table / table.sum(axis=1, keepdims=True)


@settings(max_examples=80, deadline=None)
@given(
    height=st.integers(1, 90),
    width=st.integers(1, 90) | st.just(1500),
    size=st.integers(1, 40),
    resample=st.sampled_from(get_args(Resample)),
    seed=st.integers(0, 99),
)
def test_resize_follows_its_definition(height: int, width: int, size: int, resample: Resample, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    across = np.einsum("sw,hwc->hsc", weights(width, size, resample), pixels).round().clip(0, 255)
    expected = np.einsum("sh,hwc->swc", weights(height, size, resample), across).round().clip(0, 255)
    resized = resize(pixels, (size, size), resample)
    assert resized.shape == (size, size, 3)
    assert resized.dtype == np.uint8
    assert np.abs(resized - expected).max() <= 2


def test_resize_takes_a_part_of_a_picture() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    part = pixels[3:20, 5:30]
    resized = resize(part, (16, 16), "bicubic")
    assert np.array_equal(resized, resize(part.copy(), (16, 16), "bicubic"))
    assert resized.flags.c_contiguous
    assert resized.flags.writeable


@given(length=st.integers(1, 5000), share=st.floats(0.001, 1))
def test_central_leaves_equal_margins(length: int, share: float) -> None:
    cut = central(length, length * share)
    assert cut.start == length - cut.stop >= 0
    kept = cut.stop - cut.start
    assert kept >= 1
    assert kept == pytest.approx(length * share, abs=1 + 1e-9) or kept <= 2


@pytest.mark.parametrize("pixels_at_a_time", [1, 100, 2000, 10_000])
@pytest.mark.parametrize("resample", get_args(Resample))
def test_bands_of_rows_give_what_the_whole_gives(
    pixels_at_a_time: int, resample: Resample, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (90, 70, 3), dtype=np.uint8)
    monkeypatch.setattr(preprocess, "_PIXELS_AT_A_TIME", pixels_at_a_time)
    part = preprocess.resize_part(Image.fromarray(pixels), slice(3, 80), slice(5, 60), (32, 24), resample)
    assert np.array_equal(part, resize(np.ascontiguousarray(pixels[3:80, 5:60]), (32, 24), resample))


# What is no square

SIDES = st.integers(1, 90)
BY_PILLOW = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}


@pytest.mark.parametrize("resample", get_args(Resample))
@pytest.mark.parametrize(
    ("width", "height", "size"),
    [(1200, 120, 200), (120, 1200, 200), (300, 200, 96), (64, 64, 32), (30, 20, 96), (35, 45, 63)],
)
def test_padding_and_stretching_equal_those_of_pillow(width: int, height: int, size: int, resample: Resample) -> None:
    picture, ground = scene((width, height)), (124, 116, 104)
    padded = ImageOps.pad(picture, (size, size), BY_PILLOW[resample], ground)
    stretched = picture.resize((size, size), BY_PILLOW[resample])
    for how, expected in (("pad", padded), ("stretch", stretched)):
        fitted = fit(picture, Preprocess(size, resample=resample, crop=0.875, fit=how))  # type: ignore[arg-type]
        assert np.abs(fitted.astype(int) - np.asarray(expected)).max() <= 2, how


@settings(max_examples=80, deadline=None)
@given(width=SIDES | st.just(2000), height=SIDES, size=st.integers(1, 70))
def test_a_padded_picture_keeps_its_aspect_in_the_middle_of_the_ground(width: int, height: int, size: int) -> None:
    fitted = fit(Image.new("RGB", (width, height), "white"), Preprocess(size, HALF, HALF, fit="pad"))
    white = (fitted == 255).all(axis=2)
    rows, columns = np.flatnonzero(white.any(axis=1)), np.flatnonzero(white.any(axis=0))
    assert white.sum() == len(rows) * len(columns) > 0
    assert (fitted[~white] == 128).all()
    for shown, side in ((rows, height), (columns, width)):
        assert shown[0] == size - 1 - shown[-1]
        assert abs(len(shown) - size * side / max(width, height)) <= 1 or len(shown) <= 2


@pytest.mark.parametrize("stated", [Preprocess(8, fit="pad"), Preprocess(8, HALF, HALF, fit="pad")])
def test_padding_is_zero_to_the_network(stated: Preprocess) -> None:
    padded = Normalise(stated)(torch.from_numpy(fit(Image.new("RGB", (80, 10)), stated))[None])
    assert padded[:, :, 0].abs().max() <= 0.5 / 255 / min(stated.std) + 1e-6


@settings(max_examples=80, deadline=None)
@given(
    width=st.integers(12, 90),
    height=st.integers(12, 90),
    crop=st.sampled_from([0.6, 0.875, 1.0]),
    how=st.sampled_from(get_args(FitName)),
)
def test_what_is_seen_is_all_that_counts(width: int, height: int, crop: float, how: FitName) -> None:
    """White where the model sees and black elsewhere, nothing is black to it; one pixel more, and something is."""
    stated = Preprocess(96, (1.0, 1.0, 1.0), crop=crop, fit=how)
    rows, columns = seen_part((width, height), stated)
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[rows, columns] = 255
    assert seen_share((width, height), stated) == pytest.approx(pixels.mean() / 255)
    assert fit(Image.fromarray(pixels), stated).min() == 255
    pixels[rows.start, columns.start] = 0
    assert fit(Image.fromarray(pixels), stated).min() < 255


def test_the_share_that_is_seen() -> None:
    assert seen_share((1200, 120), Preprocess(224)) == 0.1
    assert seen_share((120, 1200), Preprocess(224)) == 0.1
    assert seen_share((640, 640), Preprocess(224, crop=0.875)) == 0.875**2
    for how in ("pad", "stretch"):
        assert seen_share((1200, 120), Preprocess(224, crop=0.875, fit=how)) == 1.0  # type: ignore[arg-type]


@settings(max_examples=80, deadline=None)
@given(
    width=st.integers(40, 300),
    height=st.integers(40, 300),
    how=st.sampled_from(get_args(FitName)),
    across=st.floats(0.1, 0.9),
    down=st.floats(0.1, 0.9),
)
def test_the_frame_tells_where_a_place_of_the_picture_comes_to_lie(
    width: int, height: int, how: FitName, across: float, down: float
) -> None:
    stated = Preprocess(100, (0.0, 0.0, 0.0), crop=0.9, fit=how)
    rows, columns = seen_part((width, height), stated)
    y, x = (round(part.start + share * (part.stop - part.start)) for part, share in ((rows, down), (columns, across)))
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[y - 2 : y + 2, x - 2 : x + 2] = 255
    weight = fit(Image.fromarray(pixels), stated)[:, :, 0].astype(float)
    weight[weight < 40] = 0  # what bicubic leaves around it
    for axis, place, frame in zip((1, 0), (y, x), input_frame((width, height), stated), strict=True):
        found = np.average(np.arange(100) + 0.5, weights=weight.sum(axis=axis))
        assert found == pytest.approx(100 * (place - frame.start) / (frame.stop - frame.start), abs=1.6)
