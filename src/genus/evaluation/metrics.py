"""How good the answers to a set of pictures are, seen from several sides.

Undefined values are None: the precision of a class that was never predicted, recall and F1 of a class without
pictures. Macro averages run over the classes that have pictures, weighted ones count each class by its pictures; an
undefined precision enters both as 0 (scikit-learn's ``zero_division=0``).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genus.probabilities import log_softmax

TOP_K = (2, 3, 5)


@dataclass(frozen=True, slots=True)
class Averages:
    """Precision, recall and F1 (0..1) averaged over classes."""

    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, slots=True)
class ClassResult:
    """``n`` pictures of one class and how they fared (0..1, or None where undefined)."""

    label: str
    n: int
    precision: float | None
    recall: float | None
    f1: float | None


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """All numbers of one evaluation of ``n`` pictures.

    ``accuracy`` and the values of ``top_k`` lie in 0..1; ``log_loss`` is the mean cross-entropy in nats;
    ``confusion`` is K x K int64, rows = truth, columns = prediction, in the order of ``per_class``.
    """

    n: int
    accuracy: float
    top_k: dict[int, float]
    macro: Averages
    weighted: Averages
    log_loss: float
    per_class: tuple[ClassResult, ...]
    confusion: NDArray[np.int64]


def evaluate(logits: NDArray[np.floating], labels: NDArray[np.integer], classes: Sequence[str]) -> Evaluation:
    """Hold ``logits`` (N x K, finite) against the true class numbers ``labels`` (N, 0..K-1).

    The prediction is the class with the highest logit, among equals the one that comes first. Raises ValueError for
    shapes that do not match, no pictures at all, a label outside of 0..K-1, and a logit that is no finite number.
    """
    _require_sound(logits, labels, classes)
    values = logits.astype(np.float64)
    predictions, ranks = values.argmax(axis=1), _ranks(values, labels)
    confusion = _confusion(labels, predictions, len(classes))
    scores, support = _scores(confusion), confusion.sum(axis=1)
    return Evaluation(
        n=len(labels),
        accuracy=float(np.mean(predictions == labels)),
        top_k={k: float(np.mean(ranks < k)) for k in TOP_K if k <= len(classes)},
        macro=Averages(*(float(np.average(score, weights=support > 0)) for score in scores)),
        weighted=Averages(*(float(np.average(score, weights=support)) for score in scores)),
        log_loss=_log_loss(values, labels),
        per_class=_per_class(classes, confusion, *scores),
        confusion=confusion,
    )


def to_json(evaluation: Evaluation) -> dict[str, Any]:
    """The object "test" of ``metrics.json`` in plain Python values: no NaN, undefined values are None."""
    averages = {
        f"{kind}_{name}": {"value": value}
        for kind, scores in (("macro", evaluation.macro), ("weighted", evaluation.weighted))
        for name, value in asdict(scores).items()
    }
    return {
        "n": evaluation.n,
        "accuracy": {"value": evaluation.accuracy},
        "top_k": {str(k): {"value": value} for k, value in evaluation.top_k.items()},
        **averages,
        "log_loss": evaluation.log_loss,
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


def _confusion(labels: NDArray[np.integer], predictions: NDArray[np.integer], classes: int) -> NDArray[np.int64]:
    return np.bincount(labels * classes + predictions, minlength=classes**2).reshape(classes, classes)


def _scores(confusion: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Precision, recall and F1 of each class; 0 where there is nothing to divide by."""
    right, support, predicted = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    return (
        right / np.maximum(predicted, 1),
        right / np.maximum(support, 1),
        2 * right / np.maximum(support + predicted, 1),
    )


def _ranks(logits: NDArray[np.float64], labels: NDArray[np.integer]) -> NDArray[np.int64]:
    """Place of the true class of each picture, 0 = first; among equal logits the lower class number comes first."""
    truth = labels[:, None]
    own = np.take_along_axis(logits, truth, axis=1)
    ahead = (logits > own) | ((logits == own) & (np.arange(logits.shape[1]) < truth))
    return ahead.sum(axis=1)


def _log_loss(logits: NDArray[np.float64], labels: NDArray[np.integer]) -> float:
    return -float(np.mean(np.take_along_axis(log_softmax(logits), labels[:, None], axis=1)))


def _per_class(
    classes: Sequence[str],
    confusion: NDArray[np.int64],
    precision: NDArray[np.float64],
    recall: NDArray[np.float64],
    f1: NDArray[np.float64],
) -> tuple[ClassResult, ...]:
    support, predicted = confusion.sum(axis=1), confusion.sum(axis=0)
    return tuple(
        ClassResult(
            label=label,
            n=int(support[k]),
            precision=float(precision[k]) if predicted[k] else None,
            recall=float(recall[k]) if support[k] else None,
            f1=float(f1[k]) if support[k] else None,
        )
        for k, label in enumerate(classes)
    )
