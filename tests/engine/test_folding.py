"""Folding changes how much is computed, not what."""

import torch
from torch import nn

from genus.engine.folding import without_batch_norm
from genus.models.backbone import module
from tests.models.closeness import assert_equal, randomise
from tests.models.test_registry import tiny


def batch_norms(network: nn.Module) -> int:
    return sum(isinstance(part, nn.BatchNorm2d) for part in network.modules())


def check(name: str, **arguments: object) -> None:
    network = module(tiny(name, **arguments)).eval()
    randomise(network)
    folded = without_batch_norm(network)
    images = torch.randn(2, 3, 40, 40)
    with torch.no_grad():
        assert_equal(folded(images), network(images), 1e-4)
    assert batch_norms(network) > 0  # the original is as it was
    assert batch_norms(folded) == 0


def test_convolutions_do_the_work_of_the_norms() -> None:
    check("efficientnet_lite0")
    check("vgg11", batch_norm=True)


def test_nothing_to_fold_nothing_copied() -> None:
    network = module(tiny("vit_tiny_patch16", image_size=32))
    assert without_batch_norm(network) is network
