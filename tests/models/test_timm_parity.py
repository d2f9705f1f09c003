"""Swin, VGG and EfficientNet-Lite against timm and torchvision, independent implementations, on the same weights.

Runs where timm is installed (``scripts/test-timm``). There, ``python -m tests.models.test_timm_parity --write`` also
writes ``reference/*.json``, against which the default tests compare.
"""

import argparse
import json
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from genus.models.backbone import Backbone, module
from genus.models.layouts import LAYOUTS
from genus.models.registry import MODELS, build
from genus.models.timm_backbone import import_timm, import_torchvision
from tests.models.closeness import assert_equal, outputs_of, randomise
from tests.models.seeded import (
    REFERENCE,
    assert_as_stored,
    describe,
    seeded_images,
    seeded_state,
)

pytestmark = pytest.mark.timm

VGGS = [name for name in MODELS if name.startswith("vgg")]
LITES = [name for name in MODELS if name.startswith("efficientnet_lite")]
STORED = {"vgg11": (1, 3, 64, 96), "vgg11_bn": (1, 3, 64, 96), **dict.fromkeys(LITES, (1, 3, 75, 64))}
CLASSES = 10


def without_weights(create: Callable[..., nn.Module], *arguments: str) -> nn.Module:
    """The model in eval mode, its tensors not yet filled: drawing 130 million unused numbers takes seconds."""
    with torch.device("meta"):
        model = create(*arguments, num_classes=CLASSES)
    return model.to_empty(device="cpu").eval()


def from_timm(name: str) -> nn.Module:
    return without_weights(import_timm().create_model, f"tf_{name}" if name in LITES else name)


def stages_of(theirs: Any) -> list[nn.Module]:
    """The modules of timm's and torchvision's models whose outputs are those of our stages."""
    if hasattr(theirs, "conv_stem"):
        return [theirs.bn1, *theirs.blocks, theirs.bn2]  # their norms include the activation
    if hasattr(theirs, "permute"):  # torchvision's Swin: embedding, then blocks and mergings in turn
        return [theirs.features[0], *theirs.features[1::2], theirs.norm]
    return [layer for layer in theirs.features if isinstance(layer, nn.MaxPool2d)]


def convert(ours: Backbone, layout: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    layouts = LAYOUTS[type(ours).__name__]
    assert [found.name for found in layouts if found.recognises(state)] == [layout]
    return next(found for found in layouts if found.name == layout).convert(state)


def assert_same_model(name: str, theirs: nn.Module, layout: str, size: int) -> None:
    """Same weights through the layout: equal stages and logits to 1e-5, equal gradients of all weights to 1e-4."""
    randomise(theirs)
    with torch.device("meta"):
        ours = build(name, num_classes=CLASSES)
    module(ours).eval().load_state_dict(convert(ours, layout, dict(theirs.state_dict())), assign=True)
    images = torch.randn(1, 3, size, size)
    our_stages, our_logits = outputs_of(ours.stages, module(ours), images)
    their_stages, their_logits = outputs_of(stages_of(theirs), theirs, images)
    for index, (our_stage, their_stage) in enumerate(zip(our_stages, their_stages, strict=True)):
        assert_equal(our_stage, their_stage, what=f"stage {index}")
    assert_equal(our_logits, their_logits, what="logits")

    our_logits.square().sum().backward()
    their_logits.square().sum().backward()
    gradients = convert(ours, layout, {key: value.grad for key, value in theirs.named_parameters()})
    for key, parameter in module(ours).named_parameters():
        assert parameter.grad is not None
        assert gradients[key].abs().max() > 0, key
        assert_equal(parameter.grad, gradients[key], 1e-4, key)


@pytest.mark.parametrize("size", [224, 96])
@pytest.mark.parametrize("name", VGGS)
def test_vgg_equals_timm(name: str, size: int) -> None:
    assert_same_model(name, from_timm(name), "timm", size)


@pytest.mark.parametrize("size", [300, 96])  # beyond 224 timm slides its head over the picture; torchvision does not
@pytest.mark.parametrize("name", ["vgg13_bn", "vgg16"])
def test_vgg_equals_torchvision(name: str, size: int) -> None:
    assert_same_model(name, without_weights(getattr(import_torchvision().models, name)), "torchvision", size)


@pytest.mark.parametrize("size", [224, 260])  # torchvision leaves out a patch that is not whole
@pytest.mark.parametrize(
    ("name", "theirs"), [("swin_tiny", "swin_t"), ("swin_small", "swin_s"), ("swin_base", "swin_b")]
)
def test_swin_equals_torchvision(name: str, theirs: str, size: int) -> None:
    model = getattr(import_torchvision().models, theirs)(num_classes=CLASSES).eval()
    assert_same_model(name, model, "torchvision", size)


@pytest.mark.parametrize("odd", [False, True])
@pytest.mark.parametrize("name", LITES)
def test_efficientnet_lite_equals_timm(name: str, odd: bool) -> None:
    assert_same_model(name, from_timm(name), "timm", 97 if odd else MODELS[name].preprocess.size)


@pytest.mark.parametrize("name", STORED)
def test_reference_files_are_what_timm_says(name: str) -> None:
    assert_as_stored(name, *run_on_seeded_weights(name))


def run_on_seeded_weights(name: str) -> tuple[list[Tensor], Tensor]:
    """timm's stages and logits."""
    theirs = from_timm(name)
    with torch.device("meta"):
        ours = build(name, num_classes=CLASSES)
    seeded = seeded_state(module(ours).state_dict())
    converted = convert(ours, "timm", dict(theirs.state_dict()))
    assert converted.keys() == seeded.keys()
    for key, tensor in converted.items():  # a view of timm's own tensor
        tensor.copy_(seeded[key])
    with torch.inference_mode():
        return outputs_of(stages_of(theirs), theirs, seeded_images(STORED[name]))


def write_references() -> None:
    for name, shape in STORED.items():
        origin = {"written_with": {package: version(package) for package in ("timm", "torch")}, "images": shape}
        content = {**origin, **describe(*run_on_seeded_weights(name))}
        (REFERENCE / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", required=True, help="write reference/*.json with this timm")
    parser.parse_args()
    write_references()
