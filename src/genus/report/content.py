"""What the report of a run says: plain values, from which ``render`` makes one HTML file that needs nothing else."""

from dataclasses import dataclass

Interval = tuple[float, float | None, float | None]
"""Value, and the ends of its 95 % interval; None where there are too few groups for one."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A test picture and the answer for it. ``thumbnail``: a JPEG. Probabilities lie in 0..1; ``top`` are the best
    answers, (label, probability), the best first; ``known`` is None where the model has no rule for that."""

    path: str
    truth: str
    top: tuple[tuple[str, float], ...]
    known: bool | None
    thumbnail: bytes


@dataclass(frozen=True, slots=True)
class Alike:
    """A training picture near to a test picture; ``distance`` 0..2."""

    path: str
    label: str
    distance: float
    thumbnail: bytes


@dataclass(frozen=True, slots=True)
class Study:
    """A picture worth a closer look: larger, with its heat map (JPEGs of one size), and what it looks like."""

    picture: Picture
    plain: bytes
    heat: bytes
    alike: tuple[Alike, ...]


@dataclass(frozen=True, slots=True)
class ClassRow:
    """Pictures of a class by part, and how well it is named; intervals are None where there is nothing to count."""

    label: str
    train: int
    val: int
    test: int
    precision: Interval | None
    recall: Interval | None
    f1: float | None


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a chart: (x, y) points; ``band``: for each, the ends of its interval, or nothing."""

    name: str
    points: tuple[tuple[float, float], ...]
    band: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart with a sentence that says how to read it. ``percent``: which axes ("x", "y") are shares of 1;
    ``diagonal``: whether y = x is drawn; ``dots``: whether points are marked."""

    title: str
    text: str
    x: str
    y: str
    lines: tuple[Line, ...]
    percent: str = ""
    diagonal: bool = False
    dots: bool = False


@dataclass(frozen=True, slots=True)
class Doubtful:
    """A picture that looks like another class than its label says."""

    path: str
    part: str
    label: str
    suggested: str
    label_probability: float
    suggested_probability: float
    thumbnail: bytes


@dataclass(frozen=True, slots=True)
class Report:
    """All of a report.

    ``sentence``: the result in plain words; ``warnings``: what changes how to read it. ``confusion``: K x K counts,
    rows are the truth. ``pictures``: those that cells open (of a cell, perhaps not all); ``cut``: says what was left
    out, "" for nothing. ``macro``: precision, recall, F1 as the mean of all classes. ``numbers``: further results, name
    and value as the terminal shows them. ``facts``, ``card``: pairs of a heading and its text.
    """

    title: str
    model: str
    n: int
    accuracy: Interval
    sentence: str
    warnings: tuple[str, ...]
    classes: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    pictures: tuple[Picture, ...]
    cut: str
    rows: tuple[ClassRow, ...]
    macro: tuple[Interval, Interval, Interval]
    numbers: tuple[tuple[str, str], ...]
    worst: tuple[Study, ...]
    least_certain: tuple[Study, ...]
    charts: tuple[Chart, ...]
    doubtful: tuple[Doubtful, ...]
    data: tuple[tuple[str, str], ...]
    facts: tuple[tuple[str, str], ...]
    card: tuple[tuple[str, str], ...]
