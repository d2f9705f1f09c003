"""What validation decides besides the weights: the temperature of the probabilities, and which answers are known.

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

from genus.data.folds import assign_folds, rank_in_class
from genus.data.split import Member
from genus.errors import plural
from genus.evaluation.calibration import fit_temperature
from genus.evaluation.selective import answers_needed, max_distance, min_probability
from genus.evidence import Evidence, Index
from genus.predictor import head_logits
from genus.probabilities import softmax
from genus.training.loop import Validation
from genus.types import Caution, KnownRule, Note, OnEvent, Part
from genus.workflows.dataset import Dataset, groups_of, stratified_sample
from genus.workflows.tasks.features import FeaturesOf
from genus.workflows.tasks.head import Fit
from genus.workflows.tasks.out_of_fold import feature_set, out_of_fold

INDEXED = 10_000  # training pictures at most
FOLDS = 5
ROUNDING = 1e-5
TOLERATED_ERRORS = 20  # validation is evidence enough where --max-error allows so many errors among its pictures


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """What goes into the bundle (see there), and ``val``: what metrics.json says about validation, None without."""

    temperature: float = 1.0
    known_rule: KnownRule | None = None
    index: Index | None = None
    evidence: Evidence | None = None
    val: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class HeldOutAnswers:
    """Answers to N pictures that the head has not learnt from: ``logits`` N x classes, true ``labels``, ``distances``
    from the nearest training picture, and the ``groups`` that they come in."""

    logits: NDArray[np.float32]
    labels: NDArray[np.int64]
    distances: NDArray[np.float32]
    groups: NDArray[np.int64]

    def evidence(self, temperature: float) -> Evidence:
        """What the bundle keeps of them."""
        probabilities = softmax(self.logits / temperature)
        confidence = probabilities.max(axis=1).astype(np.float32)
        return Evidence(confidence, probabilities.argmax(axis=1) == self.labels, self.groups, self.distances)


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

    ``train`` are the pictures that a new one may look like. ``fit`` is how the head was fitted on features of
    a network that has not learnt from ``train``, or None where it has.
    """
    index = index_of(features_of, train, dataset)
    val, tested = dataset.members(Part.VAL), bool(dataset.members(Part.TEST))
    measured, answers = None, None
    if val:
        rows, kept = features_of(val, "validation")
        logits, labels = head_logits(head, rows[:]), dataset.labels(val)[kept]
        loss, accuracy = Validation.of(logits, labels)
        measured = {"n": len(labels), "accuracy": {"value": accuracy}, "log_loss": loss}
        groups = groups_of([val[place] for place in kept])
        answers = HeldOutAnswers(logits, labels, index.distances(rows[:]), groups)
    if fit and (answers is None or len(answers.labels) * max_error < TOLERATED_ERRORS):
        enough = 4 * TOLERATED_ERRORS / max_error
        answers = out_of_fold_answers(features_of, train, val, dataset, fit, seed, enough, on_event) or answers
    if answers is None:
        reason = "There was no validation picture, so nothing is known, and probabilities are not calibrated."
        on_event(Caution(reason, with_result=tested))
        return Calibration(known_rule=KnownRule(max_error, None, 0.0, reason), index=index)
    temperature = fit_temperature(answers.logits, answers.labels)
    evidence = answers.evidence(temperature)
    rule = known_rule(evidence, max_error)
    if rule.reason:
        on_event(Caution(rule.reason, with_result=tested))
    return Calibration(temperature, rule, index, evidence, measured)


def known_rule(evidence: Evidence, max_error: float) -> KnownRule:
    """When an answer counts, so that at most ``max_error`` of those that do are wrong, as far as ``evidence`` shows.

    Both thresholds are moved outwards by what fp32 cannot tell apart: an engine that differs by a rounding must not
    change what is known.
    """
    furthest = max_distance(evidence.distances, evidence.groups)
    near = evidence.near(furthest)
    at_least = min_probability(near.confidence, near.right, max_error, near.groups)
    reason = (
        ""
        if at_least is not None
        else f"{plural(len(evidence), 'picture')} cannot show an error of at most {max_error:g} for any threshold, so "
        f"nothing is known; {np.count_nonzero(~evidence.right):,} of their answers were wrong. It takes at least "
        f"{answers_needed(max_error)} answers, the surest ones, with no wrong one among them, and more with some: more "
        "pictures or a larger --max-error help."
    )
    return KnownRule(max_error, at_least and max(at_least - ROUNDING, 0.0), min(furthest + ROUNDING, 2.0), reason)


def index_of(features_of: FeaturesOf, train: Sequence[Member], dataset: Dataset) -> Index:
    """The features of the training pictures, of at most ``INDEXED`` of them, evenly from all classes."""
    sample = [train[place] for place in stratified_sample(dataset.labels(train), min(INDEXED, len(train)))]
    rows, kept = features_of(sample, "index")
    return Index.of(rows[:], [sample[place].sha256 for place in kept])


def out_of_fold_answers(
    features_of: FeaturesOf, train: Sequence[Member], val: Sequence[Member], dataset: Dataset, fit: Fit, seed: int,
    enough: float, on_event: OnEvent,
) -> HeldOutAnswers | None:  # fmt: skip
    """The answers to the pictures of ``train`` and ``val``, each by a head of the other folds, and measured from them.

    No head learns from more pictures than there are in ``train``, since it stands for one that has learnt from these.
    Of many pictures, only as many folds are named as give ``enough`` answers. None for fewer groups than folds.
    """
    members = [*train, *val]
    data = feature_set(features_of, members, dataset.classes)
    there = data.members
    if len(set(data.groups)) < FOLDS:
        return None
    fold_of = assign_folds(data.labels, data.groups, FOLDS, seed)
    folds = min(FOLDS, math.ceil(enough * FOLDS / len(there)))
    share = len(train) / (len(members) * (FOLDS - 1) / FOLDS)
    learning = rank_in_class(data.labels, data.groups, seed) < share
    logits = out_of_fold(data, fold_of, len(dataset.classes), fit, on_event, learning, "thresholds", folds)
    distances = np.zeros(len(there), np.float32)
    for fold in range(folds):
        inside, outside = np.flatnonzero(fold_of == fold), np.flatnonzero((fold_of != fold) & learning)
        others = outside[stratified_sample(data.labels[outside], min(INDEXED, len(outside)))]
        index = Index.of(data.features[others], [there[place].sha256 for place in others])
        distances[inside] = index.distances(data.features[inside])
    named = np.flatnonzero(fold_of < folds)
    on_event(Note(f"Thresholds: decided on {len(named)} pictures, each named by a head that has not seen it."))
    return HeldOutAnswers(logits[named], data.labels[named], distances[named], groups_of(there)[named])
