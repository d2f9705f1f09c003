"""The verbs as Python functions: the same workflows as the command line, without the printing."""

import logging
from pathlib import Path
from typing import Any

from genus.config import compose
from genus.types import Caution, Event, OnEvent, Progress
from genus.workflows.evaluate import EvaluateResult, evaluate_run
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
    run: Path | str, data: Path | str | None = None, *, device: str = "auto", on_event: OnEvent = log_events
) -> EvaluateResult:
    """Evaluate ``run`` on its own test part, or on the pictures of ``data``. Raises a GenusError."""
    return evaluate_run(Path(run), None if data is None else Path(data), device=device, on_event=on_event)
