from hypothesis import example, given, settings
from hypothesis import strategies as st

from genus.report.text import (
    columns,
    decimal,
    of_hundred,
    of_hundred_between,
    percent,
    percent_between,
    printable,
    shorten,
    shorten_all,
    span,
    whole_percent,
)

LONG = "Chrysanthemum indicum var. album, "


@settings(max_examples=50)
@given(st.text(), st.integers(3, 30))
def test_shortened_names_keep_both_ends(text: str, width: int) -> None:
    short = shorten(text, width)
    assert columns(short) <= width
    head, mark, tail = short.partition("…") if short != text else (text, "", "")
    assert text.startswith(head)
    assert text.endswith(tail)
    assert mark or short == text
    assert columns(head) - columns(tail) in range(-1, 3) or not mark


@given(st.lists(st.text("ab雏", max_size=60), max_size=5), st.integers(12, 30))
@example(["a" * 40 + "b" + "a" * 40, "a" * 40 + "a" + "a" * 40], 20)
@example(["a" * 58, "a" * 59, "a" * 60], 20)
def test_names_that_differ_stay_different(names: list[str], width: int) -> None:
    short = shorten_all(names, width)
    assert len(set(short)) == len(set(names))
    assert all(columns(text) <= width for text in short)


def test_names_are_cut_where_they_are_alike() -> None:
    ends = [f"{LONG}left", f"{LONG}right", "oak"]
    assert shorten_all(ends, 20) == ["Chrysanthe…bum, left", "Chrysanthe…um, right", "oak"]
    middle = [f"Chrysanthemum {kind} var. album, left" for kind in ("indicum", "maximum")]
    assert shorten_all(middle, 20) == ["…indicum v…bum, left", "…maximum v…bum, left"]


@settings(max_examples=50)
@given(st.text(st.characters()))
@example("\ud800\x00\u202e\u3000\t")
def test_printable_text_is_one_visible_line(text: str) -> None:
    assert printable(text).isprintable()
    assert printable(printable(text)) == printable(text)


def test_percentages_do_not_round_mistakes_away() -> None:
    parts = [(0, 9), (1, 1000), (1, 200), (1, 2), (995, 1000), (994, 1000), (9, 9)]
    shown = [whole_percent(*one).replace("\u00a0", " ") for one in parts]
    assert shown == ["0 %", "<1 %", "<1 %", "50 %", ">99 %", "99 %", "100 %"]
    shares = [percent(share).replace("\u00a0", " ") for share in (0, 0.0004, 0.5, 0.9996, 1)]
    assert shares == ["0.0 %", "<0.1 %", "50.0 %", ">99.9 %", "100.0 %"]
    assert [decimal(share) for share in (0, 0.0004, 0.5, 0.9996, 1)] == ["0.000", "<0.001", "0.500", ">0.999", "1.000"]
    assert decimal(0.9996, 4) == "0.9996"
    words = ["0", "fewer than 1", "93", "more than 99", "100"]
    assert [of_hundred(share) for share in (0, 0.004, 0.93, 0.996, 1)] == words


def test_an_interval_is_certain_of_nothing_that_it_leaves_open() -> None:
    ends = [(0.89, 0.97), (0.978, 0.9999), (0.998, 0.9999), (0.97, 1), (0.0001, 0.03), (0, 0.03)]
    assert [of_hundred_between(*one) for one in ends] == [
        "between 89 and 97",
        "at least 98",
        "more than 99",
        "between 97 and 100",
        "at most 3",
        "between 0 and 3",
    ]
    assert percent_between(0.9981, 0.99999) == "99.8 to >99.9\u00a0%"
    assert [span("0.801", last, "-") for last in ("0.980", ">0.999")] == ["0.801-0.980", "0.801 to >0.999"]
    assert percent_between(None, None) == "too few groups for an interval"
