"""A file of a run says what it has to, or there is a ValueError that says what is wrong."""

import json
from typing import Any

import pytest

from genus.evaluation.intervals import Estimate
from genus.stored import (
    Check,
    CheckedPicture,
    CrossValidation,
    Curve,
    CurvePoint,
    Metrics,
    StoredFinding,
    doubtful_labels,
    from_json,
    results,
)
from genus.training.head import Trial
from genus.types import EpochResult

EPOCH = {"epoch": 1, "epochs": 4, "lr": 1e-4, "train_loss": 2, "val_loss": None, "val_accuracy": 0.5, "seconds": 0.1}
SHARE = {"value": 0.5, "low": None, "high": 1}
POINT = {"share": 0.1, "pictures": 5, "accuracy": SHARE, "recall": [None]}
CURVE = {"schema": 1, "points": [POINT], "gain": SHARE, "next_class": "rose"}
FOLDS = {"schema": 1, "pictures": 9, "accuracies": [0.5, 1]}
FINDING = {
    "kind": "copy",
    "severity": "note",
    "sentence": "Two.",
    "advice": "",
    "members": [[{"path": "a", "label": "b"}]],
}
CHECK = {"data": "/a", "pictures": 2, "classes": {"b": 2}, "verdict": "clean", "findings": [FINDING]}
HEAD = "path,label,suggested,label_probability,suggested_probability,confident,part\n"


def test_what_genus_writes_is_read() -> None:
    assert from_json(Metrics, '{"val": {"n": 3}, "data": null, "test": {}}') == Metrics({"n": 3})
    found = from_json(CrossValidation, json.dumps(FOLDS))
    assert (found.mean, found.range, found.pictures) == (0.75, (0.5, 1), 9)
    estimate = Estimate(0.5, None, 1.0)
    assert from_json(Curve, json.dumps(CURVE)) == Curve((CurvePoint(5, estimate),), estimate, "rose")
    finding = StoredFinding("copy", "note", "Two.", "", ((CheckedPicture("a", "b"),),))
    assert from_json(Check, json.dumps(CHECK)) == Check("/a", 2, {"b": 2}, "clean", (finding,))
    assert from_json(Check, json.dumps(CHECK | {"findings": [FINDING | {"members": []}]})).findings[0].members == ()
    trial = {"c": 0.01, "val_loss": 0.5, "val_accuracy": 1.0}
    lines = f"{json.dumps(EPOCH)}\n{json.dumps(trial)}\n"
    assert results(lines.encode()) == [EpochResult(1, 4, 1e-4, 2.0, None, 0.5, 0.1), Trial(0.01, 0.5, 1.0)]
    for torn in ('{"epoch": 2, "ep', "\0\0\0", "5"):
        assert results((lines + torn).encode()) == results(lines.encode())
    assert results(lines.removesuffix("\n").encode()) == results(lines.encode())
    (row,) = doubtful_labels(f'{HEAD}"a,b.jpg",rose,tulip,0.25,0.75,true,train\n'.encode())
    assert (row.path, row.label_probability, row.part) == ("a,b.jpg", 0.25, "train")


@pytest.mark.parametrize("odd", ["a", "", None, [], {}, [1], True, 10**400, float("nan"), float("inf")])
@pytest.mark.parametrize(
    ("kind", "value", "place"),
    [
        (Metrics, {"val": {"n": 1, "loss": 0.5}}, "val"),
        (CrossValidation, FOLDS, "accuracies"),
        (CrossValidation, FOLDS, "accuracies 0"),
        (Curve, CURVE, "points"),
        (Curve, CURVE, "points 0 pictures"),
        (Curve, CURVE, "points 0 accuracy"),
        (Curve, CURVE, "gain"),
        (Curve, CURVE, "gain value"),
        (Curve, CURVE, "gain low"),
        (Check, CHECK, "data"),
        (Check, CHECK, "classes"),
        (Check, CHECK, "classes b"),
        (Check, CHECK, "verdict"),
        (Check, CHECK, "findings 0"),
        (Check, CHECK, "findings 0 severity"),
        (Check, CHECK, "findings 0 members 0 0"),
        (Check, CHECK, "findings 0 members 0 0 label"),
        (EpochResult, EPOCH, "epoch"),
        (EpochResult, EPOCH, "train_loss"),
        (EpochResult, EPOCH, "val_loss"),
    ],
)
def test_what_is_no_such_value_is_refused(kind: type, value: dict[str, Any], place: str, odd: object) -> None:
    value = json.loads(json.dumps(value))
    *way, last = [int(key) if key.isdigit() else key for key in place.split()]
    inner: Any = value
    for key in way:
        inner = inner[key]
    inner[last] = odd
    fitting = {"val": odd is None or odd == {}, "low": odd is None, "val_loss": odd is None, "accuracies": odd == [1]}
    fitting |= {"data": isinstance(odd, str), "label": isinstance(odd, str), "classes": odd == {}}
    if fitting.get(str(last)):
        from_json(kind, json.dumps(value))
        return
    with pytest.raises(ValueError, match=r"cannot be|is no object|has no|a number belongs"):
        from_json(kind, json.dumps(value))
    if last not in ("val", "low", "b", 0):
        del inner[last]
        with pytest.raises(ValueError, match=f"has no '{last}'"):
            from_json(kind, json.dumps(value))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a,b\n1,2\n", "has no 'path'"),
        (f"{HEAD}a.jpg,rose,tulip,x.25,0.75,true,train\n", "could not convert"),
        (f"{HEAD}a.jpg,rose,tulip,nan,0.75,true,train\n", "nan where a number belongs"),
        (f"{HEAD}a.jpg,rose\n", "different lengths"),
        (f"{HEAD}{'a' * 200_000},rose\n", "no CSV"),
    ],
)
def test_a_table_of_labels_that_is_none(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        doubtful_labels(text.encode())


def test_a_broken_line_that_is_not_the_last_costs_the_history() -> None:
    for line in ("5", "", '{"epoch": "1"}', "{", json.dumps(EPOCH | {"train_loss": "a"})):
        with pytest.raises(ValueError, match=r"."):
            results(f"{line}\n{json.dumps(EPOCH)}\n".encode())
