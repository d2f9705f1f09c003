"""What a finished run's own pictures say about themselves: the learning curve, and labels that look wrong.

Both work on features of the network as it was pretrained. A fine-tuned network has seen the labels.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import asdict, astuple, dataclass, replace
from pathlib import Path

import numpy as np

from genus.bundle import load_bundle
from genus.config import CONFIG, TrainConfig, compose
from genus.data.split import deal, rank_in_class
from genus.errors import DataError, ModelError, UsageError
from genus.evaluation.label_errors import LabelIssue, label_issues
from genus.evaluation.learning_curve import SHARES, LearningCurve, learning_curve
from genus.files import csv_text
from genus.probabilities import softmax
from genus.report.content import Interval
from genus.report.figures import learning_curve_png
from genus.run import LABEL_ERRORS, LEARNING_CURVE, LEARNING_CURVE_PNG, Run
from genus.types import OnEvent, Part
from genus.workflows.dataset import groups_of, require_split
from genus.workflows.tasks.compute import choose_compute
from genus.workflows.tasks.cross_validation import FeatureSet, feature_set, out_of_fold
from genus.workflows.tasks.features import open_features
from genus.workflows.tasks.head import fit_like
from genus.workflows.tasks.starting_point import prepare_model

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
class StudiedRun:
    """The pictures of a run with pretrained features, and the options by which a head is fitted on them."""

    data: FeatureSet
    classes: tuple[str, ...]
    config: TrainConfig

    def fold_of(self) -> np.ndarray:
        """N: which fold each picture is in."""
        return deal(self.data.labels, self.data.groups, FOLDS, self.config.seed)


def measure_learning_curve(run: Run, device: str, on_event: OnEvent) -> LearningCurve:
    """Accuracy with 10 to 100 % of the run's training and validation pictures, each named by a head that has not seen
    it. Writes learning_curve.json and learning_curve.png. Raises ModelError, DataError, MachineError."""
    with _studied(run, (Part.TRAIN, Part.VAL), device, on_event) as study:
        data, fold_of = study.data, study.fold_of()
        ranks = rank_in_class(data.labels, data.groups, study.config.seed)
        fit, right, sizes = fit_like(study.config, len(study.classes)), [], []
        for share in SHARES:
            taking_part = ranks < share
            task = f"with {100 * share:.0f} %"
            logits = out_of_fold(data, fold_of, len(study.classes), fit, on_event, taking_part, task)
            right.append(logits.argmax(axis=1) == data.labels)
            sizes.append(round(taking_part.sum() * (FOLDS - 1) / FOLDS))
        curve = learning_curve(np.stack(right), sizes, data.labels, len(study.classes), groups_of(data.members))
    next_class = None if curve.next_class is None else study.classes[curve.next_class]
    about = {"schema": 1, "classes": list(study.classes), "folds": FOLDS, "next_class": next_class}
    run.keep(lambda: run.write_json(LEARNING_CURVE, {**about, **asdict(curve)}))
    run.keep(lambda: run.write(LEARNING_CURVE_PNG, _png(curve, study.classes)))
    return curve


def find_label_errors(run: Run, device: str, on_event: OnEvent) -> list[Suspect]:
    """Pictures of all parts whose label is doubtful, the most doubtful first. Writes label_errors.csv.

    The run notes that its test part was opened. Raises ModelError, DataError, MachineError.
    """
    with _studied(run, tuple(Part), device, on_event) as study:
        data = study.data
        fit = fit_like(study.config, len(study.classes))
        logits = out_of_fold(data, study.fold_of(), len(study.classes), fit, on_event)
    suspects = [_suspect(issue, study) for issue in label_issues(softmax(logits), data.labels)]
    tested = np.array([member.part == Part.TEST for member in data.members])
    if tested.any():
        right = (logits.argmax(axis=1) == data.labels)[tested]
        run.log_opening("label-errors", int(tested.sum()), float(right.mean()))
    head = ("path", "label", "suggested", "label_probability", "suggested_probability", "confident", "part")
    rows = [
        (str(x.path), x.label, x.suggested, f"{x.own:.6f}", f"{x.other:.6f}", str(x.confident).lower(), x.part)
        for x in suspects
    ]
    run.keep(lambda: run.write(LABEL_ERRORS, csv_text([head, *rows])))
    return suspects


def _png(curve: LearningCurve, classes: tuple[str, ...]) -> bytes:
    return learning_curve_png(
        [point.pictures for point in curve.points],
        [Interval(*astuple(point.accuracy)) for point in curve.points],
        [[estimate.value if estimate else None for estimate in point.recall] for point in curve.points],
        classes,
        curve.next_class,
    )


def _suspect(issue: LabelIssue, study: StudiedRun) -> Suspect:
    member = study.data.members[issue.picture]
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
def _studied(run: Run, parts: tuple[Part, ...], device: str, on_event: OnEvent) -> Iterator[StudiedRun]:
    bundle = load_bundle(run.folder)
    split = require_split(run, bundle)
    members = [member for part in parts for member in split.members(part)]
    config = replace(_pretrained_config(run), device=device, freeze_until=None)
    if config.weights == "none":
        raise UsageError(
            f"{run.folder} started from random weights: there are no pretrained features to study its pictures by."
        )
    compute = choose_compute(config, [member.path for member in members])
    start = prepare_model(config, bundle.architecture.name, bundle.classes, on_event)
    with open_features(start, compute, len(members), on_event) as sources:
        data = feature_set(sources.learning, members, bundle.classes)
        if len(set(data.groups)) < FOLDS:
            raise DataError(f"{run.folder} has only {len(set(data.groups))} pictures, too few for {FOLDS} folds.")
        yield StudiedRun(data, bundle.classes, config)


def _pretrained_config(run: Run) -> TrainConfig:
    """The options of the run; after ``--from``, with the weights and input size of the first of the chain."""
    if not run.config():
        raise ModelError(f"{run.folder} has no sound {CONFIG}, so its pretrained weights are not known.")
    config = compose({}, file=run / CONFIG)
    if config.from_run is None:
        return config
    first = _pretrained_config(Run(config.from_run))
    return replace(config, from_run=None, weights=first.weights, image_size=first.image_size)
