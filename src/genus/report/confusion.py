"""The confusion matrix as a table and as a picture."""

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from genus.report.figure import FAINT_INK, GRID, INK, columns, house_style, printable, shorten, to_png
from genus.tables import csv_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

Counts = NDArray[np.int64]
Shares = NDArray[np.float64]

WITH_PERCENTAGES = 12  # up to so many classes a cell has room for count and percentage,
WITH_COUNTS = 30  # up to so many for the count,
WITH_ALL_NAMES = 100  # and up to so many every row and column is named
NAME_COLUMNS = 28
WORST_MISTAKE = 0.5  # the share of a class mistaken for one other that gets the darkest colour
EMPTY_ROW = "#efefef"
POINTS = 72  # in an inch
EM_PER_COLUMN = 0.62  # width of an average letter of DejaVu Sans


def confusion_csv(confusion: Counts, classes: Sequence[str]) -> str:
    r"""The matrix as CSV: a first line ``truth \ prediction,<classes>``, then a line a class."""
    _require_square(confusion, classes)
    rows = ([name, *counts] for name, counts in zip(classes, confusion.tolist(), strict=True))
    return csv_text([["truth \\ prediction", *classes], *rows])


def confusion_png(confusion: Counts, classes: Sequence[str], title: str) -> bytes:
    """The matrix (K x K, rows = truth, columns = prediction) as a PNG under ``title``.

    The colour of a cell is its share of the row: blue where the prediction is right, orange where it is a mistake.
    Up to 12 classes a cell shows count and percentage, up to 30 the count; beyond 100 not every class is named. A
    row without pictures is grey. Raises ValueError when the matrix is not K x K.
    """
    with house_style():
        return to_png(confusion_figure(confusion, classes, title))


def confusion_figure(confusion: Counts, classes: Sequence[str], title: str) -> "Figure":
    """The figure of ``confusion_png``; to be called and drawn inside ``house_style``."""
    from matplotlib.figure import Figure

    _require_square(confusion, classes)
    cell = _cell_inches(len(classes))
    side = cell * len(classes)
    figure = Figure(figsize=(side, side))
    axes = figure.add_axes((0, 0, 1, 1))  # to_png makes room for what lies around
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    colours = _colours(confusion, shares)
    axes.imshow(colours, interpolation="nearest", aspect="auto")
    _draw_grid(axes, len(classes))
    _name_classes(axes, confusion, classes, cell)
    if len(classes) <= WITH_COUNTS:
        _write_counts(axes, confusion, colours, cell)
    if len(classes) > WITH_PERCENTAGES:
        _draw_keys(figure, side)
    axes.set_title(_wrap(title, side), loc="left", fontsize=12, pad=10, parse_math=False)
    return figure


def percentage(part: int, whole: int) -> str:
    """``part`` of ``whole`` in whole percent, where 0 % and 100 % mean exactly that: ``<1 %``, ``>99 %``."""
    percent = 100 * part / whole
    if 0 < percent < 0.5:
        return "<1 %"
    if 99.5 <= percent < 100:
        return ">99 %"
    return f"{percent:.0f} %"


def _require_square(confusion: Counts, classes: Sequence[str]) -> None:
    if confusion.shape != (len(classes), len(classes)):
        raise ValueError(f"The confusion matrix is {confusion.shape}, but there are {len(classes)} classes.")


def _cell_inches(count: int) -> float:
    """Cells shrink as classes are added; the whole matrix stays below 14 inches."""
    if count > WITH_ALL_NAMES:
        return 14 / count
    return float(np.interp(count, (2, 5, WITH_PERCENTAGES, WITH_COUNTS, WITH_ALL_NAMES), (1.2, 0.9, 0.66, 0.36, 0.14)))


def _scales() -> tuple["ScalarMappable", "ScalarMappable"]:
    """From a share of the row to a colour: for correct predictions, and for mistakes.

    The correct ones are spread out towards 100 %, where models live, and the mistakes towards 0 %: one is enough to
    be seen.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LinearSegmentedColormap, PowerNorm

    blues = LinearSegmentedColormap.from_list("correct", ["#e4eff7", "#7fb5da", "#2a7ab9", "#0b4a82"])
    oranges = LinearSegmentedColormap.from_list("mistakes", ["#fdebdc", "#fbb274", "#ea6f1d", "#a83c03"])
    return (
        ScalarMappable(PowerNorm(2, 0, 1), blues),
        ScalarMappable(PowerNorm(0.5, 0, WORST_MISTAKE, clip=True), oranges),
    )


def _colours(confusion: Counts, shares: Shares) -> NDArray[np.uint8]:
    """K x K x 4: red, green, blue, opacity (0..255)."""
    from matplotlib.colors import to_rgba_array

    correct, mistakes = _scales()
    diagonal = np.eye(len(shares), dtype=bool)
    colours = np.where(diagonal[..., None], correct.to_rgba(shares), mistakes.to_rgba(shares))
    colours[(confusion == 0) & ~diagonal] = to_rgba_array("white")
    colours[confusion.sum(axis=1) == 0] = to_rgba_array(EMPTY_ROW)
    return np.round(255 * colours).astype(np.uint8)


def _draw_grid(axes: "Axes", count: int) -> None:
    if count <= WITH_ALL_NAMES:
        borders = np.arange(1, count)
        dense = count > WITH_COUNTS
        colours = [FAINT_INK if dense and border % 10 == 0 else GRID for border in borders]
        for draw in (axes.hlines, axes.vlines):
            draw(borders - 0.5, -0.5, count - 0.5, colors=colours, linewidths=0.4 if dense else 0.8)
    axes.spines[:].set_visible(True)


def _name_classes(axes: "Axes", confusion: Counts, classes: Sequence[str], cell: float) -> None:
    every = -(-len(classes) // WITH_ALL_NAMES)
    shown = range(0, len(classes), every)
    names = [shorten(printable(classes[k]), NAME_COLUMNS) for k in shown]
    room = POINTS * cell * every
    size = float(np.clip(0.7 * room, 5, 9))
    axes.set_xticks(shown, names, fontsize=size, parse_math=False, **_turn(names, room / size))
    axes.set_yticks(shown, names, fontsize=size, parse_math=False)
    axes.tick_params(length=2 if len(classes) > WITH_COUNTS else 0)
    for k, label in zip(shown, axes.get_yticklabels(), strict=True):
        label.set_color(INK if confusion[k].any() else FAINT_INK)
    axes.set_xlabel("prediction", labelpad=8)
    axes.set_ylabel("truth", labelpad=8)


def _turn(names: Sequence[str], room: float) -> dict[str, Any]:
    """Turn the names of columns no further than they must be to keep clear of each other in ``room`` em each."""
    if max(map(columns, names)) * EM_PER_COLUMN < room:
        return {}
    if len(names) > WITH_COUNTS:
        return {"rotation": 90}
    return {"rotation": 40, "horizontalalignment": "right", "rotation_mode": "anchor"}


def _write_counts(axes: "Axes", confusion: Counts, colours: NDArray[np.uint8], cell: float) -> None:
    with_percentages = len(confusion) <= WITH_PERCENTAGES
    longest = len(f"{confusion.max():,}")
    size = min(11.0 if with_percentages else 8.0, 0.86 * POINTS * cell / (longest * EM_PER_COLUMN))
    totals = confusion.sum(axis=1)
    dark = colours[..., :3] @ (0.3, 0.59, 0.11) < 140
    for row, column in np.argwhere((confusion > 0) | np.diag(totals > 0)):
        count = confusion[row, column]
        style: dict[str, Any] = {"color": "white" if dark[row, column] else INK, "ha": "center"}
        if with_percentages:
            axes.text(column, row, f"{count:,}", va="bottom", fontsize=size, **style)
            axes.text(column, row + 0.08, percentage(count, totals[row]), va="top", fontsize=min(size, 8), **style)
        else:
            axes.text(column, row, f"{count:,}", va="center_baseline", fontsize=size, **style)


def _draw_keys(figure: "Figure", side: float) -> None:
    correct, mistakes = _scales()
    height, gap = 1.6 / side, 0.6 / side
    keys = (
        ("correct", correct, {0: "0 %", 0.5: "50 %", 0.8: "80 %", 0.9: "90 %", 1: "100 % of the row"}),
        ("mistakes", mistakes, {0: "0 %", 0.01: "1 %", 0.1: "10 %", 0.25: "25 %", 0.5: "50 % or more"}),
    )
    for number, (name, scale, ticks) in enumerate(keys):
        axes = figure.add_axes((1 + 0.3 / side, 1 - height - number * (height + gap), 0.14 / side, height))
        key = figure.colorbar(scale, cax=axes)
        key.set_ticks(list(ticks), labels=list(ticks.values()))
        key.ax.minorticks_off()
        axes.set_title(name, loc="left", fontsize=9)


def _wrap(title: str, side: float) -> str:
    return "\n".join(textwrap.wrap(printable(title), width=max(44, int(side * 10))))
