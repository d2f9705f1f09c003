"""A page in a browser, all that it does behind the reader's back, and how readable its text is."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from playwright.sync_api import Page

DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 360, "height": 740}
READABLE = 4.5  # contrast of text, WCAG 2 level AA

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


Open = Callable[[str], Watched]


def fresh(watched: Watched) -> Iterator[Page]:
    """The page as a reader at a desk finds it; whatever the test did to it, it said and fetched nothing."""
    watched.page.set_viewport_size(DESKTOP)  # type: ignore[arg-type]
    watched.page.emulate_media(media="screen", color_scheme="light")
    watched.page.evaluate("document.querySelector('dialog')?.close()")
    yield watched.page
    watched.assert_silent()
