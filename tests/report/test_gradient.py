import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import colormaps
from matplotlib.colors import LinearSegmentedColormap

from genus.report.gradient import gradient
from genus.report.heat import INFERNO

COLOURS = st.lists(st.from_regex(r"#[0-9a-f]{6}", fullmatch=True), min_size=2, max_size=6)


@settings(max_examples=30)
@given(COLOURS)
def test_like_matplotlibs_linear_maps(colours: list[str]) -> None:
    steps = 1021
    positions = np.linspace(0, 1, steps)
    expected = LinearSegmentedColormap.from_list("", colours, N=steps)(positions)[:, :3] * 255
    assert gradient(positions, colours) == pytest.approx(expected, abs=0.6)


def test_any_shape() -> None:
    values = gradient(np.array([[0, 0.25], [0.5, 1]]), ["black", "#ffffff"])
    assert values.tolist() == [[[0] * 3, [63.75] * 3], [[127.5] * 3, [255] * 3]]


def test_heat_has_the_colours_of_inferno() -> None:
    positions = np.linspace(0, 1, 256)
    difference = np.abs(gradient(positions, INFERNO) - 255 * colormaps["inferno"](positions)[:, :3])
    assert difference.max() < 9
    assert difference.mean() < 2
