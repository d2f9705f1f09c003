"""Weights and pictures that follow from names alone, so that two environments can compare models through a small file.

Only the raw integers of PCG64 are used: numpy promises their stream for ever, that of its distributions not.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tests.models.closeness import assert_equal

REFERENCE = Path(__file__).with_name("reference")
PERIOD = 1_000_003  # large tensors repeat: quick, and no matrix has rows of a prime length
SAMPLES = 8


def seeded_tensor(name: str, shape: Sequence[int]) -> Tensor:
    """Uniform float32 values in [-1, 1) that depend on ``name`` only; every one is exact in 24 bits."""
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    raw = np.random.PCG64(seed).random_raw(min(math.prod(shape), PERIOD))
    values = (raw >> np.uint64(40)).astype(np.float32) / 2**23 - 1
    return torch.from_numpy(np.resize(values, tuple(shape)))


def seeded_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Values for every float tensor of ``state`` (our names) that keep activations near 1 through a deep network."""
    return {name: _sane(name, tensor) for name, tensor in state.items() if tensor.is_floating_point()}


def _sane(name: str, like: Tensor) -> Tensor:
    values = seeded_tensor(name, like.shape)
    if like.ndim >= 2:
        return values * math.sqrt(6 / math.prod(like.shape[1:]))  # variance 2 / fan-in (He et al. 2015)
    if name.endswith(("weight", "running_var")):
        return 1 + values / 2
    return values / 10


def seeded_images(shape: Sequence[int]) -> Tensor:
    """B x 3 x H x W with mean 0 and variance 1."""
    return seeded_tensor("images", shape) * math.sqrt(3)


def describe(stages: Sequence[Tensor], logits: Tensor) -> dict[str, Any]:
    """What a reference file keeps: all logits, and of each stage its shape, largest value, mean and a few values."""
    return {
        "logits": logits.flatten().tolist(),
        "stages": [
            {
                "shape": list(stage.shape),
                "largest": stage.abs().max().item(),
                "mean": stage.mean().item(),
                "samples": _samples(stage).tolist(),
            }
            for stage in stages
        ],
    }


def _samples(stage: Tensor) -> Tensor:
    return stage.flatten()[:: math.ceil(stage.numel() / SAMPLES)]


def assert_as_stored(name: str, stages: Sequence[Tensor], logits: Tensor) -> None:
    """Logits and stages equal those that the reference file ``name`` keeps.

    To 1e-4 only: the kernels that another thread count or processor chooses add up in another order (5e-5 was seen
    between one thread and two). Equality to 1e-5 is tested side by side in test_timm_parity.py.
    """
    stored = read_reference(name)
    assert_equal(logits.flatten(), torch.tensor(stored["logits"]), tolerance=1e-4, what="logits")
    for index, (stage, known) in enumerate(zip(stages, stored["stages"], strict=True)):
        assert list(stage.shape) == known["shape"], f"stage {index}"
        ours = torch.stack([stage.abs().max(), stage.mean(), *_samples(stage)])
        theirs = torch.tensor([known["largest"], known["mean"], *known["samples"]])
        assert_equal(ours, theirs, tolerance=1e-4, what=f"stage {index}")


def read_reference(name: str) -> dict[str, Any]:
    return json.loads((REFERENCE / f"{name}.json").read_text())  # type: ignore[no-any-return]
