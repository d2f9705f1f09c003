"""The report in a browser: Debian's Chromium, driven by Playwright."""

import dataclasses
import html
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from genus.demo import SPECIES
from genus.report.content import Report
from genus.report.page import render
from tests.report.reports import HOSTILE, flower, hostile_report, report_of

ROOT = Path(__file__).parents[2]
PHONE = {"width": 360, "height": 740}
READABLE = 4.5  # contrast of text, WCAG 2 level AA
MANY = [f"{SPECIES[k % 5]} variety {k}" for k in range(100)]

CONTRASTS = """
selector => {
  const context = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const paint = colour => { context.fillStyle = colour; context.fillRect(0, 0, 1, 1); };
  const luminance = () => {
    const [r, g, b] = [...context.getImageData(0, 0, 1, 1).data].slice(0, 3)
      .map(value => value / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  return [...document.querySelectorAll(selector)].map(element => {
    const behind = [];
    for (let at = element; at; at = at.parentElement) behind.unshift(getComputedStyle(at).backgroundColor);
    ["white", ...behind].forEach(paint);
    const paper = luminance();
    paint(getComputedStyle(element).color);
    const [dark, light] = [paper, luminance()].sort((a, b) => a - b);
    return (light + 0.05) / (dark + 0.05);
  });
}
"""
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


@dataclass
class Watched:
    """A page, and all that it did behind the reader's back."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def assert_silent(self) -> None:
        assert self.complaints == []
        assert {request.split(":")[0] for request in self.requests} <= {"file", "data"}
        assert sum(request.startswith("file") for request in self.requests) == 1


Open = Callable[..., Watched]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no program 'chromium' (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def open_page(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    opened: list[Watched] = []

    def open_page(text: str, *, silent: bool = True, **options: Any) -> Watched:
        (tmp_path / "report.html").write_text(text, encoding="utf-8")
        context = browser.new_context(viewport=options.pop("viewport", {"width": 1280, "height": 900}), **options)
        context.add_init_script(
            "addEventListener('securitypolicyviolation', event => console.error(`policy: ${event.blockedURI}`))"
        )
        watched = Watched(context.new_page())
        watched.page.on("request", lambda request: watched.requests.append(request.url))
        watched.page.on("console", lambda message: watched.complaints.append(message.text))
        watched.page.on("pageerror", lambda error: watched.complaints.append(str(error)))
        watched.page.on("dialog", lambda dialog: (watched.complaints.append(dialog.message), dialog.dismiss()))
        watched.page.goto((tmp_path / "report.html").as_uri())
        if silent:
            opened.append(watched)
        return watched

    yield open_page
    for watched in opened:
        watched.page.context.close()
        watched.assert_silent()


@pytest.fixture(scope="session")
def report() -> Report:
    return report_of()


def shown_paths(page: Page) -> list[str]:
    return page.locator("dialog .path").all_inner_texts()


def column(page: Page, number: int) -> list[str]:
    return page.locator(f".classes tbody tr > :nth-child({number})").all_inner_texts()


# What a reader sees


def test_the_result_comes_first(report: Report, open_page: Open) -> None:
    page = open_page(render(report)).page
    first = page.locator("header").inner_text().replace("\u00a0", " ")
    for text in ("90.1 %", "95 % interval 85.1–95.0 %", "181 test pictures", report.model, report.sentence):
        assert text in first
    for warning in report.warnings:
        place = page.get_by_text(warning).bounding_box()
        assert place is not None
        assert place["y"] + place["height"] < 900


def test_every_cell_opens_its_own_pictures(report: Report, open_page: Open) -> None:
    page = open_page(render(report)).page
    opened = 0
    for truth, row in enumerate(report.confusion):
        for answer, count in enumerate(row):
            button = page.locator(f".matrix button[data-truth='{truth}'][data-answer='{answer}']")
            assert button.count() == bool(count)
            if count:
                opened += 1
                button.click()
                heading = page.locator("dialog h2").inner_text()
                kind = "found" if truth == answer else f"taken for {SPECIES[answer]}"
                assert heading == f"{SPECIES[truth]}, {kind}"
                assert shown_paths(page) == [f"{truth}-{answer}/{k}.jpg" for k in range(min(count, 4))]
                words = page.locator("#shown-count").inner_text()
                assert words == (f"4 of {count} pictures" if count > 4 else f"{count} picture{'s' * (count > 1)}")
                page.keyboard.press("Escape")
    assert opened == 10


def test_a_picture_shows_answer_probability_and_what_is_unknown(report: Report, open_page: Open) -> None:
    page = open_page(render(report)).page
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


def test_most_frequent_mistakes_lead_to_the_same_pictures(report: Report, open_page: Open) -> None:
    page = open_page(render(report)).page
    pairs = page.locator(".confused button")
    counts = [int(text) for text in pairs.evaluate_all("all => all.map(one => one.dataset.count)")]
    assert counts == sorted(counts, reverse=True) == [9, 5, 2, 1, 1]
    pairs.nth(1).click()
    assert shown_paths(page) == [f"1-2/{k}.jpg" for k in range(4)]


def test_close_ups_compare_truth_and_answer(report: Report, open_page: Open) -> None:
    page = open_page(render(report)).page
    card = page.locator("#worst .close-up").first
    assert card.locator("h3").inner_text() == "daisy, taken for dandelion"
    assert card.locator(".pair img").count() == 2
    assert card.locator(".truth").inner_text().replace("\u00a0", " ").split("\t") == ["daisy (truth)", "10.8 %"]
    assert card.locator(".neighbours li").count() == 4


# Sorting


def test_numbers_are_sorted_as_numbers(report: Report, open_page: Open) -> None:
    page = open_page(render(report)).page
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


def test_what_has_no_value_stays_at_the_end(report: Report, open_page: Open) -> None:
    rows = (dataclasses.replace(report.rows[0], precision=None, f1=None), *report.rows[1:])
    page = open_page(render(dataclasses.replace(report, rows=rows))).page
    for _ in range(2):
        page.get_by_role("button", name="Precision").click()
        assert column(page, 1)[-1] == "daisy"


def test_names_are_sorted_as_people_do(open_page: Open) -> None:
    page = open_page(render(report_of(["b", "Rose 10", "rose 9"]))).page
    page.get_by_role("button", name="Class").click()
    assert column(page, 1) == ["b", "rose 9", "Rose 10"]


# Keyboard, phone, dark, paper


def test_the_keyboard_opens_and_closes(report: Report, open_page: Open) -> None:
    page = open_page(render(report)).page
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


@pytest.mark.parametrize("classes", [SPECIES, MANY, ["a" * 200, "長い名前" * 40, "b c " * 40]], ids=len)
def test_a_phone_scrolls_in_one_direction(classes: list[str], open_page: Open) -> None:
    page = open_page(render(report_of(classes, of_a_cell=1)), viewport=PHONE).page
    wide = "document.documentElement.scrollWidth"
    assert page.evaluate(wide) == 360
    page.locator(".confused button").first.click()
    assert page.evaluate(wide) == 360
    place = page.locator("dialog").bounding_box()
    assert place is not None
    assert place["x"] >= 0
    assert place["x"] + place["width"] <= 360


def test_names_of_rows_stay_in_sight(open_page: Open) -> None:
    page = open_page(render(report_of(MANY, of_a_cell=1)), viewport=PHONE).page
    page.locator(".scroll").first.evaluate("box => { box.scrollLeft = 900; }")
    place = page.locator(".matrix tbody th").first.bounding_box()
    assert place is not None
    assert 0 <= place["x"] < 30


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_readable_in_both_schemes(report: Report, scheme: str, open_page: Open) -> None:
    page = open_page(render(report), color_scheme=scheme).page
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (min(map(int, re.findall(r"\d+", paper))) < 64) == (scheme == "dark")
    page.evaluate(SHADES)
    page.locator(".confused button").first.click()
    for selector in ("p, h1, h2, h3, h4, a, li, dt, dd, th, td, caption, b, small, span, button", ".shades button"):
        contrasts = page.evaluate(CONTRASTS, selector)
        assert len(contrasts) >= 20
        assert min(contrasts) >= READABLE


def test_paper_is_white_and_has_no_controls(report: Report, open_page: Open) -> None:
    page = open_page(render(report), color_scheme="dark").page
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(28, 31, 36)"
    assert not page.locator("nav").is_visible()
    assert page.locator(".card").first.evaluate("card => getComputedStyle(card).breakInside") == "avoid"
    assert page.pdf(format="A4").startswith(b"%PDF")


# Names from strangers


def test_names_are_text_and_nothing_else(open_page: Open) -> None:
    text = render(hostile_report())
    watched = open_page(text)
    page = watched.page
    tags = set(page.evaluate("[...document.querySelectorAll('*')].map(element => element.localName)"))
    usual = set(
        open_page(render(report_of())).page.evaluate("[...document.querySelectorAll('*')].map(e => e.localName)")
    )
    assert tags == usual
    assert page.locator("script").count() == 2
    names = page.locator(".classes tbody th").all_inner_texts()
    visible = [
        *HOSTILE[:4],
        r"a\nb\x1b[31m\u202ered\u2028",
        r"daisy \udcff",
    ]
    assert names == visible
    for k in range(6):
        page.locator(".matrix button").nth(2 * k).click()
        assert page.locator("dialog h2").inner_text().startswith(tuple(visible))
        page.keyboard.press("Escape")
    watched.assert_silent()


def test_the_policy_allows_nothing_but_its_own_script(report: Report, open_page: Open) -> None:
    """The second line of defence: even where something slipped through, it could neither run nor call home."""
    stranger = "<script>document.title = 'run'</script><img src='https://example.org/x.png' onerror='alert(1)'>"
    watched = open_page(render(report).replace("</main>", f"{stranger}</main>"), silent=False)
    assert watched.page.title() == report.title
    blocked = [complaint for complaint in watched.complaints if complaint.startswith("policy: ")]
    assert sorted(blocked) == ["policy: https://example.org/x.png", "policy: inline", "policy: inline"]
    watched.page.context.close()


def test_nothing_is_fetched_and_nothing_is_inline(report: Report) -> None:
    text = render(report)
    assert not re.search(r'(src|href|action)="(?!#|data:)|url\(|@import|\sstyle=|\son\w+=|https?://', text)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy
    assert html.unescape(policy[1]).startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "unsafe" not in policy[1]


# The file


def test_the_same_report_gives_the_same_text(report: Report) -> None:
    """In another process too, where sets have another order."""
    code = (
        "import sys\nfrom genus.report.page import render\nfrom tests.report.reports import report_of\n"
        "sys.stdout.buffer.write(render(report_of()).encode())"
    )
    other = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True).stdout
    assert render(report).encode() == other


def test_a_picture_is_in_the_file_once(report: Report) -> None:
    text = render(report)
    jpegs = re.findall(r'"(/9j/[^"]*)"', text)
    assert len(jpegs) == len(set(jpegs)) > 20


def test_a_hundred_classes_and_two_thousand_pictures_fit(open_page: Open) -> None:
    base = flower("rose", 1, 90)
    thumbnails = [base + number.to_bytes(2, "big") * ((4096 - len(base)) // 2) for number in range(2000)]
    report = report_of(MANY, of_a_cell=18, thumbnails=thumbnails)
    pictures = report.pictures[:2000]
    assert len(pictures) == 2000
    assert len({picture.thumbnail for picture in pictures}) == 2000
    text = render(dataclasses.replace(report, pictures=pictures))
    assert 10_000_000 < len(text.encode()) < 15_000_000
    page = open_page(text).page
    page.locator(".matrix button").first.click()
    assert page.locator("dialog li").count() == 18


def test_the_matrix_of_very_many_classes_is_left_out(open_page: Open) -> None:
    classes = [f"class {number}" for number in range(101)]
    page = open_page(render(report_of(classes, of_a_cell=2))).page
    assert page.locator("table.matrix").count() == 0
    assert "101 classes is too large" in page.locator("#confusion").inner_text()
    page.locator(".confused button").first.click()
    assert page.locator("dialog[open] li.card").count() > 0


def test_two_classes_and_nothing_else(open_page: Open) -> None:
    names = [
        "warnings",
        "pictures",
        "rows",
        "numbers",
        "worst",
        "least_certain",
        "charts",
        "label_issues",
        "data",
        "facts",
    ]
    nothing: dict[str, Any] = dict.fromkeys([*names, "commands"], ())
    page = open_page(render(report_of(SPECIES[:2], card=(), cut="", **nothing))).page
    assert page.locator("section h2").all_inner_texts() == ["Confusion matrix"]
    assert page.locator("nav a").count() == 1
    assert page.locator(".warnings").count() == 0
    page.locator(".matrix button").first.click()
    assert page.locator("#shown-count").inner_text() == "0 of 30 pictures"


def test_every_section_can_be_reached(report: Report, open_page: Open) -> None:
    page = open_page(render(report)).page
    targets = page.locator("nav a").evaluate_all("links => links.map(link => link.getAttribute('href').slice(1))")
    assert targets == page.locator("main section").evaluate_all("all => all.map(section => section.id)")
    assert len(targets) == 11
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(element => element.id)")
    assert len(ids) == len(set(ids))


def test_what_does_not_fit_together_is_refused(report: Report) -> None:
    with pytest.raises(ValueError, match="is not 5 x 5"):
        render(dataclasses.replace(report, confusion=((1, 2),)))
    with pytest.raises(ValueError, match="is not 2 x 2"):
        render(dataclasses.replace(report, classes=("a", "b")))
    with pytest.raises(KeyError):
        render(dataclasses.replace(report, pictures=(dataclasses.replace(report.pictures[0], truth="moss"),)))
