"""What flowers are drawn with: colours, and bent sheets in space, of which every petal, seed, leaf and stem is made.

Space is right-handed: x to the right, y up, z towards the viewer; the picture shows x and y from -0.5 to 0.5.
A colour is three numbers (sRGB, 0..1). Axes of arrays: P sheets, U points along a sheet, N facets.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw

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


GOLDEN_ANGLE = np.pi * (3 - 5**0.5)
SUPERSAMPLING = 3  # Pillow draws polygons with hard edges; shrinking by three softens them
PERSPECTIVE = 0.4


@dataclass(frozen=True, slots=True)
class Facets:
    """Small flat four-cornered pieces: ``corners`` N x 4 x 3, ``colours`` N x 3."""

    corners: Array
    colours: Array

    def placed(self, rotation: Array, scale: float, position: Array) -> "Facets":
        """The same facets turned by a 3 x 3 matrix, then scaled, then moved."""
        return Facets(self.corners @ rotation.T * scale + position, self.colours)


def join(parts: list[Facets]) -> Facets:
    """All facets of ``parts`` as one."""
    return Facets(np.concatenate([p.corners for p in parts]), np.concatenate([p.colours for p in parts]))


def unit(vectors: Array) -> Array:
    """Vectors (last axis) scaled to length 1."""
    scaled: Array = vectors / (np.linalg.norm(vectors, axis=-1, keepdims=True) + 1e-12)
    return scaled


def turn(angle: float) -> Array:
    """The 3 x 3 matrix that turns by ``angle`` radians about z, counter-clockwise on the picture."""
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])


def along(points: int) -> Array:
    """Positions 0..1 along a sheet, closer together near the tip, where outlines curve most."""
    return np.sin(np.linspace(0.05, 1, points) * np.pi / 2)


def outline(u: Array, base: float, tip: float) -> Array:
    """Relative half width, at most 1, of a petal at ``u``: u^base (1-u)^tip. A small ``tip`` is round, 1 pointed."""
    peak = base / (base + tip)
    shape: Array = (u / peak) ** base * ((1 - u) / (1 - peak)) ** tip
    return shape


def spiral(count: int) -> tuple[Array, Array]:
    """Phyllotaxis (Vogel 1979): angles and relative radii 0..1 of ``count`` seeds packed evenly on a disc."""
    n = np.arange(count)
    return n * GOLDEN_ANGLE, np.sqrt((n + 0.5) / count)


def curve(start: Array, pull: Array, end: Array, points: int) -> Array:
    """Quadratic Bezier curves: P x 1 x 3 (or 3) each -> P x points x 3 (or points x 3)."""
    t = np.linspace(0, 1, points)[:, None]
    path: Array = (1 - t) ** 2 * start + 2 * t * (1 - t) * pull + t**2 * end
    return path


def sheet(
    spine: Array,
    side: Array,
    half_width: Array,
    colours: Array,
    bend: Array | float = 0.0,
    across: int = 3,
    veins: float = 0.0,
    edge: float = 0.0,
) -> Facets:
    """P sheets, cut into U - 1 pieces along and ``across`` pieces across.

    ``spine`` P x U x 3: the midlines. ``side`` P x U x 3: unit vectors across. ``half_width`` P x U.
    ``colours`` P x U x 3. ``bend``: 1 / radius of the cross-section, P x U or one number; 0 is flat, positive rolls
    the edges towards ``tangent x side``. ``veins``: contrast of the stripes along the sheet. ``edge``: how much
    darker the edges are than the middle.
    """
    v = np.linspace(-1, 1, across + 1)
    arc = half_width[..., None] * v
    curvature = np.broadcast_to(bend, half_width.shape)[..., None] + 1e-6
    normal = unit(np.cross(np.gradient(spine, axis=1), side))
    points = (
        spine[:, :, None]
        + side[:, :, None] * (np.sin(curvature * arc) / curvature)[..., None]
        + normal[:, :, None] * ((1 - np.cos(curvature * arc)) / curvature)[..., None]
    )
    corners = np.stack([points[:, :-1, :-1], points[:, 1:, :-1], points[:, 1:, 1:], points[:, :-1, 1:]], axis=3)
    stripes = (1 - veins * (np.arange(across) % 2)) * (1 - edge * ((v[1:] + v[:-1]) / 2) ** 2)
    tints = ((colours[:, 1:] + colours[:, :-1]) / 2)[:, :, None] * stripes[:, None]
    return Facets(corners.reshape(-1, 4, 3), tints.reshape(-1, 3))


def _shaded(facets: Facets, light: Array) -> Array:
    """Colours of the facets under a lamp in the direction ``light``. Petals are thin: they also glow from behind."""
    a, b, c, d = np.moveaxis(facets.corners, 1, 0)
    normal = unit(np.cross(c - a, d - b))
    facing = (normal @ light) * np.where(normal[:, 2] < 0, -1, 1)
    brightness = 0.62 + 0.45 * np.maximum(facing, 0) + 0.16 * np.minimum(facing, 0)
    shaded: Array = facets.colours * brightness[:, None]
    return shaded


def paint(facets: Facets, light: Array, size: int) -> Image.Image:
    """The facets, far ones first, as a picture of ``size`` x ``size`` pixels.

    Its mode is ``RGBa``, colours already multiplied by alpha, so that shrinking and blurring leave no dark fringe.
    """
    order = np.argsort(facets.corners[:, :, 2].mean(axis=1), kind="stable")
    corners = facets.corners[order]
    edge = size * SUPERSAMPLING
    flat = corners[..., :2] / (1 - PERSPECTIVE * corners[..., 2:]) * (edge, -edge) + edge / 2
    polygons = np.rint(flat).astype(int).reshape(-1, 8).tolist()
    fills = np.rint(np.clip(_shaded(facets, light)[order], 0, 1) * 255).astype(int).tolist()
    canvas = Image.new("RGBa", (edge, edge))
    draw = ImageDraw.Draw(canvas)
    for polygon, fill in zip(polygons, fills, strict=True):
        draw.polygon(polygon, fill=(*fill, 255))
    return canvas.reduce(SUPERSAMPLING)
