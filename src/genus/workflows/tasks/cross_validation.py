"""Cross-validation of a head on features of a pretrained, frozen network.

Never on those of a fine-tuned one: that has seen the labels, also of the pictures that a fold leaves out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genus.config import TrainConfig
from genus.data.folds import assign_folds
from genus.data.split import SHARE
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

WORTH_SAYING = 0.02  # share of the pictures that belong to others


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


def careless_claim(
    features_of: FeaturesOf, dataset: Dataset, config: TrainConfig, on_event: OnEvent
) -> dict[str, Any] | None:
    """What metrics.json says of a random split that tears apart what belongs together: the accuracy of one more head,
    tested on as many of the train and validation pictures as the test part has. That part is not opened. None where
    few pictures belong to others.

    Each picture counts for itself, as a careless tester would count it.
    """
    members = dataset.members(Part.TRAIN, Part.VAL)
    related = sum(bool(member.because) for member in members)
    if related < WORTH_SAYING * len(members):
        return None
    data = feature_set(features_of, members, dataset.classes)
    order = np.random.default_rng(config.seed).permutation(len(data.labels))
    fold_of = (order >= round(len(order) * float(SHARE / (1 - SHARE)))).astype(np.int64)
    classes = len(dataset.classes)
    logits = out_of_fold(data, fold_of, classes, fit_like(config, classes), on_event, task="careless split", folds=1)
    claim = share((logits.argmax(axis=1) == data.labels)[fold_of == 0])
    on_event(
        Note(
            f"{related:,} of {len(members):,} pictures belong to others. A random split that tears them apart would "
            f"have claimed an accuracy of {claim}."
        )
    )
    return asdict(claim)
