import csv
import io
import sys
from collections.abc import Iterator
from itertools import pairwise

import matplotlib
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from PIL import Image

from genus.report.confusion import Counts, confusion_csv, confusion_figure, confusion_png, percentage
from genus.report.figure import DPI, MARGIN, columns, house_style, printable, shorten

ODD_NAMES = ["$x_1^2$", "a_b^c$", "line\nbreak", "\x1b[31mred", "雏菊", "\udcff", "=1+1", "Chrysanthemum " * 12]


@pytest.fixture
def styled() -> Iterator[None]:
    with house_style():
        yield


def matrix(classes: int, right: int = 40) -> Counts:
    """Every class ``right`` times right and once mistaken for the next one."""
    return right * np.eye(classes, dtype=np.int64) + np.roll(np.eye(classes, dtype=np.int64), 1, axis=1)


def draw(confusion: Counts, names: list[str] | None = None) -> Figure:
    names = names or [f"species {number}" for number in range(len(confusion))]
    figure = confusion_figure(confusion, names, "title")
    figure.draw_without_rendering()
    return figure


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


@pytest.mark.usefixtures("styled")
@pytest.mark.parametrize(("classes", "texts", "keys"), [(2, 4, 0), (12, 48, 0), (13, 26, 2), (30, 60, 2), (31, 0, 2)])
def test_what_is_written_at_each_size(classes: int, texts: int, keys: int) -> None:
    """Two counts a class here (one right, one mistaken), each with a percentage up to 12 classes."""
    confusion = matrix(classes)
    if classes == 2:
        confusion[0, 1] = confusion[1, 0] = 0
    figure = draw(confusion)
    axes = figure.axes[0]
    written = [text.get_text() for text in axes.texts]
    assert len(written) == texts
    assert ("100 %" if classes == 2 else "98 %") in written or classes > 12
    assert len(figure.axes) == 1 + keys
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("prediction", "truth")
    assert [label.get_text() for label in axes.get_yticklabels()] == [f"species {k}" for k in range(classes)]
    assert [label.get_text() for label in axes.get_xticklabels()] == [f"species {k}" for k in range(classes)]


@pytest.mark.usefixtures("styled")
@pytest.mark.parametrize(("classes", "right"), [(2, 40), (12, 9_999_999), (30, 999_999)])
def test_numbers_stay_inside_their_cells(classes: int, right: int) -> None:
    axes = draw(matrix(classes, right)).axes[0]
    for text in axes.texts:
        box = text.get_window_extent().transformed(axes.transData.inverted())
        column, row = text.get_position()
        assert column - 0.5 < box.x0 < box.x1 < column + 0.5
        assert round(row) - 0.5 < box.y1 < box.y0 < round(row) + 0.5  # the row axis points down


@pytest.mark.usefixtures("styled")
@pytest.mark.parametrize(
    ("classes", "name"),
    [(2, "郁金香"), (5, "sunflowers"), (12, "郁金香"), (30, "ox"), (31, "ox"), (100, "郁金香"), (250, "oak")],
)
def test_names_do_not_run_into_each_other(classes: int, name: str) -> None:
    axes = draw(matrix(classes), [name] * classes).axes[0]
    across, down = axes.get_xticklabels(), axes.get_yticklabels()
    assert len(across) == len(down) <= 100
    if across[0].get_rotation() != 40:
        boxes = [label.get_window_extent() for label in across]
        assert all(left.x1 < right.x0 for left, right in pairwise(boxes))
    boxes = [label.get_window_extent() for label in down]
    assert all(lower.y1 < upper.y0 for upper, lower in pairwise(boxes))


@pytest.mark.usefixtures("styled")
def test_the_picture_does_not_grow_without_bound() -> None:
    sides = [confusion_figure(matrix(k), ["a"] * k, "").get_size_inches()[0] for k in (2, 12, 30, 300)]
    assert sides == sorted(sides)
    assert sides[-1] <= 14.01


@pytest.mark.usefixtures("styled")
def test_colours_tell_right_from_wrong() -> None:
    confusion = np.array([[999, 1, 0, 0], [0, 5, 5, 0], [10, 0, 0, 0], [0, 0, 0, 0]])
    cells = np.asarray(draw(confusion).axes[0].images[0].get_array()).astype(int)[..., :3]
    red, blue = cells[..., 0], cells[..., 2]
    right, wrong = [(0, 0), (1, 1), (2, 2)], [(0, 1), (1, 2), (2, 0)]
    assert all(blue[cell] > red[cell] for cell in right)
    assert all(red[cell] > blue[cell] + 20 for cell in wrong)  # one picture in a thousand is enough
    lightness = cells.sum(axis=2)
    assert lightness[0, 0] < lightness[1, 1] < lightness[2, 2]
    assert lightness[0, 1] > lightness[1, 2] == lightness[2, 0]
    assert (cells[0, 2:] == 255).all()
    assert (cells[3] == 0xEF).all()  # a row without pictures


@pytest.mark.usefixtures("styled")
def test_a_class_that_is_never_right_says_zero() -> None:
    axes = draw(np.array([[0, 3], [0, 0]])).axes[0]
    assert [text.get_text() for text in axes.texts] == ["0", "0 %", "3", "100 %"]


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


@pytest.mark.usefixtures("styled")
def test_odd_names_are_shown_as_they_are() -> None:
    axes = draw(matrix(len(ODD_NAMES)), ODD_NAMES).axes[0]
    for labels in (axes.get_xticklabels(), axes.get_yticklabels()):
        assert [label.get_text() for label in labels[:7]] == [
            *("$x_1^2$", "a_b^c$", "line\\nbreak", "\\x1b[31mred", "雏菊", "\\udcff", "=1+1")
        ]
        assert labels[7].get_text() == "Chrysanthemum …hrysanthemum "
        assert not any(label.get_parse_math() for label in labels)


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


@pytest.mark.parametrize("classes", [2, 12, 40])
def test_nothing_is_cut_off(classes: int) -> None:
    """The same picture as where matplotlib looks for its extent by drawing it."""
    counts, names = np.full((classes, classes), 7), [f"class number {k}" for k in range(classes)]
    with house_style():
        out = io.BytesIO()
        confusion_figure(counts, names, "A title").savefig(
            out, dpi=DPI, facecolor="white", bbox_inches="tight", pad_inches=MARGIN
        )
    drawn, expected = (Image.open(io.BytesIO(png)) for png in (confusion_png(counts, names, "A title"), out.getvalue()))
    assert np.array_equal(np.asarray(drawn), np.asarray(expected))


def test_same_matrix_same_bytes_whatever_the_users_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pyplot, nothing left behind, nothing taken over."""
    arguments = matrix(2), ["a", "b"], "title"
    expected = confusion_png(*arguments)
    assert b"matplotlib" not in expected.lower()
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)  # importing it now fails
    with matplotlib.rc_context({"font.size": 30, "text.usetex": True, "savefig.transparent": True}):
        before = matplotlib.rcParams.copy()
        assert confusion_png(*arguments) == expected
        assert matplotlib.rcParams.copy() == before
