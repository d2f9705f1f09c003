"""The pictures of a run: the course of its training, its learning curve, and answers for a few test pictures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from genus.report.content import Interval
from genus.report.style import BLUE, FAINT_INK, INK, ORANGE, house_style, show_percent, to_png
from genus.report.text import percent, printable, shorten_all
from genus.types import EpochResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CURVE_INCHES = (3.3, 2.7)
CURVE_PLACES = {"left": 0.06, "right": 0.98, "bottom": 0.16, "top": 0.88, "wspace": 0.25}
FEW_EPOCHS = 20  # up to so many are shown as dots on the line
NAMED = 12  # classes at most, at the ends of their lines
ANSWERS_IN_A_ROW = 3
NAME_COLUMNS = 20

Recalls = Sequence[float | None]
"""The recall (0..1) of each class, None for a class without pictures."""


def curves_png(history: Sequence[EpochResult], best: int | None) -> bytes:
    """Losses, validation accuracy and learning rate over the epochs as a PNG; epoch number ``best`` is marked.

    Without validation there is no panel of accuracies. Raises ValueError for an empty history.
    """
    with house_style():
        return to_png(curves_figure(history, best))


def learning_curve_png(
    pictures: Sequence[int],
    accuracy: Sequence[Interval],
    recall: Sequence[Recalls],
    classes: Sequence[str],
    rising: int | None,
) -> bytes:
    """Accuracy with its interval and the recall of each class, both over the number of pictures trained on, as a PNG.

    ``accuracy`` and ``recall`` hold one entry for each number of ``pictures``; class number ``rising`` stands out.
    """
    with house_style():
        return to_png(learning_curve_figure(pictures, accuracy, recall, classes, rising))


@dataclass(frozen=True, slots=True, eq=False)
class AnsweredPicture:
    """A picture (``pixels``: H x W x 3, RGB, uint8), its true class, and the model's answer with its probability."""

    pixels: NDArray[np.uint8]
    truth: str
    label: str
    probability: float


def answers_png(pictures: Sequence[AnsweredPicture]) -> bytes:
    """A PNG of the pictures in rows of three: right answers in blue, wrong ones in orange with the truth."""
    with house_style():
        return to_png(answers_figure(pictures))


def curves_figure(history: Sequence[EpochResult], best: int | None) -> "Figure":
    """The figure of ``curves_png``; to be made and drawn inside ``house_style``."""
    from matplotlib.figure import Figure

    if not history:
        raise ValueError("There are no epochs to draw.")
    validated = any(result.val_accuracy is not None for result in history)
    panels = [_draw_losses, _draw_accuracy, _draw_rate] if validated else [_draw_losses, _draw_rate]
    width, height = CURVE_INCHES
    figure = Figure(figsize=(width * len(panels), height))
    row = figure.subplots(1, len(panels), squeeze=False, gridspec_kw=CURVE_PLACES)[0]
    for axes, draw in zip(row, panels, strict=True):
        draw(axes, history, best)
        _label_epochs(axes, history)
        if best is not None:
            axes.axvline(best, color=FAINT_INK, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
    return figure


def _draw_losses(axes: "Axes", history: Sequence[EpochResult], best: int | None) -> None:
    axes.set_title("Loss (nats)")
    _line(axes, history, lambda result: result.train_loss, BLUE, "training")
    if any(result.val_loss is not None for result in history):
        _line(axes, history, lambda result: result.val_loss, ORANGE, "validation")
        axes.legend()
    _start_at_zero(axes)


def _draw_accuracy(axes: "Axes", history: Sequence[EpochResult], best: int | None) -> None:
    axes.set_title("Validation accuracy")
    _line(axes, history, lambda result: result.val_accuracy, ORANGE, "validation")
    show_percent(axes)
    for result in history:
        if result.epoch == best and result.val_accuracy is not None:
            mark = f"best: {percent(result.val_accuracy)} (epoch {best})"
            dot = axes.plot(best, result.val_accuracy, "o", color=INK, markersize=5, clip_on=False, label=mark)
            axes.legend(handles=dot, handlelength=1)


def _draw_rate(axes: "Axes", history: Sequence[EpochResult], best: int | None) -> None:
    axes.set_title("Learning rate")
    _line(axes, history, lambda result: result.lr, INK, "learning rate")
    _start_at_zero(axes)
    axes.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))


def _line(
    axes: "Axes",
    history: Sequence[EpochResult],
    value: Callable[[EpochResult], float | None],
    color: str,
    label: str,
) -> None:
    points = [(result.epoch, y) for result in history if (y := value(result)) is not None]
    dots = "o" if len(points) <= FEW_EPOCHS else ""
    axes.plot(
        *zip(*points, strict=True),
        color=color, label=label, linewidth=1.4, marker=dots, markersize=3.5, clip_on=False,
    )  # fmt: skip


def _start_at_zero(axes: "Axes") -> None:
    axes.set_ylim(0, 1.06 * axes.dataLim.y1 or 1)


def _label_epochs(axes: "Axes", history: Sequence[EpochResult]) -> None:
    from matplotlib.ticker import MaxNLocator

    first, last = history[0].epoch, history[-1].epoch
    margin = 0.03 * (last - first) or 0.5
    axes.set_xlim(first - min(margin, 0.5), last + margin)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))
    axes.grid(axis="y")


def learning_curve_figure(
    pictures: Sequence[int],
    accuracy: Sequence[Interval],
    recall: Sequence[Recalls],
    classes: Sequence[str],
    rising: int | None,
) -> "Figure":
    """The figure of ``learning_curve_png``; to be made and drawn inside ``house_style``."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.4, 3.2), layout="constrained")
    whole, by_class = figure.subplots(1, 2, sharey=True)
    value, low, high = np.array(accuracy, float).T  # NaN where there is no interval
    whole.fill_between(pictures, low, high, color=BLUE, alpha=0.15, linewidth=0)
    whole.plot(pictures, value, "o-", color=BLUE, markersize=3.5, linewidth=1.4, clip_on=False)
    whole.set_title("Accuracy" if np.isnan(low).all() else "Accuracy, 95 % interval")
    for k in range(len(classes)):
        points = [(n, row[k]) for n, row in zip(pictures, recall, strict=True) if row[k] is not None]
        color, width, order = (ORANGE, 2.0, 3) if k == rising else (FAINT_INK, 0.9, 2)
        if points:
            by_class.plot(*zip(*points, strict=True), color=color, linewidth=width, zorder=order, clip_on=False)
    by_class.set_title("Recall of each class")
    for axes in (whole, by_class):
        axes.set_xscale("log")
        axes.set_xticks(pictures, [f"{n:,}" for n in pictures])
        axes.minorticks_off()
        axes.set_xlabel("pictures trained on")
        axes.grid(axis="y")
    show_percent(whole)
    _name_lines(by_class, pictures[-1], recall[-1], classes, rising)
    return figure


def _name_lines(axes: "Axes", last: int, recall: Recalls, classes: Sequence[str], rising: int | None) -> None:
    """Names at the right ends of the lines, moved apart where they would overlap."""
    names = shorten_all([printable(name) for name in classes], NAME_COLUMNS)
    ends = sorted((value, k) for k, value in enumerate(recall) if value is not None)
    low, high = axes.get_ylim()
    gap, place = 0.065 * (high - low), low - 1.0
    for value, k in ends[:: max(1, -(-len(ends) // NAMED))]:
        place = max(value, place + gap)
        axes.annotate(
            names[k],
            (last, value),
            xytext=(1.03, (place - low) / (high - low)),
            textcoords="axes fraction",
            va="center",
            color=ORANGE if k == rising else FAINT_INK,
        )


def answers_figure(pictures: Sequence[AnsweredPicture]) -> "Figure":
    """The figure of ``answers_png``; to be made and drawn inside ``house_style``."""
    from matplotlib.figure import Figure

    rows = -(-len(pictures) // ANSWERS_IN_A_ROW)
    figure = Figure(figsize=(2.2 * ANSWERS_IN_A_ROW, 2.55 * rows), layout="constrained")
    grid = figure.subplots(rows, ANSWERS_IN_A_ROW, squeeze=False).ravel()
    for axes in grid:
        axes.set_axis_off()
    for axes, picture in zip(grid, pictures, strict=False):
        right = picture.label == picture.truth
        label, truth = shorten_all([printable(picture.label), printable(picture.truth)], NAME_COLUMNS)
        answer = f"{label}  {percent(picture.probability)}"
        axes.imshow(picture.pixels)
        axes.set_title(answer if right else f"{answer}\nit is: {truth}", color=BLUE if right else ORANGE)
    return figure
