"""The heat map finds what decides, in every family, and follows the weights."""

import copy

import numpy as np
import pytest
import torch
from scipy.stats import rankdata, spearmanr
from torch import Tensor
from torch.nn import functional as F

from genus.explanation.heat import heat_maps
from genus.models.backbone import Backbone, module
from tests.explanation.planted import FAMILIES, SIDE, TILE, TILED, taught, tiled
from tests.models.closeness import assert_equal, randomise
from tests.models.test_registry import SMALLEST, tiny


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
