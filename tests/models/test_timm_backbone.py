"""The adapter against timm itself, over families whose features differ in form."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from genus.errors import MachineError, UsageError, install_hint
from genus.models.backbone import Backbone, replace_head
from genus.models.registry import preprocess_of
from genus.models.timm_backbone import TimmBackbone, import_timm, timm_preprocess
from genus.types import HALF, Preprocess
from tests.models.closeness import assert_equal, randomise

CLASSES = 7
SIZED = {
    "vit_tiny_patch16_224": 64,
    "deit_tiny_patch16_224": 64,
    "mixer_s32_224": 64,
    "swin_tiny_patch4_window7_224": 96,
}
FAMILIES = {  # name: form of timm's features, prefix tokens
    "resnet18": ("NCHW", 0),
    "resnetv2_18": ("NCHW", 0),  # a convolution as classifier
    "convnext_atto": ("NCHW", 0),
    "mobilenetv3_small_100": ("NCHW", 0),  # a hidden layer between pooling and classifier
    "efficientnet_lite0": ("NCHW", 0),
    "efficientvit_m0": ("NCHW", 0),  # a norm inside the classifier
    "swin_tiny_patch4_window7_224": ("NHWC", 0),
    "vit_tiny_patch16_224": ("tokens", 1),
    "vit_small_patch16_dinov3": ("tokens", 5),
    "mixer_s32_224": ("tokens", 0),
    "xcit_nano_12_p8_224": ("tokens", 1),
}


@pytest.fixture(scope="module")
def timm() -> Any:
    return import_timm()


def pair(timm: Any, name: str) -> tuple[Any, TimmBackbone, torch.Tensor]:
    """timm's model, ours with the same random weights, and pictures."""
    size = SIZED.get(name)
    theirs = timm.create_model(name, num_classes=CLASSES, **({"img_size": size} if size else {})).eval()
    randomise(theirs)
    ours = TimmBackbone(name, CLASSES, image_size=size).eval()
    state = theirs.state_dict()
    keys = ours.network.load_state_dict(state, strict=False)
    assert not keys.missing_keys
    weight, bias = keys.unexpected_keys  # of the classifier, which we took out
    ours.head.load_state_dict({"weight": state[weight].flatten(1), "bias": state[bias]})
    return theirs, ours, torch.randn(2, 3, size or 64, size or 64)


@pytest.mark.timm
@pytest.mark.parametrize("name", FAMILIES)
def test_equals_timm_and_keeps_the_contract(timm: Any, name: str) -> None:
    theirs, ours, images = pair(timm, name)
    assert isinstance(ours, Backbone)
    assert (ours.form, ours.prefix) == FAMILIES[name]
    features = ours.features(images)
    pooled = ours.pool(features)
    assert features.ndim == 4
    assert features.shape[2] == features.shape[3]
    assert pooled.shape == (2, ours.num_features)
    assert_equal(ours.head(pooled), theirs(images))
    assert torch.equal(ours(images), ours.head(pooled))
    assert_equal(ours(images[:1]), ours(images)[:1], what="batch of one")
    maps, tail = ours.cam_features(images)
    assert maps.shape[2:] == features.shape[2:]
    assert_equal(tail(maps), pooled, what="through the tail")
    assert_equal(ours(images), ours.head(pooled), what="afterwards")

    grouped = [parameter for group in ours.layer_groups() for parameter in group]
    assert len(grouped) == len({id(parameter) for parameter in grouped})
    assert {id(parameter) for parameter in grouped} == {id(parameter) for parameter in ours.parameters()}
    assert ours.layer_groups()[-1] == list(ours.head.parameters())
    assert len(ours.layer_groups()) > 3
    assert len(ours.stages) > 3

    replace_head(ours, 3)
    logits = ours.train()(images)
    assert logits.shape == (2, 3)
    logits.square().sum().backward()
    for key, parameter in ours.named_parameters():
        assert parameter.grad is not None, key


@pytest.mark.timm
def test_features_of_a_wide_picture_lie_on_a_wide_grid(timm: Any) -> None:
    model = TimmBackbone("mobilenetv3_small_100", CLASSES).eval()
    assert model.features(torch.randn(1, 3, 64, 128)).shape[2:] == (2, 4)
    tokens = TimmBackbone("xcit_nano_12_p8_224", CLASSES).eval()
    assert tokens.features(torch.randn(1, 3, 64, 128)).shape[2:] == (8, 16)


@pytest.mark.timm
@pytest.mark.parametrize("name", ["deit_tiny_distilled_patch16_224", "levit_128s", "volo_d1_224"])
def test_model_with_several_classifiers_gets_one_fresh_head(timm: Any, name: str) -> None:
    model = TimmBackbone(name, CLASSES).eval()
    images = torch.randn(1, 3, 224, 224)
    assert model(images).shape == (1, CLASSES)
    assert {id(parameter) for group in model.layer_groups() for parameter in group} == {
        id(parameter) for parameter in model.parameters()
    }


@pytest.mark.timm
def test_preprocess_is_that_of_the_tag(timm: Any) -> None:
    assert timm_preprocess("vit_tiny_patch16_224") == Preprocess(224, HALF, HALF, "bicubic", 0.9)
    assert preprocess_of("timm:resnet18.tv_in1k") == Preprocess(224, resample="bilinear", crop=0.875)
    assert timm_preprocess("resnet18.a1_in1k").crop == 0.95


@pytest.mark.timm
@pytest.mark.parametrize(
    ("name", "nearest"),
    [("resnet81", "resnet18"), ("resnet18.a1_in1", "resnet18.a1_in1k"), ("swin_tinny_patch4", "swin_tiny_patch4")],
)
def test_unknown_name_offers_the_nearest(timm: Any, name: str, nearest: str) -> None:
    with pytest.raises(UsageError, match=f"no model named '{name}'. Did you mean '{nearest}"):
        TimmBackbone(name, CLASSES)


@pytest.mark.timm
def test_model_without_one_feature_map_is_refused(timm: Any) -> None:
    with pytest.raises(UsageError, match="several feature maps"):
        TimmBackbone("crossvit_tiny_240", CLASSES)


@pytest.mark.timm
def test_weights_that_do_not_exist_or_cannot_be_fetched(
    timm: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UsageError, match="no pretrained weights"):
        TimmBackbone("test_vit4", CLASSES, pretrained=True)
    with pytest.raises(MachineError, match=r"Cannot get the weights of timm:resnet18: .*--weights FILE"):
        TimmBackbone("resnet18", CLASSES, pretrained=True)


ASK = [lambda: TimmBackbone("resnet18", CLASSES), lambda: preprocess_of("timm:resnet18")]


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose modules hide installed packages; torchvision and timm have not been imported yet."""

    def imported() -> list[str]:
        return [name for name in sys.modules if name.partition(".")[0] in ("timm", "torchvision")]

    for name in imported():
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("genus.models.timm_backbone._DECLARED", [])
    yield tmp_path
    for name in imported():
        del sys.modules[name]


@pytest.mark.parametrize("ask", ASK)
@pytest.mark.parametrize("missing", ["timm", "torchvision"])
def test_without_timm_the_message_names_the_extra(
    ask: Any, missing: str, packages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (packages / "torchvision.py").touch()
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(
        UsageError, match=re.escape(f"{missing} is not installed. Install it with: {install_hint('timm')}")
    ):
        ask()


@pytest.mark.parametrize("ask", ASK)
def test_packages_that_do_not_fit_together_are_told(ask: Any, packages: Path) -> None:
    (packages / "torchvision.py").write_text("raise RuntimeError('compiled with different CUDA major versions')")
    with pytest.raises(UsageError, match=r"beside torch .* CUDA major versions\. .*pip install --force-reinstall"):
        ask()


def test_a_torchvision_without_its_operators_can_be_imported(packages: Path) -> None:
    """As PyPI's beside the CPU build of torch: at import it describes an operator that is not there."""
    (packages / "torchvision.py").write_text(
        "import torch\n"
        "if not hasattr(torch.ops.torchvision, 'nms'):\n"
        "    raise RuntimeError('operator torchvision::nms does not exist')\n"
    )
    (packages / "timm.py").write_text("ready = True")
    assert import_timm().ready
