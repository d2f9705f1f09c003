"""Accuracy over the number of training pictures, as a picture."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from genus.report.figure import BLUE, FAINT_INK, ORANGE, house_style, printable, shorten, to_png

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAMED = 12  # classes at most
NAME_COLUMNS = 20


Recall = Sequence[float | None]


def learning_curve_png(
    pictures: Sequence[int],
    accuracy: Sequence[tuple[float, float, float]],
    recall: Sequence[Recall],
    classes: Sequence[str],
    rising: int | None,
) -> bytes:
    """Accuracy (value, low, high) and the recall of each class over the number of pictures trained on, as a PNG.

    ``recall`` holds one line a number of ``pictures``, one value a class; the class number ``rising`` stands out.
    """
    with house_style():
        return to_png(learning_curve_figure(pictures, accuracy, recall, classes, rising))


def learning_curve_figure(
    pictures: Sequence[int],
    accuracy: Sequence[tuple[float, float, float]],
    recall: Sequence[Recall],
    classes: Sequence[str],
    rising: int | None,
) -> "Figure":
    """The figure of ``learning_curve_png``; to be made and drawn inside ``house_style``."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.4, 3.2), layout="constrained")
    whole, by_class = figure.subplots(1, 2, sharey=True)
    value, low, high = zip(*accuracy, strict=True)
    whole.fill_between(pictures, low, high, color=BLUE, alpha=0.15, lw=0)
    whole.plot(pictures, value, "o-", color=BLUE, markersize=3.5, linewidth=1.4)
    whole.set_title("Accuracy, 95 % interval")
    for k in range(len(classes)):
        points = [(n, row[k]) for n, row in zip(pictures, recall, strict=True) if row[k] is not None]
        style: dict[str, Any] = {"color": FAINT_INK, "linewidth": 0.9}
        if k == rising:
            style = {"color": ORANGE, "linewidth": 2.0, "zorder": 3}
        if points:
            by_class.plot(*zip(*points, strict=True), **style)
    by_class.set_title("Recall of each class")
    _name_lines(by_class, pictures[-1], recall[-1], classes, rising)
    for axes in (whole, by_class):
        axes.set_xscale("log")
        axes.set_xticks(pictures, [f"{n:,}" for n in pictures])
        axes.minorticks_off()
        axes.set_xlabel("pictures trained on")
        axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g} %")
        axes.grid(axis="y")
    return figure


def _name_lines(axes: "Axes", last: int, recall: Recall, classes: Sequence[str], rising: int | None) -> None:
    """Names at the right ends of the lines, moved apart where they would overlap."""
    ends = sorted((value, k) for k, value in enumerate(recall) if value is not None)
    low, high = axes.get_ylim()
    gap, place = 0.065 * (high - low), low - 1.0
    for value, k in ends[:: max(1, -(-len(ends) // NAMED))]:
        place = max(value, place + gap)
        axes.annotate(
            shorten(printable(classes[k]), NAME_COLUMNS),
            (last, value),
            xytext=(1.03, (place - low) / (high - low)),
            textcoords="axes fraction",
            va="center",
            color=ORANGE if k == rising else FAINT_INK,
            parse_math=False,
        )
