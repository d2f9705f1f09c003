"""The heat map finds what decides, in every family, and follows the weights; figures show what networks compute."""

import copy

import numpy as np
import pytest
import torch
from scipy.stats import rankdata, spearmanr
from sklearn.metrics.pairwise import cosine_similarity
from torch import Tensor
from torch.nn import functional as F

from genus.explanation import (
    attention_by_head,
    heat_maps,
    hierarchy,
    patch_similarity,
    position_similarity,
    windows,
)
from genus.models.backbone import Backbone, module
from genus.models.registry import build
from genus.models.swin import Swin
from genus.models.vit import ViT
from tests.models.closeness import assert_equal, randomise
from tests.models.test_registry import SMALLEST, tiny
from tests.planted import FAMILIES, SIDE, TILE, TILED, taught, tiled


@pytest.fixture(scope="module", params=FAMILIES)
def model(request: pytest.FixtureRequest) -> Backbone:
    return taught(request.param)


def heat_of(model: Backbone, pictures: Tensor) -> np.ndarray:
    heat = heat_maps(model, pictures, [TILED] * len(pictures))
    assert heat.min() >= 0
    assert not heat.requires_grad
    return F.interpolate(heat[:, None], (SIDE, SIDE), mode="nearest")[:, 0].numpy()


def found(heat: np.ndarray, corners: list[tuple[int, int]]) -> float:
    """How often a place in the tile is hotter than one outside, 0..1; 0.5 is chance."""
    shares = []
    for one, (row, column) in zip(heat, corners, strict=True):
        inside = np.zeros((SIDE, SIDE), bool)
        inside[row : row + TILE, column : column + TILE] = True
        shares.append((rankdata(one)[inside.ravel()].mean() - (inside.sum() + 1) / 2) / (~inside).sum())
    return float(np.mean(shares))


def test_it_finds_the_tile_that_alone_decides_and_follows_the_weights(model: Backbone) -> None:
    pictures, corners = tiled(40, seed=999)
    assert (model(pictures).argmax(1) == TILED).double().mean() > 0.9
    heat = heat_of(model, pictures)
    other = copy.deepcopy(model)
    randomise(module(other))
    pairs = zip(heat, heat_of(other, pictures), strict=True)
    correlation = [spearmanr(a.ravel(), b.ravel()).statistic for a, b in pairs if a.any() and b.any()]
    assert found(heat, corners) > 0.6
    assert abs(np.mean(correlation)) < 0.5


@pytest.mark.parametrize("name", SMALLEST)
def test_the_tail_of_the_cam_features_leads_to_the_logits(name: str) -> None:
    model = tiny(name)
    randomise(module(model))
    module(model).eval()
    images = torch.randn(2, 3, 64, 64)
    maps, tail = model.cam_features(images)
    assert maps.ndim == 4
    assert_equal(model.head(tail(maps)), model(images))


def test_where_places_are_averaged_it_is_the_class_activation_map() -> None:
    """Zhou et al. 2016: the features, weighted as the head weights them."""
    model = tiny("swin_tiny")
    randomise(module(model))
    module(model).eval()
    images = torch.randn(2, 3, 64, 64)
    features = model.features(images)
    by_hand = torch.einsum("bchw,c->bhw", features, model.head.weight[2]) / features[0, 0].numel()
    assert_equal(heat_maps(model, images, [2, 2]), by_hand.clamp(min=0).detach())


@pytest.fixture
def swin() -> Swin:
    model = Swin(dim=8, depths=(2, 1, 2), num_heads=(1, 2, 2), window=4, num_classes=3).eval()
    randomise(model)
    return model


def test_a_token_takes_from_its_own_window_only(swin: Swin) -> None:
    stages = windows(swin, torch.randn(1, 3, 64, 64), (0.4, 0.6))
    assert [(plain.grid, plain.reduction) for plain, _ in stages] == [
        ((16, 16), 4),
        ((4, 4), 16),
    ]  # the one-block stage has no pair
    plain, shifted = stages[0]
    assert (plain.window, plain.shift, shifted.shift) == (4, 0, 2)
    assert plain.query == shifted.query == (6, 9)
    for one, rows, columns in ((plain, slice(4, 8), slice(8, 12)), (shifted, slice(6, 10), slice(6, 10))):
        assert one.attention.sum() == pytest.approx(1, abs=1e-5)
        assert (one.attention[rows, columns] > 0).all()
        assert one.attention[rows, columns].sum() == pytest.approx(1, abs=1e-5)
    assert stages[1][1].shift == 0  # one window: nothing to shift


def test_the_shift_does_not_join_opposite_edges(swin: Swin) -> None:
    """The cyclic shift brings the picture's corners into one window; the mask keeps them apart."""
    _, shifted = windows(swin, torch.randn(1, 3, 64, 64), (0.0, 0.0))[0]
    assert shifted.attention[:2, :2].sum() == pytest.approx(1, abs=1e-5)
    assert shifted.attention[14:, 14:].max() < 1e-6


def test_attention_follows_a_change_inside_the_window_only(swin: Swin) -> None:
    image = torch.randn(1, 3, 64, 64)
    before = windows(swin, image, (0.1, 0.1))[0][0].attention
    image[..., 32:, 32:] = 0
    assert torch.equal(windows(swin, image, (0.1, 0.1))[0][0].attention, before)
    image[..., :4, :4] = 5
    assert not torch.allclose(windows(swin, image, (0.1, 0.1))[0][0].attention, before)


def test_padded_sides(swin: Swin) -> None:
    plain, shifted = windows(swin, torch.randn(1, 3, 50, 70), (1.0, 1.0))[0]
    assert plain.grid == shifted.grid == (13, 18)
    assert plain.query == (12, 17)
    assert plain.attention.shape == (13, 18)
    assert 0 < plain.attention.sum() <= 1 + 1e-5  # the rest goes to the padding


@pytest.fixture
def vit() -> ViT:
    model = ViT(image_size=64, patch_size=16, dim=24, depth=3, num_heads=2, num_classes=3).eval()
    randomise(model)
    return model


def test_positions_are_compared_by_the_cosine_of_their_vectors(vit: ViT) -> None:
    found = position_similarity(vit).numpy()
    assert found.shape == (4, 4, 4, 4)
    expected = cosine_similarity(vit.embed.pos_embed[0, 1:].detach().numpy())
    assert found.reshape(16, 16) == pytest.approx(expected, abs=1e-5)


def test_patches_that_look_alike_are_alike(vit: ViT) -> None:
    """Without positions, equal patches are equal to the last block."""
    with torch.no_grad():
        vit.embed.pos_embed.zero_()
    image = torch.randn(1, 3, 64, 64)
    image[..., :16, :16] = image[..., 48:, 32:48]
    similarity = patch_similarity(vit, image)
    assert similarity.shape == (4, 4, 4, 4)
    assert similarity[0, 0, 3, 2] == pytest.approx(1, abs=1e-5)
    others = similarity[0, 0].clone()
    others[0, 0] = others[3, 2] = -1
    assert others.max() < 0.999


def test_attention_is_what_the_model_computes_with(vit: ViT) -> None:
    """Put together by hand from q, k, v of the last block, it gives what the block's attention gives."""
    image = torch.randn(1, 3, 64, 80)
    taken = attention_by_head(vit, image)
    assert taken.shape == (3, 2, 4, 5)
    shares = taken.sum(dim=(2, 3))
    assert ((shares > 0) & (shares < 1)).all()
    with torch.no_grad():
        tokens = vit.embed(image)
        for block in vit.blocks[:-1]:
            tokens = block(tokens)
        last = vit.blocks[-1]
        _, _, value = last.attn.split_heads(last.norm1(tokens))
        own = 1 - shares[-1]
        mixed = torch.einsum("hp,hpd->hd", taken[-1].flatten(1), value[0, :, 1:]) + own[:, None] * value[0, :, 0]
        expected = last.attn(last.norm1(tokens))[0, 0]
        assert last.attn.proj(mixed.flatten()).numpy() == pytest.approx(expected.numpy(), abs=1e-5)


SIZES = {
    "swin_tiny": [(4, 12), (8, 24)],
    "vit_tiny_patch16": [(16, 48)] * 4,
    "efficientnet_lite0": [(2, 16), (4, 24), (8, 40), (16, 112), (32, 1280)],
    "vgg11": [(2, 4), (4, 4), (8, 8), (16, 8), (32, 8)],
}


@pytest.mark.parametrize("name", SMALLEST)
def test_the_last_stage_of_each_size_is_shown(name: str) -> None:
    model = tiny(name)
    module(model).eval()
    levels = hierarchy(model, torch.randn(1, 3, 64, 64))
    assert [(level.reduction, level.channels) for level in levels] == SIZES[name]
    assert levels[-1].stage == len(model.stages)
    for level in levels:
        assert level.colours.shape == (64 // level.reduction, 64 // level.reduction, 3)
        assert level.colours.min() >= 0
        assert level.colours.max() <= 1


def test_swin_has_the_hierarchy_of_the_paper() -> None:
    model = build("swin_tiny", 3, dim=8, num_heads=(1, 1, 1, 1))
    module(model).eval()
    levels = hierarchy(model, torch.randn(1, 3, 224, 224))
    assert [(level.reduction, level.channels, len(level.colours)) for level in levels] == [
        (4, 8, 56),
        (8, 16, 28),
        (16, 32, 14),
        (32, 64, 7),
    ]


def test_places_that_are_equal_have_one_colour() -> None:
    model = tiny("vgg11")
    module(model).eval()
    image = torch.zeros(1, 3, 128, 128)
    image[..., 64:] = 1
    colours = hierarchy(model, image)[0].colours
    assert torch.allclose(colours[20, 10], colours[40, 20], atol=1e-4)
    assert (colours[20, 10] - colours[20, 54]).abs().max() > 0.5
