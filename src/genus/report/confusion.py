"""The confusion matrix: what a cell counts and has room for, how strongly it is coloured; as a table and a picture."""

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from genus.files import csv_text
from genus.report.style import FAINT_INK, GRID, INK, house_style, to_png
from genus.report.text import columns, printable, shorten_all, whole_percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

Counts = NDArray[np.int64]
"""K x K: how many pictures of each class (row) were called each class (column)."""
Shares = NDArray[np.float64]

WITH_PERCENTAGES = 12  # up to so many classes a cell has room for count and percentage,
WITH_COUNTS = 30  # up to so many for the count,
WITH_ALL_NAMES = 100  # and up to so many every row and column is named
WORST_MISTAKE = 0.5  # the share of a class mistaken for one other that gets the strongest colour
SHADES = 10
BLUES = ("#e4eff7", "#7fb5da", "#2a7ab9", "#0b4a82")  # from the weakest colour of a right answer to the strongest,
ORANGES = ("#fdebdc", "#fbb274", "#ea6f1d", "#a83c03")  # and of a mistake
EMPTY_ROW = "#efefef"
RIGHT_KEY = {0: "0 %", 0.5: "50 %", 0.8: "80 %", 0.9: "90 %", 1: "100 % of the row"}
WRONG_KEY = {0: "0 %", 0.01: "1 %", 0.1: "10 %", 0.25: "25 %", WORST_MISTAKE: "50 % or more"}
DARK = 140  # grey value (0..255) below which a cell needs white letters
NAME_COLUMNS = 28
POINTS = 72  # in an inch
EM_PER_COLUMN = 0.62  # width of an average letter of DejaVu Sans


def strength_of_right(share: Shares) -> Shares:
    """How strongly (0..1) a right answer given to this ``share`` of a row is coloured.

    Spread out towards 100 %, where models live.
    """
    return np.square(share)


def strength_of_wrong(share: Shares) -> Shares:
    """How strongly (0..1) a mistake made with this ``share`` of a row is coloured.

    Spread out towards 0 %: one mistake is enough to be seen.
    """
    return np.sqrt(np.minimum(share / WORST_MISTAKE, 1))


@dataclass(frozen=True, slots=True)
class Cell:
    """``count`` of the ``total`` test pictures of class number ``truth`` were called class number ``answer``.

    ``shade`` is ``right-1`` .. ``right-10``, ``wrong-1`` .. ``wrong-10``, ``none`` in a row without pictures, or "" for
    a mistake nobody made.
    """

    truth: int
    answer: int
    count: int
    total: int
    shade: str

    @property
    def right(self) -> bool:
        return self.truth == self.answer


def cells(confusion: Sequence[Sequence[int]]) -> list[list[Cell]]:
    """The cells of a K x K matrix of counts, row by row."""
    counts = np.array(confusion, np.int64)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    right, wrong = (
        np.ceil(SHADES * strength).astype(int).tolist()
        for strength in (strength_of_right(shares), strength_of_wrong(shares))
    )

    def shade(truth: int, answer: int, total: int) -> str:
        if not total:
            return "none"
        if truth == answer:
            return f"right-{max(1, right[truth][answer])}"
        return f"wrong-{wrong[truth][answer]}" if wrong[truth][answer] else ""

    return [
        [Cell(truth, answer, count, sum(row), shade(truth, answer, sum(row))) for answer, count in enumerate(row)]
        for truth, row in enumerate(confusion)
    ]


def most_confused(matrix: Sequence[Sequence[Cell]], most: int = 10) -> list[Cell]:
    """The ``most`` frequent mistakes; of equally frequent ones, first that of the smaller class."""
    mistakes = [cell for row in matrix for cell in row if cell.count and not cell.right]
    return sorted(mistakes, key=lambda cell: (-cell.count, cell.total))[:most]


def size(classes: int) -> str:
    """What cells have room for: ``large`` for count and share, ``medium`` for the count, ``small`` for neither.

    "" where there are too many classes for a matrix that one can look at.
    """
    if classes > WITH_ALL_NAMES:
        return ""
    if classes <= WITH_PERCENTAGES:
        return "large"
    return "medium" if classes <= WITH_COUNTS else "small"


def confusion_csv(confusion: Counts, classes: Sequence[str]) -> str:
    r"""The matrix as CSV: a first line ``truth \ prediction,<classes>``, then a line a class.

    Raises ValueError when the matrix is not K x K.
    """
    _require_square(confusion, classes)
    rows = ([name, *counts] for name, counts in zip(classes, confusion.tolist(), strict=True))
    return csv_text([["truth \\ prediction", *classes], *rows])


def confusion_png(confusion: Counts, classes: Sequence[str], title: str) -> bytes:
    """The matrix as a PNG under ``title``.

    The colour of a cell is its share of the row: blue where the prediction is right, orange where it is a mistake.
    Up to 12 classes a cell shows count and percentage, up to 30 the count; beyond 100 not every class is named. A
    row without pictures is grey. Raises ValueError when the matrix is not K x K.
    """
    with house_style():
        return to_png(confusion_figure(confusion, classes, title))


def confusion_figure(confusion: Counts, classes: Sequence[str], title: str) -> "Figure":
    """The figure of ``confusion_png``; to be made and drawn inside ``house_style``."""
    from matplotlib.figure import Figure

    _require_square(confusion, classes)
    cell = _cell_inches(len(classes))
    side = cell * len(classes)
    figure = Figure(figsize=(side, side))
    axes = figure.add_axes((0, 0, 1, 1))  # to_png makes room for what lies around
    colours = _colours(confusion)
    borders = np.arange(len(classes) + 1) - 0.5
    axes.pcolormesh(borders, borders, colours)  # faster than an image of so many pixels
    axes.invert_yaxis()
    _draw_grid(axes, len(classes))
    _name_classes(axes, confusion, classes, cell)
    if len(classes) <= WITH_COUNTS:
        _write_counts(axes, confusion, colours, cell)
    if len(classes) > WITH_PERCENTAGES:
        _draw_key(figure, "correct", _colour_map(BLUES), strength_of_right, RIGHT_KEY, top=0)
        _draw_key(figure, "mistakes", _colour_map(ORANGES), strength_of_wrong, WRONG_KEY, top=2.2)
    lines = textwrap.wrap(printable(title), width=max(44, int(side * 10)))
    axes.set_title("\n".join(lines), loc="left", fontsize=12, pad=10)
    return figure


def _require_square(confusion: Counts, classes: Sequence[str]) -> None:
    if confusion.shape != (len(classes), len(classes)):
        raise ValueError(f"The confusion matrix is {confusion.shape}, but there are {len(classes)} classes.")


def _cell_inches(count: int) -> float:
    """Cells shrink as classes are added; the whole matrix stays below 14 inches."""
    if count > WITH_ALL_NAMES:
        return 14 / count
    return float(np.interp(count, (2, 5, WITH_PERCENTAGES, WITH_COUNTS, WITH_ALL_NAMES), (1.2, 0.9, 0.66, 0.36, 0.14)))


def _colour_map(colours: Sequence[str]) -> "Colormap":
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("", colours)


def _colours(confusion: Counts) -> NDArray[np.uint8]:
    """K x K x 3: red, green, blue."""
    from matplotlib.colors import to_rgba

    totals = confusion.sum(axis=1)
    shares = confusion / np.maximum(totals, 1)[:, None]
    diagonal = np.eye(len(shares), dtype=bool)
    right, wrong = _colour_map(BLUES)(strength_of_right(shares)), _colour_map(ORANGES)(strength_of_wrong(shares))
    colours = np.where(diagonal[..., None], right, wrong)
    colours[(confusion == 0) & ~diagonal] = to_rgba("white")
    colours[totals == 0] = to_rgba(EMPTY_ROW)
    return np.round(255 * colours[..., :3]).astype(np.uint8)


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
    names = shorten_all([printable(classes[k]) for k in shown], NAME_COLUMNS)
    room = POINTS * cell * every
    size = float(np.clip(0.7 * room, 5, 9))
    axes.set_xticks(shown, names, fontsize=size, **_turn(names, room / size))
    axes.set_yticks(shown, names, fontsize=size)
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
    dark = colours @ (0.3, 0.59, 0.11) < DARK
    for row, column in np.argwhere((confusion > 0) | np.diag(totals > 0)):
        count = int(confusion[row, column])
        style: dict[str, Any] = {"color": "white" if dark[row, column] else INK, "ha": "center"}
        if with_percentages:
            share = whole_percent(count, int(totals[row]))
            axes.text(column, row, f"{count:,}", va="bottom", fontsize=size, **style)
            axes.text(column, row + 0.08, share, va="top", fontsize=min(size, 8), **style)
        else:
            axes.text(column, row, f"{count:,}", va="center_baseline", fontsize=size, **style)


def _draw_key(
    figure: "Figure",
    name: str,
    colours: "Colormap",
    strength: Callable[[Shares], Shares],
    ticks: dict[float, str],
    *,
    top: float,
) -> None:
    """A bar of ``colours`` beside the matrix, ``top`` inches below its upper edge; ``ticks``: shares and their text."""
    width, height = figure.get_size_inches()
    bar = 1.6
    axes = figure.add_axes((1 + 0.3 / width, 1 - (top + bar) / height, 0.14 / width, bar / height))
    axes.imshow(colours(np.linspace(0, 1, 256))[:, None], origin="lower", extent=(0, 1, 0, 1), aspect="auto")
    axes.set_xticks([])
    axes.set_yticks(strength(np.array(list(ticks))), list(ticks.values()))
    axes.yaxis.tick_right()
    axes.spines[:].set_visible(True)
    axes.set_title(name, loc="left", fontsize=9)
