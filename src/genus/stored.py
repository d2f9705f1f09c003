"""What the files of a run say, as values that can be counted on.

A file may be damaged, or changed by hand. Each is read into one of the values below: a number is a number and finite, a
text is a text, nothing is missing, or else a ValueError says what is wrong. What a value does not need is passed over.
"""

import contextlib
import csv
import io
import json
from dataclasses import MISSING, dataclass, fields, is_dataclass
from statistics import fmean
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from genus.data.checks.finding import Severity, Verdict
from genus.evaluation.intervals import Estimate
from genus.training.head import Trial
from genus.types import EpochResult

LARGEST = 1e100  # of all numbers: sums and squares of them are finite, too

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Metrics:
    """Of ``metrics.json``: what validation showed, the folder of pictures that are not the run's own, and what
    a careless split would have claimed."""

    val: dict[str, Any] | None = None
    data: str | None = None
    careless_split: Estimate | None = None


@dataclass(frozen=True, slots=True)
class CrossValidation:
    """Of ``cross_validation.json``: ``accuracies`` (0..1) of the folds, and over all ``pictures``, each named once by a
    head that has not seen it.

    The interval of ``accuracy`` takes the answers for those of one model. The heads share most of their training
    pictures, so it is an approximation, but a better one than the range of the folds, which says how even they are.
    """

    pictures: int
    accuracies: tuple[float, ...]
    accuracy: Estimate | None = None

    def __post_init__(self) -> None:
        if not self.accuracies:
            raise ValueError("'accuracies' of it cannot be empty")

    @property
    def mean(self) -> float:
        """Of the folds."""
        return fmean(self.accuracies)

    @property
    def range(self) -> tuple[float, float]:
        """The worst and the best fold."""
        return min(self.accuracies), max(self.accuracies)


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """The ``accuracy`` after training on so many ``pictures``."""

    pictures: int
    accuracy: Estimate


@dataclass(frozen=True, slots=True)
class Curve:
    """Of ``learning_curve.json``: what twice as many pictures would ``gain``, and the class to photograph next."""

    points: tuple[CurvePoint, ...]
    gain: Estimate
    next_class: str | None = None

    def __post_init__(self) -> None:
        if not self.points:
            raise ValueError("'points' of it cannot be empty")


@dataclass(frozen=True, slots=True)
class CheckedPicture:
    """A picture that a finding concerns; its path is relative to the data folder where it lies there."""

    path: str
    label: str


@dataclass(frozen=True, slots=True)
class StoredFinding:
    """What a check found, as ``genus.data.checks.finding.Finding`` says it."""

    kind: str
    severity: Severity
    sentence: str
    advice: str
    members: tuple[tuple[CheckedPicture, ...], ...]


@dataclass(frozen=True, slots=True)
class Check:
    """Of ``check.json``: what the checks found in the folder ``data``, the gravest first. ``pictures`` and ``classes``,
    each with its number of pictures, count those that can be read."""

    data: str
    pictures: int
    classes: dict[str, int]
    verdict: Verdict
    findings: tuple[StoredFinding, ...]


@dataclass(frozen=True, slots=True)
class DoubtfulLabel:
    """A row of ``label_errors.csv``: a picture that looks like the class ``suggested``; ``part`` is its side of the
    split."""

    path: str
    label: str
    suggested: str
    label_probability: float
    suggested_probability: float
    part: str


def from_json(kind: type[Value], content: str | bytes) -> Value:
    """The JSON object ``content`` as a ``kind``, one of the values above. Raises ValueError."""
    return _checked(kind, json.loads(content, parse_constant=_number, parse_float=_number), "it")


def results(content: bytes) -> list[EpochResult | Trial]:
    """The lines of ``metrics.jsonl``. What stands behind the last line end was being written when the run was killed,
    and counts only where it is whole. Raises ValueError."""
    *lines, last = content.split(b"\n")
    found = [_result(line) for line in lines]
    with contextlib.suppress(ValueError):
        found.append(_result(last))
    return found


def doubtful_labels(content: bytes) -> list[DoubtfulLabel]:
    """The rows of ``label_errors.csv``. Raises ValueError."""
    names = [field.name for field in fields(DoubtfulLabel) if field.type is float]
    rows = [{**row, **{name: _number(row[name]) for name in names if name in row}} for row in csv_rows(content)]
    return [_checked(DoubtfulLabel, row, f"row {number}") for number, row in enumerate(rows, 1)]


def csv_rows(content: bytes) -> list[dict[str, Any]]:
    """The rows of a CSV file by the names in its first line. Raises ValueError."""
    try:
        rows = list(csv.DictReader(io.StringIO(content.decode(), newline="")))
    except csv.Error as error:
        raise ValueError(f"it is no CSV: {error}") from error
    if any(None in row or None in row.values() for row in rows):
        raise ValueError("its rows have different lengths")
    return rows


def _result(line: bytes) -> EpochResult | Trial:
    return from_json(EpochResult, line) if b'"epoch"' in line else from_json(Trial, line)


def _number(text: str) -> float:
    """Raises ValueError, also for what is no number to count with: NaN, Infinity, 1e400."""
    number = float(text)
    if not abs(number) < LARGEST:
        raise ValueError(f"it says {text} where a number belongs")
    return number


def _checked(kind: Any, value: Any, place: str) -> Any:
    """``value``, as JSON has it, as a ``kind``: a dataclass, or the type of one of its fields."""
    if is_dataclass(kind):
        return _object(kind, value, place)
    if isinstance(kind, UnionType):
        (other,) = set(get_args(kind)) - {NoneType}
        return None if value is None else _checked(other, value, place)
    wanted, inner = get_origin(kind) or kind, get_args(kind)
    if wanted is Any or (wanted is Literal and value in inner):
        return value
    if wanted is tuple and isinstance(value, list):
        return tuple(_checked(inner[0], one, f"{place}, number {i}") for i, one in enumerate(value, 1))
    if wanted is dict and isinstance(value, dict):
        return {name: _checked(inner[1], one, f"'{name}' of {place}") for name, one in value.items()}
    if wanted is float and type(value) is int:
        wanted = int
    if type(value) is not wanted or (wanted is int and abs(value) >= LARGEST):
        raise ValueError(f"{place} cannot be {str(value)[:40]!r}")
    return value


def _object(kind: Any, value: Any, place: str) -> Any:
    if not isinstance(value, dict):
        raise ValueError(f"{place} is no object")
    hints, found = get_type_hints(kind), {}
    for field in fields(kind):
        if field.name in value:
            found[field.name] = _checked(hints[field.name], value[field.name], f"'{field.name}' of {place}")
        elif field.default is MISSING:
            raise ValueError(f"{place} has no '{field.name}'")
    return kind(**found)
