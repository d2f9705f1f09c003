"""``genus evaluate``: the numbers of a run on pictures that took part in no decision."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genus.bundle import Bundle, load_bundle
from genus.data.folder import scan
from genus.errors import DataError, UsageError
from genus.evaluation.learning_curve import LearningCurve
from genus.evaluation.metrics import Evaluation
from genus.predictor import Predictor
from genus.run import METRICS, Run
from genus.types import Caution, OnEvent, Part, ignore_events
from genus.workflows.dataset import Subset, data_root, require_split, subset_of
from genus.workflows.reporting.report import write_evaluation, write_report
from genus.workflows.scoring import score
from genus.workflows.tasks.studies import Suspect, find_label_errors, measure_learning_curve


@dataclass(frozen=True, slots=True)
class EvaluateResult:
    """``out`` holds report.html, metrics.json, confusion.csv and confusion.png, and is None where nothing can be
    written; ``curve`` and ``suspects`` are None
    where they were not asked for."""

    run: Path
    out: Path | None
    classes: tuple[str, ...]
    test: Evaluation
    curve: LearningCurve | None
    suspects: list[Suspect] | None


def evaluate_run(
    run: Path,
    data: Path | None = None,
    *,
    learning_curve: bool = False,
    label_errors: bool = False,
    device: str = "auto",
    on_event: OnEvent = ignore_events,
) -> EvaluateResult:
    """Evaluate on the run's own test part, or on all pictures of ``data`` (its ``test`` part where it has one).

    Classes are matched by name. ``learning_curve`` and ``label_errors`` study the run's own pictures (see ``study``).
    Raises ModelError (no sound run), DataError (pictures gone, a class never trained), UsageError for a study of other
    pictures.
    """
    if data and (learning_curve or label_errors):
        raise UsageError("--learning-curve and --label-errors study the run's own pictures. Leave DATA out.")
    here = Run(run, on_event)
    here.require_finished()
    bundle = load_bundle(run)
    predictor = Predictor(bundle, device=device)
    if data is None:
        scored = score(predictor, _own_test_part(here, bundle), on_event)
        here.log_opening("evaluate", scored.evaluation.n, scored.evaluation.accuracy.value)
        out, val = "", here.read_json(METRICS).get("val")
    else:
        scored = score(predictor, _subset_of_folder(data, bundle.classes, on_event), on_event)
        out, val = f"evaluate-{data.resolve().name}/", None
    stored = here.keep(lambda: write_evaluation(here, out, bundle.classes, scored.evaluation, val))
    curve = measure_learning_curve(here, device, on_event) if learning_curve else None
    suspects = find_label_errors(here, device, on_event) if label_errors else None
    if stored:
        here.keep(lambda: write_report(here, out, scored, here.split(data_root(bundle))))
    folder = here.folder / out if stored else None
    return EvaluateResult(run, folder, bundle.classes, scored.evaluation, curve, suspects)


def _own_test_part(run: Run, bundle: Bundle) -> Subset:
    subset = subset_of(require_split(run, bundle).members(Part.TEST), bundle.classes)
    if not len(subset):
        raise DataError(
            f"{run.folder} was trained without a test part. Name test pictures: genus evaluate {run.folder} DATA."
        )
    if not any(path.exists() for path in subset.paths):
        raise DataError(
            f"The test pictures of {run.folder} are no longer there (the first: {subset.paths[0]}). "
            f"Name their place: genus evaluate {run.folder} DATA."
        )
    return subset


def _subset_of_folder(data: Path, classes: tuple[str, ...], on_event: OnEvent) -> Subset:
    catalog = scan(data)
    for caution in catalog.cautions:
        on_event(Caution(caution))
    strangers = [label for label in catalog.classes if label not in classes]
    if strangers:
        raise DataError(
            f"{data} has classes that this model was never trained on: {', '.join(strangers[:10])}. "
            f"It knows: {', '.join(classes[:20])}."
        )
    test = [picture for picture in catalog.pictures if picture.part == Part.TEST]
    pictures = test or list(catalog.pictures)
    labels = np.array([classes.index(picture.label) for picture in pictures], np.int64)
    names = [picture.group or str(picture.path) for picture in pictures]
    groups = np.unique(names, return_inverse=True)[1].astype(np.int64)
    return Subset(tuple(picture.path for picture in pictures), labels, groups)
