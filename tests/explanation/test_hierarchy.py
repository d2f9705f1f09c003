import pytest
import torch

from genus.explanation.hierarchy import hierarchy
from genus.models.backbone import module
from genus.models.registry import build
from tests.models.test_registry import SMALLEST, tiny

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
