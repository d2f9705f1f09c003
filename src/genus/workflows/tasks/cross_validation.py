"""Cross-validation of a head on features of a pretrained, frozen network.

Never on those of a fine-tuned one: that has seen the labels, also of the pictures that a fold leaves out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from genus.config import TrainConfig
from genus.data.folds import assign_folds
from genus.errors import DataError
from genus.evaluation.intervals import share
from genus.probabilities import softmax
from genus.report.text import TOO_FEW, decimal
from genus.run import CROSS_VALIDATION, OUT_OF_FOLD, Run
from genus.stored import CrossValidation
from genus.types import Note, OnEvent, Part
from genus.workflows.dataset import Dataset, groups_of
from genus.workflows.tasks.features import FeaturesOf
from genus.workflows.tasks.head import fit_like
from genus.workflows.tasks.out_of_fold import FeatureSet, feature_set, out_of_fold


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


def _table(
    data: FeatureSet, fold_of: NDArray[np.int64], probabilities: NDArray[np.float64], classes: Sequence[str]
) -> Iterator[tuple[object, ...]]:
    yield "path", "label", "fold", *classes
    for member, fold, row in zip(data.members, fold_of.tolist(), probabilities, strict=True):
        yield str(member.path), member.label, fold, *(f"{value:.6f}" for value in row)
