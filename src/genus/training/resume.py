"""What an interrupted fine-tuning needs to go on: one safetensors file, written after every epoch.

Tensors under ``model.``, ``average.`` and ``optimizer.<parameter>.``; everything else is JSON in the file's metadata,
where a sha256 over all of it shows damage.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from genus.errors import ModelError
from genus.files import atomic
from genus.training.loop import State

FORMAT = 1


class Snapshot(NamedTuple):
    """A state as it was, in main memory, while training goes on; ``scalars`` is JSON."""

    tensors: dict[str, torch.Tensor]
    scalars: str

    @property
    def average(self) -> dict[str, torch.Tensor]:
        """The average of the weights, named as the network names them."""
        return _under(self.tensors, "average.module.")


def snapshot(state: State, fingerprint: dict[str, Any]) -> Snapshot:
    """A copy of ``state``. ``fingerprint`` says which run it belongs to."""
    tensors = {f"model.{key}": tensor for key, tensor in state.model.state_dict().items()}
    tensors |= {f"average.{key}": tensor for key, tensor in state.average.state_dict().items()}
    optimizer = state.optimizer.state_dict()
    for index, moments in optimizer["state"].items():
        tensors |= {f"optimizer.{index}.{key}": tensor for key, tensor in moments.items()}
    scalars = json.dumps(
        {
            "format": FORMAT,
            "fingerprint": fingerprint,
            "epoch": state.epoch,
            "best_accuracy": state.best_accuracy,
            "best_loss": state.best_loss,
            "stale": state.stale,
            "schedule": state.schedule.last_epoch,
            "groups": [group["lr"] for group in optimizer["param_groups"]],
        }
    )
    copies = {
        key: tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
        for key, tensor in tensors.items()
    }
    return Snapshot(copies, scalars)


def save_snapshot(taken: Snapshot, path: Path) -> None:
    """Write ``taken`` atomically. Raises MachineError."""
    tensors, scalars = taken
    content = save(tensors, metadata={"state": scalars, "sha256": _checksum(tensors, scalars)})
    with atomic(path) as temporary:
        temporary.write_bytes(content)


def restore_state(state: State, path: Path, fingerprint: dict[str, Any]) -> None:
    """Bring ``state``, freshly begun, to where the snapshot in ``path`` was taken.

    Raises ModelError when the file is damaged, written by another version of genus, or belongs to a run with other
    data or options (all are listed).
    """
    scalars, tensors = _read(path)
    _require_same(scalars["fingerprint"], fingerprint, path)
    try:
        state.model.load_state_dict(_under(tensors, "model."))
        state.average.load_state_dict(_under(tensors, "average."))
        _restore_optimizer(state.optimizer, _under(tensors, "optimizer."), scalars["groups"])
    except (RuntimeError, ValueError) as error:
        raise ModelError(f"{path} does not fit this model: {error}. Start anew with another --out.") from error
    state.schedule.last_epoch = scalars["schedule"]
    state.schedule._last_lr = scalars["groups"]
    state.epoch, state.stale = scalars["epoch"], scalars["stale"]
    state.best_accuracy, state.best_loss = scalars["best_accuracy"], scalars["best_loss"]


def _read(path: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a mapping
        text = metadata.get("state", "")
        if metadata.get("sha256") != _checksum(tensors, text):
            raise ValueError("its checksum is wrong")
        scalars = json.loads(text)
    except (OSError, SafetensorError, ValueError) as error:
        raise ModelError(f"{path} cannot be read: {error}. Start anew with another --out.") from error
    if scalars["format"] != FORMAT:
        raise ModelError(f"{path} was written by another version of genus. Go on with that one, or use another --out.")
    return scalars, tensors


def _checksum(tensors: dict[str, torch.Tensor], scalars: str) -> str:
    digest = hashlib.sha256(scalars.encode())
    for key, tensor in sorted(tensors.items()):
        digest.update(f"{key} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _restore_optimizer(optimizer: torch.optim.Optimizer, moments: dict[str, torch.Tensor], rates: list[float]) -> None:
    content = optimizer.state_dict()
    content["state"] = {}
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    for key, tensor in moments.items():
        index, name = key.split(".")
        if tensor.ndim:  # laid out in memory as the weight is: the fused step counts on it
            tensor = torch.empty_like(weights[int(index)]).copy_(tensor)
        content["state"].setdefault(int(index), {})[name] = tensor
    for group, rate in zip(content["param_groups"], rates, strict=True):
        group["lr"] = rate
    optimizer.load_state_dict(content)


def _require_same(stored: dict[str, Any], current: dict[str, Any], path: Path) -> None:
    current = json.loads(json.dumps(current))
    different = sorted(key for key in stored.keys() | current.keys() if stored.get(key) != current.get(key))
    if different:
        listed = "; ".join(
            "other pictures" if key == "split" else f"{key}: {stored.get(key)!r} then, {current.get(key)!r} now"
            for key in different
        )
        raise ModelError(f"{path} belongs to another run ({listed}). Use the same data and options, or another --out.")


def _under(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {key.removeprefix(prefix): tensor for key, tensor in tensors.items() if key.startswith(prefix)}
