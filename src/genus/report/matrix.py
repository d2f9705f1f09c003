"""The confusion matrix cell by cell, for the page: what a cell counts and how strongly it is coloured."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from genus.report.confusion import WITH_ALL_NAMES, WITH_COUNTS, WITH_PERCENTAGES, WORST_MISTAKE

SHADES = 10


@dataclass(frozen=True, slots=True)
class Cell:
    """``count`` of the ``total`` test pictures of class number ``truth`` were called class number ``answer``."""

    truth: int
    answer: int
    count: int
    total: int

    @property
    def right(self) -> bool:
        return self.truth == self.answer

    @property
    def shade(self) -> str:
        """``right-1`` .. ``right-10``, ``wrong-1`` .. ``wrong-10``, ``none``, or "" for a mistake nobody made.

        Right answers are spread out towards 100 % of the row, where models live, and mistakes towards 0 %.
        """
        if not self.total:
            return "none"
        share = self.count / self.total
        if self.right:
            return f"right-{max(1, math.ceil(SHADES * share**2))}"
        return f"wrong-{math.ceil(SHADES * min(1, share / WORST_MISTAKE) ** 0.5)}" if share else ""


def cells(confusion: Sequence[Sequence[int]]) -> list[list[Cell]]:
    """The cells of a K x K matrix of counts, row by row."""
    return [
        [Cell(truth, answer, count, sum(row)) for answer, count in enumerate(row)]
        for truth, row in enumerate(confusion)
    ]


def most_confused(confusion: Sequence[Sequence[int]], most: int = 10) -> list[Cell]:
    """The ``most`` frequent mistakes; of equally frequent ones, first that of the smaller class."""
    mistakes = [
        Cell(truth, answer, count, sum(row))
        for truth, row in enumerate(confusion)
        for answer, count in enumerate(row)
        if count and truth != answer
    ]
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
