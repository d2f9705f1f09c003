"""The report in a browser.

A page takes a second to open: most tests look at one that is opened once (``page``), and leave it as they found it.
"""

import dataclasses
import html
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from genus.demo import SPECIES
from genus.report.content import Interval, Report
from genus.report.page import render
from tests.report.browser import CONTRASTS, PHONE, READABLE, Open, Watched, fresh
from tests.report.reports import HOSTILE, flower, hostile_report, report_of

ROOT = Path(__file__).parents[2]
MANY = [f"{SPECIES[k % 5]} variety {k}" for k in range(100)]
TWINS = [f"Chrysanthemum indicum var. album, {side}" for side in ("left", "right")]
ODD = ["b c " * 40, "Rose 10", "長い名前" * 40, *TWINS, "rose 9", "a" * 200]

SHADES = """
() => {
  const row = document.querySelector(".matrix tbody").insertRow();
  for (const hue of ["right", "wrong"])
    for (let shade = 1; shade <= 10; shade++) {
      const cell = row.insertCell();
      cell.className = `${hue}-${shade}`;
      cell.append(document.createElement("button"));
    }
  row.className = "shades";
}
"""


CELLS = """
() => [...document.querySelectorAll(".matrix button")].map(button => {
  button.click();
  const paths = [...document.querySelectorAll("dialog .path")].map(path => path.textContent);
  const told = ["shown-title", "shown-count"].map(id => document.getElementById(id).textContent);
  document.querySelector("dialog").close();
  return [Number(button.dataset.truth), Number(button.dataset.answer), ...told, paths];
})
"""


@pytest.fixture(scope="module")
def report() -> Report:
    """Five flowers; of the first class nothing was called so, of the second the groups are too few."""
    report = report_of()
    first, second, *others = report.rows
    first = dataclasses.replace(first, precision=None, f1=None)
    second = dataclasses.replace(second, recall=Interval(0.9, None, None))
    return dataclasses.replace(report, rows=(first, second, *others))


@pytest.fixture(scope="module")
def opened(report: Report, open_page: Open) -> Watched:
    return open_page(render(report))


@pytest.fixture(scope="module")
def opened_odd(open_page: Open) -> Watched:
    """A page of a few classes with long names."""
    return open_page(render(report_of(ODD, of_a_cell=1)))


@pytest.fixture(scope="module")
def opened_large(open_page: Open) -> Watched:
    """A page of a hundred classes and two thousand pictures."""
    base = flower("rose", 1, 90)
    thumbnails = [base + number.to_bytes(2, "big") * ((4096 - len(base)) // 2) for number in range(2000)]
    report = report_of(MANY, of_a_cell=18, thumbnails=thumbnails)
    pictures = report.pictures[:2000]
    assert len({picture.thumbnail for picture in pictures}) == 2000
    text = render(dataclasses.replace(report, pictures=pictures))
    assert 10_000_000 < len(text.encode()) < 15_000_000
    return open_page(text)


@pytest.fixture
def page(opened: Watched) -> Iterator[Page]:
    yield from fresh(opened)


@pytest.fixture
def odd_page(opened_odd: Watched) -> Iterator[Page]:
    yield from fresh(opened_odd)


@pytest.fixture
def large_page(opened_large: Watched) -> Iterator[Page]:
    yield from fresh(opened_large)


def shown_paths(page: Page) -> list[str]:
    return page.locator("dialog .path").all_inner_texts()


def column(page: Page, number: int) -> list[str]:
    return page.locator(f".classes tbody tr > :nth-child({number})").all_inner_texts()


# What a reader sees


def test_the_result_comes_first(report: Report, page: Page) -> None:
    first = page.locator("header").inner_text().replace("\u00a0", " ")
    for text in ("90.1 %", "95 % interval 85.1–95.0 %", "181 test pictures", report.model, report.sentence):
        assert text in first
    for warning in report.cautions:
        place = page.get_by_text(warning).bounding_box()
        assert place is not None
        assert place["y"] + place["height"] < 900


def test_every_cell_opens_its_own_pictures(report: Report, page: Page) -> None:
    expected = [
        [
            truth,
            answer,
            f"{SPECIES[truth]}, {'found' if truth == answer else f'taken for {SPECIES[answer]}'}",
            f"4 of {count} pictures" if count > 4 else f"{count} picture{'s' * (count > 1)}",
            [f"{truth}-{answer}/{k}.jpg" for k in range(min(count, 4))],
        ]
        for truth, row in enumerate(report.confusion)
        for answer, count in enumerate(row)
        if count
    ]
    assert page.evaluate(CELLS) == expected
    assert len(expected) == 10


def test_a_picture_shows_answer_probability_and_what_is_unknown(page: Page) -> None:
    page.locator(".confused button").first.click()  # rose taken for sunflower, 9 times
    cards = [text.replace("\u00a0", " ") for text in page.locator("dialog li").all_inner_texts()]
    assert [text.splitlines()[0] for text in cards] == [
        "sunflower 88.0 %",
        "sunflower 81.0 %",
        "sunflower 74.0 %",
        "sunflower 67.0 % unknown",
    ]
    assert all("then rose" in text for text in cards)
    assert page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 50)")


def test_most_frequent_mistakes_lead_to_the_same_pictures(page: Page) -> None:
    pairs = page.locator(".confused button")
    counts = [int(text) for text in pairs.evaluate_all("all => all.map(one => one.dataset.count)")]
    assert counts == sorted(counts, reverse=True) == [9, 5, 2, 1, 1]
    pairs.nth(1).click()
    assert shown_paths(page) == [f"1-2/{k}.jpg" for k in range(4)]


def test_close_ups_compare_truth_and_answer_picture_and_heat_map(page: Page) -> None:
    card = page.locator("#worst .close-up").first
    assert card.locator("h3").inner_text() == "daisy, taken for dandelion"
    plain, heat = card.locator(".pair figure").all()
    assert plain.inner_text() == "Picture"
    assert heat.inner_text() == "What speaks for dandelion"
    boxes = [figure.locator("img").bounding_box() for figure in (plain, heat)]
    assert boxes[0]
    assert boxes[1]
    assert boxes[0]["x"] + boxes[0]["width"] <= boxes[1]["x"]
    assert card.locator(".truth").inner_text().replace("\u00a0", " ").split("\t") == ["daisy (truth)", "10.8 %"]
    assert card.locator(".neighbours li").count() == 4
    for section in ("worst", "least_certain"):
        legend = page.locator(f"#{section} .legend")
        assert legend.inner_text().split()[:8] == ["Heat", "map:", "speaks", "for", "the", "answer", "little", "much"]
        fills = legend.locator("rect").evaluate_all("all => all.map(one => getComputedStyle(one).fill)")
        assert len(set(fills)) > 20


def test_charts_show_error_bars_and_say_how_many_pictures_are_behind_them(page: Page) -> None:
    calibration = page.locator("#charts figure").nth(2)
    assert calibration.locator("circle").count() == calibration.locator(".bar").count() == 10
    assert calibration.locator("path.line").count() == 0
    stroke = calibration.locator(".bar").first.evaluate("bar => getComputedStyle(bar).stroke")
    assert stroke == "rgb(0, 114, 178)"
    counts = ", ".join(["12"] * 9 + ["13"])
    assert f"Pictures behind the points, from the left: {counts}." in calibration.inner_text()


def test_what_has_no_interval_says_why(report: Report, page: Page) -> None:
    cell = page.locator(".classes tr", has_text="dandelion").locator("td").nth(4)
    assert cell.inner_text().replace("\u00a0", " ") == "90.0 % too few groups for an interval"
    assert cell.locator(".interval").count() == 0
    assert cell.locator(".value").count() == 1
    text = render(dataclasses.replace(report, accuracy=Interval(0.9, None, None)))
    assert "too few groups for an interval" in text[: text.index("<main>")]
    assert "95&nbsp;% interval" not in text[: text.index("<main>")]


def test_the_page_ends_with_commands_to_copy(report: Report, page: Page) -> None:
    assert page.locator("main section").last.locator("h2").inner_text() == "What next"
    assert page.locator("#commands code").all_inner_texts() == [command for _, command in report.commands]
    button = page.locator("#commands .copy").first
    button.click()
    assert page.evaluate("getSelection().toString()") == report.commands[0][1]
    expect(button).to_have_text(re.compile(r"Copied|Press Ctrl\+C"))


def test_every_section_can_be_reached(page: Page) -> None:
    targets = page.locator("nav a").evaluate_all("links => links.map(link => link.getAttribute('href').slice(1))")
    assert targets == page.locator("main section").evaluate_all("all => all.map(section => section.id)")
    assert len(targets) == 12
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(element => element.id)")
    assert len(ids) == len(set(ids))


# Sorting


def test_numbers_are_sorted_as_numbers_and_what_has_none_stays_last(page: Page) -> None:
    page.get_by_role("button", name="Train").click()
    assert column(page, 2) == ["90", "99", "108", "117", "126"]  # as text, 108 would come first
    heading = page.locator("th", has_text="Train")
    assert heading.get_attribute("aria-sort") == "ascending"
    page.get_by_role("button", name="Train").click()
    assert column(page, 2) == ["126", "117", "108", "99", "90"]
    assert heading.get_attribute("aria-sort") == "descending"
    page.get_by_role("button", name="Recall").click()
    recall = [float(text.split("\u00a0")[0]) for text in column(page, 6)]
    assert recall == sorted(recall)
    assert heading.get_attribute("aria-sort") == "none"
    assert page.locator(".classes tr").last.locator("th").inner_text() == "Mean of all classes"
    for _ in range(2):
        page.get_by_role("button", name="Precision").click()
        assert column(page, 1)[-1] == "daisy"


def test_names_are_sorted_as_people_do(odd_page: Page) -> None:
    odd_page.get_by_role("button", name="Class").click()
    shown = [name.strip() for name in column(odd_page, 1)]
    assert shown == [name.strip() for name in ("a" * 200, "b c " * 40, *TWINS, "rose 9", "Rose 10", "長い名前" * 40)]


# Keyboard, phone, dark, paper


def test_the_keyboard_opens_and_closes(page: Page) -> None:
    cell = page.locator(".matrix button").nth(1)
    page.locator(".matrix button").first.focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.locator("dialog").is_visible()
    assert page.evaluate("document.querySelector('dialog').contains(document.activeElement)")
    page.keyboard.press("Escape")
    assert not page.locator("dialog").is_visible()
    assert cell.evaluate("cell => cell === document.activeElement")
    assert cell.evaluate("cell => getComputedStyle(cell).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Close").press("Enter")
    assert cell.evaluate("cell => cell === document.activeElement")


@pytest.mark.parametrize("which", ["page", "odd_page", "large_page"])
def test_a_phone_scrolls_in_one_direction(which: str, request: pytest.FixtureRequest) -> None:
    page = request.getfixturevalue(which)
    page.set_viewport_size(PHONE)
    wide = "document.documentElement.scrollWidth"
    assert page.evaluate(wide) == 360
    page.locator(".confused button").first.click()
    assert page.evaluate(wide) == 360
    place = page.locator("dialog").bounding_box()
    assert place is not None
    assert place["x"] >= 0
    assert place["x"] + place["width"] <= 360


def test_a_table_that_is_too_wide_says_that_it_scrolls(page: Page) -> None:
    classes = page.locator(".wide", has=page.locator(".classes"))
    shadow = "wide => getComputedStyle(wide, '::after').display"
    assert not classes.locator(".hint").is_visible()
    assert classes.evaluate(shadow) == "none"
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    classes.locator(".hint").wait_for()
    assert classes.locator(".hint").inner_text().startswith("There is more to the right")
    assert classes.evaluate(shadow) == "block"
    classes.locator(".scroll").evaluate("box => { box.scrollLeft = box.scrollWidth; }")
    expect(page.locator(".wide:has(.classes)")).not_to_have_class(re.compile(r"\bmore\b"))
    assert classes.evaluate(shadow) == "none"
    assert classes.locator(".hint").is_visible()  # that nothing jumps while the reader scrolls


def test_names_are_cut_in_the_middle_alone(odd_page: Page) -> None:
    """Whatever a style sheet cuts it cuts at the end: none does, and what differs at the end stays different."""
    for selector in (".matrix thead th", ".matrix tbody th", "#worst h3", ".neighbours b", ".confused button"):
        shown = odd_page.locator(selector)
        assert shown.evaluate_all("all => all.every(one => getComputedStyle(one).textOverflow === 'clip')")
        assert shown.locator("span").evaluate_all("all => all.every(one => one.scrollWidth <= one.clientWidth + 1)")
    for selector in (".matrix thead th", ".matrix tbody th"):
        names = odd_page.locator(selector).all_inner_texts()
        assert len(set(names)) == len(ODD)
        titles = odd_page.locator(selector).evaluate_all("all => all.map(one => one.title)")
        assert titles == ODD


def test_names_of_rows_stay_in_sight(large_page: Page) -> None:
    large_page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    large_page.locator(".scroll").first.evaluate("box => { box.scrollLeft = 900; }")
    place = large_page.locator(".matrix tbody th").first.bounding_box()
    assert place is not None
    assert 0 <= place["x"] < 30


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_readable_in_both_schemes(scheme: Any, page: Page) -> None:
    page.emulate_media(color_scheme=scheme)
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (min(map(int, re.findall(r"\d+", paper))) < 64) == (scheme == "dark")
    page.evaluate(SHADES)
    page.locator(".confused button").first.click()
    for selector in ("p, h1, h2, h3, h4, a, li, dt, dd, th, td, caption, b, small, span, button", ".shades button"):
        contrasts = page.evaluate(CONTRASTS, selector)
        assert len(contrasts) >= 20
        assert min(contrasts) >= READABLE
    page.evaluate("document.querySelector('.shades').remove()")


def test_paper_is_white_narrow_enough_and_has_no_controls(page: Page) -> None:
    page.emulate_media(media="print", color_scheme="dark")
    page.set_viewport_size({"width": 680, "height": 1000})  # A4 without its margins
    assert page.evaluate("document.documentElement.scrollWidth") <= 680
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(28, 31, 36)"
    for control in ("nav", ".hint", ".copy", ".on-screen"):
        assert not page.locator(control).first.is_visible()
    assert page.locator(".card").first.evaluate("card => getComputedStyle(card).breakInside") == "avoid"
    assert page.pdf(format="A4").startswith(b"%PDF")


# Names from strangers


def test_names_are_text_and_nothing_else(page: Page, open_page: Open) -> None:
    watched = open_page(render(hostile_report()))
    hostile = watched.page
    tags = "[...new Set([...document.querySelectorAll('*')].map(element => element.localName))].sort()"
    page.locator(".confused button").first.click()
    hostile.locator(".confused button").first.click()
    assert hostile.evaluate(tags) == page.evaluate(tags)
    assert hostile.locator("script").count() == 2
    names = hostile.locator(".classes tbody th").all_inner_texts()
    visible = [
        *HOSTILE[:4],
        r"a\nb\x1b[31m\u202ered\u2028",
        r"daisy \udcff",
    ]
    assert names == visible
    assert all(title.startswith(tuple(visible)) for _, _, title, *_ in hostile.evaluate(CELLS))
    watched.assert_silent()


def test_the_policy_allows_nothing_but_its_own_script(report: Report, open_page: Open) -> None:
    """The second line of defence: even where something slipped through, it could neither run nor call home."""
    stranger = "<script>document.title = 'run'</script><img src='https://example.org/x.png' onerror='alert(1)'>"
    watched = open_page(render(report).replace("</main>", f"{stranger}</main>"))
    assert watched.page.title() == report.title
    blocked = [complaint for complaint in watched.complaints if complaint.startswith("policy: ")]
    assert sorted(blocked) == ["policy: https://example.org/x.png", "policy: inline", "policy: inline"]


def test_nothing_is_fetched_and_nothing_is_inline(report: Report) -> None:
    text = render(report)
    assert not re.search(r'(src|href|action)="(?!#|data:)|url\(|@import|\sstyle=|\son\w+=|https?://', text)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy
    assert html.unescape(policy[1]).startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "unsafe" not in policy[1]


# The file


def test_the_same_report_gives_the_same_text() -> None:
    """In another process too, where sets have another order."""
    code = (
        "import sys\nfrom genus.report.page import render\nfrom tests.report.reports import report_of\n"
        "sys.stdout.buffer.write(render(report_of()).encode())"
    )
    other = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True).stdout
    assert render(report_of()).encode() == other


def test_a_picture_is_in_the_file_once(report: Report) -> None:
    text = render(report)
    jpegs = re.findall(r'"(/9j/[^"]*)"', text)
    assert len(jpegs) == len(set(jpegs)) > 20


def test_a_hundred_classes_and_two_thousand_pictures_fit(large_page: Page) -> None:
    large_page.locator(".matrix button").first.click()
    assert large_page.locator("dialog li").count() == 18


def test_the_matrix_of_very_many_classes_is_left_out(open_page: Open) -> None:
    classes = [f"class {number}" for number in range(101)]
    watched = open_page(render(report_of(classes, of_a_cell=1)))
    assert watched.page.locator("table.matrix").count() == 0
    assert "101 classes is too large" in watched.page.locator("#confusion").inner_text()
    watched.page.locator(".confused button").first.click()
    assert watched.page.locator("dialog[open] li.card").count() > 0
    watched.assert_silent()


def test_two_classes_and_nothing_else(open_page: Open) -> None:
    names = "cautions pictures rows numbers worst least_certain charts findings label_errors data facts card commands"
    nothing: dict[str, Any] = dict.fromkeys(names.split(), ())
    watched = open_page(render(report_of(SPECIES[:2], cut="", **nothing)))
    page = watched.page
    assert page.locator("section h2").all_inner_texts() == ["Confusion matrix"]
    assert page.locator("nav a").count() == 1
    assert page.locator(".cautions").count() == 0
    page.locator(".matrix button").first.click()
    assert page.locator("#shown-count").inner_text() == "0 of 30 pictures"
    watched.assert_silent()


def test_what_does_not_fit_together_is_refused(report: Report) -> None:
    with pytest.raises(ValueError, match="is not 5 x 5"):
        render(dataclasses.replace(report, confusion=((1, 2),)))
    with pytest.raises(ValueError, match="is not 2 x 2"):
        render(dataclasses.replace(report, classes=("a", "b")))
    with pytest.raises(KeyError):
        render(dataclasses.replace(report, pictures=(dataclasses.replace(report.pictures[0], truth="moss"),)))
