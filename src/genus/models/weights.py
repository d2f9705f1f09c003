"""Loads a weights file into a model, whoever published it.

The layout is recognised by its tensor names; a head for other classes is left out, position and relative-bias
tables are resized, and anything that is missing or left over is an error.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from genus.errors import ModelError
from genus.models.backbone import Backbone, module, replace_head
from genus.models.layouts import LAYOUTS
from genus.models.layouts.layout import Layout, State
from genus.models.swin import resize_relative_bias
from genus.models.vit import resize_position_table, square_grid

_HEAD = "head."
_COUNTER = "num_batches_tracked"
_WRAPPERS = ("model", "state_dict", "model_state_dict")


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What happened while loading. ``file_classes`` is None where the file has no head."""

    layout: str
    file_classes: int | None
    new_head: bool
    resized: tuple[str, ...]


def load_weights(model: Backbone, path: Path) -> LoadReport:
    """Give ``model`` the tensors of ``path``; the head stays fresh where the file's head does not fit.

    A model on the ``meta`` device becomes real, its fresh head random.

    Raises ModelError when the file is no safetensors or tensors-only torch file, when no layout of the model's
    family is recognised, or when tensors are missing, left over or of the wrong shape (all are listed).
    """
    state = read_checkpoint(path)
    layout = _recognise(model, state, path)
    converted = layout.convert(state)
    whole = module(model).state_dict()
    own = {key: tensor for key, tensor in whole.items() if _COUNTER not in key}
    converted = {key: tensor for key, tensor in converted.items() if _COUNTER not in key}

    weight = converted.get(f"{_HEAD}weight")
    new_head = weight is None or weight.shape != own[f"{_HEAD}weight"].shape
    if new_head:
        own = {key: tensor for key, tensor in own.items() if not key.startswith(_HEAD)}
        converted = {key: tensor for key, tensor in converted.items() if not key.startswith(_HEAD)}
    fitted = {key: _resize(key, tensor, own[key]) if key in own else tensor for key, tensor in converted.items()}
    _require_equal_keys(fitted, own, path, layout)
    loaded = {key: tensor.to(own[key].dtype, copy=True) for key, tensor in fitted.items()}  # the file may change
    loaded |= {key: torch.zeros((), dtype=whole[key].dtype) for key in whole if _COUNTER in key}
    module(model).load_state_dict(loaded, strict=False, assign=True)
    if model.head.weight.is_meta:
        replace_head(model, model.head.out_features)
    return LoadReport(
        layout=layout.name,
        file_classes=None if weight is None else weight.shape[0],
        new_head=new_head,
        resized=tuple(key for key in fitted if fitted[key].shape != converted[key].shape),
    )


def read_checkpoint(path: Path) -> State:
    """The tensors of a ``.safetensors`` file, or of a ``.pth``/``.pt`` file that holds nothing but tensors.

    The kind is told by content. A torch file is opened with ``weights_only=True``: it can run no code.
    """
    try:
        with path.open("rb") as file:
            head = file.read(9)
        if head[8:9] == b"{":
            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise ModelError(f"Cannot read the weights file {path}: {error.strerror}.") from error
    except SafetensorError as error:
        raise ModelError(f"{path} is damaged: {error}. Fetch it again.") from error
    except Exception as error:  # torch's reader meets damaged bytes with errors of every kind
        raise ModelError(
            f"{path} is no weights file, is damaged, or holds more than tensors; genus runs no code from files. "
            "Fetch it again, or save its state_dict alone, best as safetensors."
        ) from error
    return _unwrap(content, path)


def _unwrap(content: object, path: Path) -> State:
    for wrapper in _WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise ModelError(f"{path} holds no table of tensors. Save the model's state_dict.")
    return {str(key).removeprefix("module."): tensor for key, tensor in content.items()}


def _recognise(model: Backbone, state: State, path: Path) -> Layout:
    family = type(model).__name__
    for layout in LAYOUTS[family]:
        if layout.recognises(state):
            return layout
    known = ", ".join(layout.name for layout in LAYOUTS[family])
    raise ModelError(
        f"{path} holds no {family} weights in a layout that genus knows ({known}). "
        f"Its first tensors: {', '.join(list(state)[:4]) or 'none'}. Is it the right file for this --model?"
    )


def _resize(key: str, tensor: Tensor, own: Tensor) -> Tensor:
    """Position tables and relative-bias tables follow the input size; every other shape has to fit as it is."""
    if tensor.shape == own.shape or tensor.ndim != own.ndim or tensor.shape[-1] != own.shape[-1]:
        return tensor
    if key.endswith("pos_embed"):
        return resize_position_table(tensor, square_grid(tensor), square_grid(own))
    if key.endswith("relative_bias"):
        return resize_relative_bias(tensor, window=(round(own.shape[0] ** 0.5) + 1) // 2)
    return tensor


def _require_equal_keys(found: State, wanted: State, path: Path, layout: Layout) -> None:
    problems = {
        "missing": sorted(wanted.keys() - found.keys()),
        "left over": sorted(found.keys() - wanted.keys()),
        "other shape": [
            f"{key} {list(found[key].shape)} instead of {list(wanted[key].shape)}"
            for key in sorted(found.keys() & wanted.keys())
            if found[key].shape != wanted[key].shape
        ],
    }
    if any(problems.values()):
        listed = "; ".join(f"{name}: {_shorten(keys)}" for name, keys in problems.items() if keys)
        raise ModelError(f"{path} (layout {layout.name}) does not fit the model. {listed}.")


def _shorten(keys: list[str], most: int = 12) -> str:
    more = f" and {len(keys) - most} more" if len(keys) > most else ""
    return ", ".join(keys[:most]) + more
