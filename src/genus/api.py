"""The verbs as Python functions: the same workflows as the command line, without the printing."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from genus.config import compose
from genus.predictor import load
from genus.types import Caution, Event, OnEvent, Progress
from genus.workflows.compare import CompareResult, compare_runs
from genus.workflows.evaluate import EvaluateResult, evaluate_run
from genus.workflows.explain import EXPLANATIONS, Explained, explain_paths
from genus.workflows.predict import find_pictures
from genus.workflows.train import TrainResult
from genus.workflows.train import train as train_workflow

logger = logging.getLogger("genus")


def log_events(event: Event) -> None:
    """The default listener: the logger ``genus`` gets cautions as warnings, everything but progress as info."""
    if isinstance(event, Caution):
        logger.warning(event.text)
    elif not isinstance(event, Progress):
        logger.info("%s", getattr(event, "text", event))


def train(
    data: Path | str = "data", *, preset: str | None = None, on_event: OnEvent = log_events, **options: Any
) -> TrainResult:
    """Train on ``data`` and evaluate on its sealed test part.

    ``options`` are those of ``genus train`` with underscores: ``epochs=20``, ``freeze_layers=False``, ``from_run=...``.
    Raises a GenusError that says what is wrong and what to do.
    """
    return train_workflow(compose({"data": Path(data), **options}, preset), on_event)


def evaluate(
    run: Path | str,
    data: Path | str | None = None,
    *,
    all_pictures: bool = False,
    learning_curve: bool = False,
    label_errors: bool = False,
    device: str = "auto",
    on_event: OnEvent = log_events,
) -> EvaluateResult:
    """Evaluate ``run`` on its own test part, or on the pictures of ``data``; the report is in ``out`` of the result.

    ``learning_curve``, ``label_errors``: also study the run's own pictures. Raises a GenusError.
    """
    return evaluate_run(
        Path(run),
        None if data is None else Path(data),
        all_pictures=all_pictures,
        learning_curve=learning_curve,
        label_errors=label_errors,
        device=device,
        on_event=on_event,
    )


def explain(
    run: Path | str,
    pictures: Sequence[Path | str],
    out: Path | str | None = None,
    *,
    label: str | None = None,
    figures: Sequence[str] = (),
    device: str = "auto",
    on_event: OnEvent = log_events,
) -> list[Explained]:
    """Heat maps of ``pictures`` (files, folders, patterns) in ``out``, by default ``<run>/explanations``.

    ``figures``: any of "attention", "patches" (ViT), "windows" (Swin), "hierarchy". Raises a GenusError; a picture that
    cannot be read gets a row with an ``error``.
    """
    paths = find_pictures([str(picture) for picture in pictures])
    folder = Path(run) / EXPLANATIONS if out is None else Path(out)
    predictor = load(run, device=device)
    return list(explain_paths(predictor, paths, folder, label=label, figures=figures, on_event=on_event))


def compare(
    run_a: Path | str, run_b: Path | str, *, device: str = "auto", on_event: OnEvent = log_events
) -> CompareResult:
    """Hold two runs against each other on the test pictures that they share. Raises a GenusError."""
    return compare_runs(Path(run_a), Path(run_b), device=device, on_event=on_event)
