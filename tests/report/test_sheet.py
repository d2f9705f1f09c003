import io
import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from matplotlib import font_manager
from PIL import Image

from genus.report import sheet as module
from genus.report.figure import DPI, MARGIN, printable
from genus.report.sheet import POINT, Sheet

WITHOUT_MATPLOTLIB = """
import sys
import numpy as np
from genus.report.confusion import confusion_png
from genus.report.heat import overlay
confusion_png(np.eye(13, dtype=int), [f"class {k}" for k in range(13)], "title")
overlay(np.zeros((8, 8, 3), np.uint8), np.ones((2, 2)), (0, 0, 8, 8))
print(sorted(name for name in sys.modules if name.partition(".")[0] == "matplotlib"))
"""


def pixels(sheet: Sheet) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(sheet.to_png())))


def write(text: str, **options: object) -> tuple[int, int, int, int]:
    return Sheet().write(text, (0, 0), 12, **options)  # type: ignore[arg-type]


@settings(max_examples=60)
@given(
    text=st.text(min_size=1, max_size=12).map(printable),
    at=st.tuples(st.floats(-300, 300), st.floats(-300, 300)),
    anchor=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    turn=st.sampled_from([0, 40, 90, 200]),
    points=st.floats(5, 14),
)
@example("jÅfǼ雏", (0, 0), (0, 0), 0, 9)
def test_no_ink_is_lost_and_none_lies_outside_its_box(
    text: str, at: tuple[float, float], anchor: tuple[float, float], turn: float, points: float
) -> None:
    """The picture is the box and its margin, and there is ink on each side of the box."""
    sheet = Sheet()
    sheet.lay("white", (0, 0, 1, 1))
    box = sheet.write(text, at, points, "black", anchor, turn)
    ink = pixels(sheet)[..., 0] < 255
    margin = round(MARGIN * DPI)
    left, top = min(box[0], 0) - margin, min(box[1], 0) - margin
    rows, columns = np.nonzero(ink)
    if len(rows):
        assert (columns.min() + left, rows.min() + top) == box[:2]
        assert (columns.max() + 1 + left, rows.max() + 1 + top) == box[2:]
    else:
        assert text.isspace() or box[0] == box[2] or not any(map(str.isalnum, text))


@pytest.mark.parametrize("text", ["tulips", "Ägypten", "1,234", "0 %"])
@pytest.mark.parametrize("points", [5.0, 9.0, 12.0])
def test_letters_have_the_size_that_matplotlib_gives_them(text: str, points: float) -> None:
    from matplotlib.textpath import TextPath

    path = TextPath((0, 0), text, size=points * POINT, prop=font_manager.FontProperties(family="DejaVu Sans"))
    expected = path.get_extents()
    left, top, right, bottom = Sheet().write(text, (0, 0), points)
    assert right - left == pytest.approx(expected.width, abs=0.04 * expected.width + 3)
    assert bottom - top == pytest.approx(expected.height, abs=3)


def test_the_anchor_comes_to_lie_at_the_place() -> None:
    """A dash has its ink near the middle of its line and reaches nearly from end to end."""
    for anchor, middle in ((0.0, 1), (0.5, 0), (1.0, -1)):
        left, _, right, _ = write("—————", anchor=(anchor, 0.5))
        assert np.sign(round((left + right) / 40)) == middle
    heights = [write("—", anchor=(0.5, share))[1] for share in (0, 0.5, 1)]
    line = 12 * POINT * 1.164  # ascent and descent of DejaVu Sans in em
    assert np.diff(heights) == pytest.approx([-line / 2, -line / 2], abs=1)


def test_turned_around_the_anchor_and_against_the_clock() -> None:
    left, top, right, bottom = write("—————", anchor=(1, 0.5), turn=90)  # its end stays, on top
    assert -4 <= top <= 4
    assert bottom > 100
    assert -12 <= left <= right <= 12
    left, top, right, bottom = write("—————", anchor=(1, 0.5), turn=45)  # its beginning down to the left
    assert -8 <= top <= 8
    assert -8 <= right <= 8
    assert left < -80
    assert bottom > 80
    flat, upright = Sheet(), Sheet()
    flat.write("tulips", (0, 0), 12)
    upright.write("tulips", (0, 0), 12, turn=90)
    assert np.array_equal(pixels(upright), np.rot90(pixels(flat)))


def test_colours_areas_and_their_order() -> None:
    sheet = Sheet()
    sheet.lay("#ff0000", (10, 10, 20, 20))
    sheet.lay(Image.new("RGB", (5, 5), "#0000ff"), (10, 10, 15, 15))
    sheet.lay("#00ff00", (18, 18, 20, 20), Image.new("L", (2, 2), 255))
    drawn = pixels(sheet)
    margin = round(MARGIN * DPI)
    assert drawn.shape == (10 + 2 * margin, 10 + 2 * margin, 3)
    square = drawn[margin:-margin, margin:-margin]
    assert square[0, 0].tolist() == [0, 0, 255]
    assert square[6, 6].tolist() == [255, 0, 0]
    assert square[9, 9].tolist() == [0, 255, 0]
    drawn[margin:-margin, margin:-margin] = 255
    assert (drawn == 255).all()


def test_ink_of_letters_is_as_dark_as_asked() -> None:
    sheet = Sheet()
    sheet.write("■■", (0, 0), 12, "#123456")
    assert pixels(sheet).reshape(-1, 3).min(axis=0).tolist() == [0x12, 0x34, 0x56]


@pytest.mark.parametrize(
    ("installed", "wide"),
    [(["DejaVu Sans"], "DejaVuSans.ttf"), (["DejaVu Sans", "DejaVu Serif", "DejaVu Sans Mono"], "DejaVuSerif.ttf")],
)
def test_chinese_characters_come_from_another_font(
    monkeypatch: pytest.MonkeyPatch, installed: list[str], wide: str
) -> None:
    monkeypatch.setattr(module, "font_family", lambda: installed)
    find = module._font_file.__wrapped__
    assert Path(find(True)).name == wide
    assert Path(find(False)) == Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")


def test_the_font_is_found_where_matplotlib_keeps_it_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    assert Path(module._font_file.__wrapped__(False)).name == "DejaVuSans.ttf"


def test_matplotlib_is_not_imported_for_what_every_run_draws() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_MATPLOTLIB], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
