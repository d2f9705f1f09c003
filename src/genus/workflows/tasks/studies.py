"""What a finished run's own pictures say about themselves: the learning curve, and labels that look wrong.

Both work on features of the network as it was pretrained (see ``pretrained``).
"""

from dataclasses import asdict, astuple, dataclass
from pathlib import Path

import numpy as np

from genus.data.folds import rank_in_class
from genus.evaluation.label_errors import LabelError, label_errors
from genus.evaluation.learning_curve import SHARES, LearningCurve, learning_curve
from genus.files import csv_text
from genus.probabilities import softmax
from genus.report.content import Interval
from genus.report.figures import learning_curve_png
from genus.run import LABEL_ERRORS, LEARNING_CURVE, LEARNING_CURVE_PNG, Run
from genus.types import OnEvent, Part
from genus.workflows.dataset import groups_of
from genus.workflows.tasks.head import fit_like
from genus.workflows.tasks.out_of_fold import out_of_fold
from genus.workflows.tasks.pretrained import FOLDS, StudiedRun, open_study


@dataclass(frozen=True, slots=True)
class MislabelledPicture:
    """A picture whose label is doubtful (see ``LabelError``); ``part`` is the side of the split it was on."""

    path: Path
    label: str
    suggested: str
    label_probability: float
    suggested_probability: float
    confident: bool
    part: Part


def measure_learning_curve(run: Run, device: str, on_event: OnEvent) -> LearningCurve:
    """Accuracy with 10 to 100 % of the run's training and validation pictures, each named by a head that has not seen
    it. Writes learning_curve.json and learning_curve.png. Raises ModelError, DataError, MachineError."""
    with open_study(run, (Part.TRAIN, Part.VAL), device, on_event) as study:
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
    run.try_to_write(lambda: run.write_json(LEARNING_CURVE, {**about, **asdict(curve)}))
    run.try_to_write(lambda: run.write(LEARNING_CURVE_PNG, _png(curve, study.classes)))
    return curve


def find_label_errors(run: Run, device: str, on_event: OnEvent) -> list[MislabelledPicture]:
    """Pictures of all parts whose label is doubtful, the most doubtful first. Writes label_errors.csv.

    The run notes that its test part was opened. Raises ModelError, DataError, MachineError.
    """
    with open_study(run, tuple(Part), device, on_event) as study:
        data = study.data
        fit = fit_like(study.config, len(study.classes))
        logits = out_of_fold(data, study.fold_of(), len(study.classes), fit, on_event)
    mislabelled = [_mislabelled(error, study) for error in label_errors(softmax(logits), data.labels)]
    tested = np.array([member.part == Part.TEST for member in data.members])
    if tested.any():
        right = (logits.argmax(axis=1) == data.labels)[tested]
        run.log_opening("label-errors", int(tested.sum()), float(right.mean()))
    head = ("path", "label", "suggested", "label_probability", "suggested_probability", "confident", "part")
    rows = [
        (
            str(x.path),
            x.label,
            x.suggested,
            f"{x.label_probability:.6f}",
            f"{x.suggested_probability:.6f}",
            str(x.confident).lower(),
            x.part,
        )
        for x in mislabelled
    ]
    run.try_to_write(lambda: run.write(LABEL_ERRORS, csv_text([head, *rows])))
    return mislabelled


def _png(curve: LearningCurve, classes: tuple[str, ...]) -> bytes:
    return learning_curve_png(
        [point.pictures for point in curve.points],
        [Interval(*astuple(point.accuracy)) for point in curve.points],
        [[estimate.value if estimate else None for estimate in point.recall] for point in curve.points],
        classes,
        curve.next_class,
    )


def _mislabelled(error: LabelError, study: StudiedRun) -> MislabelledPicture:
    member = study.data.members[error.picture]
    return MislabelledPicture(
        member.path,
        member.label,
        study.classes[error.suggested],
        error.label_probability,
        error.suggested_probability,
        error.confident,
        member.part,
    )
