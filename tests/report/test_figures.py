import io
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from genus.report.content import Interval
from genus.report.figures import (
    AnsweredPicture,
    answers_figure,
    answers_png,
    curves_figure,
    curves_png,
    learning_curve_figure,
    learning_curve_png,
)
from genus.report.style import house_style
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
    figure = curves_figure(results, best=min(3, epochs))
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
    assert not [text for text in map(Text.get_text, figure.findobj(Text)) if "$" in text]  # formulas are not drawn


@pytest.mark.usefixtures("styled")
def test_the_best_epoch_is_marked() -> None:
    figure = curves_figure(history(6), best=3)
    assert all(list(axes.lines[-1].get_xdata()) == [3, 3] for axes in figure.axes)
    assert [text.get_text() for text in figure.axes[1].get_legend().texts] == ["best: 90.0\u00a0% (epoch 3)"]
    assert curves_figure(history(6), best=None).axes[1].get_legend() is None


@pytest.mark.usefixtures("styled")
def test_without_validation_there_is_no_accuracy() -> None:
    figure = curves_figure(without_validation(history(6)), None)
    assert titles(figure) == ["Loss (nats)", "Learning rate"]
    assert [len(axes.lines) for axes in figure.axes] == [1, 1]


@pytest.mark.usefixtures("styled")
def test_epochs_without_validation_are_left_out() -> None:
    results = history(6)
    results[1:3] = without_validation(results[1:3])
    assert list(curves_figure(results, 1).axes[1].lines[0].get_xdata()) == [1, 4, 5, 6]


def test_png_is_the_same_every_time() -> None:
    results = history(100)
    data = curves_png(results, 1)
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.format == "PNG"
        assert 1000 < picture.width < 2500
    assert curves_png(results, 1) == data


def test_nothing_learnt_and_everything_known() -> None:
    """Losses of exactly zero and an accuracy that never moves leave the axes no range of their own."""
    for accuracy in (0.0, 1.0):
        flat = [replace(one, lr=0.0, train_loss=0.0, val_loss=0.0, val_accuracy=accuracy) for one in history(3)]
        with house_style():
            figure = curves_figure(flat, 1)
            figure.draw_without_rendering()
            low, high = figure.axes[1].get_ylim()
        assert 0 <= low < high <= 1


def test_no_epochs() -> None:
    with pytest.raises(ValueError, match="no epochs"):
        curves_png([], None)


# The learning curve


@pytest.mark.usefixtures("styled")
def test_a_learning_curve_ends_at_0_and_100_percent_and_needs_no_interval() -> None:
    pictures, classes = [10, 20, 40], ["daisy", "rose", "no pictures"]
    accuracy = [Interval(0.0, 0.0, 0.2), Interval(0.9, None, None), Interval(1.0, 0.9, 1.0)]
    recall = [[0.0, 0.1, None], [0.8, 1.0, None], [1.0, 1.0, None]]
    figure = learning_curve_figure(pictures, accuracy, recall, classes, rising=0)
    figure.draw_without_rendering()
    whole, by_class = figure.axes
    assert whole.get_ylim() == (0, 1)
    assert list(whole.lines[0].get_ydata()) == [0, 0.9, 1]
    assert {text.get_text() for text in by_class.texts} == {"daisy", "rose"}
    assert "95 %" in whole.get_title()
    without = [one._replace(low=None, high=None) for one in accuracy]
    assert learning_curve_figure(pictures, without, recall, classes, None).axes[0].get_title() == "Accuracy"
    assert learning_curve_png(pictures, without, recall, classes, None).startswith(b"\x89PNG")


@pytest.mark.usefixtures("styled")
def test_classes_that_differ_at_the_end_can_be_told_apart() -> None:
    classes = [f"Chrysanthemum indicum {side}" for side in ("left", "right")]
    figure = learning_curve_figure([9], [Interval(0.5, 0.4, 0.6)], [[0.4, 0.6]], classes, None)
    assert len({text.get_text() for text in figure.axes[1].texts}) == 2


# Answers

GREY = np.full((20, 30, 3), 128, np.uint8)


@pytest.mark.usefixtures("styled")
def test_captions_tell_right_from_wrong() -> None:
    long = [f"Chrysanthemum indicum {side}" for side in ("left", "right")]
    pictures = [
        AnsweredPicture(GREY, "rose", "rose", 0.987),
        AnsweredPicture(GREY, "rose", "$tulip_x$", 0.5),
        AnsweredPicture(GREY, *long, 0.9999),
    ]
    captions = [axes.get_title().replace("\u00a0", " ") for axes in answers_figure(pictures).axes]
    assert captions == [
        "rose  98.7 %",
        "$tulip_x$  50.0 %\nit is: rose",
        "Chrysanthe…cum right  >99.9 %\nit is: Chrysanthe…icum left",
    ]


def test_answers_are_the_same_picture_every_time() -> None:
    pictures = [AnsweredPicture(GREY, "玫瑰", "a\nb", 0.1)] * 3
    first, second = answers_png(pictures), answers_png(pictures)
    assert first == second
    with Image.open(io.BytesIO(first)) as picture:
        assert picture.width > 600
