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

from genus.evaluation.calibration import CalibrationScores, calibration
from genus.evaluation.intervals import Estimate, Groups, effective_sizes, share, shares

TOP_K = (2, 3, 5)


@dataclass(frozen=True, slots=True)
class Averages:
    """Precision, recall and F1 (0..1) averaged over classes."""

    precision: Estimate
    recall: Estimate
    f1: Estimate


@dataclass(frozen=True, slots=True)
class ClassResult:
    """``n`` pictures of one class and how they fared (0..1, or None where undefined)."""

    label: str
    n: int
    precision: Estimate | None
    recall: Estimate | None
    f1: float | None


@dataclass(frozen=True, slots=True)
class Known:
    """The answers that count as known, where errors of at most ``max_error`` were asked for: their share of all
    pictures, and the share of errors among them (None without any)."""

    max_error: float
    share: Estimate
    error: Estimate | None


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """All numbers of one evaluation of ``n`` pictures, which belong to ``groups`` independent groups.

    ``accuracy`` and the values of ``top_k`` lie in 0..1; ``calibration`` is that of the probabilities as they are given
    out, ``uncalibrated`` that of the logits at temperature 1; ``confusion`` is K x K int64, rows = truth, columns =
    prediction, in the order of ``per_class``; ``known`` is None where the model has no rule for that.
    """

    n: int
    groups: int
    accuracy: Estimate
    top_k: dict[int, Estimate]
    macro: Averages
    weighted: Averages
    calibration: CalibrationScores
    uncalibrated: CalibrationScores
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
    groups: Groups | None = None,
    known: NDArray[np.bool_] | None = None,
    max_error: float = 0.0,
) -> Evaluation:
    """Hold ``logits`` (N x K, finite) against the true class numbers ``labels`` (N, 0..K-1).

    The prediction is the class with the highest logit, among equals the one that comes first. ``groups`` (N) says which
    pictures belong together (None: each is alone), and all intervals are by group. ``known`` (N) says which answers
    count by a rule that allows ``max_error``.

    Raises ValueError for shapes that do not match, no pictures at all, a label outside of 0..K-1, and a logit that is
    no finite number.
    """
    _require_sound(logits, labels, classes)
    values = logits.astype(np.float64)
    predictions, ranks = values.argmax(axis=1), _ranks(values, labels)
    right = predictions == labels
    confusion = np.bincount(labels * len(classes) + predictions, minlength=len(classes) ** 2)
    confusion = confusion.reshape(len(classes), len(classes))
    macro, weighted = averages(labels, predictions, len(classes), groups)
    return Evaluation(
        n=len(labels),
        groups=len(labels) if groups is None else len(np.unique(groups)),
        accuracy=share(right, groups),
        top_k={k: share(ranks < k, groups) for k in TOP_K if k <= len(classes)},
        macro=macro,
        weighted=weighted,
        calibration=calibration(values / temperature, labels),
        uncalibrated=calibration(values, labels),
        temperature=temperature,
        per_class=_per_class(classes, labels, predictions, groups),
        confusion=confusion,
        known=None if known is None else _known(known, right, max_error, groups),
    )


def averages(
    labels: NDArray[np.integer], predictions: NDArray[np.integer], classes: int, groups: Groups | None = None
) -> tuple[Averages, Averages]:
    """Macro and weighted averages for class numbers ``labels`` and ``predictions`` (N each, 0..``classes`` - 1).

    Each is a weighted share of right answers. Precision gives every answer the weight of its predicted class over the
    predictions of that class, recall that of the true class over its pictures, and F1 both over the sum of the two.

    With few pictures of many classes, two averages are biased, to first order: macro F1 by the mean of -F1 (1 - F1) /
    (pictures + predictions), being a mean of ratios, and weighted precision by the sum of P (1 - P) / N, because a
    class that happens to have more pictures happens to be more precise. (For weighted F1, both cancel.) The intervals
    reach farther by that on this side; the values are the usual ones.
    """
    support, predicted = (np.bincount(numbers, minlength=classes) for numbers in (labels, predictions))
    right = np.bincount(labels, labels == predictions, classes)
    there = support > 0
    f1, precision = 2 * right / np.maximum(support + predicted, 1), right / np.maximum(predicted, 1)
    rows, missing = [], []
    for weight in (there / there.sum(), support / support.sum()):
        by_both = weight / np.maximum(support + predicted, 1)
        rows += [
            (weight / np.maximum(predicted, 1))[predictions],
            (weight / np.maximum(support, 1))[labels],
            by_both[labels] + by_both[predictions],
        ]
        missing += [weight[predicted == 0].sum(), 0.0, 0.0]
    dependent = len(labels) / effective_sizes(labels == predictions, np.zeros_like(labels), 1, groups)[0]
    f1_bias = -dependent * np.mean((f1 * (1 - f1) / np.maximum(support + predicted, 1))[there])
    bias = [0.0, 0.0, f1_bias, dependent * np.sum(precision * (1 - precision)) / len(labels), 0.0, 0.0]
    number, count = np.repeat(np.arange(len(rows)), len(labels)), len(rows)
    everyone = None if groups is None else np.tile(groups, count)
    found = shares(np.tile(labels == predictions, count), number, count, everyone, np.concatenate(rows))
    scores = [_average(*one) for one in zip(found, missing, bias, strict=True)]
    return Averages(*scores[:3]), Averages(*scores[3:])


def to_json(evaluation: Evaluation) -> dict[str, Any]:
    """The object "test" of ``metrics.json`` (docs/metrics.md) in plain Python values: undefined values are None."""
    averages = {
        f"{kind}_{name}": value
        for kind, scores in (("macro", evaluation.macro), ("weighted", evaluation.weighted))
        for name, value in asdict(scores).items()
    }
    return {
        "n": evaluation.n,
        "groups": evaluation.groups,
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


def _known(known: NDArray[np.bool_], right: NDArray[np.bool_], max_error: float, groups: Groups | None) -> Known:
    error = share(~right[known], None if groups is None else groups[known]) if known.any() else None
    return Known(max_error, share(known, groups), error)


def _average(defined: Estimate | None, missing: float, bias: float) -> Estimate:
    """The average over all classes from that over the classes where it is ``defined``.

    Classes with the weight ``missing`` count as 0 and could be anything. ``bias``: by how much the value is too high.
    """
    if defined is None:
        return Estimate(0.0, 0.0, 1.0)
    value = (1 - missing) * defined.value
    if defined.low is None or defined.high is None:
        return Estimate(value, None, None)
    low, high = ((1 - missing) * end for end in (defined.low, defined.high))
    return Estimate(value, max(low - max(bias, 0.0), 0.0), min(high + max(-bias, 0.0) + missing, 1.0))


def _ranks(logits: NDArray[np.float64], labels: NDArray[np.integer]) -> NDArray[np.int64]:
    """Place of the true class of each picture, 0 = first; among equal logits the lower class number comes first."""
    truth = labels[:, None]
    own = np.take_along_axis(logits, truth, axis=1)
    ahead = (logits > own) | ((logits == own) & (np.arange(logits.shape[1]) < truth))
    return ahead.sum(axis=1)


def _per_class(
    classes: Sequence[str],
    labels: NDArray[np.integer],
    predictions: NDArray[np.integer],
    groups: Groups | None,
) -> tuple[ClassResult, ...]:
    right, count = labels == predictions, len(classes)
    support, predicted = np.bincount(labels, minlength=count), np.bincount(predictions, minlength=count)
    hits = np.bincount(labels, right, count)
    f1 = (2 * hits / np.maximum(support + predicted, 1)).tolist()
    precision, recall = shares(right, predictions, count, groups), shares(right, labels, count, groups)
    return tuple(
        ClassResult(label, n, precision[k], recall[k], f1[k] if n else None)
        for k, (label, n) in enumerate(zip(classes, support.tolist(), strict=True))
    )
