"""Loads a weights file into a model, whoever published it.

The layout is recognised by its tensor names, also where a larger network or a program's checkpoint wraps them. A head
for other classes is left out, position and relative-bias tables are resized; anything else that is missing, left over
or of another shape is an error, which names the model that the file would fit.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from genus.errors import ModelError
from genus.models.backbone import Backbone, module, replace_head
from genus.models.checkpoint import read_checkpoint
from genus.models.layouts import LAYOUTS, State
from genus.models.registry import MODELS, build
from genus.models.swin import resize_relative_bias
from genus.models.vit import resize_position_table, square_grid

_HEAD = "head."
_COUNTER = "num_batches_tracked"
_AVERAGED = re.compile(r"(^|[._])(ema|average|averaged|avg|swa|teacher)([._]|$)", re.IGNORECASE)
_UNKNOWN_FAMILIES = {
    "a SwinV2": r"\.(logit_scale|cpb_mlp\.0\.weight|continuous_position_bias_mlp\.0\.weight)$",
    "a ConvNeXt": r"(stages\.\d+\.(layers\.)?\d+\.dwconv|stages\.\d+\.blocks\.\d+\.conv_dw|\.block\.0)\.weight$",
    "a ResNet": r"(^|\.)layer1\.0\.conv1\.weight$",
    "a full EfficientNet or a MobileNet": r"(\.se\.conv_reduce|\._se_reduce|\.block\.\d\.fc1)\.weight$",
    "a ViT with register or distillation tokens": r"(^|\.)(reg_token|register_tokens|dist_token)$",
}
"""Names by which networks are recognised that genus does not have."""


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What happened while loading.

    ``place``: where in the file the tensors were, dotted; empty for a plain state dict. ``passed_over``: places of
    others that fit as well. ``file_classes`` is None where the file has no head.
    """

    layout: str
    place: str
    passed_over: tuple[str, ...]
    file_classes: int | None
    new_head: bool
    resized: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Reading:
    """One way to understand a file: the tensors of a table behind ``prefix``, under our names by ``layout``."""

    table: str
    prefix: str
    layout: str
    state: State

    @property
    def place(self) -> str:
        return f"{self.table}.{self.prefix}".strip(".")

    def is_inside(self, other: "_Reading") -> bool:
        """Is this a part of the network that ``other`` is?"""
        return self.table == other.table and self.prefix != other.prefix and self.prefix.startswith(other.prefix)


@dataclass(frozen=True, slots=True)
class _Fit:
    """``reading`` beside the tensors of a model: those to load, and by kind the ``problems`` that forbid it."""

    reading: _Reading
    state: State
    new_head: bool
    resized: tuple[str, ...]
    problems: Mapping[str, list[str]]


def load_weights(model: Backbone, path: Path) -> LoadReport:
    """Give ``model`` the tensors of ``path``; the head stays fresh where the file's head does not fit.

    A model on the ``meta`` device becomes real, its fresh head random. Where a file holds averaged weights (EMA) beside
    those of the last step, the averaged ones are taken.

    Raises ModelError when the file is no weights file, when it does not fit ``model`` (the model of the registry that
    it fits is named, else its missing, left over and misshapen tensors), when several of its parts fit alike, or when
    it holds numbers that are not finite.
    """
    tables = read_checkpoint(path)
    family = type(model).__name__
    whole = module(model).state_dict()
    fits = [_fit(reading, whole) for reading in _readings(tables, family)]
    chosen, passed_over = _choose([fit for fit in fits if not fit.problems], path)
    if chosen is None:
        raise ModelError(f"{path} {_reason(tables, family, fits)}")
    # copied, because the file may change while it is mapped into memory
    loaded = {key: tensor.to(whole[key].dtype, copy=True) for key, tensor in chosen.state.items()}
    if not all(tensor.sum().isfinite() for tensor in loaded.values()):  # a sum shows it as well, five times as fast
        raise ModelError(
            f"{path} holds numbers that are not finite: its training diverged. Take an earlier checkpoint."
        )
    loaded |= {key: torch.zeros((), dtype=whole[key].dtype) for key in whole if _COUNTER in key}
    module(model).load_state_dict(loaded, strict=False, assign=True)
    if model.head.weight.is_meta:
        replace_head(model, model.head.out_features)
    head = chosen.reading.state.get(f"{_HEAD}weight")
    return LoadReport(
        layout=chosen.reading.layout,
        place=chosen.reading.place,
        passed_over=passed_over,
        file_classes=None if head is None else head.shape[0],
        new_head=chosen.new_head,
        resized=chosen.resized,
    )


def _readings(tables: Mapping[str, State], family: str) -> Iterator[_Reading]:
    """Every layout of ``family`` in every table, at the start of the names or behind a prefix that they share."""
    for name, tensors in tables.items():
        for layout in LAYOUTS[family]:
            for prefix in sorted(layout.prefixes(tensors)):
                inner = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
                yield _Reading(name, prefix, layout.name, layout.convert(inner))


def _fit(reading: _Reading, whole: State) -> _Fit:
    """``whole``: the tensors of the model, of which only the shapes count."""
    own = {key: tensor for key, tensor in whole.items() if _COUNTER not in key}
    found = {key: tensor for key, tensor in reading.state.items() if _COUNTER not in key}
    head = found.get(f"{_HEAD}weight")
    new_head = head is None or head.shape != own[f"{_HEAD}weight"].shape
    if new_head:
        own = {key: tensor for key, tensor in own.items() if not key.startswith(_HEAD)}
        found = {key: tensor for key, tensor in found.items() if not key.startswith(_HEAD)}
    state = {key: _resize(key, tensor, own[key]) if key in own else tensor for key, tensor in found.items()}
    problems = {
        "missing": sorted(own.keys() - state.keys()),
        "left over": sorted(state.keys() - own.keys()),
        "other shape": [
            f"{key} {list(state[key].shape)} instead of {list(own[key].shape)}"
            for key in sorted(state.keys() & own.keys())
            if state[key].shape != own[key].shape
        ],
    }
    resized = tuple(key for key in state if state[key].shape != found[key].shape)
    return _Fit(reading, state, new_head, resized, {kind: keys for kind, keys in problems.items() if keys})


def _resize(key: str, tensor: Tensor, own: Tensor) -> Tensor:
    """Position tables and relative-bias tables follow the input size; every other shape has to fit as it is."""
    if tensor.shape == own.shape or tensor.ndim != own.ndim or tensor.shape[-1] != own.shape[-1]:
        return tensor
    if key.endswith("pos_embed") and math.prod(square_grid(tensor)) == tensor.shape[1] - 1:
        return resize_position_table(tensor, square_grid(tensor), square_grid(own))
    if key.endswith("relative_bias") and math.isqrt(tensor.shape[0]) ** 2 == tensor.shape[0]:
        return resize_relative_bias(tensor, window=(math.isqrt(own.shape[0]) + 1) // 2)
    return tensor


def _choose(fits: list[_Fit], path: Path) -> tuple[_Fit | None, tuple[str, ...]]:
    """The fit to load and the places of those passed over; averaged weights before others, a whole network before the
    part of it without the head. Raises ModelError where nothing tells two apart."""
    outer = [fit for fit in fits if not any(fit.reading.is_inside(other.reading) for other in fits)]
    best = [fit for fit in outer if _AVERAGED.search(fit.reading.place)] or outer
    places = [fit.reading.place or "the top" for fit in best]
    if len(best) > 1:
        raise ModelError(
            f"{path} holds several sets of weights that fit: {', '.join(places)}. Which one is meant? Save that one "
            "alone, best as safetensors."
        )
    passed_over = tuple(fit.reading.place for fit in outer if fit not in best)
    return (best[0] if best else None), passed_over


def _reason(tables: Mapping[str, State], family: str, fits: list[_Fit]) -> str:
    """Why nothing in ``tables`` fits, and what to do."""
    names = [key for tensors in tables.values() for key in tensors]
    fitting = _fitting_models(tables)
    if fitting:
        return (
            f"holds weights of {' or '.join(fitting)}, which do not fit the chosen model. Use --model {fitting[0]}, or "
            "another file."
        )
    for other, pattern in _UNKNOWN_FAMILIES.items():
        if any(re.search(pattern, name) for name in names):
            return (
                f"holds weights of {other}, a network that genus does not have yet. With the extra timm, "
                "--model timm:NAME has it, with weights of its own."
            )
    if fits:
        nearest = min(fits, key=lambda fit: sum(len(keys) for keys in fit.problems.values()))
        listed = "; ".join(f"{kind}: {_shorten(keys)}" for kind, keys in nearest.problems.items())
        return f"(layout {nearest.reading.layout}) fits no model that genus has. Beside the chosen one: {listed}."
    known = ", ".join(layout.name for layout in LAYOUTS[family])
    return (
        f"holds no {family} weights in a layout that genus knows ({known}), and none of another model that it has. "
        f"Its first tensors: {', '.join(names[:4])}."
    )


def _fitting_models(tables: Mapping[str, State]) -> list[str]:
    """Names of the registry whose networks take these weights; where there are such, those that need no resizing."""
    exact: list[str] = []
    resized: list[str] = []
    families = {family: list(_readings(tables, family)) for family in LAYOUTS}
    for name, row in MODELS.items():
        if not families[row.family]:
            continue
        with torch.device("meta"):
            whole = module(build(name, num_classes=1)).state_dict()
        good = [fit for reading in families[row.family] if not (fit := _fit(reading, whole)).problems]
        if good:
            (resized if all(fit.resized for fit in good) else exact).append(name)
    return exact or resized


def _shorten(keys: list[str], most: int = 12) -> str:
    more = f" and {len(keys) - most} more" if len(keys) > most else ""
    return ", ".join(keys[:most]) + more
