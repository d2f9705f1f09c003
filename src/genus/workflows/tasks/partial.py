"""Partial freezing: the lower stages look at each picture once; the upper ones learn from what these give."""

import contextlib
import shutil
from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

from genus.engine.device import autocast
from genus.errors import MachineError
from genus.features.cache import cache_root
from genus.features.extractor import FeatureExtractor, FrozenNetwork, from_bf16, open_extractor
from genus.models.backbone import Upper, shape_behind, to_device
from genus.training.head import Examples, fit_linear
from genus.training.loop import FineTuneRecipe, LabelledBatch, Validation
from genus.types import Note, OnEvent, Part, Progress
from genus.workflows.dataset import Dataset, pictures_per_epoch
from genus.workflows.tasks.compute import Compute
from genus.workflows.tasks.features import examples_of
from genus.workflows.tasks.fine_tune import TrainingTask
from genus.workflows.tasks.starting_point import StartingPoint

ROWS = 64  # rows at a time where nothing is learned


@contextlib.contextmanager
def open_activations(
    start: StartingPoint, compute: Compute, stages: int, views: int, pictures: int, on_event: OnEvent
) -> Iterator[FeatureExtractor]:
    """What the first ``stages`` of ``start`` give for each of about so many ``pictures`` and its ``views``.

    Says how much disk that will take, before any is taken. Raises MachineError where there is less.
    """
    identity = {"model": start.architecture.name, "arguments": dict(start.architecture.arguments)}
    frozen = FrozenNetwork.lower_stages(
        start.model, stages, identity, start.preprocess, compute.device, compute.precision
    )
    with open_extractor(
        frozen, engine=compute.engine, pictures=pictures, workers=compute.workers, on_event=on_event
    ) as extractor:
        _require_space(extractor.bytes_for(pictures * (1 + views)), on_event)
        yield extractor


def _require_space(needed: int, on_event: OnEvent) -> None:
    root = cache_root()
    on_event(Note(f"What the frozen stages give takes up to {needed / 1e9:.2f} GB of disk in {root}."))
    there = next(folder for folder in (root, *root.parents) if folder.exists())
    free = shutil.disk_usage(there).free
    if needed > free:
        raise MachineError(
            f"That is more than the {free / 1e9:.2f} GB that are free. Freeze more stages, use fewer --views, or name "
            "another place in GENUS_CACHE."
        )


def partial_task(
    start: StartingPoint,
    extractor: FeatureExtractor,
    dataset: Dataset,
    recipe: FineTuneRecipe,
    compute: Compute,
    on_event: OnEvent,
    *,
    stages: int,
    views: int,
) -> TrainingTask:
    """The first ``stages`` of ``start.model`` stay as they are, the others learn.

    Each epoch sees each training picture once, in one of ``1 + views`` views.
    """
    for stage in start.model.stages[:stages]:
        stage.requires_grad_(False)
    upper = Upper(start.model, stages, shape_behind(start.model, stages, start.preprocess.size)).to(compute.device)
    to_device(start.model, compute.device)
    train = examples_of(extractor, dataset.members(Part.TRAIN), dataset, "frozen stages, train", views)
    val_members = dataset.members(Part.VAL)
    val = examples_of(extractor, val_members, dataset, "frozen stages, val") if val_members else None
    start.model.head = _first_head(upper, train, len(dataset.classes), compute)

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
        return None if val is None else Validation.of(_over_rows(network.eval(), val, compute), val.labels)

    return TrainingTask(upper, nn.Identity(), batches, len(train), validate, contextlib.nullcontext())


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
