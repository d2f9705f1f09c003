"""The course of a training run as a picture."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from genus.report.figure import BLUE, FAINT_INK, INK, ORANGE, house_style, to_png
from genus.types import EpochResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANEL_INCHES = (3.3, 2.7)
FEW = 20  # up to so many epochs are shown as dots on the line


def curves_png(history: Sequence[EpochResult]) -> bytes:
    """Losses, validation accuracy and learning rate over the epochs as a PNG; the best epoch is marked.

    The best epoch has the highest validation accuracy, among equals the lowest validation loss. Without validation
    there is neither a panel of accuracies nor a mark. Raises ValueError for an empty history.
    """
    with house_style():
        return to_png(curves_figure(history))


def curves_figure(history: Sequence[EpochResult]) -> "Figure":
    """The figure of ``curves_png``; to be called and drawn inside ``house_style``."""
    from matplotlib.figure import Figure

    if not history:
        raise ValueError("There are no epochs to draw.")
    best = best_epoch(history)
    panels = [_draw_losses, _draw_accuracy, _draw_rate] if best else [_draw_losses, _draw_rate]
    width, height = PANEL_INCHES
    figure = Figure(figsize=(width * len(panels), height), layout="constrained")
    for axes, draw in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        draw(axes, history)
        _label_epochs(axes, history)
        if best:
            axes.axvline(best.epoch, color=FAINT_INK, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
    return figure


def best_epoch(history: Sequence[EpochResult]) -> EpochResult | None:
    """Highest validation accuracy, among equals the lowest validation loss; None without validation."""
    judged = [result for result in history if result.val_accuracy is not None]
    return max(judged, key=lambda result: (result.val_accuracy, -(result.val_loss or 0.0)), default=None)


def _draw_losses(axes: "Axes", history: Sequence[EpochResult]) -> None:
    axes.set_title("Loss (nats)")
    _line(axes, history, lambda result: result.train_loss, BLUE, "training")
    if any(result.val_loss is not None for result in history):
        _line(axes, history, lambda result: result.val_loss, ORANGE, "validation")
        axes.legend()
    _start_at_zero(axes)


def _draw_accuracy(axes: "Axes", history: Sequence[EpochResult]) -> None:
    axes.set_title("Validation accuracy")
    _line(axes, history, lambda result: result.val_accuracy, ORANGE, "validation")
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, 0), min(high, 1.005))
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g} %")
    best = best_epoch(history)
    if best and best.val_accuracy is not None:
        mark = f"best: {100 * best.val_accuracy:.1f} % (epoch {best.epoch})"
        dot = axes.plot(best.epoch, best.val_accuracy, "o", color=INK, markersize=5, clip_on=False, label=mark)
        axes.legend(handles=dot, handlelength=1)


def _draw_rate(axes: "Axes", history: Sequence[EpochResult]) -> None:
    axes.set_title("Learning rate")
    _line(axes, history, lambda result: result.lr, INK, "learning rate")
    _start_at_zero(axes)
    axes.ticklabel_format(axis="y", style="sci", scilimits=(0, 0), useMathText=True)


def _line(
    axes: "Axes",
    history: Sequence[EpochResult],
    value: Callable[[EpochResult], float | None],
    color: str,
    label: str,
) -> None:
    points = [(result.epoch, y) for result in history if (y := value(result)) is not None]
    dots = "o" if len(points) <= FEW else ""
    axes.plot(*zip(*points, strict=True), color=color, label=label, linewidth=1.4, marker=dots, markersize=3.5)


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
