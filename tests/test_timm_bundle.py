"""Bundles of timm models: loaded without network, whatever they say; see scripts/test-timm."""

import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from genus.bundle import Bundle, load_bundle, save_bundle
from genus.description import Architecture
from genus.errors import ModelError
from genus.models.backbone import module
from genus.models.timm_backbone import import_timm
from genus.types import Preprocess
from tests.bundles import put, rewrite
from tests.models.closeness import randomise

pytestmark = pytest.mark.timm
SIZED = {"resnet18": {}, "vit_tiny_patch16_224": {"image_size": 64}, "swin_tiny_patch4_window7_224": {"image_size": 96}}


@pytest.fixture(scope="module", autouse=True)
def timm() -> Any:
    return import_timm()


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("loading a bundle asked the network")

    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def saved(name: str, folder: Path) -> Bundle:
    architecture = Architecture(f"timm:{name}", SIZED[name])
    model = architecture.build(3)
    randomise(module(model))
    folder.mkdir()
    bundle = Bundle(model, architecture, ("a", "b", "c"), Preprocess(64))
    save_bundle(bundle, folder)
    return bundle


@pytest.mark.parametrize("name", SIZED)
def test_what_goes_in_comes_out(name: str, tmp_path: Path) -> None:
    bundle = saved(name, tmp_path / "run")
    loaded = load_bundle(tmp_path / "run")
    images = torch.randn(2, 3, *[SIZED[name].get("image_size", 64)] * 2)
    with torch.no_grad():
        assert torch.equal(loaded.model(images), module(bundle.model).eval()(images))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (put("architecture", "arguments", value={"pretrained": True}), "no argument 'pretrained'"),
        (put("architecture", "arguments", value={"image_size": 2048}), "does not fit"),
        (put("architecture", "arguments", value={"image_size": 1}), "describes no model"),
        (put("architecture", "name", value="timm:hf-hub:somebody/something"), "no name of a model"),
        (put("architecture", "name", value="timm:no_such_model"), "cannot be built here"),
    ],
)
def test_what_a_signed_description_cannot_ask_for(
    change: Callable[[dict[str, Any]], None], told: str, tmp_path: Path
) -> None:
    saved("vit_tiny_patch16_224", tmp_path / "run")
    rewrite(shutil.copytree(tmp_path / "run", tmp_path / "changed"), change)
    with pytest.raises(ModelError, match=told):
        load_bundle(tmp_path / "changed")
