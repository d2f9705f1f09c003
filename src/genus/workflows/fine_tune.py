"""Full training: makes the batches, holds every epoch against validation, keeps best, last and a checkpoint."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save
from torch import nn

from genus.config import TrainConfig
from genus.data.augment import MIN_AREA, random_view
from genus.data.decode import decode, open_rgb
from genus.data.loader import Pixels, load_batches
from genus.engine.torch_engine import Normalise, TorchEngine
from genus.errors import DataError
from genus.files import atomic
from genus.models.backbone import place
from genus.training.features import run_over
from genus.training.head import balanced_class_weights, fit_linear
from genus.training.loop import FineTuneRecipe, LabelledBatch, State, Step, Validation, begin, fit
from genus.training.resume import restore_state, save_state
from genus.types import Caution, EpochResult, Note, OnEvent, Part, Progress
from genus.workflows.choose_model import Start
from genus.workflows.compute import Compute
from genus.workflows.fit_head import examples
from genus.workflows.frozen import FrozenPart
from genus.workflows.pictures import Pictures, Side
from genus.workflows.run_folder import BEST, CHECKPOINT, LAST, update_config

SHARE_FOR_EPOCHS = 0.85  # of --minutes; the rest is for the test and the pictures
REHEARSALS = 3

Batches = Callable[[int], Iterator[LabelledBatch]]


def fine_tune(
    start: Start,
    frozen: FrozenPart,
    pictures: Pictures,
    config: TrainConfig,
    compute: Compute,
    folder: Path,
    on_event: OnEvent,
) -> Iterator[EpochResult]:
    """Train every parameter of ``start.model`` in place; one result an epoch. The best epoch's weights stay.

    A pretrained network first gets a head that fits its features as they are: from a random head, the first steps
    would tear the features (Kumar et al. 2022, "Fine-tuning can distort pretrained features").

    Raises DivergedError (the files of the best and of the last good epoch stay), MachineError when not even one
    picture fits into memory, ModelError when the checkpoint belongs to another run.
    """
    train, val = pictures.side(Part.TRAIN), pictures.side(Part.VAL)
    resumed = config.resume and (folder / CHECKPOINT).exists()
    if config.weights != "none" and not resumed:
        _fit_first_head(start, frozen, pictures)
    model = place(start.model, compute.device)
    recipe = recipe_of(config, train, len(pictures.classes))
    batches = training_batches(train, start, recipe, compute, on_event)
    step = Step(recipe, Normalise(start.preprocess), len(pictures.classes), compute.device, compute.precision)
    recipe = rehearse(step, model, batches, recipe, len(train), config.minutes, on_event)
    if config.minutes:
        update_config(folder, epochs=recipe.epochs, minutes=None)

    state = begin(start.model, recipe, math.ceil(pictures_per_epoch(len(train), recipe.batch_size) / recipe.batch_size))
    fingerprint = fingerprint_of(recipe, start, pictures)
    if config.resume:
        _resume(state, folder / CHECKPOINT, fingerprint, on_event)
    for result in fit(state, batches, validation(val, start, compute, on_event), recipe, step):
        if state.improved:
            _save_weights(state.average.module, folder / BEST)
        yield result  # recorded before the checkpoint: what a checkpoint stands on is never missing from the history
        save_state(state, folder / CHECKPOINT, fingerprint)
    if state.epoch < recipe.epochs:
        on_event(Note(f"Stopped after epoch {state.epoch}: no improvement on validation for {recipe.patience} epochs."))
    _save_weights(state.average.module, folder / LAST)
    model.load_state_dict(load_file(folder / BEST))


def _fit_first_head(start: Start, frozen: FrozenPart, pictures: Pictures) -> None:
    """On the training pictures alone: validation has to judge pictures that no weight has seen."""
    train = examples(frozen, pictures.split.members(Part.TRAIN), pictures.classes, "features of train")
    if train is None:
        raise DataError("No training picture could be read any more. Are the files still there?")
    head = nn.Linear(start.model.num_features, len(pictures.classes))
    for _ in fit_linear(head, train, None):
        pass
    start.model.head = head


def recipe_of(config: TrainConfig, train: Side, num_classes: int) -> FineTuneRecipe:
    """The user's options as the loop's recipe."""
    return FineTuneRecipe(
        epochs=config.epochs,
        batch_size=min(config.batch_size, len(train)),
        lr=config.lr,
        lrf=config.lrf,
        augment=config.augment,
        class_weights=balanced_class_weights(train.labels, num_classes) if config.class_weights else None,
        seed=config.seed,
    )


def fingerprint_of(recipe: FineTuneRecipe, start: Start, pictures: Pictures) -> dict[str, Any]:
    """What has to be the same for a checkpoint to be continued."""
    shown = ("epochs", "batch_size", "lr", "lrf", "augment", "class_weights", "seed")
    return {
        "classes": list(pictures.classes),
        "split": pictures.split.fingerprint,
        "model": start.architecture.name,
        "arguments": dict(start.architecture.arguments),
        "size": start.preprocess.size,
        **{key: getattr(recipe, key) for key in shown},
    }


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


def pictures_per_epoch(pictures: int, batch_size: int) -> int:
    """All of them, unless one alone would be left for the last batch: batch norm cannot work on a single picture."""
    return pictures - 1 if pictures % batch_size == 1 and pictures > 1 else pictures


def validation(
    val: Side, start: Start, compute: Compute, on_event: OnEvent
) -> Callable[[nn.Module], Validation | None]:
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
        logits, truth = torch.from_numpy(seen.rows), torch.from_numpy(val.labels[seen.indices])
        return Validation(F.cross_entropy(logits, truth).item(), (logits.argmax(1) == truth).double().mean().item())

    return validate


def rehearse(
    step: Step,
    model: nn.Module,
    batches: Batches,
    recipe: FineTuneRecipe,
    pictures: int,
    minutes: float | None,
    on_event: OnEvent,
) -> FineTuneRecipe:
    """A trial step finds the batch that fits into memory; with ``minutes`` some more find how many epochs fit."""
    source = batches(0)
    sample = next(source)
    source.close()  # type: ignore[attr-defined]
    step.rehearse(model, sample)
    if step.piece < recipe.batch_size:
        on_event(
            Caution(
                f"A batch of {recipe.batch_size} does not fit into memory: it is computed in pieces of {step.piece}, "
                "with the gradients added up."
            )
        )
    if minutes is None:
        return recipe
    seconds = min(step.rehearse(model, sample) for _ in range(REHEARSALS)) * math.ceil(pictures / recipe.batch_size)
    epochs = max(1, min(recipe.epochs, int(minutes * 60 * SHARE_FOR_EPOCHS / seconds)))
    on_event(
        Note(f"--minutes {minutes:g}: an epoch takes about {seconds:.0f} s, so {epochs} of {recipe.epochs} epochs.")
    )
    return replace(recipe, epochs=epochs)


def _resume(state: State, path: Path, fingerprint: dict[str, Any], on_event: OnEvent) -> None:
    if path.exists():
        restore_state(state, path, fingerprint)
        on_event(Note(f"Going on after epoch {state.epoch}."))
    else:
        on_event(Note("--resume: there is no checkpoint yet; training starts anew."))


def _save_weights(model: nn.Module, path: Path) -> None:
    state = {key: tensor.detach().cpu().contiguous() for key, tensor in model.state_dict().items()}
    with atomic(path) as temporary:
        temporary.write_bytes(save(state))
