import csv
import io
from itertools import pairwise

import matplotlib
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from genus.report.confusion import Counts, confusion_csv, confusion_png, draw_confusion, percentage
from genus.report.figure import FAINT_INK, INK, columns, printable, shorten
from genus.report.sheet import Box, Point, Sheet

ODD_NAMES = ["$x_1^2$", "a_b^c$", "line\nbreak", "\x1b[31mred", "雏菊", "\udcff", "=1+1", "Chrysanthemum " * 12]


class Recorder(Sheet):
    """Keeps what is written on it, where, and by how much it is turned."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[tuple[str, Box, float]] = []
        self.colours: list[str] = []

    def write(
        self, text: str, at: Point, points: float, colour: str = INK, anchor: Point = (0.5, 0.5), turn: float = 0
    ) -> Box:
        box = super().write(text, at, points, colour, anchor, turn)
        self.words.append((text, box, turn))
        self.colours.append(colour)
        return box

    @property
    def side(self) -> int:
        """Of the matrix, which is laid first."""
        return self._laid[0][1][2]

    @property
    def cells(self) -> list[tuple[str, Box]]:
        return [(text, box) for text, box, _ in self.words if self.inside(box)]

    def inside(self, box: Box) -> bool:
        return min(box) >= 0 and max(box) <= self.side

    @property
    def rows(self) -> list[tuple[str, Box]]:
        return [(text, box) for text, box, turn in self.words if box[2] < 0 and not turn]

    @property
    def columns(self) -> list[tuple[str, Box, float]]:
        return [word for word in self.words if word[1][1] > self.side and word[0] != "prediction"]

    @property
    def pixels(self) -> np.ndarray:
        """The cells, without lines and words: K x K x 3 where every cell is one size."""
        return np.asarray(self._laid[0][0]).astype(int)


def matrix(classes: int, right: int = 40) -> Counts:
    """Every class ``right`` times right and once mistaken for the next one."""
    return right * np.eye(classes, dtype=np.int64) + np.roll(np.eye(classes, dtype=np.int64), 1, axis=1)


def draw(confusion: Counts, names: list[str] | None = None, title: str = "") -> Recorder:
    sheet = Recorder()
    draw_confusion(sheet, confusion, names or [f"species {number}" for number in range(len(confusion))], title)
    return sheet


# The table


@settings(max_examples=40)
@given(st.lists(st.text(max_size=6), min_size=1, max_size=5), st.integers(0, 10**9))
@example(["=cmd|' /C calc'!A0", "+1", "-1", "@x", "\tx", "\rx", 'a"b', "a,b", "a\r\nb", "雏菊", "\udcff"], 7)
def test_csv_survives_the_round_trip(names: list[str], count: int) -> None:
    confusion = np.arange(count, count + len(names) ** 2).reshape(len(names), -1)
    text = confusion_csv(confusion, names).encode("utf-8").decode("utf-8")
    header, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    assert header[0] == "truth \\ prediction"
    assert header[1:] == [row[0] for row in rows]
    assert [[int(cell) for cell in row[1:]] for row in rows] == confusion.tolist()
    for name, cell in zip(names, header[1:], strict=True):
        assert cell.removeprefix("'") == name.removeprefix("'").replace("\udcff", "\\udcff")
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))


def test_csv_as_people_see_it() -> None:
    text = confusion_csv(np.array([[3, 1], [0, 2]]), ["cat", "dog"])
    assert text == "truth \\ prediction,cat,dog\ncat,3,1\ndog,0,2\n"


# What stands in the picture


@pytest.mark.parametrize(("classes", "texts", "keys"), [(2, 4, 0), (12, 48, 0), (13, 26, 2), (30, 60, 2), (31, 0, 2)])
def test_what_is_written_at_each_size(classes: int, texts: int, keys: int) -> None:
    """Two counts a class here (one right, one mistaken), each with a percentage up to 12 classes."""
    confusion = matrix(classes)
    if classes == 2:
        confusion[0, 1] = confusion[1, 0] = 0
    sheet = draw(confusion, title="The title")
    written = [text for text, _ in sheet.cells]
    assert len(written) == texts
    assert ("100 %" if classes == 2 else "98 %") in written or classes > 12
    names = [f"species {k}" for k in range(classes)]
    assert [text for text, _ in sheet.rows] == names
    assert [text for text, _, _ in sheet.columns] == names
    others = [text for text, box, turn in sheet.words if not sheet.inside(box) and text not in names]
    key_texts = [
        *("0 %", "50 %", "80 %", "90 %", "100 % of the row", "correct"),
        *("0 %", "1 %", "10 %", "25 %", "50 % or more", "mistakes"),
    ]
    assert others == ["prediction", "truth", *(key_texts if keys else []), "The title"]


@pytest.mark.parametrize(("classes", "right"), [(2, 40), (12, 9_999_999), (30, 999_999)])
def test_numbers_stay_inside_their_cells(classes: int, right: int) -> None:
    sheet = draw(matrix(classes, right))
    cell = sheet.side // classes
    per_cell = 2 if classes <= 12 else 1
    expected = sorted([k, (k + shift) % classes] for k in range(classes) for shift in (0, 1) for _ in range(per_cell))
    found = []
    for _, (left, top, right_end, bottom) in sheet.cells:
        assert left // cell == (right_end - 1) // cell
        assert top // cell == (bottom - 1) // cell
        found.append([top // cell, left // cell])
    assert sorted(found) == expected


def test_a_count_and_its_percentage_do_not_touch() -> None:
    sheet = draw(matrix(12))
    for (_, count), (percent, below) in zip(sheet.cells[::2], sheet.cells[1::2], strict=True):
        assert percent.endswith("%")
        assert count[3] + 3 < below[1]


@pytest.mark.parametrize(
    ("classes", "name"),
    [(2, "郁金香"), (5, "sunflowers"), (12, "郁金香"), (30, "ox"), (31, "ox"), (100, "郁金香"), (250, "oak")],
)
def test_names_do_not_run_into_each_other(classes: int, name: str) -> None:
    sheet = draw(matrix(classes), [name] * classes)
    across, down = sheet.columns, sheet.rows
    assert len(across) == len(down) <= 100
    if across[0][2] != 40:
        assert all(left[1][2] < right[1][0] for left, right in pairwise(across))
    assert all(upper[1][3] < lower[1][1] for upper, lower in pairwise(down))


@pytest.mark.parametrize("classes", [2, 12, 20, 50, 250])
def test_nothing_lies_on_anything_else(classes: int) -> None:
    """Names, axes, keys and title keep clear of the matrix and of each other; turned names by their corners."""
    sheet = draw(matrix(classes), [f"a class with number {k}" for k in range(classes)], "A title " * 40)
    outside = [box for _, box, turn in sheet.words if not sheet.inside(box) and turn != 40]
    for number, box in enumerate(outside):
        for other in [*outside[:number], (0, 0, sheet.side, sheet.side)]:
            apart = box[2] <= other[0] or other[2] <= box[0] or box[3] <= other[1] or other[3] <= box[1]
            assert apart, (box, other)


def test_each_name_stands_at_its_row_and_column() -> None:
    for classes in (3, 20, 60):
        sheet = draw(matrix(classes), [f"class {k:03}" for k in range(classes)])
        cell = sheet.side / classes
        for k, (_, box) in enumerate(sheet.rows):
            assert (box[1] + box[3]) / 2 == pytest.approx((k + 0.5) * cell, abs=8)
        for k, (_, box, turn) in enumerate(sheet.columns):
            end = box[2] if turn == 40 else (box[0] + box[2]) / 2
            assert end == pytest.approx((k + 0.5) * cell, abs=12 if turn == 40 else 8)


def test_the_picture_does_not_grow_without_bound() -> None:
    sides = [draw(matrix(k), ["a"] * k).side for k in (2, 12, 30, 300)]
    assert sides == sorted(sides)
    assert sides[-1] <= 2800


def test_colours_tell_right_from_wrong() -> None:
    confusion = np.array([[999, 1, 0, 0], [0, 5, 5, 0], [10, 0, 0, 0], [0, 0, 0, 0]])
    sheet = draw(confusion)
    middle = sheet.side // 8
    cells = sheet.pixels[middle :: 2 * middle, middle :: 2 * middle]
    assert cells.shape == (4, 4, 3)
    red, blue = cells[..., 0], cells[..., 2]
    right, wrong = [(0, 0), (1, 1), (2, 2)], [(0, 1), (1, 2), (2, 0)]
    assert all(blue[cell] > red[cell] for cell in right)
    assert all(red[cell] > blue[cell] + 20 for cell in wrong)  # one picture in a thousand is enough
    lightness = cells.sum(axis=2)
    assert lightness[0, 0] < lightness[1, 1] < lightness[2, 2]
    assert lightness[0, 1] > lightness[1, 2] == lightness[2, 0]
    assert (cells[0, 2:] == 255).all()
    assert (cells[3] == 0xEF).all()  # a row without pictures


def test_the_keys_show_the_colours_of_the_cells() -> None:
    confusion = 90 * np.eye(13, dtype=np.int64)
    confusion[0, :2] = 75, 25
    confusion[1, :3] = 1, 90, 9
    sheet = draw(confusion)
    cell = sheet.side // 13
    keys = [(np.asarray(ink).astype(int), box) for ink, box, _ in sheet._laid[1:] if isinstance(ink, Image.Image)]
    for key, text, place in (
        (0, "90 %", (1, 1)),
        (1, "25 %", (0, 1)),
        (1, "1 %", (1, 0)),
        (0, "100 % of the row", (5, 5)),
    ):
        bar, (_, top, right, bottom) = keys[key]
        (tick,) = (
            box for word, box, _ in sheet.words if word == text and right < box[0] and top - 20 < box[1] < bottom
        )
        height = min(max((tick[1] + tick[3]) // 2 - top, 0), len(bar) - 1)
        assert bar[height, 0] == pytest.approx(sheet.pixels[place[0] * cell, place[1] * cell], abs=6)


def test_what_is_written_can_be_read_on_its_ground() -> None:
    sheet = draw(np.array([[98, 2], [0, 0]]), ["a", "b"])
    colours = dict(zip([text for text, _, _ in sheet.words], sheet.colours, strict=True))
    assert colours["98"] == colours["98 %"] == "white"
    assert colours["2"] == colours["2 %"] == INK
    rows = [
        colour for (_, box, turn), colour in zip(sheet.words, sheet.colours, strict=True) if box[2] < 0 and not turn
    ]
    assert rows == [INK, FAINT_INK]  # the second row has no pictures


def test_a_class_that_is_never_right_says_zero() -> None:
    assert [text for text, _ in draw(np.array([[0, 3], [0, 0]])).cells] == ["0", "0 %", "3", "100 %"]


def test_a_matrix_of_another_size() -> None:
    for function in (confusion_csv, lambda confusion, names: confusion_png(confusion, names, "")):
        with pytest.raises(ValueError, match="3 classes"):
            function(matrix(2), ["a", "b", "c"])


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [(0, 9, "0 %"), (1, 1000, "<1 %"), (1, 2, "50 %"), (995, 1000, ">99 %"), (994, 1000, "99 %"), (9, 9, "100 %")],
)
def test_percentages_do_not_round_mistakes_away(part: int, whole: int, text: str) -> None:
    assert percentage(part, whole) == text


# Names


def test_odd_names_make_a_picture_without_warnings() -> None:
    data = confusion_png(matrix(len(ODD_NAMES)), ODD_NAMES, "雏菊 $\\frac{1}{$ 93 %")
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.format == "PNG"
        assert picture.width < 3000


def test_odd_names_are_shown_as_they_are() -> None:
    sheet = draw(matrix(len(ODD_NAMES)), ODD_NAMES)
    shown = [*("$x_1^2$", "a_b^c$", "line\\nbreak", "\\x1b[31mred", "雏菊", "\\udcff", "=1+1")]
    shown.append("Chrysanthemum …hrysanthemum ")
    assert [text for text, _ in sheet.rows] == shown
    assert [text for text, _, _ in sheet.columns] == shown


@settings(max_examples=50)
@given(st.text(), st.integers(3, 30))
def test_shortened_names(text: str, width: int) -> None:
    short = shorten(text, width)
    assert columns(short) <= width
    head, mark, tail = short.partition("…") if short != text else (text, "", "")
    assert text.startswith(head)
    assert text.endswith(tail)
    assert mark or short == text
    assert columns(head) - columns(tail) in range(-1, 3) or not mark


@settings(max_examples=50)
@given(st.text(st.characters()))
@example("\ud800\x00\u202e\u3000\t")
def test_printable_text_is_one_visible_line(text: str) -> None:
    assert printable(text).isprintable()
    assert printable(printable(text)) == printable(text)


# The way to bytes


def test_same_matrix_same_bytes_whatever_the_users_settings() -> None:
    arguments = matrix(2), ["a", "b"], "title"
    expected = confusion_png(*arguments)
    assert b"Software" not in expected
    with matplotlib.rc_context({"font.size": 30, "text.usetex": True, "font.family": "serif"}):
        before = matplotlib.rcParams.copy()
        assert confusion_png(*arguments) == expected
        assert matplotlib.rcParams.copy() == before
