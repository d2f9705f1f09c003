"""Pictures that explain an answer: the heat map over the user's picture, and figures of how a network works, as in a
tutorial: attention, patches, windows, hierarchy.

In the figures, ``picture`` is the square that the model sees.
"""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from genus.report.style import BLUE, DPI, FAINT_INK, INK, ORANGE, house_style, quiet_matplotlib, to_png
from genus.report.text import percent, printable, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Pixels = NDArray[np.uint8]
"""H x W x 3, RGB."""
Heat = NDArray[np.floating]
"""h x w, not negative: how much each place speaks for a class."""
Box = tuple[int, int, int, int]
"""Left, top, right, bottom of the model's input, in pixels of a picture; with padding it reaches beyond the picture."""
Numbers = NDArray[np.floating]
Place = tuple[int, int]
"""Row and column."""

STRENGTH = 0.65  # of the colours, against the grey picture
UNSEEN = 0.35  # brightness of what the model did not see
GREY = 0.4  # brightness of the picture under the legend
LEGEND_PIXELS = 160
NAME_COLUMNS = 40
GAP = 0.12  # inches between the two pictures
PANEL = 2.1  # inches
QUERY, KEYS = (1, 2), ((1, 1), (0, 1))  # the tutorial's example
WHITE = "#ffffff"


def overlay(picture: Pixels, heat: Heat, box: Box) -> Pixels:
    """``picture`` in grey with ``heat`` over its ``box``.

    The hottest place has the brightest colour, on the padding, too; the scale is that of this picture. All grey: no
    place speaks for the class. What lies outside ``box`` is dark.
    """
    left, top, right, bottom = box
    height, width = picture.shape[:2]
    rows, columns = slice(max(top, 0), min(bottom, height)), slice(max(left, 0), min(right, width))
    grey = picture.mean(axis=2) / 255
    laid = np.repeat(grey[..., None] * UNSEEN, 3, axis=2)
    scaled = Image.fromarray((heat / max(float(heat.max()), 1e-12)).astype(np.float32))
    smooth = np.asarray(scaled.resize((right - left, bottom - top), Image.Resampling.BICUBIC)).clip(0, 1)
    seen = smooth[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    laid[rows, columns] = _glow(grey[rows, columns], seen)
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
    if box[0] > 0 or box[1] > 0:
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


def attention_png(picture: Pixels, attention: Numbers) -> bytes:
    """How much a ViT's class token attends to each patch, one panel a head.

    ``attention``: heads x h x w, shares of 1; the colours of each head have their own scale. The first panel shows the
    arithmetic behind every such number on the smallest example: q = (1, 2), k₁ = (1, 1), k₂ = (0, 1).
    """
    heads = len(attention)

    def draw(figure: "Figure", panels: Sequence["Axes"]) -> None:
        _draw_example(panels[0])
        panels[1].imshow(picture)
        panels[1].set_title(f"the picture; shared evenly,\neach token gets {100 / (attention[0].size + 1):.1f} %")
        for number, (axes, taken) in enumerate(zip(panels[2:], attention, strict=True)):
            _lay_over(axes, picture, taken)
            axes.set_title(f"head {number + 1}: up to {100 * taken.max():.1f} %")

    return _panels(2 + heads, draw, columns=5 if -(2 + heads) % 5 < -(2 + heads) % 4 else 4)


def patches_png(picture: Pixels, positions: Numbers, similarity: Numbers, chosen: Place) -> bytes:
    """Which patches a ViT finds similar to the patch ``chosen``, by their content and by their position.

    ``positions``, ``similarity``: h x w x h x w, the cosine (-1..1) of every patch with every other: of their entries
    in the position table, and of their tokens after the last block.
    """

    def draw(figure: "Figure", panels: Sequence["Axes"]) -> None:
        panels[0].imshow(picture)
        _mark(panels[0], picture, chosen, similarity.shape[:2])
        panels[0].set_title("one patch")
        _lay_over(panels[1], picture, (similarity[chosen] - similarity[chosen].min()))
        _mark(panels[1], picture, chosen, similarity.shape[:2])
        panels[1].set_title("patches that look like it")
        panels[2].imshow(positions[chosen], cmap="viridis", vmin=-1, vmax=1)
        panels[2].set_title("places near it, by the table")
        panels[3].imshow(_mosaic(positions), cmap="viridis", vmin=-1, vmax=1, interpolation="nearest")
        panels[3].set_title("the same for every place")

    return _panels(4, draw)


def windows_png(picture: Pixels, stages: Sequence[Sequence[tuple[int, int, Place, Numbers]]]) -> bytes:
    """Swin's windows, regular and shifted, and the attention of one token inside its window.

    ``stages``: for each stage its W-MSA and its SW-MSA block, as (side of a window in tokens, shift in tokens, place of
    the token that attends, how much it attends to each token: rows x columns).
    """

    def draw(figure: "Figure", panels: Sequence["Axes"]) -> None:
        cells = iter(panels)
        for number, blocks in enumerate(stages):
            for name, (window, shift, token, attention) in zip(("W-MSA", "SW-MSA"), blocks, strict=True):
                grid, inside = next(cells), next(cells)
                grid.imshow(picture)
                _draw_windows(grid, picture, attention.shape, window, shift)
                rows, columns = attention.shape
                moved = f", shifted by {shift}" if shift else ""
                divided = f"windows of {window} x {window}{moved}" if window < max(rows, columns) else "one window"
                grid.set_title(f"stage {number + 1} {name}: {rows} x {columns}\n{divided}")
                _lay_over(inside, picture, attention)
                _mark(inside, picture, token, attention.shape)
                inside.set_title("what one token attends\nto in its window")

    return _panels(4 * len(stages), draw, columns=4)


def hierarchy_png(picture: Pixels, levels: Sequence[tuple[int, int, int, Numbers]]) -> bytes:
    """The feature maps of a network from stage to stage.

    ``levels``: for each the number of its stage, how many times smaller than the picture it is, its channels, and the
    feature map in colours (h x w x 3, 0..1).
    """
    several = len({channels for _, _, channels, _ in levels}) > 1

    def draw(figure: "Figure", panels: Sequence["Axes"]) -> None:
        panels[0].imshow(picture)
        panels[0].set_title(f"the picture\n{picture.shape[0]} x {picture.shape[1]}")
        for axes, (stage, reduction, channels, colours) in zip(panels[1:], levels, strict=True):
            axes.imshow(colours, interpolation="nearest")
            size = f"{colours.shape[0]} x {colours.shape[1]}" + (f" x {channels}" if several else "")
            axes.set_title(f"1/{reduction}\n{size}" if several else f"after stage {stage}\n{size}")

    return _panels(1 + len(levels), draw, columns=1 + len(levels))


def _panels(count: int, draw: Callable[["Figure", Sequence["Axes"]], None], columns: int = 4) -> bytes:
    from matplotlib.figure import Figure

    with house_style():
        columns = min(columns, count)
        rows = math.ceil(count / columns)
        figure = Figure(figsize=(PANEL * columns, 1.22 * PANEL * rows), layout="constrained")
        panels = list(figure.subplots(rows, columns, squeeze=False).flat)
        for axes in panels:
            axes.set_axis_off()
        draw(figure, panels[:count])
        return to_png(figure)


def _lay_over(axes: "Axes", picture: Pixels, values: Numbers) -> None:
    """``values`` (rows x columns, not negative) over the picture: grey where small, glowing where large."""
    height, width = picture.shape[:2]
    frame = (-0.5, width - 0.5, height - 0.5, -0.5)
    axes.imshow(picture.mean(axis=2), cmap="gray", vmin=0, vmax=255)
    share = values / max(float(values.max()), 1e-12)
    axes.imshow(share, cmap="inferno", vmin=0, vmax=1, alpha=0.7 * share**0.5, extent=frame, interpolation="nearest")


def _mark(axes: "Axes", picture: Pixels, place: Place, grid: Sequence[int]) -> None:
    from matplotlib.patches import Rectangle

    tall, wide = picture.shape[0] / grid[0], picture.shape[1] / grid[1]
    corner = (place[1] * wide - 0.5, place[0] * tall - 0.5)
    axes.add_patch(Rectangle(corner, wide, tall, fill=False, edgecolor=WHITE, linewidth=1.6))


def _draw_windows(axes: "Axes", picture: Pixels, grid: Sequence[int], window: int, shift: int) -> None:
    height, width = picture.shape[:2]
    for line, length in ((axes.axhline, grid[0]), (axes.axvline, grid[1])):
        side = height if line == axes.axhline else width
        for border in range(shift or window, length, window):
            line(border * side / length - 0.5, color=WHITE, linewidth=0.9)


def _mosaic(positions: Numbers) -> Numbers:
    """h x w x h x w -> one map for every place, with gaps between."""
    rows, columns = positions.shape[:2]
    padded = np.pad(positions, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=np.nan)
    return padded.transpose(0, 2, 1, 3).reshape(rows * (rows + 2), columns * (columns + 2))


def _draw_example(axes: "Axes") -> None:
    """Two keys, a query, their scores q · k / √2 and the shares that softmax makes of them."""
    scores = np.array(KEYS) @ QUERY / math.sqrt(len(QUERY))
    shares = np.exp(scores) / np.exp(scores).sum()
    axes.set_axis_on()
    axes.set_aspect("equal")
    axes.set(xlim=(-0.3, 2.6), ylim=(-0.3, 2.6), xticks=(0, 1, 2), yticks=(0, 1, 2))
    axes.grid(visible=True)
    for (x, y), name, color in ((QUERY, "q", INK), (KEYS[0], "k₁", BLUE), (KEYS[1], "k₂", ORANGE)):
        axes.annotate("", (x, y), (0, 0), arrowprops={"arrowstyle": "-|>", "color": color, "linewidth": 1.6})
        axes.text(x + 0.08, y + 0.08, name, color=color)
    lines = (f"q·k{'₁₂'[key]}/√2 = {scores[key]:.2f} → {shares[key]:.2f}" for key in range(len(KEYS)))
    axes.set_title("a score and its share\n" + "\n".join(lines), fontsize=8)
    axes.tick_params(labelsize=7, colors=FAINT_INK)
