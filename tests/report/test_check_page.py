"""The page of a check in a browser, and that a report shows findings in the same way."""

import html
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page

from genus.report.page import render, render_check
from tests.report.browser import CONTRASTS, PHONE, READABLE, Open, Watched, fresh
from tests.report.reports import HOSTILE, check_page_of, findings_of, odd_findings, report_of

LONG = ("b c " * 40, "長い名前" * 40, "a" * 200)


@pytest.fixture(scope="module")
def opened(open_page: Open) -> Watched:
    return open_page(render_check(check_page_of()))


@pytest.fixture
def page(opened: Watched) -> Iterator[Page]:
    yield from fresh(opened)


def styles(page: Page, selector: str, name: str) -> list[str]:
    return page.locator(selector).evaluate_all(f"all => all.map(one => getComputedStyle(one).{name})")


def test_the_verdict_comes_first_and_says_how_much_of_what(page: Page) -> None:
    lines = page.locator("header").inner_text().splitlines()
    told = [line for line in lines if line]
    assert told[:4] == ["Check of the pictures", "Five flowers", "Cannot train", "1,234 pictures of 3 classes"]
    assert page.locator("header .badge").all_text_contents() == ["1 fatal", "1 serious", "1 warning", "1 note"]
    assert "1 picture of 1\nclass<" in render_check(check_page_of(pictures=1, classes=(("rose", 1),)))
    twice = re.findall("[0-9,]+ [a-z]+(?=</span>)", render_check(check_page_of(findings=2 * findings_of())))
    assert twice == ["2 fatal", "2 serious", "2 warnings", "2 notes"]
    assert "No model can be trained on these pictures as they are." in told
    assert page.locator("main h2").all_inner_texts() == ["Findings", "Classes", "What next"]
    assert page.locator("nav a").count() == 3


def test_findings_are_as_grave_as_they_look(page: Page) -> None:
    """In words and, for those who see it, in the weight of the line beside them."""
    assert page.locator("h3").all_text_contents() == [
        "fatal Unreadable",
        "serious Near copy",
        "warning Blurred",
        "note Folder",
    ]
    widths = [float(width.removesuffix("px")) for width in styles(page, ".finding", "borderLeftWidth")]
    assert widths == sorted(set(widths), reverse=True)
    assert len(set(styles(page, ".finding", "backgroundColor"))) == 2  # that of what is fatal, and none
    first = page.locator(".finding").first.inner_text()
    assert "30 files cannot be read: rose/0.jpg (it ends too early) for one." in first
    assert "Repair or remove them." in first
    assert "Shown: 1 of 30 pictures." in first


def test_pictures_lie_side_by_side_above_their_label_and_path(page: Page) -> None:
    assert page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 50)")
    pair = page.locator(".groups .card").nth(1).locator("figure")
    assert [text.split("\n") for text in pair.all_inner_texts()] == [["rose", "rose/1.jpg"], ["rose", "rose/2.jpg"]]
    one, other = [place for place in (figure.locator("img").bounding_box() for figure in pair.all()) if place]
    assert one["y"] == other["y"]
    assert one["x"] + one["width"] < other["x"] < one["x"] + 2 * one["width"]
    unreadable = page.locator(".finding").first.locator("figure").inner_text()
    assert unreadable.split() == ["cannot", "be", "read", "rose", "rose/0.jpg"]
    assert set(styles(page, ".groups img", "objectFit")) == {"contain"}  # what was cropped away would be missed


def test_labels_that_differ_catch_the_eye(page: Page) -> None:
    """Also where capitals alone make the difference."""
    marked = page.locator(".groups .card", has_text="different labels")
    assert marked.locator(".path").all_inner_texts() == ["rose/3.jpg", "Rose/3.jpg"]
    differ, alike = (styles(page, f".groups {card} b", "backgroundColor") for card in (".differ", ".card:not(.differ)"))
    assert len(differ) == 2
    assert not set(differ) & set(alike)


def test_classes_are_sorted_by_size(page: Page) -> None:
    page.get_by_role("button", name="Pictures").click()
    assert page.locator(".classes tbody tr").all_inner_texts() == ["tulip\t0\t", "daisy\t9\t", "rose\t1,225\t"]
    assert page.locator(".share rect").last.evaluate("bar => bar.width.baseVal.value") == 100


def test_a_phone_scrolls_in_one_direction(page: Page, open_page: Open) -> None:
    classes = tuple((name, 9) for name in LONG)
    odd = check_page_of(title=" ".join(LONG), classes=classes, findings=odd_findings(LONG))
    for shown in (page, open_page(render_check(odd)).page):
        shown.set_viewport_size(PHONE)  # type: ignore[arg-type]
        assert shown.evaluate("document.documentElement.scrollWidth") == 360


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_readable_in_both_schemes(scheme: Any, page: Page) -> None:
    page.emulate_media(color_scheme=scheme)
    contrasts = page.evaluate(CONTRASTS, "p, h1, h2, h3, a, dt, th, td, b, span, button, code")
    assert len(contrasts) > 60
    assert min(contrasts) >= READABLE


def test_paper_is_narrow_enough_and_keeps_groups_whole(page: Page) -> None:
    page.emulate_media(media="print", color_scheme="dark")
    page.set_viewport_size({"width": 680, "height": 1000})  # A4 without its margins
    assert page.evaluate("document.documentElement.scrollWidth") <= 680
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(28, 31, 36)"
    assert set(styles(page, ".groups .card", "breakInside")) == {"avoid"}
    assert set(styles(page, ".badge, .finding", "printColorAdjust")) == {"exact"}
    assert not page.locator(".copy").first.is_visible()


def test_names_are_text_and_nothing_else(page: Page, open_page: Open) -> None:
    pairs = tuple((name, 1) for name in HOSTILE)
    odd = check_page_of(title=" ".join(HOSTILE), sentence=" ".join(HOSTILE), findings=odd_findings(), classes=pairs)
    watched = open_page(render_check(odd))
    tags = "[...new Set([...document.querySelectorAll('*')].map(element => element.localName))].sort()"
    assert watched.page.evaluate(tags) == page.evaluate(tags)
    assert watched.page.locator("script").count() == 2
    visible = [*HOSTILE[:4], r"a\nb\x1b[31m\u202ered\u2028", r"daisy \udcff"]
    assert watched.page.locator(".classes tbody th").all_inner_texts() == visible
    assert set(watched.page.locator(".groups b").all_inner_texts()) == set(visible)
    watched.assert_silent()


def test_nothing_is_fetched_nothing_is_inline_and_a_picture_is_in_the_file_once() -> None:
    shown = check_page_of()
    text = render_check(shown)
    assert not re.search(r'(src|href|action)="(?!#|data:)|url\(|@import|\sstyle=|\son\w+=|https?://', text)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy
    assert html.unescape(policy[1]).startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "unsafe" not in policy[1]
    jpegs = re.findall(r'"(/9j/[^"]*)"', text)
    thumbnails = [one.thumbnail for finding in shown.findings for group in finding.groups for one in group]
    assert len(jpegs) == len(set(jpegs)) == len({*thumbnails} - {b""}) < len(thumbnails)


def test_where_nothing_was_found_nothing_is_listed(open_page: Open) -> None:
    watched = open_page(render_check(check_page_of(verdict="clean", findings=(), classes=(), commands=())))
    assert watched.page.locator("section, nav, .badge").count() == 0
    assert watched.page.locator(".verdict .value").inner_text() == "Clean"
    watched.assert_silent()


def test_a_report_shows_findings_in_the_same_way(page: Page, open_page: Open) -> None:
    report = open_page(render(report_of()))
    shown = "document.querySelector('#findings > ul').outerHTML.replace(/(src|data-image)=\"[^\"]*\"/g, '')"
    assert report.page.evaluate(shown) == page.evaluate(shown)
    assert report.page.evaluate("[...document.querySelectorAll('.groups img')].every(image => image.naturalWidth > 50)")
    report.assert_silent()
