import io
from collections.abc import Iterator
from dataclasses import replace

import pytest
from matplotlib.figure import Figure
from PIL import Image

from genus.report.curves import best_epoch, curves_figure, curves_png
from genus.report.figure import house_style
from genus.types import EpochResult


@pytest.fixture
def styled() -> Iterator[None]:
    with house_style():
        yield


def history(epochs: int) -> list[EpochResult]:
    """A run that is at its best in the third epoch, if it comes so far."""
    return [
        EpochResult(
            epoch,
            epochs,
            lr=1e-4 * (1 - 0.9 * epoch / epochs),
            train_loss=2 / epoch,
            val_loss=2.2 / epoch,
            val_accuracy=0.9 - abs(epoch - 3) / 200,
            seconds=1.0,
        )
        for epoch in range(1, epochs + 1)
    ]


def without_validation(results: list[EpochResult]) -> list[EpochResult]:
    return [replace(result, val_loss=None, val_accuracy=None) for result in results]


def titles(figure: Figure) -> list[str]:
    return [axes.get_title() for axes in figure.axes]


@pytest.mark.usefixtures("styled")
@pytest.mark.parametrize("epochs", [1, 6, 100])
def test_the_curves_are_the_history(epochs: int) -> None:
    results = history(epochs)
    figure = curves_figure(results)
    figure.draw_without_rendering()
    loss, accuracy, rate = figure.axes
    assert titles(figure) == ["Loss (nats)", "Validation accuracy", "Learning rate"]
    for line, name in ((loss.lines[0], "train_loss"), (loss.lines[1], "val_loss"), (accuracy.lines[0], "val_accuracy")):
        assert list(line.get_xdata()) == [result.epoch for result in results]
        assert list(line.get_ydata()) == [getattr(result, name) for result in results]
    assert list(rate.lines[0].get_ydata()) == [result.lr for result in results]
    for axes in figure.axes:
        assert all(tick == int(tick) for tick in axes.get_xticks())
        low, high = axes.get_ylim()
        assert all(low <= y <= high for line in axes.lines[:-1] for y in line.get_ydata())


@pytest.mark.usefixtures("styled")
def test_the_best_epoch_is_marked() -> None:
    figure = curves_figure(history(6))
    assert all(list(axes.lines[-1].get_xdata()) == [3, 3] for axes in figure.axes)
    assert [text.get_text() for text in figure.axes[1].get_legend().texts] == ["best: 90.0 % (epoch 3)"]


def test_best_is_the_highest_accuracy_then_the_lowest_loss() -> None:
    first, second, third = history(3)
    assert best_epoch([first, second, third]) is third
    tied = [replace(result, val_accuracy=0.5) for result in (first, third, second)]
    assert best_epoch(tied) == tied[1]
    assert best_epoch(without_validation([first, second])) is None


@pytest.mark.usefixtures("styled")
def test_without_validation_there_is_no_accuracy() -> None:
    figure = curves_figure(without_validation(history(6)))
    assert titles(figure) == ["Loss (nats)", "Learning rate"]
    assert [len(axes.lines) for axes in figure.axes] == [1, 1]


@pytest.mark.usefixtures("styled")
def test_epochs_without_validation_are_left_out() -> None:
    results = history(6)
    results[1:3] = without_validation(results[1:3])
    assert list(curves_figure(results).axes[1].lines[0].get_xdata()) == [1, 4, 5, 6]


@pytest.mark.parametrize("results", [history(100), without_validation(history(1))])
def test_png_is_the_same_every_time(results: list[EpochResult]) -> None:
    data = curves_png(results)
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.format == "PNG"
        assert 1000 < picture.width < 2500
    assert curves_png(results) == data


def test_nothing_learnt_and_everything_known() -> None:
    """Losses of exactly zero and an accuracy that never moves leave the axes no range of their own."""
    flat = [replace(result, lr=0.0, train_loss=0.0, val_loss=0.0, val_accuracy=1.0) for result in history(3)]
    assert curves_png(flat)


def test_no_epochs() -> None:
    with pytest.raises(ValueError, match="no epochs"):
        curves_png([])
