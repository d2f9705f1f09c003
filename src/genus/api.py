"""The verbs as Python functions: the same workflows as the command line, without the printing."""

import html
import logging
import os
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import fields
from importlib import import_module
from inspect import Parameter, Signature
from pathlib import Path
from typing import Any, Literal, TypedDict, Unpack, get_type_hints

from genus.config import TrainConfig, compose
from genus.data.find import find_pictures
from genus.files import as_path
from genus.predictor import load
from genus.types import AugmentName, Caution, EngineName, Event, FitName, HeadName, OnEvent, PrecisionName, Progress
from genus.workflows.check import CheckResult, check_folder
from genus.workflows.compare import CompareResult, compare_runs
from genus.workflows.evaluate import EvaluateResult, evaluate_run
from genus.workflows.explain import EXPLANATIONS, Explained, explain_paths
from genus.workflows.train import TrainResult
from genus.workflows.train import train as train_workflow

logger = logging.getLogger("genus")
REDRAW = 0.2  # seconds between two states of a progress bar


class TrainOptions(TypedDict, total=False):
    """The options of ``genus train``; their meaning and defaults stand in ``config.TrainConfig``."""

    split: Path | str | None
    group: str | None
    strict: bool
    out: Path | str | None
    resume: bool
    minutes: float | None
    seed: int
    model: str
    weights: str | None
    from_run: Path | str | None
    image_size: int | None
    fit: FitName | None
    freeze_layers: bool
    freeze_until: int | None
    views: int
    head: HeadName
    epochs: int
    batch_size: int
    lr: float
    lrf: float
    augment: AugmentName
    class_weights: bool
    max_error: float
    cv: int | None
    device: str
    precision: PrecisionName
    engine: EngineName
    workers: int | None


def log_events(event: Event) -> None:
    """The logger ``genus`` gets cautions as warnings, everything but progress as info."""
    if isinstance(event, Caution):
        logger.warning(event.text)
    elif not isinstance(event, Progress):
        logger.info("%s", getattr(event, "text", event))


class NotebookEvents:
    """What ``log_events`` does, and a progress bar in the output of the notebook's cell."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._drawn = 0.0

    def __call__(self, event: Event) -> None:
        log_events(event)
        if not isinstance(event, Progress) or (event.done < event.total and time.monotonic() - self._drawn < REDRAW):
            return
        notebook = import_module("IPython.display")
        self._drawn = time.monotonic()
        bar = notebook.HTML(_progress_html(event))
        if self._bar is None:
            self._bar = notebook.display(bar, display_id=True)
        else:
            self._bar.update(bar)


def _progress_html(progress: Progress) -> str:
    """A bar, and how far it is in numbers."""
    task = html.escape(progress.task)
    bar = f'<progress value="{progress.done}" max="{max(progress.total, 1)}"></progress>'
    return f"<div>{bar} {task}: {progress.done:,} of {progress.total:,}</div>"


def listener() -> OnEvent:
    """Who hears events when the caller does not say: a progress bar in a notebook, else the logger."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return NotebookEvents() if hasattr(shell, "kernel") else log_events


def train(
    data: Path | str = "data",
    *,
    preset: Literal["quick", "best"] | None = None,
    on_event: OnEvent | None = None,
    **options: Unpack[TrainOptions],
) -> TrainResult:
    """Train on ``data`` and evaluate on its sealed test part.

    ``options`` are those of ``genus train`` with underscores: ``epochs=20``, ``freeze_layers=False``, ``from_run=...``.
    Those that are not given are the ``preset``'s, or have the defaults of the signature. Raises a GenusError that says
    what is wrong and what to do.
    """
    return train_workflow(compose({"data": data, **options}, preset), on_event or listener())


def _signature() -> Signature:
    """Of ``train``, with every option and its default, as help() and notebooks show it."""
    own = [value for value in Signature.from_callable(train).parameters.values() if value.kind != Parameter.VAR_KEYWORD]
    types = get_type_hints(TrainOptions)
    defaults = {field.name: field.default for field in fields(TrainConfig)}
    options = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=defaults[name], annotation=hint) for name, hint in types.items()
    ]
    return Signature([*own, *options], return_annotation=TrainResult)


train.__signature__ = _signature()  # type: ignore[attr-defined]


def check(data: Path | str = "data", *, group: str | None = None, on_event: OnEvent | None = None) -> CheckResult:
    """Look at every file of ``data``: what is wrong with it stands in ``findings`` of the result.

    ``group`` is a regular expression on paths: pictures of one group belong together. Raises a GenusError, or TypeError
    for what is no path.
    """
    return check_folder(as_path("The data", data), group, on_event or listener())


def evaluate(
    run: Path | str,
    data: Path | str | None = None,
    *,
    all_pictures: bool = False,
    learning_curve: bool = False,
    label_errors: bool = False,
    device: str = "auto",
    on_event: OnEvent | None = None,
) -> EvaluateResult:
    """Evaluate ``run`` on its own test part, or on the pictures of ``data``; the report is in ``out`` of the result.

    ``all_pictures``: those of ``data`` that the run was trained on, too. ``learning_curve``, ``label_errors``: also
    study the run's own pictures. Raises a GenusError, or TypeError for what is no path.
    """
    return evaluate_run(
        as_path("A run", run),
        None if data is None else as_path("The data", data),
        all_pictures=all_pictures,
        learning_curve=learning_curve,
        label_errors=label_errors,
        device=device,
        on_event=on_event or listener(),
    )


def explain(
    run: Path | str,
    pictures: Path | str | Iterable[Path | str],
    out: Path | str | None = None,
    *,
    label: str | None = None,
    figures: Sequence[str] = (),
    force: bool = False,
    device: str = "auto",
    on_event: OnEvent | None = None,
) -> list[Explained]:
    """Heat maps of ``pictures`` (files, folders or patterns; one or several) in ``out``, by default
    ``<run>/explanations``, where ``force`` replaces earlier ones.

    ``figures``: any of "attention", "patches" (ViT), "windows" (Swin), "hierarchy". Raises a GenusError; a picture that
    cannot be read gets a row with an ``error``.
    """
    folder = as_path("A run", run) / EXPLANATIONS if out is None else as_path("The folder out", out)
    found = find_pictures(_paths(pictures))
    predictor = load(run, device=device)
    explained = explain_paths(
        predictor,
        found.pictures,
        folder,
        unread=found.unread,
        label=label,
        figures=figures,
        force=force,
        on_event=on_event or listener(),
    )
    return list(explained)


def compare(
    run_a: Path | str, run_b: Path | str, *, device: str = "auto", on_event: OnEvent | None = None
) -> CompareResult:
    """Hold two runs against each other on the test pictures that they share. Raises a GenusError."""
    return compare_runs(
        as_path("A run", run_a), as_path("A run", run_b), device=device, on_event=on_event or listener()
    )


def _paths(pictures: Path | str | Iterable[Path | str]) -> list[str]:
    """One path or several as a list. Raises TypeError for anything else."""
    several = [pictures] if isinstance(pictures, (str, os.PathLike)) else pictures
    if isinstance(several, (bytes, bytearray, memoryview)) or not isinstance(several, Iterable):
        raise TypeError(f"Pictures to explain are a path or a list of paths, not {type(pictures).__name__}.")
    paths = list(several)
    for path in paths:
        if not isinstance(path, (str, os.PathLike)):
            raise TypeError(f"Pictures to explain are a path or a list of paths, not of {type(path).__name__}.")
    return [os.fspath(path) for path in paths]
