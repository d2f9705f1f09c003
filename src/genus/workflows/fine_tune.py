"""Fine-tuning: holds every epoch against validation, keeps the best and the last weights, and a checkpoint."""

import math
import time
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save
from torch import Tensor

from genus.config import TrainConfig
from genus.engine.compiling import LONG, compile_or_leave
from genus.files import WriteBehind, atomic
from genus.training.head import balanced_class_weights
from genus.training.loop import FineTuneRecipe, State, Step, begin, fit
from genus.training.resume import Snapshot, restore_state, save_snapshot, snapshot
from genus.types import Caution, EpochResult, Note, OnEvent, Part
from genus.workflows.choose_model import Start
from genus.workflows.compute import Compute
from genus.workflows.lesson import Lesson
from genus.workflows.pictures import Pictures, pictures_per_epoch
from genus.workflows.run_folder import BEST, CHECKPOINT, LAST, update_config

SHARE_FOR_EPOCHS = 0.75  # of --minutes; the rest is for the index, the test and the pictures
REHEARSALS = 3


def fine_tune(
    start: Start,
    lesson: Lesson,
    recipe: FineTuneRecipe,
    pictures: Pictures,
    config: TrainConfig,
    compute: Compute,
    folder: Path,
    on_event: OnEvent,
) -> Generator[EpochResult, None, None]:
    """Train ``lesson.network``, which is ``start.model`` or its upper part, in place; one result an epoch.

    The best epoch's weights stay. Raises DivergedError (the files of the best and of the last good epoch stay),
    MachineError when not even one picture fits into memory, ModelError when the checkpoint belongs to another run.
    """
    step = Step(recipe, lesson.prepare, len(pictures.classes), compute.device, compute.precision)
    with lesson.readers, WriteBehind() as write:
        recipe = rehearse(step, lesson, recipe, config.minutes, compute, on_event)
        if config.minutes:
            update_config(folder, epochs=recipe.epochs, minutes=None)

        steps = math.ceil(pictures_per_epoch(lesson.pictures, recipe.batch_size) / recipe.batch_size)
        state = begin(start.model, lesson.network, recipe, steps)
        fingerprint = fingerprint_of(recipe, start, pictures, config)
        if config.resume:
            _resume(state, folder / CHECKPOINT, fingerprint, on_event)
        for result in fit(state, lesson.batches, lesson.validate, recipe, step):
            yield result  # recorded before the checkpoint: what that stands on is never missing from the history
            write(_save_epoch, snapshot(state, fingerprint), folder, state.improved)
    if state.epoch < recipe.epochs:
        on_event(Note(f"Stopped after epoch {state.epoch}: no improvement on validation for {recipe.patience} epochs."))
    _save_weights(snapshot(state, fingerprint).average, folder / LAST)
    lesson.network.load_state_dict(load_file(folder / BEST))


def recipe_of(config: TrainConfig, pictures: Pictures) -> FineTuneRecipe:
    """The user's options as the loop's recipe."""
    train, num_classes = pictures.side(Part.TRAIN), len(pictures.classes)
    return FineTuneRecipe(
        epochs=config.epochs,
        batch_size=min(config.batch_size, len(train)),
        lr=config.lr,
        lrf=config.lrf,
        augment="none" if config.freeze_until else config.augment,  # the views are drawn before the frozen stages
        class_weights=balanced_class_weights(train.labels, num_classes) if config.class_weights else None,
        seed=config.seed,
    )


def fingerprint_of(recipe: FineTuneRecipe, start: Start, pictures: Pictures, config: TrainConfig) -> dict[str, Any]:
    """What has to be the same for a checkpoint to be continued."""
    shown = ("epochs", "batch_size", "lr", "lrf", "augment", "class_weights", "seed")
    return {
        "classes": list(pictures.classes),
        "split": pictures.split.fingerprint,
        "model": start.architecture.name,
        "arguments": dict(start.architecture.arguments),
        "size": start.preprocess.size,
        "freeze_until": config.freeze_until,
        "views": config.views,
        **{key: getattr(recipe, key) for key in shown},
    }


def rehearse(
    step: Step, lesson: Lesson, recipe: FineTuneRecipe, minutes: float | None, compute: Compute, on_event: OnEvent
) -> FineTuneRecipe:
    """A trial step finds the batch that fits into memory. Some more find whether compiling pays, on a graphics card,
    and with ``minutes`` how many epochs fit."""
    source = lesson.batches(0)
    sample = next(source)
    source.close()  # type: ignore[attr-defined]
    step.rehearse(lesson.network, sample)
    if step.piece < recipe.batch_size:
        on_event(
            Caution(
                f"A batch of {recipe.batch_size} does not fit into memory: it is computed in pieces of {step.piece}, "
                "with the gradients added up."
            )
        )

    def seconds_of_an_epoch() -> float:
        steps = math.ceil(lesson.pictures / recipe.batch_size)
        return steps * min(step.rehearse(lesson.network, sample) for _ in range(REHEARSALS))

    left = math.inf if minutes is None else minutes * 60 * SHARE_FOR_EPOCHS
    if compute.device.type == "cuda":  # on a processor, a compiled step is no faster (docs/benchmarks.md)
        begun = time.monotonic()
        work = min(left, recipe.epochs * seconds_of_an_epoch())
        if work > LONG:
            on_event(Note(f"Compiling the network first, because training would take {work / 60:.0f} minutes."))
            compile_or_leave(
                lambda: step.compile(lesson.network), step.uncompile, lambda: step.rehearse(lesson.network, sample),
                on_event,
            )  # fmt: skip
        left -= time.monotonic() - begun
    if minutes is None:
        return recipe
    seconds = seconds_of_an_epoch()
    epochs = max(1, min(recipe.epochs, int(left / seconds)))
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


def _save_epoch(taken: Snapshot, folder: Path, improved: bool) -> None:
    if improved:
        _save_weights(taken.average, folder / BEST)
    save_snapshot(taken, folder / CHECKPOINT)


def _save_weights(weights: dict[str, Tensor], path: Path) -> None:
    with atomic(path) as temporary:
        temporary.write_bytes(save(weights))
