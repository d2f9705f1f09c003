"""Colours: names, gradients and choices among them. A colour is three numbers (sRGB, 0..1)."""

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import ImageColor

Array = NDArray[np.floating[Any]]
Choice = TypeVar("Choice")


def colour(name: str) -> Array:
    """``"#ff8000"`` -> (1, 0.5, 0)."""
    return np.array(ImageColor.getrgb(name)[:3]) / 255


def palette(*names: str) -> list[Array]:
    """One colour for every name."""
    return [colour(name) for name in names]


def ramp(position: Array | float, *stops: Array) -> Array:
    """Colours at ``position`` (any shape, 0..1) of a gradient through evenly spaced ``stops``: shape x 3."""
    where = np.linspace(0, 1, len(stops))
    return np.stack([np.interp(position, where, [stop[c] for stop in stops]) for c in range(3)], axis=-1)


def pick(rng: Generator, options: Sequence[Choice]) -> Choice:
    """One of ``options``, all equally likely."""
    return options[int(rng.integers(len(options)))]
