"""``genus train``: scan → look at the files → split → model → fit → bundle → evaluate on the sealed test part."""

import contextlib
import platform
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from genus.bundle import Bundle, add_to_record, load_bundle, save_bundle
from genus.config import TrainConfig
from genus.data.folder import scan
from genus.data.inspect import DecodeOnly
from genus.engine.memory import freed_memory_kept
from genus.errors import DataError
from genus.evaluation.metrics import Evaluation
from genus.models.backbone import place
from genus.predictor import head_logits
from genus.types import Caution, Note, OnEvent, Part, ignore_events
from genus.workflows.choose_model import Start, choose_name, prepare_model
from genus.workflows.compute import Compute, choose_compute
from genus.workflows.crossval import cross_validate, pooled
from genus.workflows.decide import Judged, Look, decide, judge, through
from genus.workflows.evaluate import write_evaluation
from genus.workflows.fine_tune import fine_tune, recipe_of
from genus.workflows.fit_head import fit_head, learn_validation_too, seen_members
from genus.workflows.frozen import FrozenPart, open_frozen_part
from genus.workflows.history import Result, recorded, verdict_on_validation, write_curves
from genus.workflows.lesson import full_lesson
from genus.workflows.partial import announce, partial_lesson, require_stage
from genus.workflows.pictures import Pictures, prepare_pictures
from genus.workflows.report import write_report
from genus.workflows.run_folder import (
    CHECKPOINT,
    log_opening,
    open_run,
    update_config,
    with_measured_epochs,
    write_config,
)


@dataclass(frozen=True, slots=True)
class TrainResult:
    """``test`` is None when the data leave no picture to test with. ``seconds`` is the whole run's time."""

    run: Path
    classes: tuple[str, ...]
    test: Evaluation | None
    history: tuple[Result, ...]
    seconds: float


def train(config: TrainConfig, on_event: OnEvent = ignore_events) -> TrainResult:
    """Train as ``config`` says and evaluate once on the test part; everything is written into the run folder.

    Raises the GenusErrors of each step: option and name errors first, then the data's, before anything is trained.
    """
    begun = time.monotonic()
    catalog = scan(config.data)
    compute = choose_compute(config, [picture.path for picture in catalog.pictures])
    name = choose_name(config, on_event)
    if config.freeze_until:
        require_stage(name, config.freeze_until)
    folder = open_run(config, name)
    config = with_measured_epochs(config, folder)
    write_config(
        folder, config, model=name, device=str(compute.device), precision=compute.precision, workers=compute.workers
    )
    start = prepare_model(config, name, catalog.classes, on_event)
    on_event(Note(f"Computing on {compute.device} in {compute.precision}; results go to {folder}."))
    with contextlib.ExitStack() as stack:
        if compute.device.type == "cpu":
            stack.enter_context(freed_memory_kept())
        frozen = None
        if config.weights != "none":
            frozen = stack.enter_context(
                open_frozen_part(start, compute, len(catalog.pictures), on_event, config.freeze_until)
            )
            if config.freeze_until:
                announce(frozen, len(catalog.pictures), config.views, on_event)
        consumer = frozen if frozen and not config.minutes else DecodeOnly()
        pictures = prepare_pictures(catalog, config, start.preprocess, folder, on_event, compute.workers, consumer)
        if frozen:
            frozen.finish()
            update_config(folder, engine=frozen.engine_kind)
        if config.cv:
            with pooled(start, compute, frozen, pictures, config, on_event) as part:
                cross_validate(part, pictures, config, folder, on_event)
        results = _results(start, frozen, pictures, config, compute, folder, on_event)
        history = recorded(results, folder, on_event)
        head_only = frozen if config.freeze_layers and not config.freeze_until else None
        save_bundle(_bundle(start, head_only, pictures, config, compute, history, on_event), folder)
        judged = _test(folder, pictures, compute, head_only, on_event)
        test = judged.evaluation if judged else None
        metrics = {"test": {"n": test.n, "accuracy": test.accuracy.value}} if test else {}
        add_to_record(folder, metrics=metrics, seconds=round(time.monotonic() - begun, 1))
        val = verdict_on_validation(history, len(pictures.side(Part.VAL)), frozen=head_only is not None)
        write_evaluation(folder, pictures.classes, test, val)
        write_curves(history, folder)
        (folder / CHECKPOINT).unlink(missing_ok=True)
        if judged:
            write_report(folder, folder, judged, pictures.split)
        return TrainResult(folder, pictures.classes, test, history, time.monotonic() - begun)


def _results(
    start: Start,
    frozen: FrozenPart | None,
    pictures: Pictures,
    config: TrainConfig,
    compute: Compute,
    folder: Path,
    on_event: OnEvent,
) -> Generator[Result, None, None]:
    """The training itself: of the head alone, of the upper stages, or of everything."""
    if frozen and config.freeze_layers and not config.freeze_until:
        return fit_head(start.model, frozen, pictures, config, on_event)
    recipe = recipe_of(config, pictures)
    if frozen and config.freeze_until:
        lesson = partial_lesson(
            start, frozen, pictures, recipe, compute, on_event, stages=config.freeze_until, views=config.views
        )
    else:
        lesson = full_lesson(start, frozen, pictures, recipe, compute, on_event)
    return fine_tune(start, lesson, recipe, pictures, config, compute, folder, on_event)


def _bundle(
    start: Start,
    frozen: FrozenPart | None,
    pictures: Pictures,
    config: TrainConfig,
    compute: Compute,
    history: Sequence[Result],
    on_event: OnEvent,
) -> Bundle:
    """What validation decides, then the last fit, and all in one; ``frozen`` where only the head has learnt."""
    look: Look = frozen.rows if frozen else through(start.model, start.preprocess, compute, on_event)
    train = seen_members(frozen, pictures, config) if frozen else pictures.split.members(Part.TRAIN)
    decisions = decide(look, start.model.head, train, pictures, config.max_error, on_event)
    if frozen:
        learn_validation_too(start.model, frozen, pictures, config, history)
    record = _record(config, start, pictures, compute, frozen.engine_kind if frozen else "torch")
    return Bundle(
        start.model,
        start.architecture,
        pictures.classes,
        start.preprocess,
        record,
        decisions.temperature,
        decisions.known_rule,
        decisions.index,
    )


def _test(
    folder: Path, pictures: Pictures, compute: Compute, frozen: FrozenPart | None, on_event: OnEvent
) -> Judged | None:
    """Open the sealed test part, once, with the model as it was saved; a ``frozen`` part has looked at it already."""
    side = pictures.side(Part.TEST)
    if not len(side):
        on_event(Caution("There is no test picture: the accuracy of this model is not known."))
        return None
    bundle = load_bundle(folder)
    place(bundle.model, compute.device)
    look = frozen.rows if frozen else through(bundle.model, bundle.preprocess, compute, on_event)
    rows, kept = look(pictures.split.members(Part.TEST), "Testing")
    if not len(kept):
        raise DataError("No test picture could be read any more. Are the files still there?")
    features = rows[:]
    logits = head_logits(bundle.model.head, features)
    distances = bundle.index.distances(features) if bundle.index else None
    judged = judge(bundle, side.take(kept), logits, distances)
    log_opening(folder, "train", judged.evaluation.n, judged.evaluation.accuracy.value)
    return judged


def _record(config: TrainConfig, start: Start, pictures: Pictures, compute: Compute, engine: str) -> dict[str, Any]:
    """What the bundle remembers of its making."""
    return {
        "weights": start.origin,
        "data": {"root": str(pictures.root.resolve()), "pictures": len(pictures.split.pictures)},
        "split": pictures.split.fingerprint,
        "training": config.to_dict(),
        "versions": {"genus": version("genus"), "torch": torch.__version__, "python": platform.python_version()},
        "hardware": {
            "device": str(compute.device),
            "precision": compute.precision,
            "engine": engine,
            "machine": platform.machine(),
        },
    }
