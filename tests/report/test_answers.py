import io

import numpy as np
from PIL import Image

from genus.report.answers import Answered, answers_figure, answers_png
from genus.report.figure import house_style

GREY = np.full((20, 30, 3), 128, np.uint8)


def test_captions_tell_right_from_wrong() -> None:
    pictures = [Answered(GREY, "rose", "rose", 0.987), Answered(GREY, "rose", "$tulip_x$", 0.5)]
    with house_style():
        captions = [axes.get_title() for axes in answers_figure(pictures).axes]
    assert captions == ["rose  98.7 %", "$tulip_x$  50.0 %\nit is: rose", ""]


def test_png_is_a_picture_and_the_same_every_time() -> None:
    pictures = [Answered(GREY, "玫瑰", "a\nb", 0.1)] * 4
    first, second = answers_png(pictures), answers_png(pictures)
    assert first == second
    with Image.open(io.BytesIO(first)) as picture:
        assert picture.width > 600
