"""What is trained on what, when every layer learns: random views of the pictures, new ones in every epoch."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from genus.data.augment import Views
from genus.data.loader import Batch, load_batches
from genus.data.processes import ReadingProcesses
from genus.engine.torch_engine import Normalise, TorchEngine
from genus.errors import DataError
from genus.models.backbone import place
from genus.training.features import run_over
from genus.training.head import fit_linear
from genus.training.loop import FineTuneRecipe, LabelledBatch, Validation
from genus.types import Caution, OnEvent, Part, Progress
from genus.workflows.choose_model import Start
from genus.workflows.compute import Compute
from genus.workflows.fit_head import examples
from genus.workflows.frozen import FrozenPart
from genus.workflows.pictures import Pictures, Side, pictures_per_epoch

Batches = Callable[[int], Iterator[LabelledBatch]]
Validate = Callable[[nn.Module], Validation | None]
Load = Callable[[int, list[int]], Iterator[Batch]]


@dataclass(frozen=True, slots=True)
class Lesson:
    """``network`` learns from ``batches(epoch)``, of ``pictures`` in all, which ``prepare`` turns into its input;
    ``validate`` says how good a copy of it is, or None without validation pictures. ``readers`` is to be entered before
    the first batch, and left after the last."""

    network: nn.Module
    prepare: nn.Module
    batches: Batches
    pictures: int
    validate: Validate
    readers: contextlib.AbstractContextManager[object]


def full_lesson(
    start: Start,
    frozen: FrozenPart | None,
    pictures: Pictures,
    recipe: FineTuneRecipe,
    compute: Compute,
    on_event: OnEvent,
) -> Lesson:
    """All of ``start.model`` learns.

    A pretrained network (one with a ``frozen`` part) first gets a head that fits its features as they are: from a
    random head, the first steps would tear them (Kumar et al. 2022, "Fine-tuning can distort pretrained features").
    """
    if frozen:
        start.model.head = first_head(start, frozen, pictures)
    train = pictures.side(Part.TRAIN)
    views = Views(train.paths, start.preprocess, recipe.augment, recipe.seed)
    readers = ReadingProcesses(views, compute.processes) if compute.processes else None

    def load(epoch: int, order: list[int]) -> Iterator[Batch]:
        if readers:
            return readers.load_batches(epoch, order, recipe.batch_size)
        return load_batches(order, partial(views, epoch), recipe.batch_size, compute.workers)

    return Lesson(
        place(start.model, compute.device),
        Normalise(start.preprocess),
        training_batches(train, load, recipe, on_event),
        len(train),
        validation(pictures.side(Part.VAL), start, compute, on_event),
        readers or contextlib.nullcontext(),
    )


def first_head(start: Start, frozen: FrozenPart, pictures: Pictures) -> nn.Linear:
    """Fitted on the training pictures alone: validation has to judge pictures that no weight has seen."""
    train = examples(frozen, pictures.split.members(Part.TRAIN), pictures.classes, "features of train")
    if train is None:
        raise DataError("No training picture could be read any more. Are the files still there?")
    head = nn.Linear(start.model.num_features, len(pictures.classes))
    for _ in fit_linear(head, train, None):
        pass
    return head


def training_batches(train: Side, load: Load, recipe: FineTuneRecipe, on_event: OnEvent) -> Batches:
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
            raise DataError("No training picture could be read any more. Are the files still there?")
        if lost:
            on_event(Caution(f"Epoch {epoch}: {lost} pictures could no longer be read."))

    return batches


def validation(val: Side, start: Start, compute: Compute, on_event: OnEvent) -> Validate:
    """``model -> verdict`` on the validation pictures, or None where there are none."""

    def validate(model: nn.Module) -> Validation | None:
        if not len(val):
            return None
        engine = TorchEngine(model.eval(), start.preprocess, compute.device, compute.precision)
        seen = run_over(
            val.paths, engine, start.preprocess, workers=compute.workers, task="validation", on_event=on_event
        )
        if not len(seen.indices):
            raise DataError("No validation picture could be read any more. Are the files still there?")
        return verdict(seen.rows, val.labels[seen.indices])

    return validate


def verdict(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> Validation:
    """Mean cross-entropy and accuracy."""
    rows, truth = torch.from_numpy(logits), torch.from_numpy(labels)
    return Validation(F.cross_entropy(rows, truth).item(), (rows.argmax(1) == truth).double().mean().item())
