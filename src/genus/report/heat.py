"""A heat map over its picture: grey where nothing speaks for the class, glowing where much does."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from genus.report.style import DPI, FAINT_INK, house_style, quiet_matplotlib, to_png
from genus.report.text import percent, printable, shorten

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Pixels = NDArray[np.uint8]
"""H x W x 3, RGB."""
Heat = NDArray[np.floating]
"""h x w, not negative: how much each place speaks for a class."""
Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels: the part of a picture that the model saw."""

STRENGTH = 0.65  # of the colours, against the grey picture
UNSEEN = 0.35  # brightness of what the model did not see
GREY = 0.4  # brightness of the picture under the legend
LEGEND_PIXELS = 160
NAME_COLUMNS = 40
GAP = 0.12  # inches between the two pictures


def overlay(picture: Pixels, heat: Heat, box: Box) -> Pixels:
    """``picture`` in grey with ``heat`` over its ``box``.

    The hottest place has the brightest colour; the scale is that of this picture. All grey: no place speaks for the
    class. What lies outside ``box`` is dark.
    """
    left, top, right, bottom = box
    grey = picture.mean(axis=2) / 255
    laid = np.repeat(grey[..., None] * UNSEEN, 3, axis=2)
    scaled = Image.fromarray((heat / max(float(heat.max()), 1e-12)).astype(np.float32))
    smooth = np.asarray(scaled.resize((right - left, bottom - top), Image.Resampling.BICUBIC)).clip(0, 1)
    laid[top:bottom, left:right] = _glow(grey[top:bottom, left:right], smooth)
    return np.round(255 * laid).astype(np.uint8)


def legend_colours(steps: int) -> list[str]:
    """The colours of ``overlay`` from the coldest place to the hottest, as ``#rrggbb``."""
    return [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in _ramp(steps).tolist()]


def heat_png(
    picture: Pixels, heat: Heat, box: Box, label: str, probability: float | None, answer: str, *, unknown: bool
) -> bytes:
    """A PNG of ``picture`` in its own colours, and beside it with its heat map, under a title and above a legend.

    The title names the class ``label`` that the heat map explains, its ``probability`` (0..1, or None where it is not
    known), the model's ``answer`` where it is another, and whether the picture is ``unknown`` to the model.
    """
    with house_style():
        return to_png(heat_figure(picture, heat, box, label, probability, answer, unknown=unknown))


def heat_figure(
    picture: Pixels, heat: Heat, box: Box, label: str, probability: float | None, answer: str, *, unknown: bool
) -> "Figure":
    """The figure of ``heat_png``; to be made and drawn inside ``house_style``."""
    from matplotlib.figure import Figure

    height, width = (side / DPI for side in picture.shape[:2])
    whole = 2 * width + GAP
    figure = Figure(figsize=(whole, height))
    for number, pixels in enumerate((picture, overlay(picture, heat, box))):
        axes = figure.add_axes((number * (width + GAP) / whole, 0, width / whole, 1))
        axes.imshow(pixels, interpolation="none")
        axes.set_axis_off()
    title = _title(label, probability, answer, unknown)
    figure.text(0, 1 + 0.12 / height, title, fontsize=10, va="bottom", linespacing=1.4)
    if box != (0, 0, picture.shape[1], picture.shape[0]):
        note = "dark: cut off before the model saw the picture"
        figure.text(0, -0.2 / height, note, fontsize=7, color=FAINT_INK, va="center")
    bar = figure.add_axes((1 - 1.1 / whole, -0.245 / height, 0.8 / whole, 0.09 / height))
    bar.imshow(_ramp(LEGEND_PIXELS)[None], aspect="auto")
    bar.set_axis_off()
    bar.text(-0.04, 0.5, "speaks for it: little", ha="right", va="center", fontsize=7, transform=bar.transAxes)
    bar.text(1.04, 0.5, "much", ha="left", va="center", fontsize=7, transform=bar.transAxes)
    return figure


def _title(label: str, probability: float | None, answer: str, unknown: bool) -> str:
    def name(text: str) -> str:
        return shorten(printable(text), NAME_COLUMNS)

    title = f"What speaks for {name(label)}" + (f" ({percent(probability)})" if probability is not None else "")
    if answer != label:
        title += f"\nThe model says {name(answer)}"
    return f"{title}\nUnknown: no answer that counts" if unknown else title


def _glow(grey: NDArray[np.floating], heat: Heat) -> NDArray[np.float64]:
    """``heat`` (0..1) in the colours of the map "inferno" over ``grey`` (0..1, of the same shape): red, green, blue."""
    with quiet_matplotlib():
        from matplotlib import colormaps

        colours = colormaps["inferno"](heat)[..., :3]
    weight = STRENGTH * heat[..., None] ** 0.5
    return (1 - weight) * grey[..., None] + weight * colours


def _ramp(steps: int) -> Pixels:
    return np.round(255 * _glow(np.full(steps, GREY), np.linspace(0, 1, steps))).astype(np.uint8)
