"""BMP: the pixels that were written, whatever the masks, the header, the direction and the run lengths."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genus.data.decode import open_rgb
from tests.encoders import bmp, bmp_runs

LAYOUTS = {
    "565": (16, (0xF800, 0x7E0, 0x1F)),
    "1555": (16, (0x7C00, 0x3E0, 0x1F, 0x8000)),
    "4444": (16, (0xF00, 0xF0, 0xF, 0xF000)),
    "BGRA": (32, (0xFF0000, 0xFF00, 0xFF, 0xFF000000)),
    "RGBA": (32, (0xFF, 0xFF00, 0xFF0000, 0xFF000000)),
    "RGBX": (32, (0xFF, 0xFF00, 0xFF0000)),
    "10 bits": (32, (0x3FF00000, 0xFFC00, 0x3FF)),
}


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("header", [40, 56, 108, 124])
@pytest.mark.parametrize("top_down", [False, True])
def test_colours_under_masks(name: str, header: int, top_down: bool) -> None:
    bits, masks = LAYOUTS[name]
    masks = masks[:3] if header == 40 else masks
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (5, 7, len(masks)), dtype=np.uint8)
    if len(masks) == 4:
        pixels[:, :, 3] = rng.choice([0, 255], (5, 7))
    steps = np.array([mask // (mask & -mask) for mask in masks[:3]])
    expected = np.rint(pixels[:, :, :3] / 255 * steps) / steps * 255
    if len(masks) == 4:
        expected[pixels[:, :, 3] == 0] = 255
    found = np.asarray(open_rgb(bmp(pixels, masks, bits=bits, header=header, top_down=top_down)))
    assert np.abs(found - expected).max() <= 1


@settings(max_examples=60, deadline=None)
@given(width=st.integers(1, 20), height=st.integers(1, 20), bits=st.sampled_from([4, 8]), seed=st.integers(0, 99))
def test_run_lengths(width: int, height: int, bits: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    palette = rng.integers(0, 256, (1 << bits, 3), dtype=np.uint8)
    numbers = rng.integers(0, 1 << bits, (height, width), dtype=np.uint8)
    numbers[rng.random((height, width)) < 0.3] = 0
    numbers[rng.random(height) < 0.3] = 0
    numbers[:, : width // 2] = numbers[:, :1]
    assert np.array_equal(np.asarray(open_rgb(bmp_runs(numbers, palette, bits))), palette[numbers])
