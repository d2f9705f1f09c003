"""The answers of a run's Predictor to labelled pictures, held against the truth: the only way to a reported number."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genus.bundle import Bundle
from genus.errors import DataError
from genus.evaluation.metrics import Evaluation, evaluate
from genus.predictor import Predictor
from genus.probabilities import softmax
from genus.types import Caution, OnEvent, Progress
from genus.workflows.dataset import Subset


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """The answers of ``bundle`` for the N pictures of ``subset``: ``logits`` N x classes, ``distances`` N from the
    nearest training picture and which are ``known`` (N bool), both None where the bundle has no index or no rule for
    that; and how good they are."""

    bundle: Bundle
    subset: Subset
    logits: NDArray[np.float32]
    distances: NDArray[np.float32] | None
    known: NDArray[np.bool_] | None
    evaluation: Evaluation


def score(predictor: Predictor, subset: Subset, on_event: OnEvent, task: str = "Testing") -> Scored:
    """Ask ``predictor`` about the pictures of ``subset``, reading their files.

    What cannot be read is left out, and said. Raises DataError when none can be read.
    """
    logits, distances, kept, failed = [], [], [], []
    for answer in predictor.answers(subset.paths):
        if answer.logits is None:
            failed.append(f"{subset.paths[answer.index]}: {answer.error}")
        else:
            logits.append(answer.logits)
            distances.append(answer.distance)
            kept.append(answer.index)
        on_event(Progress(task, answer.index + 1, len(subset)))
    if not kept:
        raise DataError(f"None of the {len(subset)} test pictures can be read{f': {failed[0]}' if failed else ''}.")
    if failed:
        on_event(Caution(f"{len(failed)} test pictures cannot be read and are left out; first: {failed[0]}."))
    far = None if distances[0] is None else np.array(distances, np.float32)
    return scored(predictor.bundle, subset.take(kept), np.stack(logits), far)


def score_features(predictor: Predictor, subset: Subset, features: NDArray[np.float32]) -> Scored:
    """The same for pictures whose ``features`` (N x D, in fp32, by this very network) are kept from an earlier look."""
    return scored(predictor.bundle, subset, *predictor.from_features(features))


def known_answers(
    bundle: Bundle, logits: NDArray[np.float32], distances: NDArray[np.float32] | None
) -> NDArray[np.bool_] | None:
    """Which answers count by the rule of ``bundle``; None where it has none."""
    rule = bundle.known_rule
    if rule is None or distances is None:
        return None
    confidence = softmax(logits / bundle.temperature).max(axis=1)
    return np.array([rule.holds(*answer) for answer in zip(confidence, distances, strict=True)], bool)


def scored(
    bundle: Bundle, subset: Subset, logits: NDArray[np.float32], distances: NDArray[np.float32] | None
) -> Scored:
    """Hold the answers of ``bundle`` for the pictures of ``subset`` against the truth."""
    known = known_answers(bundle, logits, distances)
    evaluation = evaluate(
        logits,
        subset.labels,
        bundle.classes,
        temperature=bundle.temperature,
        groups=subset.groups,
        known=known,
        max_error=bundle.known_rule.max_error if bundle.known_rule else 0.0,
    )
    return Scored(bundle, subset, logits, distances, known, evaluation)


def labels_named(predictor: Predictor, subset: Subset, on_event: OnEvent, task: str) -> dict[int, int]:
    """The class number that ``predictor`` gives each picture that can be read, by the picture's number."""
    named = {}
    for answer in predictor.answers(subset.paths):
        if answer.logits is not None:
            named[answer.index] = int(answer.logits.argmax())
        on_event(Progress(task, answer.index + 1, len(subset)))
    return named
