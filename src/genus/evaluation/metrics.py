"""How good the answers to a set of pictures are, seen from several sides.

Undefined values are None: the precision of a class that was never predicted, recall and F1 of a class without
pictures. Macro averages run over the classes that have pictures (macro recall is also called balanced accuracy),
weighted ones count each class by its pictures; an undefined precision enters both as 0 (scikit-learn's
``zero_division=0``).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genus.evaluation.calibration import Calibration, calibration
from genus.evaluation.intervals import Estimate, bootstrap, wilson

TOP_K = (2, 3, 5)


@dataclass(frozen=True, slots=True)
class Averages:
    """Precision, recall and F1 (0..1) averaged over classes, with bootstrap intervals."""

    precision: Estimate
    recall: Estimate
    f1: Estimate


@dataclass(frozen=True, slots=True)
class ClassResult:
    """``n`` pictures of one class and how they fared (0..1, or None where undefined), with Wilson intervals."""

    label: str
    n: int
    precision: Estimate | None
    recall: Estimate | None
    f1: float | None


@dataclass(frozen=True, slots=True)
class Known:
    """What the model answered with confidence: the share of pictures, and of the errors among them (None without any),
    where ``max_error`` was asked for."""

    max_error: float
    share: Estimate
    error: Estimate | None


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """All numbers of one evaluation of ``n`` pictures.

    ``accuracy`` and the values of ``top_k`` lie in 0..1 and have Wilson intervals; ``calibration`` is that of the
    probabilities as they are given out, ``uncalibrated`` that of the logits at temperature 1; ``confusion`` is K x K
    int64, rows = truth, columns = prediction, in the order of ``per_class``; ``known`` is None where the model has no
    rule for that.
    """

    n: int
    accuracy: Estimate
    top_k: dict[int, Estimate]
    macro: Averages
    weighted: Averages
    calibration: Calibration
    uncalibrated: Calibration
    temperature: float
    per_class: tuple[ClassResult, ...]
    confusion: NDArray[np.int64]
    known: Known | None


def evaluate(
    logits: NDArray[np.floating],
    labels: NDArray[np.integer],
    classes: Sequence[str],
    *,
    temperature: float = 1.0,
    groups: NDArray[np.integer] | None = None,
    known: NDArray[np.bool_] | None = None,
    max_error: float = 0.0,
) -> Evaluation:
    """Hold ``logits`` (N x K, finite) against the true class numbers ``labels`` (N, 0..K-1).

    The prediction is the class with the highest logit, among equals the one that comes first. ``groups`` (N) says which
    pictures belong together, ``known`` (N) which answers count by a rule that allows ``max_error``.

    Raises ValueError for shapes that do not match, no pictures at all, a label outside of 0..K-1, and a logit that is
    no finite number.
    """
    _require_sound(logits, labels, classes)
    values = logits.astype(np.float64)
    predictions, ranks = values.argmax(axis=1), _ranks(values, labels)
    confusion = np.bincount(labels * len(classes) + predictions, minlength=len(classes) ** 2)
    confusion = confusion.reshape(len(classes), len(classes))
    macro, weighted = _averages(labels, predictions, len(classes), np.arange(len(labels)) if groups is None else groups)
    return Evaluation(
        n=len(labels),
        accuracy=wilson(int((predictions == labels).sum()), len(labels)),
        top_k={k: wilson(int((ranks < k).sum()), len(labels)) for k in TOP_K if k <= len(classes)},
        macro=macro,
        weighted=weighted,
        calibration=calibration(values / temperature, labels),
        uncalibrated=calibration(values, labels),
        temperature=temperature,
        per_class=_per_class(classes, confusion),
        confusion=confusion,
        known=None if known is None else _known(known, predictions == labels, max_error),
    )


def to_json(evaluation: Evaluation) -> dict[str, Any]:
    """The object "test" of ``metrics.json`` (docs/metrics.md) in plain Python values: undefined values are None."""
    averages = {
        f"{kind}_{name}": value
        for kind, scores in (("macro", evaluation.macro), ("weighted", evaluation.weighted))
        for name, value in asdict(scores).items()
    }
    return {
        "n": evaluation.n,
        "accuracy": asdict(evaluation.accuracy),
        "top_k": {str(k): asdict(value) for k, value in evaluation.top_k.items()},
        **averages,
        **asdict(evaluation.calibration),
        "temperature": evaluation.temperature,
        "uncalibrated": asdict(evaluation.uncalibrated),
        "known": asdict(evaluation.known) if evaluation.known else None,
        "per_class": [asdict(result) for result in evaluation.per_class],
        "confusion": evaluation.confusion.tolist(),
    }


def _require_sound(logits: NDArray[np.floating], labels: NDArray[np.integer], classes: Sequence[str]) -> None:
    if labels.ndim != 1 or logits.shape != (len(labels), len(classes)):
        raise ValueError(
            f"logits {logits.shape} and labels {labels.shape} do not match: with {len(classes)} classes they must be "
            f"N x {len(classes)} and N."
        )
    if not len(labels):
        raise ValueError("There are no pictures to evaluate.")
    if labels.min() < 0 or labels.max() >= len(classes):
        raise ValueError(f"labels run from {labels.min()} to {labels.max()}, but must lie in 0..{len(classes) - 1}.")
    if not np.isfinite(logits).all():
        raise ValueError("Some logits are no finite numbers.")


def _known(known: NDArray[np.bool_], right: NDArray[np.bool_], max_error: float) -> Known:
    answered = int(known.sum())
    error = wilson(int((known & ~right).sum()), answered) if answered else None
    return Known(max_error, wilson(answered, len(known)), error)


def _averages(
    labels: NDArray[np.integer], predictions: NDArray[np.integer], classes: int, groups: NDArray[np.integer]
) -> tuple[Averages, Averages]:
    """Macro and weighted averages; the intervals come from drawing the groups anew."""

    def averages(counts: NDArray[np.int64]) -> NDArray[np.float64]:
        support, predicted = (np.bincount(numbers, counts, classes) for numbers in (labels, predictions))
        right = np.bincount(labels, counts * (labels == predictions), classes)
        scores = np.stack(
            [
                right / np.maximum(predicted, 1),
                right / np.maximum(support, 1),
                2 * right / np.maximum(support + predicted, 1),
            ]
        )
        there = support > 0
        return np.concatenate([scores @ there / there.sum(), scores @ support / support.sum()])

    found = bootstrap(averages, groups)
    return Averages(*found[:3]), Averages(*found[3:])


def _ranks(logits: NDArray[np.float64], labels: NDArray[np.integer]) -> NDArray[np.int64]:
    """Place of the true class of each picture, 0 = first; among equal logits the lower class number comes first."""
    truth = labels[:, None]
    own = np.take_along_axis(logits, truth, axis=1)
    ahead = (logits > own) | ((logits == own) & (np.arange(logits.shape[1]) < truth))
    return ahead.sum(axis=1)


def _per_class(classes: Sequence[str], confusion: NDArray[np.int64]) -> tuple[ClassResult, ...]:
    counts = zip(
        confusion.diagonal().tolist(), confusion.sum(axis=1).tolist(), confusion.sum(axis=0).tolist(), strict=True
    )
    return tuple(
        ClassResult(
            label=label,
            n=support,
            precision=wilson(right, predicted) if predicted else None,
            recall=wilson(right, support) if support else None,
            f1=2 * right / (support + predicted) if support else None,
        )
        for label, (right, support, predicted) in zip(classes, counts, strict=True)
    )
