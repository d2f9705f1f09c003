"""What a finished run's own pictures say about themselves: the learning curve, and labels that look wrong.

Both work on features of the network as it was pretrained. A fine-tuned network has seen the labels.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from genus.bundle import load_bundle
from genus.config import TrainConfig, compose
from genus.data.folds import deal, rank_in_class
from genus.errors import DataError, ModelError, UsageError
from genus.evaluation.label_errors import LabelIssue, label_issues
from genus.evaluation.learning_curve import SHARES, LearningCurve, learning_curve
from genus.files import atomic, write_json, write_text
from genus.probabilities import softmax
from genus.report.learning_curve import learning_curve_png
from genus.tables import csv_text
from genus.types import OnEvent, Part, ignore_events
from genus.workflows.choose_model import prepare_model
from genus.workflows.compute import choose_compute
from genus.workflows.crossval import Looked, fit_of, look, out_of_fold
from genus.workflows.frozen import open_frozen_part
from genus.workflows.pictures import groups_of, own_split
from genus.workflows.run_folder import CONFIG, LABEL_ERRORS, LEARNING_CURVE, LEARNING_CURVE_PNG, log_opening

FOLDS = 5


@dataclass(frozen=True, slots=True)
class Suspect:
    """A picture whose label is doubtful (see ``LabelIssue``); ``part`` is the side of the split it was on."""

    path: Path
    label: str
    suggested: str
    own: float
    other: float
    confident: bool
    part: Part


@dataclass(frozen=True, slots=True, eq=False)
class Study:
    """Pictures with pretrained features, and how to fit a head on them."""

    looked: Looked
    classes: tuple[str, ...]
    config: TrainConfig

    def fold_of(self) -> np.ndarray:
        """N: which fold each picture is in."""
        return deal(self.looked.labels, self.looked.groups, FOLDS, self.config.seed)


def measure_learning_curve(run: Path, device: str = "auto", on_event: OnEvent = ignore_events) -> LearningCurve:
    """Accuracy with 10 to 100 % of the run's training and validation pictures, each named by a head that has not seen
    it. Writes learning_curve.json and learning_curve.png. Raises ModelError, DataError, MachineError."""
    with _studied(run, (Part.TRAIN, Part.VAL), device, on_event) as study:
        looked, fold_of = study.looked, study.fold_of()
        ranks = rank_in_class(looked.labels, looked.groups, study.config.seed)
        fit, right, sizes = fit_of(study.config, len(study.classes)), [], []
        for share in SHARES:
            taking_part = ranks < share
            logits = out_of_fold(
                looked, fold_of, len(study.classes), fit, on_event, taking_part, f"with {100 * share:.0f} %"
            )
            right.append(logits.argmax(axis=1) == looked.labels)
            sizes.append(round(taking_part.sum() * (FOLDS - 1) / FOLDS))
        curve = learning_curve(np.stack(right), sizes, looked.labels, len(study.classes), groups_of(looked.members))
    next_class = None if curve.next_class is None else study.classes[curve.next_class]
    about = {"schema": 1, "classes": list(study.classes), "folds": FOLDS, "next_class": next_class}
    write_json(run / LEARNING_CURVE, {**about, **asdict(curve)})
    with atomic(run / LEARNING_CURVE_PNG) as temporary:
        temporary.write_bytes(_png(curve, study.classes))
    return curve


def find_label_errors(run: Path, device: str = "auto", on_event: OnEvent = ignore_events) -> list[Suspect]:
    """Pictures of all parts whose label is doubtful, the most doubtful first. Writes label_errors.csv.

    The run notes that its test part was opened. Raises ModelError, DataError, MachineError.
    """
    with _studied(run, tuple(Part), device, on_event) as study:
        looked = study.looked
        logits = out_of_fold(
            looked, study.fold_of(), len(study.classes), fit_of(study.config, len(study.classes)), on_event
        )
    suspects = [_suspect(issue, study) for issue in label_issues(softmax(logits), looked.labels)]
    tested = np.array([member.part == Part.TEST for member in looked.members])
    if tested.any():
        right = (logits.argmax(axis=1) == looked.labels)[tested]
        log_opening(run, "label-errors", int(tested.sum()), float(right.mean()))
    head = ("path", "label", "suggested", "label_probability", "suggested_probability", "confident", "part")
    rows = [
        (str(x.path), x.label, x.suggested, f"{x.own:.6f}", f"{x.other:.6f}", str(x.confident).lower(), x.part)
        for x in suspects
    ]
    write_text(run / LABEL_ERRORS, csv_text([head, *rows]))
    return suspects


def _png(curve: LearningCurve, classes: tuple[str, ...]) -> bytes:
    return learning_curve_png(
        [point.pictures for point in curve.points],
        [(one.value, *(one.interval or (one.value, one.value))) for one in (point.accuracy for point in curve.points)],
        [[estimate.value if estimate else None for estimate in point.recall] for point in curve.points],
        classes,
        curve.next_class,
    )


def _suspect(issue: LabelIssue, study: Study) -> Suspect:
    member = study.looked.members[issue.picture]
    return Suspect(
        member.path,
        member.label,
        study.classes[issue.suggested],
        issue.label_probability,
        issue.suggested_probability,
        issue.confident,
        member.part,
    )


@contextlib.contextmanager
def _studied(run: Path, parts: tuple[Part, ...], device: str, on_event: OnEvent) -> Iterator[Study]:
    bundle = load_bundle(run)
    split = own_split(run, bundle)
    members = [member for part in parts for member in split.members(part)]
    config = replace(_pretrained_config(run), device=device, freeze_until=None)
    if config.weights == "none":
        raise UsageError(
            f"{run} started from random weights: there are no pretrained features to study its pictures by."
        )
    compute = choose_compute(config, [member.path for member in members])
    start = prepare_model(config, bundle.architecture.name, bundle.classes, on_event)
    with open_frozen_part(start, compute, len(members), on_event) as frozen:
        looked = look(frozen, members, bundle.classes)
        if len(set(looked.groups)) < FOLDS:
            raise DataError(f"{run} has only {len(set(looked.groups))} pictures, too few for {FOLDS} folds.")
        yield Study(looked, bundle.classes, config)


def _pretrained_config(run: Path) -> TrainConfig:
    """The options of the run; after ``--from``, with the weights and input size of the first of the chain."""
    if not (run / CONFIG).exists():
        raise ModelError(f"{run} has no {CONFIG}, so its pretrained weights are not known.")
    config = compose({}, file=run / CONFIG)
    if config.from_run is None:
        return config
    first = _pretrained_config(config.from_run)
    return replace(config, from_run=None, weights=first.weights, image_size=first.image_size)
