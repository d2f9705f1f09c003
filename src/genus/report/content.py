"""What the report of a run, and the page of a check, say: plain values, from which ``render`` and ``render_check`` make
one HTML file that needs nothing else.

Shares and probabilities lie in 0..1; pictures are JPEGs, paths and names are shown as they are.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from genus.data.checks.finding import Severity, Verdict

Fact = tuple[str, str]
"""A heading and its text."""


class Interval(NamedTuple):
    """A share and its 95 % interval, whose ends are None where too few groups of pictures allow none."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class ShownPicture:
    """A test picture and the answer for it.

    ``top``: the best answers as (label, probability), the best first; ``known``: whether the answer counts, None where
    the model has no rule for that.
    """

    path: str
    truth: str
    top: tuple[tuple[str, float], ...]
    known: bool | None
    thumbnail: bytes


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A training picture near to a test picture; ``distance`` (0..2) is that of their features."""

    path: str
    label: str
    distance: float
    thumbnail: bytes


@dataclass(frozen=True, slots=True)
class CloseUp:
    """A test picture larger (``plain``), with its heat map (``heat``, of the same size), and what it looks like."""

    picture: ShownPicture
    plain: bytes
    heat: bytes
    neighbours: tuple[Neighbour, ...]


@dataclass(frozen=True, slots=True)
class ShownLabelError:
    """A picture that looks like another class than its label says; ``part`` is the side of the split it is on."""

    path: str
    part: str
    label: str
    suggested: str
    label_probability: float
    suggested_probability: float
    thumbnail: bytes


@dataclass(frozen=True, slots=True)
class ClassRow:
    """Pictures of a class in each part, and how well it is named; None where there is nothing to count."""

    label: str
    train: int
    val: int
    test: int
    precision: Interval | None
    recall: Interval | None
    f1: float | None


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a chart.

    ``points``: (x, y) from left to right. ``intervals``: for each point the ends of its interval, or None where it has
    none; empty without intervals. ``counts``: how many pictures are behind each point; empty where that is not said.
    """

    name: str
    points: tuple[tuple[float, float], ...]
    intervals: tuple[tuple[float, float] | None, ...] = ()
    counts: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart with a ``text`` that says how to read it; ``x`` and ``y`` are the names of its axes.

    ``percent``: which axes are shares. ``diagonal``: whether y = x is drawn. ``marks``: a line through the points
    ("line"), with a dot on each ("dots"), or dots alone with error bars ("bars").
    """

    title: str
    text: str
    x: str
    y: str
    lines: tuple[Line, ...]
    percent: Literal["", "y", "xy"] = ""
    diagonal: bool = False
    marks: Literal["line", "dots", "bars"] = "line"


@dataclass(frozen=True, slots=True)
class FoundPicture:
    """A picture that a finding concerns; ``thumbnail`` is empty where it cannot be read."""

    path: str
    label: str
    thumbnail: bytes


@dataclass(frozen=True, slots=True)
class ShownFinding:
    """What a check found (``kind``), and what to do about it. ``groups``: the pictures, those together that belong side
    by side; ``cut`` says how many of them are shown, where that is not all."""

    kind: str
    severity: Severity
    sentence: str
    advice: str
    groups: tuple[tuple[FoundPicture, ...], ...]
    cut: str


@dataclass(frozen=True, slots=True)
class CheckPage:
    """All of the page of a check. An empty field leaves its section out.

    ``sentence``: the verdict in plain words; ``pictures``: how many can be read, and in ``classes`` how many of each;
    ``findings``: in the order of the page; ``commands``: as in a report.
    """

    title: str
    verdict: Verdict
    sentence: str
    pictures: int
    findings: tuple[ShownFinding, ...]
    classes: tuple[tuple[str, int], ...]
    commands: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """All of a report. An empty field leaves its section out.

    ``n``: test pictures; ``sentence``: the result in plain words; ``cautions``: what changes how to read it.
    ``confusion``: K x K counts, rows are the truth. ``pictures``: those that the cells open, perhaps not all; ``cut``
    says which are left out. ``macro``: mean precision, recall and F1 of all classes. ``numbers``: further results.
    ``worst``, ``least_certain``: the surest mistakes, the least sure answers. ``findings``: what the checks found in
    all pictures before the training. ``label_errors``: labels that look wrong. ``data``, ``facts``, ``card``: about the
    pictures, the run, the model. ``commands``: what to do next, each with the line to type.
    """

    title: str
    model: str
    n: int
    accuracy: Interval
    sentence: str
    cautions: tuple[str, ...]
    classes: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    pictures: tuple[ShownPicture, ...]
    cut: str
    rows: tuple[ClassRow, ...]
    macro: tuple[Interval, Interval, Interval]
    numbers: tuple[Fact, ...]
    worst: tuple[CloseUp, ...]
    least_certain: tuple[CloseUp, ...]
    charts: tuple[Chart, ...]
    findings: tuple[ShownFinding, ...]
    label_errors: tuple[ShownLabelError, ...]
    data: tuple[Fact, ...]
    facts: tuple[Fact, ...]
    card: tuple[Fact, ...]
    commands: tuple[Fact, ...]
