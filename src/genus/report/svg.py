"""A chart as an inline SVG: it follows the size, the font and the colours of the page around it."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from genus.report.content import Chart, Line
from genus.report.figure import columns, printable, shorten

WIDTH, PLOT_HEIGHT = 430, 210
TOP, RIGHT, BOTTOM = 28, 24, 46  # room around the plot
LETTER, LEGEND_ROW, SWATCH = 7.6, 20, 34
TICKS = 6  # at most, or one more
NAMED, NAME_COLUMNS = 12, 28  # lines in the legend
COLOURS = ("blue", "orange", "ink")  # with the dashes: twelve lines before two look the same
DASHES = ("none", "7 4", "2 3", "9 3 2 3")

Point = tuple[float, float]


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
    ends = [(point[0], y) for line in lines for point, band in _banded(line) for y in (point[1], *band)]
    x_ticks, y_ticks = _both_ticks(ends or [(0.0, 0.0), (1.0, 1.0)], chart)
    y_labels = _tick_labels(y_ticks, percent="y" in chart.percent)
    left = 14 + LETTER * max(map(len, y_labels))
    legend, top = _legend(lines, left)
    x = Axis(*_x_limits(ends, x_ticks, chart), left, WIDTH - RIGHT)
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
    parts += [_band(line, number, x, y) for number, line in enumerate(lines) if line.band]
    for number, line in enumerate(lines):
        parts += _line(line, number, x, y, dots=chart.dots)
    return Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        WIDTH, int(y.start + BOTTOM), _description(chart), Markup("").join(parts)
    )


def nice_ticks(low: float, high: float, *, whole: bool = False) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten that enclose ``low`` .. ``high``; ``whole``: no fractions."""
    size = max(abs(low), abs(high))
    if high - low <= max(1e-9 * size, 1e-11):  # no ticks between what rounding makes of one number
        room = size / 2 if size > 1e-9 else 0.5
        low, high = low - room, high + room
    power = 10.0 ** math.floor(math.log10((high - low) / TICKS))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power * TICKS >= 0.999 * (high - low))
    if whole:
        step = max(1.0, step)
    first, last = math.floor(round(low / step, 6)), math.ceil(round(high / step, 6))
    return [round(number * step, 12) for number in range(first, last + 1)]


def _both_ticks(ends: Sequence[Point], chart: Chart) -> tuple[list[float], list[float]]:
    xs, ys = zip(*ends, strict=True)
    if chart.diagonal:
        both = nice_ticks(min(xs + ys), max(xs + ys))
        return both, both
    return nice_ticks(min(xs), max(xs), whole=all(x == int(x) for x in xs)), nice_ticks(min(ys), max(ys))


def _x_limits(ends: Sequence[Point], ticks: Sequence[float], chart: Chart) -> Point:
    """Those of the data, so that no room is lost; those of the ticks where both axes have to be alike."""
    xs = [x for x, _ in ends]
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


def _finite(line: Line) -> Line:
    keep = [all(map(math.isfinite, (*point, *band))) for point, band in _banded(line)]
    points, band = (
        tuple(value for value, kept in zip(values, keep, strict=False) if kept) for values in (line.points, line.band)
    )
    return Line(line.name, points, band)


def _banded(line: Line) -> Iterator[tuple[Point, tuple[float, ...]]]:
    return zip(line.points, line.band or ((),) * len(line.points), strict=True)


def _horizontal(ticks: Sequence[float], labels: Sequence[str], x: Axis, y: Axis) -> Iterator[Markup]:
    for tick, label in zip(ticks, labels, strict=True):
        kind = "base" if tick == ticks[0] else "grid"
        yield Markup('<path class="{}" d="M{} {}H{}"/>').format(kind, x.start, y(tick), x.end)
        yield Markup('<text x="{}" y="{}" text-anchor="end">{}</text>').format(x.start - 8, y(tick) + 4, label)


def _vertical(ticks: Sequence[float], labels: Sequence[str], x: Axis, y: Axis) -> Iterator[Markup]:
    for tick, label in zip(ticks, labels, strict=True):
        yield Markup('<path class="base" d="M{} {}v5"/>').format(x(tick), y.start)
        yield Markup('<text x="{}" y="{}" text-anchor="middle">{}</text>').format(x(tick), y.start + 19, label)


def _legend(lines: Sequence[Line], left: float) -> tuple[list[Markup], float]:
    """The legend, in as many rows as it needs, and how far down the plot begins. One line needs no legend."""
    if len(lines) < 2:
        return [], TOP
    parts, x, y = [], left, 12.0
    for number, line in enumerate(lines[:NAMED]):
        name = shorten(printable(line.name), NAME_COLUMNS)
        width = SWATCH + LETTER * columns(name) + 14
        if x > left and x + width > WIDTH:
            x, y = left, y + LEGEND_ROW
        parts.append(Markup('<path {} d="M{:.1f} {}h26"/>').format(_stroke(number), x, y - 4))
        parts.append(Markup('<text x="{:.1f}" y="{}">{}</text>').format(x + SWATCH, y, name))
        x += width
    if len(lines) > NAMED:
        y += LEGEND_ROW
        parts.append(Markup('<text x="{}" y="{}">and {} more</text>').format(left, y, len(lines) - NAMED))
    return parts, y + TOP + 12


def _stroke(number: int) -> Markup:
    return Markup('class="line {}" stroke-dasharray="{}"').format(
        COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)]
    )


def _line(line: Line, number: int, x: Axis, y: Axis, *, dots: bool) -> Iterator[Markup]:
    name = printable(line.name)
    if len(line.points) > 1:
        yield Markup('<path {} d="{}"><title>{}</title></path>').format(_stroke(number), _path(line.points, x, y), name)
    if dots or len(line.points) == 1:
        colour = COLOURS[number % len(COLOURS)]
        for point in line.points:
            yield Markup(
                '<circle class="{}" cx="{}" cy="{}" r="3.5"><title>{}: {:.4g}, {:.4g}</title></circle>'
            ).format(colour, x(point[0]), y(point[1]), name, *point)


def _band(line: Line, number: int, x: Axis, y: Axis) -> Markup:
    """The area between the ends of the intervals; a bar where there is a single point."""
    places = [point[0] for point in line.points]
    low, high = zip(*line.band, strict=True)
    outline = [*zip(places, low, strict=True), *zip(places[::-1], high[::-1], strict=True)]
    kind = "band" if len(places) > 1 else "band single"
    return Markup('<path class="{} {}" d="{}Z"/>').format(kind, COLOURS[number % len(COLOURS)], _path(outline, x, y))


def _path(points: Iterable[Point], x: Axis, y: Axis) -> str:
    return "M" + "L".join(f"{x(across)} {y(up)}" for across, up in points)


def _description(chart: Chart) -> str:
    names = ", ".join(shorten(printable(line.name), NAME_COLUMNS) for line in chart.lines[:NAMED])
    return f"{printable(chart.title)}: {printable(chart.y)} over {printable(chart.x)}; {names}"
