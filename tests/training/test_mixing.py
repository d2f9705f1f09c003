"""What happens to whole batches: targets stay true to the pixels."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from genus.training.mixing import MIXINGS, Mixing, cutmix, erase, jitter, mix, mixup

EVERYTHING = Mixing(jitter=0.5, erase=0.5, mix=1.0)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch(n: int, height: int = 12, width: int = 16, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Noise in 0..255 and one-hot targets of four classes."""
    pixels = torch.randint(0, 256, (n, height, width, 3), generator=generator(seed)).float()
    return pixels, F.one_hot(torch.arange(n) % 4, 4).float()


@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 6), height=st.integers(1, 20), width=st.integers(1, 20), seed=st.integers(0, 2**40))
def test_targets_stay_distributions_and_pixels_stay_in_range(n: int, height: int, width: int, seed: int) -> None:
    for mixing in (*MIXINGS.values(), EVERYTHING):
        pixels, targets = batch(n, height, width)
        untouched = pixels.clone(), targets.clone()
        mixed, shares = mix(pixels, targets, mixing, generator(seed))
        assert mixed.shape == pixels.shape
        assert mixed.dtype == torch.float32
        assert 0 <= mixed.min() <= mixed.max() <= 255.001  # mixup rounds
        assert shares.min() >= 0
        assert torch.allclose(shares.sum(1), torch.ones(n))
        assert torch.equal(pixels, untouched[0])
        assert torch.equal(targets, untouched[1])
        again = mix(pixels, targets, mixing, generator(seed))
        assert torch.equal(mixed, again[0])
        assert torch.equal(shares, again[1])


def test_none_changes_nothing() -> None:
    pixels, targets = batch(4)
    mixed, shares = mix(pixels, targets, MIXINGS["none"], generator(0))
    assert torch.equal(mixed, pixels)
    assert torch.equal(shares, targets)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**40), blend=st.sampled_from([mixup, cutmix]))
def test_targets_say_how_much_of_each_picture_is_there(seed: int, blend: object) -> None:
    """Picture i is evenly grey, 50 i, and has class i: its mean grey tells the share of each class."""
    greys = 50.0 * torch.arange(4)
    pixels = greys[:, None, None, None].expand(4, 12, 16, 3)
    mixed, shares = blend(pixels, torch.eye(4), generator(seed))  # type: ignore[operator]
    assert torch.allclose(mixed.mean(dim=(1, 2, 3)), shares @ greys, atol=1e-3)
    own = shares.diagonal()
    assert own.min() >= 0.45  # the own class leads, up to the rounding of cutmix to whole pixels
    assert ((own > 0.999) | (own < own.min() + 1e-6)).all()  # one share for the batch


def test_cutmix_pastes_one_rectangle_without_blending() -> None:
    pixels, targets = batch(4)
    for seed in range(20):
        mixed, _ = cutmix(pixels, targets, generator(seed))
        changed = (mixed != pixels).any(dim=3).any(dim=0)
        rows, columns = changed.any(1).nonzero(), changed.any(0).nonzero()
        if len(rows):
            assert changed[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].float().mean() > 0.9
        for picture in mixed:
            assert min((picture != other).any(2).sum() for other in pixels) <= 96


def test_mixing_happens_as_often_as_asked() -> None:
    pixels, targets = batch(4, 4, 4)
    mixed = sum(not torch.equal(mix(pixels, targets, Mixing(mix=0.5), generator(n))[0], pixels) for n in range(400))
    assert 140 < mixed < 240  # half of the time, less the draws where a picture meets itself


def test_erase_fills_one_rectangle_of_some_pictures() -> None:
    pixels = torch.full((2000, 20, 20, 3), -1.0)
    erased = erase(pixels, 0.25, generator(0))
    noise = (erased != -1).all(dim=3)
    hit = noise.flatten(1).any(1)
    assert 0.21 < hit.float().mean() < 0.29  # four standard errors
    shares = noise[hit].flatten(1).float().mean(1)
    assert 0.01 <= shares.min() < 0.04
    assert 0.2 < shares.max() <= 0.26
    for picture in noise[hit]:
        rows, columns = picture.any(1).sum(), picture.any(0).sum()
        assert rows * columns == picture.sum()
    values = erased[noise]
    assert values.min() >= 0
    assert 126 < values.mean() < 129
    assert (pixels == -1).all()


def test_jitter_changes_light_and_contrast_by_at_most_the_amount() -> None:
    flat = torch.full((500, 2, 2, 3), 100.0)
    light = jitter(flat, 0.2, generator(0))
    assert torch.equal(light, light[:, :1, :1, :1].expand_as(light))
    change = light[:, 0, 0, 0] - 100
    assert change.abs().max() <= 0.2 * 255 + 1e-3
    assert change.std() == pytest.approx(0.4 * 255 / 12**0.5, rel=0.1)  # of a uniform draw, each picture its own

    striped = flat.clone()
    striped[:, 0] += 20
    contrast = jitter(striped, 0.2, generator(0))
    factor = (contrast[:, 0, 0, 0] - contrast[:, 1, 0, 0]) / 20
    assert 0.8 - 1e-4 <= factor.min() < 0.82
    assert 1.18 < factor.max() <= 1.2 + 1e-4
