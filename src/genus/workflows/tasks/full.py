"""Full training: every layer learns from random views of the pictures, new ones in every epoch."""

import contextlib
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from torch import nn

from genus.data.augment import Views
from genus.data.loader import Batch, ReadingProcesses, load_batches
from genus.engine.stream import run_over
from genus.engine.torch_engine import Normalise, TorchEngine
from genus.errors import DataError
from genus.models.backbone import to_device
from genus.training.head import fit_linear
from genus.training.loop import FineTuneRecipe, LabelledBatch, Validation
from genus.types import Caution, OnEvent, Part, Progress
from genus.workflows.dataset import Dataset, Subset, pictures_per_epoch
from genus.workflows.tasks.compute import Compute
from genus.workflows.tasks.features import FeatureSources, examples_of
from genus.workflows.tasks.fine_tune import TrainingTask
from genus.workflows.tasks.starting_point import StartingPoint

Load = Callable[[int, list[int]], Iterator[Batch]]
"""Epoch and order of the pictures -> their views, batch by batch."""


def full_task(
    start: StartingPoint,
    sources: FeatureSources | None,
    dataset: Dataset,
    recipe: FineTuneRecipe,
    compute: Compute,
    on_event: OnEvent,
) -> TrainingTask:
    """All of ``start.model`` learns.

    A pretrained network (one with ``sources`` of features) first gets a head that fits its features as they are: from
    a random head, the first steps would tear them (Kumar et al. 2022, "Fine-tuning can distort pretrained features").
    """
    if sources:
        start.model.head = first_head(start, sources, dataset)
    train = dataset.subset(Part.TRAIN)
    views = Views(train.paths, start.preprocess, recipe.augment, recipe.seed)
    readers = ReadingProcesses(views, compute.processes) if compute.processes else None

    def load(epoch: int, order: list[int]) -> Iterator[Batch]:
        if readers:
            return readers.load_batches(epoch, order, recipe.batch_size)
        return load_batches(order, partial(views, epoch), recipe.batch_size, compute.workers)

    return TrainingTask(
        to_device(start.model, compute.device),
        Normalise(start.preprocess),
        training_batches(train, load, recipe, on_event),
        len(train),
        validation(dataset.subset(Part.VAL), start, compute, on_event),
        readers or contextlib.nullcontext(),
    )


def first_head(start: StartingPoint, sources: FeatureSources, dataset: Dataset) -> nn.Linear:
    """Fitted on the training pictures alone: validation has to judge pictures that no weight has seen."""
    train = examples_of(sources.learning, dataset.members(Part.TRAIN), dataset, "features of train")
    head = nn.Linear(start.model.num_features, len(dataset.classes))
    for _ in fit_linear(head, train, None):
        pass
    return head


def training_batches(
    train: Subset, load: Load, recipe: FineTuneRecipe, on_event: OnEvent
) -> Callable[[int], Iterator[LabelledBatch]]:
    """``epoch -> batches``: another order every epoch, the same for the same seed; ``load`` gives the views."""

    def batches(epoch: int) -> Iterator[LabelledBatch]:
        order = np.random.default_rng((recipe.seed, epoch)).permutation(len(train)).tolist()
        order = order[: pictures_per_epoch(len(train), recipe.batch_size)]
        done, lost = 0, 0
        for batch in load(epoch, order):
            lost += len(batch.failures)
            if batch.indices:
                yield LabelledBatch(batch.pixels, train.labels[list(batch.indices)])
            done += len(batch.indices) + len(batch.failures)
            on_event(Progress(f"epoch {epoch}", done, len(order)))
        if lost == len(order):
            raise DataError.none_readable("training", train.paths[order[0]])
        if lost:
            on_event(Caution(f"Epoch {epoch}: {lost} pictures could no longer be read."))

    return batches


def validation(
    val: Subset, start: StartingPoint, compute: Compute, on_event: OnEvent
) -> Callable[[nn.Module], Validation | None]:
    """``model -> loss and accuracy`` on the validation pictures, or None where there are none."""

    def validate(model: nn.Module) -> Validation | None:
        if not len(val):
            return None
        engine = TorchEngine(model.eval(), start.preprocess, compute.device, compute.precision)
        found = run_over(
            val.paths, engine, start.preprocess, workers=compute.workers, task="validation", on_event=on_event
        )
        if not len(found.indices):
            raise DataError.none_readable("validation", val.paths[0])
        return Validation.of(found.rows, val.labels[found.indices])

    return validate
