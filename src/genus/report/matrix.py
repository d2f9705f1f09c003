"""The confusion matrix cell by cell: what a cell counts, how strongly it is coloured, what it has room for."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Shares = NDArray[np.float64]

WITH_PERCENTAGES = 12  # up to so many classes a cell has room for count and percentage,
WITH_COUNTS = 30  # up to so many for the count,
WITH_ALL_NAMES = 100  # and up to so many every row and column is named
WORST_MISTAKE = 0.5  # the share of a class mistaken for one other that gets the strongest colour
SHADES = 10


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
