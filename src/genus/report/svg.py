"""A chart of the page as an inline SVG: it follows the size, the font and the colours of the page around it."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from genus.report.content import Chart, Line
from genus.report.text import columns, percent, printable, shorten_all

WIDTH, PLOT_HEIGHT = 430, 210
TOP, RIGHT, BOTTOM = 28, 24, 46  # room around the plot
LETTER, LEGEND_ROW, SWATCH = 7.6, 20, 34
TICKS = 6  # at most, or one more
NAMED, NAME_COLUMNS = 12, 28  # lines in the legend
COLOURS = ("blue", "orange", "ink")  # with the dashes: twelve lines before two look the same
DASHES = ("none", "7 4", "2 3", "9 3 2 3")
NARROWEST = 0.02  # an axis of shares shows at least so much

Point = tuple[float, float]
Interval = tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Axis:
    """``low`` .. ``high`` in the data lie at ``start`` .. ``end`` in the SVG."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        return round(self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start), 1)


def chart_svg(chart: Chart) -> Markup:
    """``chart`` with axes, grid, intervals, lines and a legend. Points that are no finite numbers are left out."""
    lines = [_finite(line) for line in chart.lines]
    extent = [(point[0], y) for line in lines for point, ends, _ in _points(line) for y in (point[1], *(ends or ()))]
    x_ticks, y_ticks = _both_ticks(extent or [(0.0, 0.0), (1.0, 1.0)], chart)
    y_labels = _tick_labels(y_ticks, percent="y" in chart.percent)
    left = 14 + LETTER * max(map(len, y_labels))
    names = shorten_all([printable(line.name) for line in lines], NAME_COLUMNS)
    legend, top = _legend(names, left, chart)
    x = Axis(*_x_limits(extent, x_ticks, chart), left, WIDTH - RIGHT)
    y = Axis(y_ticks[0], y_ticks[-1], top + PLOT_HEIGHT, top)
    x_ticks = [tick for tick in x_ticks if x.low <= tick <= x.high]
    x_labels = _tick_labels(x_ticks, percent="x" in chart.percent)
    parts = [
        *_horizontal(y_ticks, y_labels, x, y),
        *_vertical(x_ticks, x_labels, x, y),
        Markup('<text class="axis" x="0" y="{}">{}</text>').format(top - 12, printable(chart.y)),
        Markup('<text class="axis" x="{}" y="{}" text-anchor="middle">{}</text>').format(
            (x.start + x.end) / 2, y.start + 40, printable(chart.x)
        ),
        *legend,
    ]
    if chart.diagonal:
        parts.append(Markup('<path class="diagonal" d="{}"/>').format(_path([(x.low, x.low), (x.high, x.high)], x, y)))
    if chart.marks != "bars":
        parts += [_band(line, number, x, y) for number, line in enumerate(lines)]
    for number, line in enumerate(lines):
        parts += _line(line, number, x, y, chart)
    return Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        WIDTH, int(y.start + BOTTOM), _description(chart, names), Markup("").join(parts)
    )


def nice_ticks(low: float, high: float, *, whole: bool = False, share: bool = False) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten that enclose ``low`` .. ``high``.

    ``whole``: no fractions. ``share``: no tick below 0 or above 1. What is never negative gets no tick below 0 either.
    """
    if share:
        low, high = (min(max(end, 0.0), 1.0) for end in (low, high))
        if high - low < NARROWEST:
            low = min(max(0.0, (low + high - NARROWEST) / 2), 1 - NARROWEST)
            high = low + NARROWEST
    size = max(abs(low), abs(high))
    if high - low <= max(1e-9 * size, 1e-11):  # no ticks between what rounding makes of one number
        room = size / 2 if size > 1e-9 else 0.5
        low, high = (0.0 if 0 <= low < room else low - room), high + room
    power = 10.0 ** math.floor(math.log10((high - low) / TICKS))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power * TICKS >= 0.999 * (high - low))
    if whole:
        step = max(1.0, step)
    first, last = math.floor(round(low / step, 6)), math.ceil(round(high / step, 6))
    return [round(number * step, 12) for number in range(first, last + 1)]


def _both_ticks(extent: Sequence[Point], chart: Chart) -> tuple[list[float], list[float]]:
    xs, ys = zip(*extent, strict=True)
    if chart.diagonal:
        both = nice_ticks(min(xs + ys), max(xs + ys), share=chart.percent == "xy")
        return both, both
    whole = all(x == int(x) for x in xs) and "x" not in chart.percent
    return (
        nice_ticks(min(xs), max(xs), whole=whole, share="x" in chart.percent),
        nice_ticks(min(ys), max(ys), share="y" in chart.percent),
    )


def _x_limits(extent: Sequence[Point], ticks: Sequence[float], chart: Chart) -> Point:
    """Those of the data, so that no room is lost; those of the ticks where both axes have to be alike."""
    xs = [x for x, _ in extent]
    if chart.diagonal or len(set(xs)) < 2:
        return ticks[0], ticks[-1]
    return min(xs), max(xs)


def _tick_labels(ticks: Sequence[float], *, percent: bool) -> list[str]:
    if percent:
        return [f"{round(100 * tick, 9):g}\u00a0%" for tick in ticks]
    step = ticks[1] - ticks[0] if len(ticks) > 1 else abs(ticks[0]) or 1
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    if decimals > 4 or max(map(abs, ticks)) >= 1e6:
        return [f"{tick:g}" for tick in ticks]
    return [f"{tick:,.{decimals}f}" for tick in ticks]


def _points(line: Line) -> Iterator[tuple[Point, Interval, int | None]]:
    """Each point with its interval and its count."""
    nothing = (None,) * len(line.points)
    return zip(line.points, line.intervals or nothing, line.counts or nothing, strict=True)


def _finite(line: Line) -> Line:
    kept = [one for one in _points(line) if all(map(math.isfinite, (*one[0], *(one[1] or ()))))]
    points, intervals, counts = zip(*kept, strict=True) if kept else ((), (), ())
    return Line(line.name, points, intervals if line.intervals else (), counts if line.counts else ())


def _horizontal(ticks: Sequence[float], labels: Sequence[str], x: Axis, y: Axis) -> Iterator[Markup]:
    for tick, label in zip(ticks, labels, strict=True):
        kind = "base" if tick == ticks[0] else "grid"
        yield Markup('<path class="{}" d="M{} {}H{}"/>').format(kind, x.start, y(tick), x.end)
        yield Markup('<text x="{}" y="{}" text-anchor="end">{}</text>').format(x.start - 8, y(tick) + 4, label)


def _vertical(ticks: Sequence[float], labels: Sequence[str], x: Axis, y: Axis) -> Iterator[Markup]:
    for tick, label in zip(ticks, labels, strict=True):
        yield Markup('<path class="base" d="M{} {}v5"/>').format(x(tick), y.start)
        yield Markup('<text x="{}" y="{}" text-anchor="middle">{}</text>').format(x(tick), y.start + 19, label)


def _legend(names: Sequence[str], left: float, chart: Chart) -> tuple[list[Markup], float]:
    """The legend, in as many rows as it needs, and where the plot begins below it. One line needs no legend."""
    if len(names) < 2:
        return [], TOP
    parts, x, y = [], left, 12.0
    for number, name in enumerate(names[:NAMED]):
        width = SWATCH + LETTER * columns(name) + 14
        if x > left and x + width > WIDTH:
            x, y = left, y + LEGEND_ROW
        if chart.marks == "bars":
            parts.append(
                Markup('<circle class="{}" cx="{:.1f}" cy="{}" r="3.5"/>').format(_colour(number), x + 20, y - 4)
            )
        else:
            parts.append(Markup('<path {} d="M{:.1f} {}h26"/>').format(_stroke(number), x, y - 4))
        parts.append(Markup('<text x="{:.1f}" y="{}">{}</text>').format(x + SWATCH, y, name))
        x += width
    if len(names) > NAMED:
        y += LEGEND_ROW
        parts.append(Markup('<text x="{}" y="{}">and {} more</text>').format(left, y, len(names) - NAMED))
    return parts, y + TOP + 12


def _colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]


def _stroke(number: int) -> Markup:
    return Markup('class="line {}" stroke-dasharray="{}"').format(_colour(number), DASHES[number % len(DASHES)])


def _line(line: Line, number: int, x: Axis, y: Axis, chart: Chart) -> Iterator[Markup]:
    """The line and its dots, each with its numbers as a tooltip; with ``bars``, or for a single point, error bars."""
    name = printable(line.name)
    if chart.marks != "bars" and len(line.points) > 1:
        yield Markup('<path {} d="{}"><title>{}</title></path>').format(_stroke(number), _path(line.points, x, y), name)
    if chart.marks == "line" and len(line.points) != 1:
        return
    for point, ends, count in _points(line):
        across, up = x(point[0]), y(point[1])
        shape = Markup('<circle cx="{}" cy="{}" r="3.5"/>').format(across, up)
        if ends and (chart.marks == "bars" or len(line.points) == 1):
            low, high = map(y, ends)
            bar = Markup('<path class="bar" d="M{} {}V{}m-4 0h8M{} {}h8"/>').format(across, low, high, across - 4, low)
            shape = bar + shape
        yield Markup('<g class="{}"><title>{}: {}</title>{}</g>').format(
            _colour(number), name, _tooltip(point, ends, count, chart), shape
        )


def _tooltip(point: Point, ends: Interval, count: int | None, chart: Chart) -> str:
    """``80.0 %, 76.2 % (60.0 % to 88.1 %), 13 pictures``."""
    across, up, *interval = (
        percent(value) if axis in chart.percent else f"{value:.4g}"
        for axis, value in zip("xyyy", (*point, *(ends or ())), strict=False)
    )
    text = f"{across}, {up}" + (f" ({interval[0]} to {interval[1]})" if interval else "")
    return text if count is None else f"{text}, {count:,} {'picture' if count == 1 else 'pictures'}"


def _band(line: Line, number: int, x: Axis, y: Axis) -> Markup:
    """The area between the ends of the intervals, where two or more points have one."""
    known = [(point[0], ends) for point, ends, _ in _points(line) if ends]
    if len(known) < 2:
        return Markup("")
    outline = [(place, ends[0]) for place, ends in known] + [(place, ends[1]) for place, ends in reversed(known)]
    return Markup('<path class="band {}" d="{}Z"/>').format(_colour(number), _path(outline, x, y))


def _path(points: Iterable[Point], x: Axis, y: Axis) -> str:
    return "M" + "L".join(f"{x(across)} {y(up)}" for across, up in points)


def _description(chart: Chart, names: Sequence[str]) -> str:
    return f"{printable(chart.title)}: {printable(chart.y)} over {printable(chart.x)}; {', '.join(names[:NAMED])}"
