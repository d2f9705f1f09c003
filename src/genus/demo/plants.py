"""Whole plants: a head on its stem with the leaves of its species; and grass."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from genus.demo.drawing import Array, Facets, colour, curve, join, outline, palette, ramp, sheet, turn, unit
from genus.demo.flowers import daisy, dandelion, rose, sunflower, tulip

Range = tuple[float, float]
TOWARDS_VIEWER = np.array([0.0, 0.0, 1.0])
STEM_GREEN = colour("#6c9445")


@dataclass(frozen=True, slots=True)
class Foliage:
    """The leaves of a species. Lengths count in radii of the flower head."""

    tint: str
    count: int
    on_stem: Range  # 0 = under the head, 1 = at the foot
    lift: Range  # radians above the horizon
    length: Range
    half_width: float  # in lengths
    outline: Range  # exponents of drawing.outline
    teeth: int = 0
    bite: float = 0.0  # depth of the teeth, in half widths
    fan: tuple[float, ...] = (0.0,)  # angles of the leaflets of one leaf


@dataclass(frozen=True, slots=True)
class Species:
    """What a species looks like. ``stem`` (half its thickness) and ``neck`` (from the middle of the head down to the
    stem) count in radii of the head; ``lean`` is how far the head may turn from the viewer, in radians."""

    head: Callable[[Generator, Array, Array, float], Facets]
    tints: tuple[tuple[str, str], ...]  # colour of a petal at its base and at its tip
    stem: float
    neck: float
    lean: Range
    foliage: Foliage


# Tints overlap on purpose: a yellow flower may be any of the five, a white or a pink one still three of them.
TABLE: dict[str, Species] = {
    "daisy": Species(
        head=daisy,
        tints=(("#e9e6d8", "#ffffff"), ("#f2b400", "#ffd93b"), ("#e9c3d6", "#e58ab9"), ("#f7d9c4", "#f2784b")),
        stem=0.045,
        neck=0.14,
        lean=(0.0, 1.3),
        foliage=Foliage(
            tint="#55803a",
            count=3,
            on_stem=(0.4, 0.9),
            lift=(0.3, 1.1),
            length=(0.6, 0.9),
            half_width=0.16,
            outline=(1.0, 0.4),
        ),
    ),
    "dandelion": Species(
        head=dandelion,
        tints=(("#e58f00", "#ffd21c"), ("#f0a500", "#ffe23f")),
        stem=0.06,
        neck=0.28,
        lean=(0.0, 1.35),
        foliage=Foliage(
            tint="#4f8030",
            count=4,
            on_stem=(0.8, 0.9),
            lift=(0.1, 1.3),
            length=(1.2, 2.0),
            half_width=0.2,
            outline=(0.9, 0.5),
            teeth=6,
            bite=0.45,
        ),
    ),
    "rose": Species(
        head=rose,
        tints=(
            ("#6e0613", "#d3213b"),
            ("#c24a78", "#f7a8c4"),
            ("#d98a1f", "#ffe07a"),
            ("#d8c9b0", "#fdf6ea"),
            ("#c9531f", "#ffab73"),
        ),
        stem=0.06,
        neck=0.6,
        lean=(0.0, 1.35),
        foliage=Foliage(
            tint="#3c6632",
            count=3,
            on_stem=(0.3, 0.8),
            lift=(0.1, 0.8),
            length=(0.7, 0.9),
            half_width=0.3,
            outline=(0.5, 0.6),
            teeth=9,
            bite=0.16,
            fan=(-1.0, 0.0, 1.0),
        ),
    ),
    "sunflower": Species(
        head=sunflower,
        tints=(("#d98200", "#ffc915"), ("#e39b12", "#ffdf3f"), ("#d8b560", "#fff1b8"), ("#7a1c0c", "#d9691a")),
        stem=0.08,
        neck=0.34,
        lean=(0.0, 1.3),
        foliage=Foliage(
            tint="#4c7a34",
            count=3,
            on_stem=(0.3, 0.85),
            lift=(-0.2, 0.7),
            length=(0.9, 1.4),
            half_width=0.36,
            outline=(0.35, 0.9),
        ),
    ),
    "tulip": Species(
        head=tulip,
        tints=(
            ("#ffcf33", "#d91e2e"),
            ("#f0a000", "#ffdc3a"),
            ("#fff4e0", "#ef7fae"),
            ("#eef2d8", "#fffdf4"),
            ("#5d1d63", "#a04aa6"),
        ),
        stem=0.075,
        neck=0.8,
        lean=(0.3, 1.55),
        foliage=Foliage(
            tint="#5f8f5a",
            count=2,
            on_stem=(0.7, 1.0),
            lift=(0.9, 1.4),
            length=(2.0, 3.2),
            half_width=0.11,
            outline=(0.4, 0.9),
        ),
    ),
}


@dataclass(frozen=True, slots=True)
class Pose:
    """Where a head is, how large, and the unit vector ``axis`` along which it looks after a ``roll`` about it."""

    centre: Array
    radius: float
    axis: Array
    roll: float

    @property
    def rotation(self) -> Array:
        """3 x 3 matrix that turns +z to ``axis``."""
        right = unit(np.cross([0.2, 1.0, 0.1], self.axis))
        frame: Array = np.stack([right, np.cross(self.axis, right), self.axis], axis=1) @ turn(self.roll)
        return frame


def _blades(spine: Array, half_width: Array, tint: Array, roll: Array | float = 0.0, bend: float = 0.0) -> Facets:
    """P leaves, stems or blades of grass along ``spine`` (P x U x 3), in the colour ``tint`` (P x 3), each rolled
    about its spine by ``roll`` (P) radians."""
    flat = unit(np.cross(np.gradient(spine, axis=1), TOWARDS_VIEWER))
    rolled = np.reshape(roll, (-1, 1, 1))
    side = np.cos(rolled) * flat + np.sin(rolled) * TOWARDS_VIEWER
    colours = tint[:, None] * np.linspace(0.75, 1.1, spine.shape[1])[:, None]
    half_width = np.broadcast_to(half_width, spine.shape[:2])
    return sheet(spine, side, half_width, colours, bend, across=4, veins=0.08)


def _leaf(foliage: Foliage, root: Array, directions: Array, length: float, rng: Generator) -> Facets:
    """The leaflets of one leaf: they leave ``root`` along ``directions`` (P x 3) and sag under their weight."""
    count, points = len(directions), 2 * foliage.teeth + 3 if foliage.teeth else 10
    out = directions[:, None] * length
    sag = length * rng.normal((0.0, -0.25, 0.0), (0.0, 0.1, 0.15), (count, 1, 3))
    widest = length * foliage.half_width
    half_width = widest * outline(np.linspace(0.02, 1, points), *foliage.outline)
    half_width *= 1 - foliage.bite * (np.arange(points) % 2)
    tint = colour(foliage.tint) * rng.normal(1, 0.08, (count, 1))
    spine = curve(root, root + out * 0.6, root + out + sag, points)
    return _blades(spine, half_width, tint, rng.normal(0, 0.6, count), bend=rng.uniform(0.2, 0.8) / widest)


def _leaves(foliage: Foliage, stem: Array, radius: float, rng: Generator) -> list[Facets]:
    """Leaves to the left and the right in turn, from the head down."""
    parts = []
    for number, share in enumerate(np.linspace(*foliage.on_stem, foliage.count)):
        root = stem[int(share * (len(stem) - 1))]
        lift, length = rng.uniform(*foliage.lift), radius * rng.uniform(*foliage.length)
        out = np.array([(-1) ** number * np.cos(lift), np.sin(lift), rng.uniform(-0.2, 0.3)])
        if len(foliage.fan) > 1:
            stalk = curve(root, root, root + out * length * 0.8, 4)
            parts.append(_blades(stalk[None], np.full(4, 0.02 * radius), STEM_GREEN[None]))
            root = stalk[-1]
        parts.append(_leaf(foliage, root, np.stack([turn(angle) @ out for angle in foliage.fan]), length, rng))
    return parts


def plant(species: Species, tint: tuple[str, str], pose: Pose, rng: Generator) -> Facets:
    """Head, stem and leaves; the foot of the stem lies below the picture."""
    base, tip = (colour(name) + rng.normal(0, 0.025, 3) for name in tint)
    head = species.head(rng, base, tip, float(np.clip(pose.radius * 4, 0.45, 1.3)))
    top = pose.centre - pose.axis * pose.radius * species.neck
    foot = np.array([pose.centre[0] * 0.9 + rng.normal(0, 0.12), -0.8, -0.15])
    stem = curve(top, pose.centre - pose.axis * pose.radius * 1.2, foot, 18)
    thickness = pose.radius * species.stem
    stalk = _blades(stem[None], np.full(18, thickness), STEM_GREEN[None], bend=1.4 / thickness)
    placed = head.placed(pose.rotation, pose.radius, pose.centre)
    leaves = _leaves(species.foliage, stem, pose.radius, rng) if rng.uniform() < 0.7 else []
    return join([placed, stalk, *leaves])


def grass(rng: Generator) -> Facets:
    """A few blades between the flowers and the viewer, standing below the lower edge of the picture."""
    count, height = int(rng.integers(2, 11)), rng.uniform(0.5, 1.3)
    foot = np.array([0.0, -0.8, 0.25]) + rng.uniform((-0.7, 0, 0), (0.7, 0, 0), (count, 1, 3))
    pull = foot + rng.normal((0, height * 0.6, 0), (0.05, 0, 0), (count, 1, 3))
    tip = foot + rng.normal((0, height, 0), (0.25, height * 0.2, 0), (count, 1, 3))
    taper = rng.uniform(0.008, 0.035) * (1 - np.linspace(0, 0.98, 10)) ** 0.6
    tint = ramp(rng.uniform(), *palette("#3a6124", "#7fa347")) * rng.normal(1, 0.1, (count, 1))
    return _blades(curve(foot, pull, tip, 10), taper, tint, rng.normal(0, 0.5, count))
