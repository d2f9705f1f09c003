"""The confusion matrix as a table and as a picture."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from genus.report.figure import DPI, FAINT_INK, GRID, INK, columns, printable, shorten
from genus.report.gradient import gradient
from genus.report.sheet import POINT, Box, Point, Sheet
from genus.tables import csv_text

Counts = NDArray[np.int64]
Shares = NDArray[np.float64]

WITH_PERCENTAGES = 12  # up to so many classes a cell has room for count and percentage,
WITH_COUNTS = 30  # up to so many for the count,
WITH_ALL_NAMES = 100  # and up to so many every row and column is named
NAME_COLUMNS = 28
WORST_MISTAKE = 0.5  # the share of a class mistaken for one other that gets the darkest colour
EMPTY_ROW = 0xEF  # grey
GAP = round(3.5 * POINT)  # between the matrix and what stands beside it
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
    _require_square(confusion, classes)
    sheet = Sheet()
    draw_confusion(sheet, confusion, classes, title)
    return sheet.to_png()


def draw_confusion(sheet: Sheet, confusion: Counts, classes: Sequence[str], title: str) -> None:
    """What ``confusion_png`` shows; the matrix has its upper left corner in the origin."""
    cell = _cell_pixels(len(classes))
    side = round(cell * len(classes))
    colours = _colours(confusion)
    sheet.lay(Image.fromarray(colours).resize((side, side), Image.Resampling.NEAREST), (0, 0, side, side))
    _draw_grid(sheet, len(classes), cell, side)
    _name_classes(sheet, confusion, classes, cell, side)
    if len(classes) <= WITH_COUNTS:
        _write_counts(sheet, confusion, colours, cell)
    if len(classes) > WITH_PERCENTAGES:
        _draw_key(sheet, "correct", CORRECT, (side + 0.3 * DPI, 0))
        _draw_key(sheet, "mistakes", MISTAKES, (side + 0.3 * DPI, 2.2 * DPI))
    lines = textwrap.wrap(printable(title), width=max(44, side // 20))
    for number, line in enumerate(reversed(lines)):
        sheet.write(line, (0, -2 * GAP - number * 15 * POINT), 12, anchor=(0, 1))


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


def _cell_pixels(count: int) -> float:
    """Cells shrink as classes are added; the whole matrix stays below 14 inches."""
    if count > WITH_ALL_NAMES:
        return 14 * DPI / count
    inches = np.interp(count, (2, 5, WITH_PERCENTAGES, WITH_COUNTS, WITH_ALL_NAMES), (1.2, 0.9, 0.66, 0.36, 0.14))
    return round(DPI * inches)


@dataclass(frozen=True, slots=True)
class Scale:
    """From a share of the row to a colour: ``colours`` from 0 to ``end``, spread out by ``power``; ``ticks``: shares
    that the key names."""

    colours: tuple[str, ...]
    end: float
    power: float
    ticks: dict[float, str]

    def position(self, share: Shares) -> Shares:
        """Where on the way through the colours, 0..1."""
        return np.minimum(share / self.end, 1) ** self.power


# The correct ones are spread out towards 100 %, where models live, and the mistakes towards 0 %: one is enough to be
# seen.
CORRECT = Scale(
    ("#e4eff7", "#7fb5da", "#2a7ab9", "#0b4a82"), 1, 2,
    {0: "0 %", 0.5: "50 %", 0.8: "80 %", 0.9: "90 %", 1: "100 % of the row"},
)  # fmt: skip
MISTAKES = Scale(
    ("#fdebdc", "#fbb274", "#ea6f1d", "#a83c03"), WORST_MISTAKE, 0.5,
    {0: "0 %", 0.01: "1 %", 0.1: "10 %", 0.25: "25 %", 0.5: "50 % or more"},
)  # fmt: skip


def _colours(confusion: Counts) -> NDArray[np.uint8]:
    """K x K x 3: red, green, blue."""
    totals = confusion.sum(axis=1, keepdims=True)
    shares = confusion / np.maximum(totals, 1)
    diagonal = np.eye(len(shares), dtype=bool)
    correct, mistakes = (gradient(scale.position(shares), scale.colours) for scale in (CORRECT, MISTAKES))
    colours = np.where(diagonal[..., None], correct, mistakes)
    colours[(confusion == 0) & ~diagonal] = 255
    colours[totals[:, 0] == 0] = EMPTY_ROW
    return np.round(colours).astype(np.uint8)


def _draw_grid(sheet: Sheet, count: int, cell: float, side: int) -> None:
    dense = count > WITH_COUNTS
    width = 1 if dense else 2
    for border in range(1, count if count <= WITH_ALL_NAMES else 0):
        at = round(border * cell) - width // 2
        colour = FAINT_INK if dense and border % 10 == 0 else GRID
        sheet.lay(colour, (at, 0, at + width, side))
        sheet.lay(colour, (0, at, side, at + width))
    _frame(sheet, (0, 0, side, side))


def _frame(sheet: Sheet, box: Box) -> None:
    left, top, right, bottom = box
    for edge in (left, right):
        sheet.lay(INK, (edge - 1, top - 1, edge + 1, bottom + 1))
    for edge in (top, bottom):
        sheet.lay(INK, (left - 1, edge - 1, right + 1, edge + 1))


def _name_classes(sheet: Sheet, confusion: Counts, classes: Sequence[str], cell: float, side: int) -> None:
    every = -(-len(classes) // WITH_ALL_NAMES)
    shown = range(0, len(classes), every)
    names = [shorten(printable(classes[k]), NAME_COLUMNS) for k in shown]
    size = float(np.clip(0.7 * cell * every / POINT, 5, 9))
    turn, anchor = _turn(names, cell * every / (size * POINT))
    left, bottom = 0, side
    for k, name in zip(shown, names, strict=True):
        middle = (k + 0.5) * cell
        colour = INK if confusion[k].any() else FAINT_INK
        left = min(left, sheet.write(name, (-GAP, middle), size, colour, anchor=(1, 0.5))[0])
        bottom = max(bottom, sheet.write(name, (middle, side + GAP), size, anchor=anchor, turn=turn)[3])
        if len(classes) > WITH_COUNTS:
            at = int(middle)
            sheet.lay(INK, (-GAP // 2, at, 0, at + 2))
            sheet.lay(INK, (at, side, at + 2, side + GAP // 2))
    sheet.write("prediction", (side / 2, bottom + 2 * GAP), 9, anchor=(0.5, 0))
    sheet.write("truth", (left - 2 * GAP, side / 2), 9, anchor=(0.5, 1), turn=90)


def _turn(names: Sequence[str], room: float) -> tuple[int, Point]:
    """Turn the names of columns no further than they must be to keep clear of each other in ``room`` em each.

    Degrees, and the place of a name that comes to lie below the middle of its column.
    """
    if max(map(columns, names)) * EM_PER_COLUMN < room:
        return 0, (0.5, 0)
    if len(names) > WITH_COUNTS:
        return 90, (1, 0.5)
    return 40, (1, 0.3)


def _write_counts(sheet: Sheet, confusion: Counts, colours: NDArray[np.uint8], cell: float) -> None:
    with_percentages = len(confusion) <= WITH_PERCENTAGES
    longest = len(f"{confusion.max():,}")
    size = min(11.0 if with_percentages else 8.0, 0.86 * cell / POINT / (longest * EM_PER_COLUMN))
    totals = confusion.sum(axis=1)
    dark = colours @ (0.3, 0.59, 0.11) < 140
    for row, column in np.argwhere((confusion > 0) | np.diag(totals > 0)):
        count = confusion[row, column]
        colour = "white" if dark[row, column] else INK
        x, y = (column + 0.5) * cell, (row + 0.5) * cell
        if with_percentages:
            sheet.write(f"{count:,}", (x, y + 0.03 * cell), size, colour, anchor=(0.5, 1))
            sheet.write(percentage(count, totals[row]), (x, y + 0.06 * cell), min(size, 8), colour, anchor=(0.5, 0))
        else:
            sheet.write(f"{count:,}", (x, y), size, colour)


def _draw_key(sheet: Sheet, name: str, scale: Scale, at: Point) -> None:
    left, top = map(round, at)
    right, bottom = left + round(0.14 * DPI), top + round(1.6 * DPI)
    colours = gradient(np.linspace(1, 0, bottom - top), scale.colours)
    bar = Image.fromarray(np.round(colours).astype(np.uint8)[:, None])
    sheet.lay(bar.resize((right - left, bottom - top)), (left, top, right, bottom))
    _frame(sheet, (left, top, right, bottom))
    for share, text in scale.ticks.items():
        y = bottom - float(scale.position(np.array(share))) * (bottom - top)
        sheet.lay(INK, (right, round(y) - 1, right + GAP, round(y) + 1))
        sheet.write(text, (right + 2 * GAP, y), 9, anchor=(0, 0.5))
    sheet.write(name, (left, top - GAP), 9, anchor=(0, 1))
