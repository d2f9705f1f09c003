"""What an interrupted fine-tuning needs to go on: one safetensors file, written after every epoch.

Tensors under ``model.``, ``average.`` and ``optimizer.<parameter>.``; everything else is JSON in the file's metadata.
"""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from genus.errors import ModelError
from genus.files import atomic
from genus.train.loop import State

FORMAT = 1


def save_state(state: State, path: Path, fingerprint: dict[str, Any]) -> None:
    """Write ``state`` atomically. ``fingerprint`` says which run it belongs to. Raises MachineError."""
    tensors = {f"model.{key}": tensor for key, tensor in state.model.state_dict().items()}
    tensors |= {f"average.{key}": tensor for key, tensor in state.average.state_dict().items()}
    optimizer = state.optimizer.state_dict()
    for index, moments in optimizer["state"].items():
        tensors |= {f"optimizer.{index}.{key}": tensor for key, tensor in moments.items()}
    scalars = {
        "format": FORMAT,
        "fingerprint": fingerprint,
        "epoch": state.epoch,
        "best_accuracy": state.best_accuracy,
        "best_loss": state.best_loss,
        "stale": state.stale,
        "schedule": state.schedule.last_epoch,
        "groups": [group["lr"] for group in optimizer["param_groups"]],
    }
    content = save(
        {key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()},
        metadata={"state": json.dumps(scalars)},
    )
    with atomic(path) as temporary:
        temporary.write_bytes(content)


def restore_state(state: State, path: Path, fingerprint: dict[str, Any]) -> None:
    """Bring ``state``, freshly begun, to where ``path`` was written.

    Raises ModelError when the file is damaged, or belongs to a run with other data or options (all are listed).
    """
    try:
        with safe_open(path, framework="pt") as file:
            scalars = json.loads((file.metadata() or {})["state"])
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a mapping
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise ModelError(f"{path} cannot be read: {error}. Start anew with another --out.") from error
    _require_same(scalars.get("fingerprint", {}), fingerprint, path)
    state.model.load_state_dict(_under(tensors, "model."))
    state.average.load_state_dict(_under(tensors, "average."))
    _restore_optimizer(state.optimizer, _under(tensors, "optimizer."), scalars["groups"])
    state.schedule.last_epoch = scalars["schedule"]
    state.schedule._last_lr = scalars["groups"]
    state.epoch, state.stale = scalars["epoch"], scalars["stale"]
    state.best_accuracy, state.best_loss = scalars["best_accuracy"], scalars["best_loss"]


def _restore_optimizer(optimizer: torch.optim.Optimizer, moments: dict[str, torch.Tensor], rates: list[float]) -> None:
    content = optimizer.state_dict()
    content["state"] = {}
    for key, tensor in moments.items():
        index, name = key.split(".")
        content["state"].setdefault(int(index), {})[name] = tensor
    for group, rate in zip(content["param_groups"], rates, strict=True):
        group["lr"] = rate
    optimizer.load_state_dict(content)


def _require_same(stored: dict[str, Any], current: dict[str, Any], path: Path) -> None:
    current = json.loads(json.dumps(current))
    different = sorted(key for key in stored.keys() | current.keys() if stored.get(key) != current.get(key))
    if different:
        listed = "; ".join(f"{key}: {stored.get(key)!r} then, {current.get(key)!r} now" for key in different)
        raise ModelError(f"{path} belongs to another run ({listed}). Use the same data and options, or another --out.")


def _under(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {key.removeprefix(prefix): tensor for key, tensor in tensors.items() if key.startswith(prefix)}
