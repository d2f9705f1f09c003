"""The shared look of all pictures: fonts, colours, and the way from a figure to the bytes of a PNG.

Pictures are drawn inside ``house_style`` and never through pyplot, so nothing of the caller's matplotlib changes.
"""

import io
import itertools
import unicodedata
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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


def font_family() -> list[str]:
    """The font of all pictures, and after it those with Chinese, Japanese and Korean characters that are installed."""
    from matplotlib import font_manager

    installed = set(font_manager.get_font_names())
    return ["DejaVu Sans", *(name for name in CJK_FONTS if name in installed)]


@contextmanager
def house_style() -> Iterator[None]:
    """matplotlib as the pictures of genus need it, whatever the user's own settings are; they return afterwards.

    A character that none of the installed fonts has is drawn as a box, without a warning: the picture of a data set
    with Chinese names must not fail on a machine without Chinese fonts. matplotlib's settings belong to the whole
    process, so draw in one thread at a time.
    """
    from matplotlib import style

    with style.context(["default", {**_LOOK, "font.family": font_family()}]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from|Matplotlib currently does not support", UserWarning)
        yield


def to_png(figure: "Figure") -> bytes:
    """Draw ``figure``, cut to what is on it. The same figure gives the same bytes."""
    out = io.BytesIO()
    figure.savefig(
        out, format="png", dpi=DPI, facecolor="white", bbox_inches="tight", pad_inches=MARGIN,
        metadata={"Software": None},
    )  # fmt: skip
    return out.getvalue()


def printable(text: str) -> str:
    r"""``text`` on one line: control characters, line ends and bytes that are no UTF-8 as escapes such as ``\n``."""
    return "".join(map(_visible, unicodedata.normalize("NFC", text)))


def shorten(text: str, width: int) -> str:
    """``text`` in at most ``width`` columns (a Chinese character takes two), its middle replaced by ``…``."""
    if columns(text) <= width:
        return text
    head, tail = _beginning(text, width // 2), _beginning(text[::-1], (width - 1) // 2)[::-1]
    return f"{head}…{tail}"


def columns(text: str) -> int:
    """The width of ``text`` in units of a Latin letter."""
    return sum(map(_columns, text))


def _beginning(text: str, width: int) -> str:
    return text[: sum(end <= width for end in itertools.accumulate(map(_columns, text)))]


def _columns(character: str) -> int:
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _visible(character: str) -> str:
    if unicodedata.category(character) == "Zs":
        return " "
    return character if character.isprintable() else character.encode("unicode_escape").decode()
