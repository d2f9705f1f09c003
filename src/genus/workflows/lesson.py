"""What is trained on what, when every layer learns: random views of the pictures, new ones in every epoch."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from genus.data.augment import MIN_AREA, random_view
from genus.data.decode import decode, open_rgb
from genus.data.loader import Pixels, load_batches
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


@dataclass(frozen=True, slots=True)
class Lesson:
    """``network`` learns from ``batches(epoch)``, of ``pictures`` in all, which ``prepare`` turns into its input;
    ``validate`` says how good a copy of it is, or None without validation pictures."""

    network: nn.Module
    prepare: nn.Module
    batches: Batches
    pictures: int
    validate: Validate


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
    return Lesson(
        place(start.model, compute.device),
        Normalise(start.preprocess),
        training_batches(train, start, recipe, compute, on_event),
        len(train),
        validation(pictures.side(Part.VAL), start, compute, on_event),
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


def training_batches(train: Side, start: Start, recipe: FineTuneRecipe, compute: Compute, on_event: OnEvent) -> Batches:
    """``epoch -> batches``: another order and other random views every epoch, the same for the same seed."""
    preprocess, strength = start.preprocess, recipe.augment

    def batches(epoch: int) -> Iterator[LabelledBatch]:
        def read(index: int) -> Pixels:
            if strength == "none":
                return decode(train.paths[index], preprocess)
            at_least = round(preprocess.size / MIN_AREA[strength] ** 0.5)
            rng = np.random.default_rng((recipe.seed, epoch, index))
            return random_view(open_rgb(train.paths[index], at_least), preprocess, strength, rng)

        order = np.random.default_rng((recipe.seed, epoch)).permutation(len(train)).tolist()
        order = order[: pictures_per_epoch(len(train), recipe.batch_size)]
        done, lost = 0, 0
        for batch in load_batches(order, read, recipe.batch_size, compute.workers):
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
