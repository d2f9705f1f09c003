"""A picture of words and areas, drawn by Pillow alone.

What every run draws is drawn this way: to import matplotlib takes a tenth of a second run on a folder.
"""

import cmath
import functools
import io
import itertools
import math
from importlib.util import find_spec
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from genus.report.figure import DPI, INK, MARGIN, columns, font_family

POINT = DPI / 72  # pixels

Point = tuple[float, float]
"""To the right and down, in pixels from an origin that is wherever it suits."""
Box = tuple[int, int, int, int]
"""Left, top, right, bottom in such pixels."""


class Sheet:
    """What is laid on it, in the order of the calls; as large as that needs."""

    def __init__(self) -> None:
        self._laid: list[tuple[Image.Image | str, Box, Image.Image | None]] = []

    def lay(self, ink: Image.Image | str, box: Box, mask: Image.Image | None = None) -> None:
        """A picture or a colour into ``box``; ``mask`` (mode L, of the size of the box): where, and how densely."""
        self._laid.append((ink, box, mask))

    def write(
        self, text: str, at: Point, points: float, colour: str = INK, anchor: Point = (0.5, 0.5), turn: float = 0
    ) -> Box:
        """A line of text, and the box around its ink.

        ``anchor``: which place of the line, in shares of its width and height, comes to lie ``at``; ``turn``: degrees
        around that place, against the clock. A character that no font has is drawn as a box.
        """
        line, advance = _line(text, points)
        to_middle = complex((0.5 - anchor[0]) * advance, (0.5 - anchor[1]) * line.height)
        middle = complex(*at) + to_middle * cmath.exp(-1j * math.radians(turn))
        if turn:
            line = line.rotate(turn, Image.Resampling.BICUBIC, expand=True)
        x, y = round(middle.real - line.width / 2), round(middle.imag - line.height / 2)
        left, top, right, bottom = line.getbbox() or (0, 0, 0, 0)
        box = (x + left, y + top, x + right, y + bottom)
        if right > left:
            self.lay(colour, box, line.crop((left, top, right, bottom)))
        return box

    def to_png(self) -> bytes:
        """All of it on white, with a margin. The same calls give the same bytes."""
        lefts, tops, rights, bottoms = zip(*(box for _, box, _ in self._laid), strict=True)
        margin = round(MARGIN * DPI)
        x, y = margin - min(lefts), margin - min(tops)
        picture = Image.new("RGB", (x + max(rights) + margin, y + max(bottoms) + margin), "white")
        for ink, (left, top, right, bottom), mask in self._laid:
            picture.paste(ink, (x + left, y + top, x + right, y + bottom), mask)
        out = io.BytesIO()
        picture.save(out, format="PNG")
        return out.getvalue()


def _line(text: str, points: float) -> tuple[Image.Image, float]:
    """The ink of ``text`` with room for what overhangs on both sides, and how far the text itself reaches."""
    runs = [("".join(run), _font(wide, points)) for wide, run in itertools.groupby(text, lambda c: columns(c) > 1)]
    advances = [font.getlength(run) for run, font in runs]
    ascent = max((font.getmetrics()[0] for _, font in runs), default=0)
    descent = max((font.getmetrics()[1] for _, font in runs), default=0)
    line = Image.new("L", (math.ceil(sum(advances)) + 2 * ascent, ascent + descent))
    draw = ImageDraw.Draw(line)
    for (run, font), before in zip(runs, itertools.accumulate(advances, initial=float(ascent)), strict=False):
        draw.text((before, ascent), run, fill=255, font=font, anchor="ls")
    return line, math.ceil(sum(advances))


@functools.cache
def _font(wide: bool, points: float) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(_font_file(wide), points * POINT)


@functools.cache
def _font_file(wide: bool) -> str:
    """The file of matplotlib's own font, or of one with Chinese, Japanese and Korean characters, where there is one."""
    found = find_spec("matplotlib")
    if found and found.origin and not wide:
        own = Path(found.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
        if own.is_file():
            return str(own)
    from matplotlib import font_manager

    usual, *wide_ones = font_family()
    return font_manager.findfont(wide_ones[0] if wide and wide_ones else usual)
