"""What validation decides besides the weights: how sure the answers are to sound, and when to say "unknown"."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn

from genus.bundle import Bundle
from genus.data.split import Member
from genus.engine.torch_engine import TorchEngine
from genus.evaluation.calibration import fit_temperature
from genus.evaluation.metrics import Evaluation, evaluate
from genus.evaluation.selective import max_distance, min_probability
from genus.index import Index
from genus.models.backbone import Backbone, WithoutHead
from genus.predictor import head_logits
from genus.probabilities import softmax
from genus.training.features import run_over
from genus.training.scaling import Table
from genus.types import Caution, KnownRule, OnEvent, Part, Preprocess
from genus.workflows.compute import Compute
from genus.workflows.fit_head import spread
from genus.workflows.pictures import Pictures, Side, labels_of

INDEXED = 10_000  # training pictures at most

Look = Callable[[Sequence[Member], str], tuple[Table, NDArray[np.int64]]]
"""Members, and what for -> the features of those that can be read, and which these are."""


@dataclass(frozen=True, slots=True)
class Decisions:
    """See ``Bundle``."""

    temperature: float = 1.0
    known_rule: KnownRule | None = None
    index: Index | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """The answers of ``bundle`` for N pictures: ``logits`` N x classes, which are ``known`` (N, None where the bundle
    has no rule for that), and how good they are."""

    bundle: Bundle
    side: Side
    logits: NDArray[np.float32]
    known: NDArray[np.bool_] | None
    evaluation: Evaluation


def through(model: Backbone, preprocess: Preprocess, compute: Compute, on_event: OnEvent) -> Look:
    """Look with ``model`` itself."""
    engine = TorchEngine(WithoutHead(model), preprocess, compute.device, compute.precision)

    def look(members: Sequence[Member], task: str) -> tuple[Table, NDArray[np.int64]]:
        paths = [member.path for member in members]
        seen = run_over(paths, engine, preprocess, workers=compute.workers, task=task, on_event=on_event)
        return seen.rows, seen.indices

    return look


def decide(
    look: Look, head: nn.Linear, train: Sequence[Member], pictures: Pictures, max_error: float, on_event: OnEvent
) -> Decisions:
    """Temperature and thresholds by the validation pictures, for a ``head`` that has not learnt from them.

    ``train`` are the pictures that a new one may look like.
    """
    val = pictures.split.members(Part.VAL)
    rows, kept = look(val, "validation")
    if not len(kept):
        on_event(Caution("There is no validation picture: probabilities are not calibrated, and nothing is unknown."))
        return Decisions()
    logits, labels = head_logits(head, rows[:]), labels_of(val, pictures.classes)[kept]
    temperature = fit_temperature(logits, labels)
    sample = [train[place] for place in spread(labels_of(train, pictures.classes), min(INDEXED, len(train)))]
    sample_rows, sample_kept = look(sample, "index")
    index = Index.of(sample_rows[:], [sample[place].sha256 for place in sample_kept])
    probabilities = softmax(logits / temperature)
    distances = index.distances(rows[:])
    furthest = max_distance(distances)
    near = distances <= furthest
    right = probabilities.argmax(axis=1) == labels
    at_least = min_probability(probabilities.max(axis=1)[near], right[near], max_error)
    if at_least is None:
        on_event(
            Caution(
                f"{len(labels)} validation pictures cannot show an error of at most {max_error:g} for any threshold: "
                "only what looks like no training picture will be unknown. More pictures or a larger --max-error help."
            )
        )
    return Decisions(temperature, KnownRule(max_error, at_least or 0.0, furthest), index)


def judge(bundle: Bundle, side: Side, logits: NDArray[np.float32], distances: NDArray[np.float32] | None) -> Judged:
    """Hold the answers of ``bundle`` for the pictures of ``side`` against the truth."""
    rule, known = bundle.known_rule, None
    if rule and distances is not None:
        confidence = softmax(logits / bundle.temperature).max(axis=1)
        known = np.array([rule.holds(*answer) for answer in zip(confidence, distances, strict=True)])
    evaluation = evaluate(
        logits,
        side.labels,
        bundle.classes,
        temperature=bundle.temperature,
        groups=side.groups,
        known=known,
        max_error=rule.max_error if rule else 0.0,
    )
    return Judged(bundle, side, logits, known, evaluation)
