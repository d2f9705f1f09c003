"""Partial freezing: the lower stages look at each picture once; the upper ones learn from what these gave."""

import contextlib
import shutil
from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

from genus.data.cache import cache_root
from genus.engine.device import autocast
from genus.errors import DataError, MachineError, UsageError
from genus.models import registry
from genus.models.backbone import Upper, place, shape_behind
from genus.models.registry import TIMM_PREFIX
from genus.training.head import Examples, fit_linear
from genus.training.loop import FineTuneRecipe, LabelledBatch, Validation
from genus.types import Note, OnEvent, Part, Progress
from genus.workflows.choose_model import Start
from genus.workflows.compute import Compute
from genus.workflows.frozen import FrozenPart, from_bf16
from genus.workflows.lesson import Lesson, verdict
from genus.workflows.pictures import Pictures, labels_of, pictures_per_epoch

ROWS = 64  # rows at a time where nothing is learned


def require_stage(name: str, stages: int) -> None:
    """Raise UsageError when the network ``name`` cannot be cut behind so many stages."""
    if name.startswith(TIMM_PREFIX):
        raise UsageError("A timm model cannot be frozen in part. Choose one of `genus models`, or --freeze-layers.")
    with torch.device("meta"):  # its shape, without its numbers
        there = len(registry.build(name, num_classes=1).stages)
    if not 1 <= stages < there:
        raise UsageError(
            f"--freeze-until cannot be {stages}: {name} has {there} stages, of which 1 to {there - 1} can be frozen. "
            "--freeze-layers freezes all."
        )


def announce(frozen: FrozenPart, pictures: int, views: int, on_event: OnEvent) -> None:
    """Say how much disk the activations will take, before any is taken. Raises MachineError where there is less."""
    needed = frozen.bytes_for(pictures * (1 + views))
    root = cache_root()
    on_event(Note(f"What the frozen stages give takes up to {needed / 1e9:.2f} GB of disk in {root}."))
    there = next(folder for folder in (root, *root.parents) if folder.exists())
    free = shutil.disk_usage(there).free
    if needed > free:
        raise MachineError(
            f"That is more than the {free / 1e9:.2f} GB that are free. Freeze more stages, use fewer --views, or name "
            "another place in GENUS_CACHE."
        )


def partial_lesson(
    start: Start,
    frozen: FrozenPart,
    pictures: Pictures,
    recipe: FineTuneRecipe,
    compute: Compute,
    on_event: OnEvent,
    *,
    stages: int,
    views: int,
) -> Lesson:
    """The first ``stages`` of ``start.model`` stay as they are, the others learn.

    Each epoch sees each training picture once, in one of ``1 + views`` views.
    """
    for stage in start.model.stages[:stages]:
        stage.requires_grad_(False)
    upper = Upper(start.model, stages, shape_behind(start.model, stages, start.preprocess.size)).to(compute.device)
    place(start.model, compute.device)
    train, val = (activations(frozen, pictures, part, views) for part, views in ((Part.TRAIN, views), (Part.VAL, 0)))
    if train is None:
        raise DataError("No training picture could be read any more. Are the files still there?")
    start.model.head = _first_head(upper, train, len(pictures.classes), compute)

    def batches(epoch: int) -> Iterator[LabelledBatch]:
        rng = np.random.default_rng((recipe.seed, epoch))
        order = rng.permutation(len(train))[: pictures_per_epoch(len(train), recipe.batch_size)]
        view = rng.integers(train.views, size=len(train))
        for begin in range(0, len(order), recipe.batch_size):
            chosen = order[begin : begin + recipe.batch_size]
            rows = train.features[chosen + len(train) * view[chosen]]
            yield LabelledBatch(from_bf16(rows), train.labels[chosen])
            on_event(Progress(f"epoch {epoch}", min(begin + recipe.batch_size, len(order)), len(order)))

    def validate(network: nn.Module) -> Validation | None:
        return None if val is None else verdict(_over_rows(network.eval(), val, compute), val.labels)

    return Lesson(upper, nn.Identity(), batches, len(train), validate, contextlib.nullcontext())


def activations(frozen: FrozenPart, pictures: Pictures, part: Part, views: int) -> Examples | None:
    """Rows of bf16 bits and the labels of one part; None where there are none."""
    members = pictures.split.members(part)
    rows, kept = frozen.rows(members, f"frozen stages, {part}", views)
    return Examples(rows, labels_of(members, pictures.classes)[kept]) if len(kept) else None


def _first_head(upper: Upper, train: Examples, num_classes: int, compute: Compute) -> nn.Linear:
    """On the features that the upper stages give as they are, as for a full training."""
    pooled = _over_rows(_Pooled(upper).eval(), Examples(train.features, np.tile(train.labels, train.views)), compute)
    head = nn.Linear(pooled.shape[1], num_classes)
    for _ in fit_linear(head, Examples(pooled, train.labels), None):
        pass
    return head.to(compute.device)


class _Pooled(nn.Module):
    def __init__(self, upper: Upper) -> None:
        super().__init__()
        self.upper = upper

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return self.upper.pooled(rows)


def _over_rows(network: nn.Module, given: Examples, compute: Compute) -> np.ndarray:
    """What ``network`` says about every row."""
    results = []
    for begin in range(0, len(given), ROWS):
        rows = torch.from_numpy(from_bf16(given.features[begin : begin + ROWS])).to(compute.device)
        with torch.inference_mode(), autocast(compute.device, compute.precision):
            results.append(network(rows).float().cpu().numpy())
    return np.concatenate(results)
