"""Pictures with the answers of the model above them: the quickest way to see what it does."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from genus.report.figure import BLUE, ORANGE, house_style, printable, shorten, to_png

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = 3
CAPTION_COLUMNS = 20


@dataclass(frozen=True, slots=True, eq=False)
class Answered:
    """``pixels`` H x W x 3 uint8; what the picture shows, what the model says, and how sure it is (0..1)."""

    pixels: NDArray[np.uint8]
    truth: str
    label: str
    probability: float


def answers_png(pictures: Sequence[Answered]) -> bytes:
    """A PNG of the pictures in rows of three: right answers in blue, wrong ones in orange with the truth."""
    with house_style():
        return to_png(answers_figure(pictures))


def answers_figure(pictures: Sequence[Answered]) -> "Figure":
    """The figure of ``answers_png``; to be made and drawn inside ``house_style``."""
    from matplotlib.figure import Figure

    rows = -(-len(pictures) // COLUMNS)
    figure = Figure(figsize=(2.2 * COLUMNS, 2.55 * rows), layout="constrained")
    grid = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for axes in grid:
        axes.set_axis_off()
    for axes, picture in zip(grid, pictures, strict=False):
        right = picture.label == picture.truth
        axes.imshow(picture.pixels)
        answer = f"{_name(picture.label)}  {picture.probability:.1%}".replace("%", " %")
        caption = answer if right else f"{answer}\nit is: {_name(picture.truth)}"
        axes.set_title(caption, color=BLUE if right else ORANGE, parse_math=False)
    return figure


def _name(label: str) -> str:
    return shorten(printable(label), CAPTION_COLUMNS)
