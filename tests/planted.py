"""Pictures in which one tile alone decides the class, and networks that have learnt to read it."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genus.models.backbone import Backbone, module
from genus.models.registry import MODELS, build
from genus.models.sources import fetch
from genus.models.weights import load_weights
from genus.training.head import Examples, fit_linear
from genus.types import ignore_events

SIDE, TILE = 128, 32
TILED = 1
"""The class of the pictures with a tile."""

STEPS = {"swin_tiny": 100, "vit_tiny_patch16": 60, "vgg11_bn": 60}

FAMILIES: dict[str, dict[str, Any]] = {
    "swin_tiny": {"dim": 12, "depths": (1, 2), "num_heads": (1, 2), "window": 4},
    "vit_tiny_patch16": {"dim": 32, "depth": 4, "num_heads": 2, "image_size": SIDE, "pool": "token+mean"},
    "efficientnet_lite0": {},
    "vgg11_bn": {"widths": (8, 16, 16, 16, 16), "hidden": 32},
}


def planted(count: int, seed: int) -> tuple[Tensor, Tensor, list[tuple[int, int]]]:
    """Noise, in half of the pictures with one striped tile: pictures, classes, and the corner of each tile."""
    rng = np.random.default_rng(seed)
    pictures = rng.normal(0, 0.3, (count, 3, SIDE, SIDE)).astype(np.float32)
    labels, corners = rng.integers(2, size=count), []
    stripes = 2 * np.sign(np.sin(np.arange(TILE) * np.pi / 4 + 0.1)).astype(np.float32)
    for picture, label in zip(pictures, labels, strict=True):
        row, column = (TILE * rng.integers(SIDE // TILE, size=2)).tolist()
        if label == TILED:
            picture[:, row : row + TILE, column : column + TILE] += stripes[:, None]
        corners.append((row, column))
    return torch.from_numpy(pictures), torch.from_numpy(labels), corners


def tiled(count: int, seed: int) -> tuple[Tensor, list[tuple[int, int]]]:
    """Pictures with a tile only, and its corners."""
    pictures, labels, corners = planted(count, seed)
    return pictures[labels == TILED], [c for c, label in zip(corners, labels.tolist(), strict=True) if label == TILED]


def taught(name: str) -> Backbone:
    """A small network that has learnt the task; of EfficientNet-Lite0, which is not small, only the head."""
    torch.manual_seed(1)
    model = build(name, 2, **FAMILIES[name])
    if name == "efficientnet_lite0":
        load_weights(model, fetch(MODELS[name].pretrained, ignore_events))
        module(model).eval()
        pictures, labels, _ = planted(120, 0)
        with torch.no_grad():
            features = model.pool(model.features(pictures))
        model.head = nn.Linear(model.num_features, 2)
        list(fit_linear(model.head, Examples(features.numpy(), labels.numpy()), None))
        return model
    optimiser = torch.optim.AdamW(module(model).parameters(), lr=3e-3)
    for step in range(STEPS[name]):
        pictures, labels, _ = planted(16, step)
        loss = F.cross_entropy(model(pictures), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    module(model).eval()
    return model
