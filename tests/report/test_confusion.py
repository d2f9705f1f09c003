import csv
import io
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from PIL import Image

from genus.report.confusion import Counts, cells, confusion_csv, confusion_figure, confusion_png, most_confused
from genus.report.style import DPI, FAINT_INK, INK, MARGIN, house_style

LONG = "Chrysanthemum indicum var. album"
ODD_NAMES = ["$x_1^2$", "a_b^c$", "line\nbreak", "\x1b[31mred", "雏菊", "\udcff", f"{LONG}, left", f"{LONG}, right"]


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


def colours_of(figure: Figure) -> np.ndarray:
    """K x K x 3, 0..255."""
    count = len(figure.axes[0].get_yticks())
    (mesh,) = figure.axes[0].collections[:1]
    return np.round(255 * mesh.get_facecolor()[:, :3]).astype(int).reshape(count, count, 3)


# The table


@settings(max_examples=25)
@given(st.lists(st.text(max_size=6), min_size=1, max_size=3), st.integers(0, 10**9))
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
    assert ("100\u00a0%" if classes == 2 else "98\u00a0%") in written or classes > 12
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
    [(2, "郁金香"), (5, "sunflowers"), (30, "ox"), (31, "ox"), (250, "oak")],
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
    sides = [confusion_figure(matrix(k), ["a"] * k, "").get_size_inches()[0] for k in (2, 12, 101)]
    assert sides == sorted(sides)
    assert sides[-1] <= 14.01


@pytest.mark.usefixtures("styled")
def test_colours_tell_right_from_wrong() -> None:
    confusion = np.array([[999, 1, 0, 0], [0, 5, 5, 0], [10, 0, 0, 0], [0, 0, 0, 0]])
    cells = colours_of(draw(confusion))
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
def test_keys_show_the_colours_of_the_cells() -> None:
    confusion = 90 * np.eye(13, dtype=np.int64)
    confusion[0, :2] = 75, 25
    confusion[1, :3] = 1, 90, 9
    figure = draw(confusion)
    cells, keys = colours_of(figure), {axes.get_title(loc="left"): axes for axes in figure.axes[1:]}
    for name, text, place in (
        ("correct", "90 %", (1, 1)),
        ("correct", "100 % of the row", (5, 5)),
        ("mistakes", "25 %", (0, 1)),
        ("mistakes", "1 %", (1, 0)),
    ):
        bar = np.asarray(keys[name].images[0].get_array())[:, 0, :3]
        labels = [label.get_text() for label in keys[name].get_yticklabels()]
        height = keys[name].get_yticks()[labels.index(text)]
        assert 255 * bar[round(height * (len(bar) - 1))] == pytest.approx(cells[place], abs=3)


@pytest.mark.usefixtures("styled")
def test_what_is_written_can_be_read_on_its_ground() -> None:
    axes = draw(np.array([[98, 2], [0, 0]])).axes[0]
    assert [text.get_color() for text in axes.texts] == ["white", "white", INK, INK]
    assert [label.get_color() for label in axes.get_yticklabels()] == [INK, FAINT_INK]  # a row without pictures


def test_page_and_picture_shade_alike() -> None:
    """The stronger the colour in the picture, the higher the shade of the cell of the page."""
    rows = [[900, 60, 30, 10, 0], [0, 500, 500, 0, 0], [1, 0, 0, 499, 500], [0, 0, 0, 0, 0], [0, 0, 0, 0, 9]]
    with house_style():
        colours = colours_of(draw(np.array(rows))).sum(axis=2)
    shown: dict[str, list[tuple[int, int]]] = {"right": [], "wrong": []}
    for row in cells(rows):
        for cell in row:
            kind, _, shade = cell.shade.partition("-")
            if shade:
                shown[kind].append((int(shade), int(colours[cell.truth, cell.answer])))
    for pairs in shown.values():
        by_shade = sorted(pairs)
        assert [colour for _, colour in by_shade] == sorted((colour for _, colour in pairs), reverse=True)
    assert [cell.shade for cell in cells(rows)[3]] == ["none"] * 5
    assert [cell.shade for cell in cells([[1, 0], [1, 199]])[0]] == ["right-10", ""]
    assert cells([[1, 0], [1, 9999]])[1][0].shade == "wrong-1"
    confused = most_confused(cells(rows), 3)
    assert [(cell.truth, cell.answer) for cell in confused] == [(1, 2), (2, 4), (2, 3)]


@pytest.mark.usefixtures("styled")
def test_a_class_that_is_never_right_says_zero() -> None:
    axes = draw(np.array([[0, 3], [0, 0]])).axes[0]
    assert [text.get_text() for text in axes.texts] == ["0", "0\u00a0%", "3", "100\u00a0%"]


def test_a_matrix_of_another_size() -> None:
    for function in (confusion_csv, lambda confusion, names: confusion_png(confusion, names, "")):
        with pytest.raises(ValueError, match="3 classes"):
            function(matrix(2), ["a", "b", "c"])


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
        assert [label.get_text() for label in labels] == [
            *("$x_1^2$", "a_b^c$", "line\\nbreak", "\\x1b[31mred", "雏菊", "\\udcff"),
            *("Chrysanthemum …. album, left", "Chrysanthemum … album, right"),
        ]
        assert not any(label.get_parse_math() for label in labels)


# The way to bytes


@pytest.mark.parametrize("classes", [2, 14])
def test_nothing_is_cut_off(classes: int) -> None:
    """The picture ends where the ink does, and a margin further on: no edge cuts through a name or a key."""
    png = confusion_png(matrix(classes), [f"class number {k}" for k in range(classes)], "A title")
    ink = np.asarray(Image.open(io.BytesIO(png)).convert("L")) < 250
    margin = MARGIN * DPI
    for sides in (ink.any(axis=0), ink.any(axis=1)):
        (there,) = np.nonzero(sides)
        assert margin - 4 <= there[0] <= margin + 8
        assert margin - 4 <= len(sides) - 1 - there[-1] <= margin + 8
