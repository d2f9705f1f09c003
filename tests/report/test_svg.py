import math
import re
from xml.etree import ElementTree

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from genus.report.content import Chart, Line
from genus.report.svg import chart_svg, nice_ticks
from tests.report.reports import HOSTILE

numbers = st.floats(-1e6, 1e6).filter(lambda value: value == 0 or abs(value) > 1e-6)


def chart_of(*lines: Line, **options: bool | str) -> Chart:
    return Chart("title", "text", "epoch", "loss", lines, **options)  # type: ignore[arg-type]


def parsed(chart: Chart) -> ElementTree.Element:
    return ElementTree.fromstring(chart_svg(chart))


def texts(svg: ElementTree.Element) -> list[str]:
    return [element.text or "" for element in svg.iter("text")]


def of_class(svg: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    return [element for element in svg.iter() if name in element.get("class", "").split()]


def places(path: ElementTree.Element) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"[ML]([-\d.]+) ([-\d.]+)", path.get("d", ""))]


@given(numbers, numbers)
@example(-1e6, math.nextafter(-1e6, 0))
@example(0.1 + 0.2, 0.3)
@example(0, 1e-300)
@example(1e-9, 1.001e-9)
def test_ticks_are_round_few_and_enclose(one: float, other: float) -> None:
    low, high = sorted((one, other))
    ticks = nice_ticks(low, high)
    step = ticks[1] - ticks[0]
    slack = 1e-4 * step
    assert ticks[0] <= low + slack
    assert ticks[-1] >= high - slack
    assert 2 <= len(ticks) <= 9
    leading = step / 10 ** math.floor(math.log10(step) + 1e-6)
    assert min(abs(leading - nice) for nice in (1, 2, 5)) < 1e-3


def test_ticks_as_people_would_choose_them() -> None:
    assert nice_ticks(0, 1) == [0, 0.2, 0.4, 0.6, 0.8, 1]
    assert nice_ticks(0.83, 0.99) == [0.8, 0.85, 0.9, 0.95, 1]
    assert nice_ticks(1, 3, whole=True) == [1, 2, 3]
    assert nice_ticks(0, 0.1 + 0.2)[-1] == 0.3


def test_points_lie_where_the_ticks_say() -> None:
    svg = parsed(chart_of(Line("a", ((0, 0.0), (5, 0.5), (10, 1.0)))))
    (line,) = of_class(svg, "line")
    (left, bottom), middle, (right, top) = places(line)
    assert middle == pytest.approx(((left + right) / 2, (top + bottom) / 2), abs=0.1)
    assert top < bottom
    labels = {element.text: element for element in svg.iter("text")}
    assert float(labels["10"].get("x", "")) == right
    assert float(labels["1.0"].get("y", "")) == top + 4
    assert float(labels["0.0"].get("y", "")) == bottom + 4


@given(st.lists(st.floats(0, 1), min_size=1, max_size=5), st.booleans())
@example([0.0], False)
@example([1.0, 1.0], True)
@example([0.0, 0.003], False)
@example([0.999999, 1.0], True)
def test_axes_of_shares_end_at_0_and_100_percent(shares: list[float], diagonal: bool) -> None:
    low, high = min(shares), max(shares)
    ticks = nice_ticks(low, high, share=True)
    assert 0 <= ticks[0] <= low + 1e-9
    assert high - 1e-9 <= ticks[-1] <= 1
    assert 2 <= len(ticks) <= 8
    svg = parsed(chart_of(Line("a", tuple((x, x) for x in shares)), percent="xy", diagonal=diagonal))
    shown = [float(text.removesuffix("\u00a0%")) for text in texts(svg) if text.endswith("%")]
    assert min(shown) >= 0
    assert max(shown) <= 100


def test_what_is_never_negative_has_no_axis_below_zero() -> None:
    for flat in (0.0, 3.0, 1e-12):
        assert nice_ticks(flat, flat)[0] >= 0
    assert nice_ticks(-3, -3)[0] < -3


def test_lines_differ_in_more_than_colour() -> None:
    svg = parsed(chart_of(*(Line(f"line {k}", ((0, k), (1, k + 1))) for k in range(12))))
    drawn = [line for line in of_class(svg, "line") if line.find("title") is not None]
    looks = {(line.get("class"), line.get("stroke-dasharray")) for line in drawn}
    assert len(looks) == 12
    assert len({line.get("stroke-dasharray") for line in drawn[:3]}) == 3
    assert [text for text in texts(svg) if text.startswith("line")] == [f"line {k}" for k in range(12)]


def test_lines_whose_names_differ_at_the_end_have_different_names_in_the_legend() -> None:
    svg = parsed(chart_of(*(Line(f"Chrysanthemum indicum var. album, {side}", ((0, 1), (1, 2))) for side in "lr")))
    assert len({text for text in texts(svg) if "…" in text}) == 2


def test_the_legend_stays_inside_and_does_not_grow_without_end() -> None:
    svg = parsed(chart_of(*(Line(f"a rather long name, number {k}", ((0, k), (1, k))) for k in range(100))))
    width = float(svg.get("viewBox", "").split()[2])
    rows = [element for element in svg.iter("text") if (element.text or "").startswith("a rather")]
    assert len(rows) == 12
    assert all(float(row.get("x", "")) + 6 * len(row.text or "") < width for row in rows)
    assert "and 88 more" in texts(svg)


def test_band_diagonal_and_dots() -> None:
    line = Line("a", ((0.0, 0.1), (0.5, 0.6), (0.7, 0.8), (1.0, 0.9)), ((0.0, 0.2), (0.5, 0.7), None, (0.8, 1.0)))
    svg = parsed(chart_of(line, diagonal=True, marks="dots", percent="xy"))
    (band,) = of_class(svg, "band")
    assert len(places(band)) == 6  # a point without interval has no part in it
    (diagonal,) = of_class(svg, "diagonal")
    (left, bottom), (right, top) = places(diagonal)
    assert left < right
    assert top < bottom
    assert len(list(svg.iter("circle"))) == 4


def test_error_bars_reach_from_end_to_end_and_say_how_many_pictures() -> None:
    line = Line("answers", ((0.2, 0.5), (0.6, 0.25), (1.0, 1.0)), ((0.0, 1.0), None, (0.75, 1.0)), (8, 1, 1234))
    svg = parsed(chart_of(line, diagonal=True, marks="bars", percent="xy"))
    assert not of_class(svg, "line")  # no zigzag
    assert not of_class(svg, "band")
    bars = [re.match(r"M([\d.]+) ([\d.]+)V([\d.]+)", bar.get("d", "")) for bar in of_class(svg, "bar")]
    scale = [text for text in svg.iter("text") if text.get("text-anchor") == "end"]
    labels = {text.text: float(text.get("y", "")) - 4 for text in scale}
    first, last = [tuple(map(float, bar.groups())) for bar in bars if bar]
    assert first[1:] == (labels["0\u00a0%"], labels["100\u00a0%"])
    assert last[2] == labels["100\u00a0%"]
    dots = [(float(dot.get("cx", "")), float(dot.get("cy", ""))) for dot in svg.iter("circle")]
    assert len(dots) == 3
    assert first[0] == dots[0][0]
    assert first[2] < dots[0][1] < first[1]
    told = [(title.text or "").replace("\u00a0", " ") for title in svg.iter("title")]
    assert told == [
        "answers: 20.0 %, 50.0 % (0.0 % to 100.0 %), 8 pictures",
        "answers: 60.0 %, 25.0 %, 1 picture",
        "answers: 100.0 %, 100.0 % (75.0 % to 100.0 %), 1,234 pictures",
    ]


def test_points_that_are_no_numbers_are_left_out() -> None:
    line = Line("a", ((1, 0.5), (2, math.nan), (3, math.inf), (4, 0.7)), ((0, 1), (0, 1), (0, 1), (0.6, 0.8)))
    text = chart_svg(chart_of(line))
    assert "nan" not in text
    assert "inf" not in text
    (drawn,) = of_class(parsed(chart_of(line)), "line")
    assert len(places(drawn)) == 2


@pytest.mark.parametrize("points", [(), ((1.0, 0.5),), ((1.0, 0.5), (1.0, 0.5)), ((1.0, math.nan),)])
def test_a_chart_of_almost_nothing(points: tuple[tuple[float, float], ...]) -> None:
    for diagonal, marks in ((False, "line"), (True, "bars"), (False, "dots")):
        svg = parsed(chart_of(Line("a", points, ((0.4, 0.6),) * len(points)), diagonal=diagonal, marks=marks))
        assert len(texts(svg)) >= 6
    assert parsed(chart_of()).get("role") == "img"


def test_names_are_text_and_the_picture_has_a_description() -> None:
    chart = Chart(HOSTILE[0], "", HOSTILE[1], HOSTILE[4], tuple(Line(name, ((0, 1), (1, 2))) for name in HOSTILE))
    svg = parsed(chart)
    assert {element.tag for element in svg.iter()} == {"svg", "path", "text", "title"}
    assert svg.get("aria-label", "").startswith("<script>alert(1)</script>: a\\nb")
    chart_svg(chart).encode()
