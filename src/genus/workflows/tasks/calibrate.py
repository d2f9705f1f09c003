"""What validation decides besides the weights: how sure the answers are to sound, and which of them count.

Where validation pictures are few and only the head has learnt, all pictures that are not sealed are evidence: each is
named by a head that has not seen it, which frozen features make cheap.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from genus.data.folds import deal
from genus.data.split import Member
from genus.evaluation.calibration import fit_temperature
from genus.evaluation.unknown import max_distance, min_probability
from genus.index import Index
from genus.predictor import head_logits
from genus.probabilities import softmax
from genus.training.scaling import IN_MEMORY
from genus.types import Caution, KnownRule, Note, OnEvent, Part
from genus.workflows.dataset import Dataset, groups_of, spread
from genus.workflows.tasks.cross_validation import FeatureSet, out_of_fold
from genus.workflows.tasks.features import FeaturesOf
from genus.workflows.tasks.fine_tune import measure
from genus.workflows.tasks.head import Fit

INDEXED = 10_000  # training pictures at most
FOLDS = 5
TOLERATED_ERRORS = 20  # validation is evidence enough where --max-error allows so many errors among its pictures


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """See ``Bundle``; ``val`` is what metrics.json says about validation, None without."""

    temperature: float = 1.0
    known_rule: KnownRule | None = None
    index: Index | None = None
    val: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Answers to N pictures that the model has not learnt from: ``logits`` N x classes, true ``labels``, ``distances``
    from the nearest training picture, and the ``groups`` that they come in."""

    logits: NDArray[np.float32]
    labels: NDArray[np.int64]
    distances: NDArray[np.float32]
    groups: NDArray[np.int64]


def calibrate(
    features_of: FeaturesOf,
    head: nn.Linear,
    train: Sequence[Member],
    dataset: Dataset,
    max_error: float,
    on_event: OnEvent,
    fit: Fit | None = None,
    seed: int = 0,
) -> Calibration:
    """Temperature, index and thresholds for a ``head`` that has not learnt from validation.

    ``train`` are the pictures that a new one may look like. ``fit`` is how the head was fitted on frozen features, or
    None where other layers have learnt, too.
    """
    index = index_of(features_of, train, dataset)
    val = dataset.members(Part.VAL)
    measured = None
    evidence = None
    if val:
        rows, kept = features_of(val, "validation")
        logits, labels = head_logits(head, rows[:]), dataset.labels(val)[kept]
        loss, accuracy = measure(logits, labels)
        measured = {"n": len(labels), "accuracy": {"value": accuracy}, "log_loss": loss}
        groups = groups_of([val[place] for place in kept])
        evidence = Evidence(logits, labels, index.distances(rows[:]), groups)
    if fit and (evidence is None or len(evidence.labels) * max_error < TOLERATED_ERRORS):
        enough = 4 * TOLERATED_ERRORS / max_error
        evidence = out_of_fold_evidence(features_of, [*train, *val], dataset, fit, seed, enough, on_event) or evidence
    if evidence is None:
        on_event(Caution("There is no validation picture: probabilities are not calibrated, and nothing is known."))
        return Calibration(index=index)
    temperature = fit_temperature(evidence.logits, evidence.labels)
    return Calibration(temperature, _rule(evidence, temperature, max_error, on_event), index, measured)


def index_of(features_of: FeaturesOf, train: Sequence[Member], dataset: Dataset) -> Index:
    """The features of the training pictures, of at most ``INDEXED`` of them, evenly from all classes."""
    sample = [train[place] for place in spread(dataset.labels(train), min(INDEXED, len(train)))]
    rows, kept = features_of(sample, "index")
    return Index.of(rows[:], [sample[place].sha256 for place in kept])


def out_of_fold_evidence(
    features_of: FeaturesOf, members: Sequence[Member], dataset: Dataset, fit: Fit, seed: int, enough: float,
    on_event: OnEvent,
) -> Evidence | None:  # fmt: skip
    """The answers to ``members``, each by a head, and measured from pictures, of the other folds.

    Of many members, only as many folds as give ``enough`` answers. None for fewer groups of pictures than folds.
    """
    rows, kept = features_of(members, "features")
    there = tuple(members[place] for place in kept)
    data = FeatureSet(there, rows[:] if rows.nbytes <= IN_MEMORY else rows, dataset.labels(there))
    if len(set(data.groups)) < FOLDS:
        return None
    fold_of = deal(data.labels, data.groups, FOLDS, seed)
    folds = min(FOLDS, math.ceil(enough * FOLDS / len(there)))
    logits = out_of_fold(data, fold_of, len(dataset.classes), fit, on_event, task="thresholds", folds=folds)
    distances = np.zeros(len(there), np.float32)
    for fold in range(folds):
        inside, outside = np.flatnonzero(fold_of == fold), np.flatnonzero(fold_of != fold)
        others = outside[spread(data.labels[outside], min(INDEXED, len(outside)))]
        index = Index.of(data.features[others], [there[place].sha256 for place in others])
        distances[inside] = index.distances(data.features[inside])
    named = np.flatnonzero(fold_of < folds)
    on_event(Note(f"Thresholds: decided on {len(named)} pictures, each named by a head that has not seen it."))
    return Evidence(logits[named], data.labels[named], distances[named], groups_of(there)[named])


def _rule(evidence: Evidence, temperature: float, max_error: float, on_event: OnEvent) -> KnownRule:
    probabilities = softmax(evidence.logits / temperature)
    furthest = max_distance(evidence.distances)
    near = evidence.distances <= furthest
    right = probabilities.argmax(axis=1) == evidence.labels
    at_least = min_probability(probabilities.max(axis=1)[near], right[near], max_error)
    if at_least is None:
        on_event(
            Caution(
                f"{len(right)} pictures cannot show an error of at most {max_error:g} for any threshold: "
                "only what looks like no training picture will be unknown. More pictures or a larger --max-error help."
            )
        )
    return KnownRule(max_error, at_least or 0.0, furthest)
