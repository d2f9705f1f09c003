import json
import math
from dataclasses import asdict, astuple
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics as sklearn_metrics

from genus.evaluation.intervals import Estimate, share
from genus.evaluation.metrics import Evaluation, Known, evaluate, to_json

Answers = tuple[NDArray[np.float32], NDArray[np.int64]]


@st.composite
def answers(draw: st.DrawFn) -> Answers:
    """Few pictures, few classes and coarse logits: ties, absent and never predicted classes come up all the time."""
    count, classes = draw(st.integers(1, 12)), draw(st.integers(2, 6))
    row = st.lists(st.integers(-4, 4), min_size=classes, max_size=classes)
    logits = draw(st.lists(row, min_size=count, max_size=count))
    labels = draw(st.lists(st.integers(0, classes - 1), min_size=count, max_size=count))
    return np.array(logits, dtype=np.float32) / 2, np.array(labels, dtype=np.int64)


def exact(right: int, n: int) -> Estimate:
    """The estimate from ``right`` of ``n`` independent pictures."""
    return share(np.arange(n) < right)


def names(count: int) -> list[str]:
    return [f"class {number}" for number in range(count)]


@settings(max_examples=60)
@given(answers())
def test_equals_counting_by_hand(case: Answers) -> None:
    logits, labels = case
    result = evaluate(logits, labels, names(logits.shape[1]))
    rows, truths = logits.tolist(), labels.tolist()
    orders = [sorted(range(len(row)), key=lambda k, row=row: (-row[k], k)) for row in rows]
    pairs = [(truth, order[0]) for truth, order in zip(truths, orders, strict=True)]

    assert result.n == len(rows)
    assert result.accuracy.value == pytest.approx(sum(truth == guess for truth, guess in pairs) / len(pairs))
    assert set(result.top_k) == {k for k in (2, 3, 5) if k <= logits.shape[1]}
    for k, value in result.top_k.items():
        assert value.value == pytest.approx(
            sum(truth in order[:k] for truth, order in zip(truths, orders, strict=True)) / len(rows)
        )
    losses = [math.log(sum(math.exp(x - row[truth]) for x in row)) for row, truth in zip(rows, truths, strict=True)]
    assert result.calibration.log_loss == pytest.approx(math.fsum(losses) / len(losses), abs=1e-12)
    for k, one in enumerate(result.per_class):
        own, guessed, right = truths.count(k), sum(guess == k for _, guess in pairs), pairs.count((k, k))
        assert (one.label, one.n) == (f"class {k}", own)
        for found, n in ((one.precision, guessed), (one.recall, own)):
            assert astuple(found) == pytest.approx(astuple(exact(right, n))) if found else not n
        assert one.f1 == (pytest.approx(2 * right / (own + guessed)) if own else None)
        assert result.confusion[k].tolist() == [pairs.count((k, other)) for other in range(logits.shape[1])]


@settings(max_examples=25)
@given(answers())
def test_averages_equal_scikit_learn(case: Answers) -> None:
    logits, labels = case
    result = evaluate(logits, labels, names(logits.shape[1]))
    for average, ours in (("macro", result.macro), ("weighted", result.weighted)):
        *theirs, _ = sklearn_metrics.precision_recall_fscore_support(
            labels, logits.argmax(axis=1), labels=np.unique(labels), average=average, zero_division=0
        )
        assert [ours.precision.value, ours.recall.value, ours.f1.value] == pytest.approx(theirs)
    probabilities = np.exp(logits, dtype=np.float64) / np.exp(logits, dtype=np.float64).sum(axis=1, keepdims=True)
    expected = sklearn_metrics.log_loss(labels, probabilities, labels=range(logits.shape[1]))
    assert result.calibration.log_loss == pytest.approx(expected)


@settings(max_examples=25)
@given(answers())
def test_the_whole_is_consistent(case: Answers) -> None:
    logits, labels = case
    result = evaluate(logits, labels, names(logits.shape[1]))
    assert result.confusion.trace() / result.confusion.sum() == pytest.approx(result.accuracy.value)
    assert result.weighted.recall.value == pytest.approx(result.accuracy.value)
    ladder = [estimate.value for estimate in (result.accuracy, *result.top_k.values())]
    assert ladder == sorted(ladder)
    assert [value.value for k, value in result.top_k.items() if k == logits.shape[1]] in ([], [1.0])
    for estimate in (result.accuracy, *result.top_k.values(), result.macro.f1, result.weighted.precision):
        assert estimate.interval
        assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1 + 1e-12


def evaluate_guesses(truths: list[int], guesses: list[int], classes: int) -> Evaluation:
    return evaluate(np.eye(classes)[guesses], np.array(truths), names(classes))


def test_class_without_pictures_and_class_never_predicted() -> None:
    """Class 1 is never predicted, class 2 has no pictures but is predicted once, class 3 does not occur at all."""
    result = evaluate_guesses([0, 0, 0, 1], [0, 0, 2, 0], classes=4)
    assert [(one.n, one.precision, one.recall, one.f1) for one in result.per_class] == [
        (3, exact(2, 3), exact(2, 3), pytest.approx(2 / 3)),
        (1, None, exact(0, 1), 0.0),
        (0, exact(0, 1), None, None),
        (0, None, None, None),
    ]
    assert result.macro.precision.value == pytest.approx((2 / 3 + 0) / 2)
    assert result.macro.recall.value == pytest.approx((2 / 3 + 0) / 2)
    assert result.weighted.precision.value == pytest.approx(3 / 4 * 2 / 3)


def test_among_equal_logits_the_first_class_wins() -> None:
    result = evaluate(np.zeros((4, 4)), np.array([0, 1, 2, 3]), names(4))
    assert result.confusion[:, 0].tolist() == [1, 1, 1, 1]
    assert (result.accuracy, result.top_k) == (exact(1, 4), {2: exact(2, 4), 3: exact(3, 4)})
    assert result.calibration.log_loss == pytest.approx(math.log(4))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_log_loss_of_huge_logits(dtype: type[np.floating]) -> None:
    logits = np.array([[30_000, -30_000], [30_000, -30_000]], dtype=dtype)
    assert evaluate(logits, np.array([0, 1]), names(2)).calibration.log_loss == pytest.approx(30_000)


def test_json_is_plain_and_complete() -> None:
    result = evaluate_guesses([0, 1, 1], [0, 1, 0], classes=3)
    value = to_json(result)
    assert json.loads(json.dumps(value, allow_nan=False)) == value
    averages = [f"{kind}_{name}" for kind in ("macro", "weighted") for name in ("precision", "recall", "f1")]
    calibrated = ["log_loss", "brier", "ece"]
    assert list(value) == [
        "n", "groups", "accuracy", "top_k", *averages, *calibrated, "temperature", "uncalibrated", "known", "per_class",
        "confusion",
    ]  # fmt: skip
    for estimate in (value["accuracy"], value["top_k"]["3"], *(value[name] for name in averages)):
        assert list(estimate) == ["value", "low", "high"]
    assert value["accuracy"] == asdict(exact(2, 3))
    assert value["macro_recall"]["value"] == pytest.approx(0.75)
    assert value["weighted_precision"]["value"] == pytest.approx(5 / 6)
    assert list(value["uncalibrated"]) == calibrated
    assert value["per_class"][0]["precision"] == asdict(exact(1, 2))
    assert value["per_class"][2] == {"label": "class 2", "n": 0, "precision": None, "recall": None, "f1": None}
    assert value["confusion"] == [[1, 0, 0], [1, 1, 0], [0, 0, 0]]


def test_every_key_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
    value = to_json(evaluate(np.eye(2), np.array([0, 1]), names(2), known=np.array([True, False]), max_error=0.1))
    for key in (*value, *value["known"], *value["uncalibrated"], *value["per_class"][0]):
        assert f"`{key}`" in page


def test_answers_that_count_and_their_errors() -> None:
    logits, labels = np.eye(2)[[0, 1, 1, 0, 0]], np.array([0, 1, 0, 0, 1])
    result = evaluate(logits, labels, names(2), known=np.array([True, True, True, False, False]), max_error=0.1)
    assert result.known == Known(0.1, exact(3, 5), exact(1, 3))
    assert to_json(result)["known"]["error"]["value"] == pytest.approx(1 / 3)
    nothing = evaluate(logits, labels, names(2), known=np.zeros(5, bool), max_error=0.1)
    assert nothing.known == Known(0.1, exact(0, 5), None)
    assert evaluate(logits, labels, names(2)).known is None


def intervals(result: Evaluation) -> list[tuple[float, float] | None]:
    """Of everything that has one."""
    averages = [score for one in (result.macro, result.weighted) for score in (one.precision, one.recall, one.f1)]
    classes = [score for one in result.per_class for score in (one.precision, one.recall)]
    known = [result.known.share, result.known.error] if result.known else []
    return [one.interval for one in (result.accuracy, *result.top_k.values(), *averages, *classes, *known) if one]


def test_pictures_that_belong_together_tell_less() -> None:
    """Each picture ten times over: as if they were independent, the intervals would be a third as wide."""
    rng = np.random.default_rng(0)
    logits, labels, known = rng.normal(size=(300, 3)), rng.integers(3, size=300), rng.random(300) < 0.6
    ten = {"logits": logits.repeat(10, axis=0), "labels": labels.repeat(10), "known": known.repeat(10)}
    alone = evaluate(logits, labels, names(3), known=known)
    apart, together = (evaluate(**ten, classes=names(3), groups=groups) for groups in (None, np.arange(300).repeat(10)))
    assert (alone.groups, apart.groups, together.groups) == (300, 3000, 300)
    widths = [[high - low for low, high in intervals(result) if high < 1] for result in (alone, apart, together)]
    assert len(widths[0]) == 16
    assert widths[2] == pytest.approx(widths[0], rel=0.2)
    assert max(one / other for one, other in zip(widths[1], widths[0], strict=True)) < 0.45


def test_few_groups_give_values_without_intervals() -> None:
    rng = np.random.default_rng(0)
    logits, labels, known = rng.normal(size=(40, 3)), rng.integers(3, size=40), np.arange(40) > 9
    result = evaluate(logits, labels, names(3), groups=np.arange(40) % 4, known=known)
    plain = evaluate(logits, labels, names(3), known=known)
    assert set(intervals(result)) == {None}
    value = to_json(result)
    assert json.loads(json.dumps(value, allow_nan=False)) == value
    assert value["accuracy"] == {"value": plain.accuracy.value, "low": None, "high": None}
    assert value["macro_f1"]["value"] == pytest.approx(plain.macro.f1.value)
    assert (value["groups"], value["n"]) == (4, 40)


def test_a_class_of_few_groups_beside_a_class_of_many() -> None:
    labels = np.repeat([0, 1], 60)
    groups = np.where(labels == 0, np.arange(120) % 20, 100 + np.arange(120) % 2)
    many, few = evaluate(np.eye(2)[labels], labels, names(2), groups=groups).per_class
    assert many.recall
    assert many.recall.interval == pytest.approx(exact(20, 20).interval)  # each group counts as one picture
    assert few.recall == Estimate(1.0, None, None)


def test_the_temperature_changes_probabilities_and_no_name() -> None:
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(50, 4)), rng.integers(4, size=50)
    plain, scaled = evaluate(logits, labels, names(4)), evaluate(logits, labels, names(4), temperature=2.5)
    assert scaled.calibration == evaluate(logits / 2.5, labels, names(4)).calibration != plain.calibration
    assert scaled.uncalibrated == plain.calibration
    assert (scaled.confusion == plain.confusion).all()


@pytest.mark.parametrize(
    ("logits", "labels", "reason"),
    [
        (np.zeros((0, 2)), np.zeros(0, dtype=int), "no pictures"),
        (np.zeros((3, 2)), np.zeros(2, dtype=int), "do not match"),
        (np.zeros((3, 4)), np.zeros(3, dtype=int), "do not match"),
        (np.zeros(2), np.zeros(2, dtype=int), "do not match"),
        (np.zeros((2, 2)), np.zeros((2, 1), dtype=int), "do not match"),
        (np.zeros((2, 2)), np.array([0, 2]), "0..1"),
        (np.zeros((2, 2)), np.array([-1, 0]), "0..1"),
        (np.array([[0.0, np.nan]]), np.array([0]), "finite"),
        (np.array([[0.0, -np.inf]]), np.array([0]), "finite"),
    ],
)
def test_input_that_makes_no_sense(logits: NDArray[np.float64], labels: NDArray[np.int64], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        evaluate(logits, labels, names(2))
