"""Every engine and precision names real photos as torch in fp32 does: the same top-1 on all but one in 200.

Pretrained Swin and VGG cannot be had here; small ones learn from an eighth of the flowers first. All see small
pictures, so that many can be asked.
"""

import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from genus.data.decode import decode
from genus.engine.device import choose_precision
from genus.engine.openvino_engine import OpenVinoEngine
from genus.engine.stream import Engine, stream
from genus.engine.torch_engine import Normalise, TorchEngine
from genus.models.backbone import Backbone, WithoutHead, module, replace_head, to_device
from genus.models.registry import build, entry
from genus.models.sources import fetch
from genus.models.weights import load_weights
from genus.predictor import head_logits
from genus.training.head import Examples, fit_linear
from genus.types import Preprocess
from tests.models.test_registry import tiny

CPU = torch.device("cpu")
HAS_BF16 = choose_precision("auto", CPU) == "bf16"
"""Without it in hardware a picture can take a second, and genus does not choose it."""
SIZE = 112
EPOCHS = 5
CLASSES = ("daisy", "dandelion", "rose", "sunflower", "tulip")


def lite0(test_data: Path) -> tuple[Backbone, Preprocess]:
    row = entry("efficientnet_lite0")
    model = build("efficientnet_lite0", 5)
    load_weights(model, fetch(row.pretrained, lambda event: None))
    return model, replace(row.preprocess, size=SIZE)


def vit(test_data: Path) -> tuple[Backbone, Preprocess]:
    model = build("vit_tiny_patch16", 5, pool="token+mean", image_size=SIZE)
    load_weights(model, test_data / "weights" / "vit_tiny_patch16_224.tinyimagenet200.safetensors")
    return model, replace(entry("vit_tiny_patch16").preprocess, size=SIZE)


def taught(name: str, **arguments: object) -> Callable[[Path], tuple[Backbone, Preprocess]]:
    """A small network of the family of ``name``, after a few rounds over an eighth of the flowers."""

    def make(test_data: Path) -> tuple[Backbone, Preprocess]:
        torch.manual_seed(0)
        model, preprocess = tiny(name, **arguments), Preprocess(64)
        replace_head(model, len(CLASSES))
        paths = eighth(test_data / "data" / "flowers")
        normalise = Normalise(preprocess)
        images = normalise(torch.from_numpy(np.stack([decoded(path, preprocess) for path in paths])))
        labels = torch.from_numpy(labels_of(paths))
        optimizer = torch.optim.AdamW(module(model).parameters(), lr=1e-3)
        for batch in [batch for _ in range(EPOCHS) for batch in torch.randperm(len(paths)).split(32)]:
            optimizer.zero_grad()
            F.cross_entropy(module(model)(images[batch]), labels[batch]).backward()
            optimizer.step()
        return model, preprocess

    return make


decoded = functools.cache(decode)


def eighth(flowers: Path) -> list[Path]:
    return sorted((flowers / "train").rglob("*.jpg"))[::8]


def labels_of(paths: list[Path]) -> np.ndarray:
    return np.array([CLASSES.index(path.parent.name) for path in paths])


def features(engine: Engine, paths: list[Path], preprocess: Preprocess) -> np.ndarray:
    pieces = stream(range(len(paths)), lambda index: decoded(paths[index], preprocess), engine, 2)
    return np.concatenate([piece.rows for piece in pieces])


@pytest.mark.parametrize(
    ("make", "every"),
    [(lite0, 16), (vit, 16), (taught("swin_tiny"), 8), (taught("vgg11", widths=(16, 16, 32, 32, 32), hidden=64), 8)],
    ids=["lite0", "vit", "swin", "vgg"],
)
def test_the_same_names_for_real_photos(
    make: Callable[[Path], tuple[Backbone, Preprocess]], every: int, flowers: Path, test_data: Path
) -> None:
    model, preprocess = make(test_data)
    to_device(model, CPU)
    network = WithoutHead(model).eval()
    learnt, asked = eighth(flowers)[:: every // 8], sorted(flowers.rglob("*.jpg"))[::every]
    reference = TorchEngine(network, preprocess, CPU, "fp32")
    head = torch.nn.Linear(model.num_features, len(CLASSES))
    for _ in fit_linear(head, Examples(features(reference, learnt, preprocess), labels_of(learnt)), None):
        pass
    expected = head_logits(head, features(reference, asked, preprocess)).argmax(1)
    assert len(np.unique(expected)) == len(CLASSES)
    engines = {"openvino fp32": OpenVinoEngine(network, preprocess, "fp32", workers=2)}
    if HAS_BF16:
        engines |= {
            "torch bf16": TorchEngine(network, preprocess, CPU, "bf16"),
            "openvino bf16": OpenVinoEngine(network, preprocess, "bf16", workers=2),
        }
    for name, engine in engines.items():
        found = head_logits(head, features(engine, asked, preprocess)).argmax(1)
        assert (found != expected).sum() <= max(1, 0.005 * len(found)), name
