"""``genus train``: scan → look at the files → split → model → fit → bundle → evaluate on the sealed test part."""

import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from genus.bundle import Bundle, load_bundle, save_bundle
from genus.config import TrainConfig
from genus.data.folder import scan
from genus.evaluation.metrics import Evaluation
from genus.predictor import Predictor
from genus.types import Caution, Note, OnEvent, Part, ignore_events
from genus.workflows.choose_model import Start, choose_name, prepare_model, preprocess_for
from genus.workflows.compute import Compute, choose_compute
from genus.workflows.evaluate import judge_test_part, write_evaluation
from genus.workflows.fine_tune import fine_tune
from genus.workflows.fit_head import fit_head
from genus.workflows.history import Result, recorded, verdict_on_validation, write_curves
from genus.workflows.pictures import Pictures, prepare_pictures
from genus.workflows.run_folder import CHECKPOINT, open_run, with_measured_epochs, write_config


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
    compute = choose_compute(config)
    name = choose_name(config, on_event)
    folder = open_run(config, name)
    config = with_measured_epochs(config, folder)
    write_config(
        folder, config, model=name, device=str(compute.device), precision=compute.precision, workers=compute.workers
    )
    pictures = prepare_pictures(catalog, config, preprocess_for(config, name), folder, on_event)
    start = prepare_model(config, name, pictures.classes, on_event)
    on_event(Note(f"Computing on {compute.device} in {compute.precision}; results go to {folder}."))

    history = recorded(_fit(start, pictures, config, compute, folder, on_event), folder, on_event)
    record = _record(config, start, pictures, compute)
    bundle = Bundle(start.model, start.architecture, pictures.classes, start.preprocess, record)
    save_bundle(bundle, folder)
    test = _test(folder, pictures, compute, on_event)
    if test:
        metrics = {"test": {"n": test.n, "accuracy": test.accuracy}}
        save_bundle(replace(bundle, record={**record, "metrics": metrics}), folder)
    val = verdict_on_validation(history, len(pictures.side(Part.VAL)), frozen=config.freeze_layers)
    write_evaluation(folder, pictures.classes, test, val)
    write_curves(history, folder)
    (folder / CHECKPOINT).unlink(missing_ok=True)
    return TrainResult(folder, pictures.classes, test, history, time.monotonic() - begun)


def _fit(
    start: Start, pictures: Pictures, config: TrainConfig, compute: Compute, folder: Path, on_event: OnEvent
) -> Iterator[Result]:
    if config.freeze_layers:
        return fit_head(start, pictures, config, compute, on_event)
    return fine_tune(start, pictures, config, compute, folder, on_event)


def _test(folder: Path, pictures: Pictures, compute: Compute, on_event: OnEvent) -> Evaluation | None:
    """Open the sealed test part, once, with the model as it was saved."""
    side = pictures.side(Part.TEST)
    if not len(side):
        on_event(Caution("There is no test picture: the accuracy of this model is not known."))
        return None
    predictor = Predictor(load_bundle(folder), device=str(compute.device), workers=compute.workers)
    return judge_test_part(predictor, folder, side, "train", on_event)


def _record(config: TrainConfig, start: Start, pictures: Pictures, compute: Compute) -> dict[str, Any]:
    """What the bundle remembers of its making."""
    return {
        "weights": start.origin,
        "data": {"root": str(pictures.root.resolve()), "pictures": len(pictures.split.pictures)},
        "split": pictures.split.fingerprint,
        "training": config.to_dict(),
        "versions": {"genus": version("genus"), "torch": torch.__version__, "python": platform.python_version()},
        "hardware": {"device": str(compute.device), "precision": compute.precision, "machine": platform.machine()},
    }
