"""Fine-tuning, of all layers or of the upper stages: holds every epoch against validation, keeps the best and the last
weights, and a checkpoint from which an interrupted training goes on."""

import contextlib
import math
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save
from torch import Tensor, nn

from genus.config import MEASURED, TrainConfig
from genus.engine.torch_engine import WORTH_COMPILING, compile_or_leave
from genus.errors import ModelError
from genus.files import WriteBehind, atomic
from genus.models.checkpoint import TRAINED_HERE
from genus.run import BEST, CHECKPOINT, LAST, Run
from genus.training.head import balanced_class_weights
from genus.training.loop import FineTuneRecipe, LabelledBatch, State, Step, Validation, begin, fit
from genus.training.resume import Snapshot, restore_state, save_snapshot, snapshot
from genus.types import Caution, EpochResult, Note, OnEvent, Part
from genus.workflows.dataset import Dataset, pictures_per_epoch
from genus.workflows.tasks.compute import Compute
from genus.workflows.tasks.starting_point import StartingPoint

SHARE_FOR_EPOCHS = 0.75  # of --minutes; the rest is for the index, the test and the pictures
TRIAL_STEPS = 3


@dataclass(frozen=True, slots=True)
class TrainingTask:
    """What is trained on what.

    ``network`` learns from ``batches(epoch)``, of ``pictures`` in all, which ``prepare`` turns into its input.
    ``validate`` measures a copy of it, or gives None without validation pictures. ``readers`` is to be entered before
    the first batch, and left after the last.
    """

    network: nn.Module
    prepare: nn.Module
    batches: Callable[[int], Iterator[LabelledBatch]]
    pictures: int
    validate: Callable[[nn.Module], Validation | None]
    readers: contextlib.AbstractContextManager[object]


def fine_tune(
    start: StartingPoint,
    task: TrainingTask,
    recipe: FineTuneRecipe,
    dataset: Dataset,
    config: TrainConfig,
    compute: Compute,
    run: Run,
    on_event: OnEvent,
) -> Generator[EpochResult, None, None]:
    """Train ``task.network``, which is ``start.model`` or its upper part, in place; one result an epoch.

    The best epoch's weights stay. Raises DivergedError (the files of the best and of the last good epoch stay),
    MachineError when not even one picture fits into memory, ModelError when the checkpoint belongs to another run.
    """
    step = Step(recipe, task.prepare, len(dataset.classes), compute.device, compute.precision)
    with task.readers, WriteBehind() as write:
        recipe = try_out(step, task, recipe, config.minutes, compute, on_event)
        if config.minutes:
            run.update_config(**{MEASURED: recipe.epochs})

        steps = math.ceil(pictures_per_epoch(task.pictures, recipe.batch_size) / recipe.batch_size)
        state = begin(start.model, task.network, recipe, steps)
        fingerprint = fingerprint_of(recipe, start, dataset, config, compute)
        if config.resume:
            _resume(state, run, fingerprint, on_event)
        for result in fit(state, task.batches, task.validate, recipe, step):
            yield result  # recorded before the checkpoint: what that stands on is never missing from the history
            write(_save_epoch, snapshot(state, fingerprint), run, state.improved)
    if state.epoch < recipe.epochs:
        on_event(Note(f"Stopped after epoch {state.epoch}: no improvement on validation for {recipe.patience} epochs."))
    _save_weights(snapshot(state, fingerprint).average, run / LAST)
    task.network.load_state_dict(load_file(run / BEST))


def recipe_of(config: TrainConfig, dataset: Dataset) -> FineTuneRecipe:
    """The user's options as the loop's recipe."""
    labels = dataset.subset(Part.TRAIN).labels
    return FineTuneRecipe(
        epochs=config.epochs,
        batch_size=min(config.batch_size, len(labels)),
        lr=config.lr,
        lrf=config.lrf,
        augment="none" if config.freeze_until else config.augment,  # the views are drawn before the frozen stages
        class_weights=balanced_class_weights(labels, len(dataset.classes)) if config.class_weights else None,
        seed=config.seed,
    )


def fingerprint_of(
    recipe: FineTuneRecipe, start: StartingPoint, dataset: Dataset, config: TrainConfig, compute: Compute
) -> dict[str, Any]:
    """What has to be the same for a checkpoint to be continued."""
    shown = ("epochs", "batch_size", "lr", "lrf", "augment", "class_weights", "seed")
    return {
        "classes": list(dataset.classes),
        "split": dataset.split.fingerprint,
        "model": start.architecture.name,
        "arguments": dict(start.architecture.arguments),
        "size": start.preprocess.size,
        "fit": start.preprocess.fit,
        "precision": compute.precision,
        "freeze_until": config.freeze_until,
        "views": config.views,
        **{key: getattr(recipe, key) for key in shown},
    }


def try_out(
    step: Step, task: TrainingTask, recipe: FineTuneRecipe, minutes: float | None, compute: Compute, on_event: OnEvent
) -> FineTuneRecipe:
    """A trial step finds the batch that fits into memory. Some more find whether compiling pays, on a graphics card,
    and with ``minutes`` how many epochs fit."""
    source = task.batches(0)
    sample = next(source)
    source.close()  # type: ignore[attr-defined]
    step.trial_step(task.network, sample)
    if step.piece < recipe.batch_size:
        on_event(
            Caution(
                f"A batch of {recipe.batch_size} does not fit into memory: it is computed in pieces of {step.piece}, "
                "with the gradients added up."
            )
        )

    def seconds_of_an_epoch() -> float:
        steps = math.ceil(task.pictures / recipe.batch_size)
        return steps * min(step.trial_step(task.network, sample) for _ in range(TRIAL_STEPS))

    left = math.inf if minutes is None else minutes * 60 * SHARE_FOR_EPOCHS
    if compute.device.type == "cuda":  # on a processor, a compiled step is no faster (docs/benchmarks.md)
        begun = time.monotonic()
        work = min(left, recipe.epochs * seconds_of_an_epoch())
        if work > WORTH_COMPILING:
            on_event(Note(f"Compiling the network first, because training would take {work / 60:.0f} minutes."))
            compile_or_leave(
                lambda: step.compile(task.network), step.uncompile, lambda: step.trial_step(task.network, sample),
                on_event,
            )  # fmt: skip
        left -= time.monotonic() - begun
    return recipe if minutes is None else _within(minutes, left, seconds_of_an_epoch(), recipe, on_event)


def _within(minutes: float, left: float, seconds: float, recipe: FineTuneRecipe, on_event: OnEvent) -> FineTuneRecipe:
    """As many epochs of so many ``seconds`` as fit into the seconds that are ``left``; at least one."""
    epochs = max(1, min(recipe.epochs, int(left / seconds)))
    told = f"--minutes {minutes:g}: an epoch takes about {seconds:.0f} s, so {epochs} of {recipe.epochs} epochs."
    if seconds > left:
        needed = seconds / SHARE_FOR_EPOCHS / 60
        on_event(Caution(f"{told} That takes about {needed:.1f} minutes; Ctrl-C now, or give it the time."))
    else:
        on_event(Note(told))
    return replace(recipe, epochs=epochs)


def _resume(state: State, run: Run, fingerprint: dict[str, Any], on_event: OnEvent) -> None:
    path = run / CHECKPOINT
    if not path.exists():
        on_event(Note("--resume: there is no checkpoint yet; training starts anew."))
        return
    try:
        restore_state(state, path, fingerprint)
    except ModelError as error:
        left = [str(run / name) for name in (BEST, LAST) if (run / name).exists()]
        saved = (
            f" The best weights so far are kept in {left[0]}; a new run can start from them: --weights {left[0]}."
            if left
            else ""
        )
        raise ModelError(f"{error}{saved}") from error
    on_event(Note(f"Going on after epoch {state.epoch}."))


def _save_epoch(taken: Snapshot, run: Run, improved: bool) -> None:
    if improved:
        _save_weights(taken.average, run / BEST)
    save_snapshot(taken, run / CHECKPOINT)


def _save_weights(weights: dict[str, Tensor], path: Path) -> None:
    with atomic(path) as temporary:
        temporary.write_bytes(save(weights, metadata=TRAINED_HERE))
