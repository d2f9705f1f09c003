"""``genus evaluate``: the numbers of a run on pictures that took part in no decision."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from genus.bundle import Bundle, load_bundle
from genus.data.folder import scan
from genus.data.threads import default_workers
from genus.engine.device import choose_device, choose_precision
from genus.engine.openvino_engine import OpenVinoEngine, installed
from genus.errors import DataError, UsageError, plural
from genus.evaluation.learning_curve import LearningCurve
from genus.evaluation.metrics import Evaluation, to_json
from genus.files import atomic, make_folder, write_json, write_text
from genus.models.backbone import WithoutHead
from genus.predictor import Predictor
from genus.report.confusion import confusion_csv, confusion_png
from genus.types import Caution, OnEvent, Part, Progress, ignore_events
from genus.workflows.decide import Judged, judge
from genus.workflows.pictures import Side, own_split, side_of
from genus.workflows.report import write_report
from genus.workflows.run_folder import CONFUSION_CSV, CONFUSION_PNG, METRICS, log_opening
from genus.workflows.study import Suspect, find_label_errors, measure_learning_curve


@dataclass(frozen=True, slots=True)
class EvaluateResult:
    """``out`` holds report.html, metrics.json, confusion.csv and confusion.png; ``curve`` and ``suspects`` are None
    where they were not asked for."""

    run: Path
    out: Path
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
    bundle = load_bundle(run)
    predictor = as_trained(bundle, device)
    if data is None:
        judged = examine(predictor, _own_test_part(run, bundle), on_event)
        log_opening(run, "evaluate", judged.evaluation.n, judged.evaluation.accuracy.value)
        out, val = run, _read_metrics(run).get("val")
    else:
        judged = examine(predictor, _side_of(data, bundle.classes, on_event), on_event)
        out, val = run / f"evaluate-{data.resolve().stem}", None
    make_folder(out)
    write_evaluation(out, bundle.classes, judged.evaluation, val)
    curve = measure_learning_curve(run, device, on_event) if learning_curve else None
    suspects = find_label_errors(run, device, on_event) if label_errors else None
    write_report(out, run, judged)
    return EvaluateResult(run, out, bundle.classes, judged.evaluation, curve, suspects)


def as_trained(bundle: Bundle, device: str) -> Predictor:
    """A Predictor that computes as the run did, so that it gives the run's own numbers, as far as this machine can."""
    hardware = bundle.record.get("hardware", {})
    chosen = choose_device(device)
    precision = choose_precision("auto", chosen) if hardware.get("precision") == "bf16" else "fp32"
    if hardware.get("engine") != "openvino" or chosen.type != "cpu" or not installed():
        return Predictor(bundle, device=device, precision=precision)
    engine = OpenVinoEngine(WithoutHead(bundle.model), bundle.preprocess, precision, default_workers())
    return Predictor(bundle, device=device, engine=engine)


def examine(predictor: Predictor, side: Side, on_event: OnEvent) -> Judged:
    """Ask ``predictor`` about the pictures of ``side``. Raises DataError when none can be read."""
    logits, distances, kept, failed = [], [], [], []
    for answer in predictor.answers(side.paths):
        if answer.logits is None:
            failed.append(f"{side.paths[answer.index]}: {answer.error}")
        else:
            logits.append(answer.logits)
            distances.append(answer.distance)
            kept.append(answer.index)
        on_event(Progress("Testing", answer.index + 1, len(side)))
    if not kept:
        raise DataError(f"None of the {len(side)} test pictures can be read{f': {failed[0]}' if failed else ''}.")
    if failed:
        on_event(Caution(f"{len(failed)} test pictures cannot be read and are left out; first: {failed[0]}."))
    far = None if distances[0] is None else np.array(distances, np.float32)
    return judge(predictor.bundle, side.take(kept), np.stack(logits), far)


def write_evaluation(folder: Path, classes: Sequence[str], test: Evaluation | None, val: dict[str, Any] | None) -> None:
    """metrics.json (schema 1), and for a test the confusion matrix as confusion.csv and confusion.png."""
    metrics = {"schema": 1, "classes": list(classes), "test": to_json(test) if test else None, "val": val}
    write_json(folder / METRICS, metrics)
    if test:
        title = f"{test.accuracy.value:.1%} of {test.n} test pictures are right".replace("%", " %")
        write_text(folder / CONFUSION_CSV, confusion_csv(test.confusion, classes))
        with atomic(folder / CONFUSION_PNG) as temporary:
            temporary.write_bytes(confusion_png(test.confusion, classes, title))


def _own_test_part(run: Path, bundle: Bundle) -> Side:
    side = side_of(own_split(run, bundle), Part.TEST, bundle.classes)
    if not len(side):
        raise DataError(f"{run} was trained without a test part. Name test pictures: genus evaluate {run} DATA.")
    if not any(path.exists() for path in side.paths):
        raise DataError(
            f"The test pictures of {run} are no longer there (the first: {side.paths[0]}). "
            "Name their place: genus evaluate RUN DATA."
        )
    return side


def _side_of(data: Path, classes: tuple[str, ...], on_event: OnEvent) -> Side:
    catalog = scan(data)
    for caution in catalog.cautions:
        on_event(Caution(caution))
    if catalog.bad:
        on_event(Caution(f"{plural(len(catalog.bad), 'file')} cannot be read: {catalog.bad[0].path} for one."))
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
    return Side(tuple(picture.path for picture in pictures), labels, groups)


def _read_metrics(run: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((run / METRICS).read_bytes()))
    except (OSError, ValueError):
        return {}
