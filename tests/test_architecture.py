"""What may be built from a stored name and stored arguments."""

import inspect
from typing import Any

import pytest
import torch

from genus.architecture import LARGEST, Architecture
from genus.models.backbone import module
from genus.models.registry import MODELS
from tests.models.test_registry import SMALLEST, TINY


@pytest.mark.parametrize("name", MODELS)
def test_every_model_can_be_stored(name: str) -> None:
    """With every argument that its constructor has, at the value that the table or the constructor gives it."""
    row, skeleton = MODELS[name], Architecture(name).skeleton(3)
    stated = inspect.signature(type(skeleton).__init__).parameters.values()
    arguments = {one.name: one.default for one in stated if one.default is not one.empty and one.name != "num_classes"}
    Architecture(name, {**arguments, **row.arguments})
    assert {one.name for one in stated} <= {"self", "num_classes", *LARGEST}


@pytest.mark.parametrize("name", SMALLEST)
def test_a_skeleton_has_the_shapes_of_the_model_and_no_memory(name: str) -> None:
    architecture = Architecture(name, TINY[name])
    before = torch.get_rng_state()
    skeleton = module(architecture.skeleton(3)).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    assert all(tensor.is_meta for tensor in skeleton.values())
    built = module(architecture.build(3)).state_dict()
    assert {key: tensor.shape for key, tensor in skeleton.items()} == {key: t.shape for key, t in built.items()}


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        ("swin_tiny", {"depths": [10**9, 2]}, "depths cannot be"),
        ("swin_tiny", {"depths": [32, 33]}, "depths cannot be"),
        ("swin_tiny", {"depths": [2] * 9}, "depths cannot be"),
        ("swin_tiny", {"depths": [2, 2.0]}, "depths cannot be"),
        ("swin_tiny", {"depths": [[2], 2]}, "depths cannot be"),
        ("swin_tiny", {"window": 10**4}, "window cannot be 10000"),
        ("vit_tiny_patch16", {"depth": 10**6}, "depth cannot be 1000000"),
        ("vit_tiny_patch16", {"dim": 2**40}, "dim cannot be"),
        ("vit_tiny_patch16", {"dim": -8}, "dim cannot be -8"),
        ("vit_tiny_patch16", {"dim": {"size": 8}}, "dim cannot be"),
        ("vit_tiny_patch16", {"pool": "mean" * 100}, "pool cannot be"),
        ("vit_tiny_patch16", {"layer_scale": float("nan")}, "layer_scale cannot be nan"),
        ("vit_tiny_patch16", {"num_classes": 3}, "no argument 'num_classes'"),
        ("efficientnet_lite0", {"depth": 1e9}, "depth cannot be"),
        ("vgg11", {"hidden": 10**9}, "hidden cannot be"),
        ("timm:resnet18", {"pretrained": True}, "no argument 'pretrained'"),
        ("timm:resnet18", {"pretrained": False}, "no argument 'pretrained'"),
        ("timm:resnet18", {"checkpoint_path": "/x"}, "no argument 'checkpoint_path'"),
        ("timm:resnet18", {"image_size": 10**5}, "image_size cannot be 100000"),
        ("timm:hf-hub:somebody/something", {}, "no name of a model"),
        ("timm:local-dir:/tmp/x", {}, "no name of a model"),
        ("timm:somebody/something", {}, "no name of a model"),
        ("hf-hub:somebody/something", {}, "no name of a model"),
        ("", {}, "no name of a model"),
        (None, {}, "no name of a model"),
        ("swin_tiny", [("dim", 8)], "have to be names and values"),
    ],
)
def test_what_is_refused_before_anything_is_built(name: Any, arguments: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Architecture(name, arguments)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("swin_tiny", {"dim": 16_384, "depths": [1, 63], "num_heads": [512, 512], "window": 32}),
        ("vit_tiny_patch16", {"dim": 16_384, "depth": 64, "num_heads": 1024, "image_size": 2048, "patch_size": 1}),
        ("efficientnet_lite0", {"width": 100.0, "depth": 10.0}),
        ("vgg11", {"widths": [13_107] * 5, "hidden": 65_536}),
    ],
)
def test_the_largest_network_costs_no_memory(name: str, arguments: dict[str, Any]) -> None:
    """At the bounds there are more parameters than any memory holds; the shapes are there in a moment."""
    skeleton = module(Architecture(name, arguments).skeleton(100_000))
    assert sum(tensor.numel() for tensor in skeleton.state_dict().values()) > 10**9
    assert all(tensor.is_meta for tensor in skeleton.state_dict().values())
