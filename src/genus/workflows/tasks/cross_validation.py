"""Every picture named by a head that has not seen it: cross-validation on features of a pretrained, frozen network.

Never on those of a fine-tuned one: that has seen the labels, also of the pictures that a fold leaves out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn

from genus.config import TrainConfig
from genus.data.folds import assign_folds
from genus.data.split import Member
from genus.errors import DataError
from genus.evaluation.intervals import share
from genus.predictor import head_logits
from genus.probabilities import softmax
from genus.report.text import TOO_FEW, decimal
from genus.run import CROSS_VALIDATION, OUT_OF_FOLD, Run
from genus.stored import CrossValidation
from genus.training.head import Examples
from genus.training.scaling import CHUNK, IN_MEMORY, Features, Selected
from genus.types import Note, OnEvent, Part, Progress
from genus.workflows.dataset import Dataset, groups_of, labels_of
from genus.workflows.tasks.features import FeaturesOf
from genus.workflows.tasks.head import Fit, fit_like


@dataclass(frozen=True, slots=True, eq=False)
class FeatureSet:
    """N pictures that can be read, their ``features`` (N x D) and class numbers."""

    members: tuple[Member, ...]
    features: Features
    labels: NDArray[np.int64]

    @property
    def groups(self) -> list[str]:
        """Names of what stays together in a fold."""
        return [member.unit for member in self.members]


def feature_set(features_of: FeaturesOf, members: Sequence[Member], classes: Sequence[str]) -> FeatureSet:
    """Features of ``members``; loaded where they fit into memory. Raises DataError when none can be read."""
    rows, kept = features_of(members, "features")
    there = tuple(members[place] for place in kept)
    return FeatureSet(there, rows[:] if rows.nbytes <= IN_MEMORY else rows, labels_of(there, classes))


def cross_validate(
    features_of: FeaturesOf, dataset: Dataset, config: TrainConfig, run: Run, on_event: OnEvent
) -> CrossValidation:
    """``config.cv`` folds of the training and validation pictures, with the head of ``config``.

    Writes cross_validation.json and out_of_fold.csv. The sealed test part stays out of it. Raises DataError.
    """
    assert config.cv
    data = feature_set(features_of, dataset.members(Part.TRAIN, Part.VAL), dataset.classes)
    if len(set(data.groups)) < config.cv:
        raise DataError(f"--cv {config.cv} needs at least {config.cv} pictures; there are {len(set(data.groups))}.")
    fold_of = assign_folds(data.labels, data.groups, config.cv, config.seed)
    logits = out_of_fold(data, fold_of, len(dataset.classes), fit_like(config, len(dataset.classes)), on_event)
    right = logits.argmax(axis=1) == data.labels
    accuracies = tuple(float(right[fold_of == fold].mean()) for fold in range(config.cv))
    accuracy = share(right, groups_of(data.members))
    found = CrossValidation(len(right), accuracies, accuracy)
    run.write_json(
        CROSS_VALIDATION,
        {
            "schema": 1,
            **asdict(found),
            "mean": found.mean,
            "head": config.head,
            "features": "of the pretrained network, never fine-tuned",
        },
    )
    run.write_table(OUT_OF_FOLD, _table(data, fold_of, softmax(logits), dataset.classes))
    ends = TOO_FEW if accuracy.interval is None else f"95 % interval {' to '.join(map(decimal, accuracy.interval))}"
    on_event(
        Note(
            f"Cross-validation, {config.cv} folds of {found.pictures} pictures, head on pretrained features: "
            f"{decimal(accuracy.value, 4)} ({ends}; folds {' to '.join(map(decimal, found.range))})."
        )
    )
    return found


def out_of_fold(
    data: FeatureSet,
    fold_of: NDArray[np.int64],
    classes: int,
    fit: Fit,
    on_event: OnEvent,
    taking_part: NDArray[np.bool_] | None = None,
    task: str = "cross-validation",
    folds: int | None = None,
) -> NDArray[np.float32]:
    """Logits of every picture (N x classes) by a head fitted on the other folds; of these, on those ``taking_part``.

    With ``folds``, only the pictures of the first so many are named; the others keep zeros.
    """
    logits = np.zeros((len(data.labels), classes), np.float32)
    folds = folds or int(fold_of.max()) + 1
    for fold in range(folds):
        inside = fold_of != fold if taking_part is None else (fold_of != fold) & taking_part
        chosen, left_out = np.flatnonzero(inside), np.flatnonzero(fold_of == fold)
        head = nn.Linear(data.features[:1].shape[1], classes)
        nn.init.zeros_(head.weight)
        nn.init.zeros_(head.bias)
        fit(head, Examples(Selected(data.features, chosen), data.labels[chosen]))
        for start in range(0, len(left_out), CHUNK):
            piece = left_out[start : start + CHUNK]
            logits[piece] = head_logits(head, data.features[piece])
        on_event(Progress(task, fold + 1, folds))
    return logits


def _table(
    data: FeatureSet, fold_of: NDArray[np.int64], probabilities: NDArray[np.float64], classes: Sequence[str]
) -> Iterator[tuple[object, ...]]:
    yield "path", "label", "fold", *classes
    for member, fold, row in zip(data.members, fold_of.tolist(), probabilities, strict=True):
        yield str(member.path), member.label, fold, *(f"{value:.6f}" for value in row)
