import io

import numpy as np
from matplotlib import colormaps
from PIL import Image

from genus.report.explanation import STRENGTH, heat_figure, heat_png, legend_colours, overlay
from genus.report.style import house_style

PICTURE = np.full((40, 60, 3), (200, 100, 0), np.uint8)
BOX = 10, 0, 50, 40


def test_the_map_lies_on_what_the_model_saw() -> None:
    heat = np.zeros((4, 4))
    heat[1, 2] = 5
    laid = overlay(PICTURE, heat, BOX).astype(int)
    assert laid.shape == PICTURE.shape
    outside = np.concatenate([laid[:, :10], laid[:, 50:]], axis=1)
    assert (outside == 35).all()  # grey, and dark
    assert (laid[38:, 10:18] == 100).all()  # grey: nothing speaks for the class there
    hottest = np.unravel_index(np.ptp(laid, axis=2).argmax(), laid.shape[:2])
    assert 10 <= hottest[0] < 20
    assert 30 <= hottest[1] < 40
    assert np.array_equal(overlay(PICTURE, 7 * heat, BOX), laid)  # the scale is that of the picture
    assert (overlay(PICTURE, np.zeros((4, 4)), BOX)[:, 10:50] == 100).all()


def test_the_map_of_a_padded_picture_is_cut_with_the_padding() -> None:
    heat = np.random.default_rng(0).random((5, 5))
    padded = np.pad(PICTURE, ((10, 10), (0, 0), (0, 0)))
    assert np.array_equal(overlay(PICTURE, heat, (0, -10, 60, 50)), overlay(padded, heat, (0, 0, 60, 60))[10:50])
    turned = PICTURE.transpose(1, 0, 2), heat.T, (-10, 0, 50, 60)
    assert np.array_equal(overlay(*turned), overlay(PICTURE, heat, (0, -10, 60, 50)).transpose(1, 0, 2))


def test_only_a_cut_picture_is_said_to_be_cut() -> None:
    told = []
    for box in (BOX, (0, -10, 60, 50), (0, 0, 60, 40)):
        with house_style():
            figure = heat_figure(PICTURE, np.eye(3), box, "rose", 0.9, "rose", unknown=False)
        told.append(any("cut off" in text.get_text() for text in figure.texts))
    assert told == [True, False, False]


def test_the_legend_has_the_colours_of_the_map() -> None:
    brightest = 255 * ((1 - STRENGTH) * 0.4 + STRENGTH * np.array(colormaps["inferno"](1.0)[:3]))
    colours = np.array([[int(colour[k : k + 2], 16) for k in (1, 3, 5)] for colour in legend_colours(5)])
    assert colours[0].tolist() == [102] * 3
    assert np.abs(colours[-1] - brightest).max() < 1
    ramp = overlay(np.full((1, 5, 3), 102, np.uint8), np.linspace(0, 1, 5)[None], (0, 0, 5, 1))[0]
    assert np.abs(colours - ramp.astype(int)).max() <= 2


def test_picture_in_its_colours_map_title_and_legend() -> None:
    picture = np.random.default_rng(0).integers(0, 255, (300, 400, 3), np.uint8)
    heat, box = np.eye(4), (50, 0, 350, 300)
    with house_style():
        figure = heat_figure(picture, heat, box, "rose", 0.934, "rose", unknown=False)
    left, right, legend = figure.axes
    assert np.array_equal(np.asarray(left.images[0].get_array()), picture)
    assert np.array_equal(np.asarray(right.images[0].get_array()), overlay(picture, heat, box))
    assert left.get_position().x1 < right.get_position().x0
    assert [text.get_text() for text in legend.texts] == ["speaks for it: little", "much"]
    png = heat_png(picture, heat, box, "rose", 0.934, "rose", unknown=False)
    with Image.open(io.BytesIO(png)) as drawn:
        assert drawn.width > 800
        assert drawn.height > 350


def test_a_title_says_what_is_explained_how_probable_it_is_and_what_is_unknown() -> None:
    titles = []
    for label, probability, answer, unknown in (
        ("rose", 0.934, "rose", False),
        ("tulip", 0.0001, "rose", True),
        ("$x_1$ 雏菊", None, f"{'a' * 80}b", False),
    ):
        with house_style():
            figure = heat_figure(PICTURE, np.eye(3), BOX, label, probability, answer, unknown=unknown)
        titles.append(figure.texts[0].get_text().replace("\u00a0", " "))
    assert titles == [
        "What speaks for rose (93.4 %)",
        "What speaks for tulip (<0.1 %)\nThe model says rose\nUnknown: no answer that counts",
        f"What speaks for $x_1$ 雏菊\nThe model says {'a' * 20}…{'a' * 18}b",
    ]
