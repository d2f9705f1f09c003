"""Random views: inside the picture, large enough, and the same for the same random numbers."""

from typing import get_args

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from genus.data.augment import MIN_AREA, OPERATIONS, random_crop, random_view
from genus.types import FitName, Preprocess
from tests.corpus import scene

SMALL = Preprocess(size=16)
GROUND = np.array([124, 116, 104], np.uint8)  # of padding: the mean of ImageNet
SIDES = st.integers(1, 200) | st.integers(1, 20_000)


@settings(max_examples=300, deadline=None)
@given(
    width=SIDES,
    height=SIDES,
    min_area=st.sampled_from([0.2, 0.35, 1.0]),
    own_aspect=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
@example(width=1, height=20_000, min_area=0.35, own_aspect=False, seed=0)
def test_a_crop_lies_inside_and_keeps_area_and_aspect(
    width: int, height: int, min_area: float, own_aspect: bool, seed: int
) -> None:
    aspect = width / height if own_aspect else 1.0
    columns, rows = random_crop(width, height, min_area, np.random.default_rng(seed), aspect)
    assert 0 <= columns.start < columns.stop <= width
    assert 0 <= rows.start < rows.stop <= height
    across, down = columns.stop - columns.start, rows.stop - rows.start
    widest, tallest = min(width, height * aspect * 4 / 3), min(height, width / aspect * 4 / 3)
    if (across, down) == pytest.approx((widest, tallest), abs=1):
        return  # the largest central crop
    assert (across + 0.5) / (down - 0.5) >= 3 / 4 * aspect
    assert (across - 0.5) / (down + 0.5) <= 4 / 3 * aspect
    assert (across + 0.5) * (down + 0.5) >= min_area * width * height


def test_crops_differ_in_place_size_and_shape() -> None:
    crops = [random_crop(640, 480, 0.35, np.random.default_rng(seed)) for seed in range(300)]
    left, right = np.array([(columns.start, columns.stop) for columns, _ in crops]).T
    across, down = right - left, np.array([rows.stop - rows.start for _, rows in crops])
    area, aspect = across * down / (640 * 480), across / down
    assert area.min() < 0.4
    assert area.max() > 0.9
    assert aspect.min() < 0.8
    assert aspect.max() > 1.28
    assert (left == 0).mean() < 0.05
    assert 0.4 < (left > 640 - right).mean() < 0.6  # as often near the right as near the left


@settings(max_examples=60, deadline=None)
@given(
    width=st.integers(1, 60) | st.sampled_from([1500, 3000]),
    height=st.integers(1, 60),
    strength=st.sampled_from(["light", "strong"]),
    resample=st.sampled_from(["bicubic", "bilinear"]),
    fit=st.sampled_from(get_args(FitName)),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_picture_gives_a_square_of_the_right_kind(
    width: int, height: int, strength: str, resample: str, fit: FitName, seed: int
) -> None:
    image = scene((width, height)) if min(width, height) > 1 else Image.new("RGB", (width, height), "teal")
    preprocess = Preprocess(size=16, resample=resample, fit=fit)  # type: ignore[arg-type]
    view = random_view(image, preprocess, strength, np.random.default_rng(seed))  # type: ignore[arg-type]
    assert view.shape == (16, 16, 3)
    assert view.dtype == np.uint8
    assert view.flags.writeable


@pytest.mark.parametrize("strength", ["light", "strong"])
def test_the_picture_is_not_changed_and_views_differ(strength: str) -> None:
    image = scene((60, 40))
    before = image.tobytes()
    views, again = (
        [random_view(image, SMALL, strength, np.random.default_rng(seed)).tobytes() for seed in range(30)]  # type: ignore[arg-type]
        for _ in range(2)
    )
    assert views == again
    assert len(set(views)) == 30
    assert image.tobytes() == before


def test_light_only_crops_and_mirrors() -> None:
    """A ramp from left to right: every view is a ramp, falling in half of them, and no colour is new."""
    ramp = np.tile(np.linspace(40, 200, 64).astype(np.uint8)[None, :, None], (48, 1, 3))
    falling = 0
    for seed in range(200):
        view = random_view(Image.fromarray(ramp), SMALL, "light", np.random.default_rng(seed)).astype(int)
        assert 38 <= view.min() <= view.max() <= 202
        steps = np.diff(view[:, :, 0].mean(axis=0))
        assert (steps > 0).all() or (steps < 0).all()
        falling += bool(steps[0] < 0)
    assert 70 < falling < 130
    assert MIN_AREA["strong"] < MIN_AREA["light"]


def test_views_of_the_whole_picture_are_padded_or_stretched_like_it() -> None:
    """Of an elongated picture that grows lighter from left to right."""
    ramp = np.tile(np.linspace(150, 250, 800).astype(np.uint8)[None, :, None], (100, 1, 3))
    heights, rising = [], []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        padded = random_view(Image.fromarray(ramp), Preprocess(64, fit="pad"), "light", rng)
        seen = np.flatnonzero((padded != GROUND).any(axis=(1, 2)))
        heights.append(len(seen))
        assert (padded[: seen[0]] == GROUND).all()
        assert seen[0] == 63 - seen[-1]
        stretched = random_view(Image.fromarray(ramp), Preprocess(64, fit="stretch"), "light", rng)
        rising.append(np.abs(np.diff(stretched[32, :, 0].astype(int))).sum() / 100)
    assert 8 * 3 / 4 - 2 <= min(heights) < max(heights) <= 8 * 4 / 3 + 2  # 1/8 of the width, as in the whole picture
    assert 0.5 < min(rising) < 0.65  # the share of the width that is seen
    assert max(rising) > 0.9


@pytest.mark.parametrize("number", range(len(OPERATIONS)))
@pytest.mark.parametrize("amount", [-1.0, -0.3, 0.0, 1e-9, 0.7, 1.0])
def test_operations_keep_size_and_mode(number: int, amount: float) -> None:
    for image in (scene((31, 17)), Image.new("RGB", (1, 1), "red"), Image.new("RGB", (9, 9), "white")):
        changed = OPERATIONS[number](image, amount)
        assert (changed.size, changed.mode) == (image.size, "RGB")


@pytest.mark.parametrize("number", range(len(OPERATIONS)))
def test_operations_grow_from_nothing(number: int) -> None:
    """At 0 the picture stays (but for autocontrast, which always stretches to 0..255); at -1 or 1 it is changed."""
    noise = np.random.default_rng(0).normal(scale=10, size=(48, 48, 3))
    image = Image.fromarray(np.clip(np.asarray(scene((48, 48))) * 0.8 + noise, 0, 255).astype(np.uint8))
    pixels = np.asarray(image).astype(int)
    none, low, high = (np.asarray(OPERATIONS[number](image, amount)).astype(int) for amount in (0.0, -1.0, 1.0))
    if number != 0:
        assert np.abs(none - pixels).max() <= 1
    assert max(np.abs(low - pixels).mean(), np.abs(high - pixels).mean()) > 1


def test_operations_leave_a_white_picture_light() -> None:
    """Solarize at 0 has no threshold that white would cross."""
    white = Image.new("RGB", (8, 8), "white")
    assert all(np.asarray(operation(white, 0.0)).min() == 255 for operation in OPERATIONS)
