"""The shared look of all pictures: colours, fonts, and the way from a figure to the bytes of a PNG.

Pictures are drawn inside ``house_style`` and never through pyplot, so nothing of the caller's matplotlib changes.
matplotlib takes a third of a second to import: only functions import it.
"""

import io
import logging
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from genus.report.text import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE = "#0072b2", "#d55e00"  # two hues that colour-blind readers tell apart (Okabe and Ito, 2008)
INK, FAINT_INK, GRID = "#222222", "#767676", "#e4e4e4"
DPI = 200
MARGIN = 0.15  # inches

# Names that matplotlib has for fonts with Chinese, Japanese and Korean characters, on Linux, Windows and macOS.
CJK_FONTS = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Source Han Sans SC",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Droid Sans Fallback",
    "Microsoft YaHei",
    "SimHei",
    "Malgun Gothic",
    "PingFang SC",
    "PingFang HK",
    "Hiragino Sans GB",
    "Arial Unicode MS",
)

_LOOK = {
    "font.size": 9,
    "text.color": INK,
    "text.parse_math": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.titlesize": 10,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "legend.framealpha": 1,
    "legend.edgecolor": "none",
}


@contextmanager
def house_style() -> Iterator[None]:
    """matplotlib as the pictures of genus need it, whatever the user's own settings are; they return afterwards.

    A ``$`` in a name is no formula. A character that none of the installed fonts has is drawn as a box, silently: the
    picture of a data set with Chinese names must not fail on a machine without Chinese fonts (see ``missing_glyphs``).
    matplotlib's settings belong to the whole process, so draw in one thread at a time.
    """
    with quiet_matplotlib(), warnings.catch_warnings():
        from matplotlib import style

        warnings.filterwarnings("ignore", "Glyph .* missing from|Matplotlib currently does not support", UserWarning)
        with style.context(["default", {**_LOOK, "font.family": font_family()}]):
            yield


@contextmanager
def quiet_matplotlib() -> Iterator[None]:
    """matplotlib logs only errors, not which fonts it does not find; its first import belongs in here, too."""
    logger = logging.getLogger("matplotlib")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def font_family() -> list[str]:
    """The font of all pictures, and after it those with Chinese, Japanese and Korean characters that are installed."""
    from matplotlib import font_manager

    installed = set(font_manager.get_font_names())
    return ["DejaVu Sans", *(name for name in CJK_FONTS if name in installed)]


def missing_glyphs(names: Iterable[str]) -> list[str]:
    """Those of ``names`` that pictures show with boxes: no font of ``font_family`` has all their characters."""
    shown = {name: set(map(ord, printable(name))) for name in names if not name.isascii()}
    if not shown:
        return []
    with quiet_matplotlib():
        from matplotlib import font_manager

        files = (font_manager.findfont(font_manager.FontProperties(family=[name])) for name in font_family())
        there = {code for file in files for code in font_manager.get_font(file).get_charmap()}
    return [name for name, codes in shown.items() if codes - there]


def to_png(figure: "Figure") -> bytes:
    """Draw ``figure``, cut to what is on it. The same figure gives the same bytes."""
    figure.set_dpi(DPI)
    placed = figure.get_layout_engine() is None  # else matplotlib has to draw twice to know the extent
    out = io.BytesIO()
    figure.savefig(
        out,
        format="png",
        dpi=DPI,
        facecolor="white",
        bbox_inches=figure.get_tightbbox().padded(MARGIN) if placed else "tight",
        pad_inches=MARGIN,
        metadata={"Software": None},
        pil_kwargs={"compress_level": 4},  # half the time of 6, the default, for photos a twelfth larger
    )
    return out.getvalue()


def show_percent(axes: "Axes") -> None:
    """The vertical axis of ``axes`` holds shares: it is in percent, and ends at 0 and 100 % at the latest."""
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, 0.0), min(high, 1.0))
    axes.yaxis.set_major_formatter(lambda share, _: f"{100 * share:g} %")
