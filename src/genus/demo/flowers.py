"""Flower heads of the five species. Each looks along +z, is centred on the origin and has a radius of about 1.

``base`` and ``tip`` are the colours of a petal at its two ends. ``detail`` scales the number of facets: 1 suits a
head as wide as half of a picture of 240 pixels.
"""

import numpy as np
from numpy.random import Generator

from genus.demo.drawing import (
    GOLDEN_ANGLE,
    Array,
    Facets,
    along,
    colour,
    join,
    outline,
    palette,
    pick,
    ramp,
    sheet,
    spiral,
    unit,
)

GREEN = colour("#5c8a3a")


def _whorl(
    angle: Array,
    length: Array | float,
    rise: Array,
    half_width: Array,
    colours: Array,
    radius: Array | float = 0.0,
    height: Array | float = 0.0,
    wrap: float = 0.0,
    across: int = 3,
    veins: float = 0.0,
    edge: float = 0.0,
) -> Facets:
    """P petals around the z axis.

    ``angle`` P: where each petal stands. ``rise`` P x U: elevation over the xy plane along the petal, radians.
    ``half_width`` P x U. ``colours`` P x U x 3. ``radius``, ``height`` P: where the petal starts.
    ``wrap``: 0 = flat across, 1 = bent around the axis. The rest as in ``sheet``.
    """
    step = np.diff(along(rise.shape[1]), prepend=0.0) * np.reshape(length, (-1, 1))
    reach = np.reshape(radius, (-1, 1)) + np.cumsum(step * np.cos(rise), axis=1)
    lift = np.reshape(height, (-1, 1)) + np.cumsum(step * np.sin(rise), axis=1)
    cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
    spine = np.stack([reach * cos, reach * sin, lift], axis=-1)
    side = np.broadcast_to(np.stack([-sin, cos, 0 * cos], axis=-1), spine.shape)
    return sheet(spine, side, half_width, colours, wrap / np.maximum(reach, 0.05), across, veins, edge)


def _steps(number: int, detail: float) -> int:
    return max(3, round(number * detail))


def _tinted(u: Array, count: int, rng: Generator, *stops: Array, contrast: float = 0.07) -> Array:
    """count x U x 3: a gradient along the petal; every petal a little lighter or darker than its neighbour."""
    return ramp(u, *stops) * rng.normal(1, contrast, (count, 1, 1))


def _around(count: int, rng: Generator, wobble: float = 0.15) -> Array:
    """Angles of ``count`` petals in one row, not quite evenly spaced."""
    return (np.arange(count) + rng.uniform() + rng.normal(0, wobble, count)) * 2 * np.pi / count


def _disc(count: int, radius: float, dome: float, rng: Generator, *stops: Array) -> Facets:
    """A dome of seeds in a spiral on dark ground, coloured from its middle to its rim by ``stops``."""
    angle, reach = spiral(count)
    seed = radius * 1.9 / np.sqrt(count)
    dark_to_light = np.array([[0.8, 0.62, 0.5], [1.05] * 3, [1.2] * 3])
    seeds = _whorl(
        angle,
        length=seed,
        rise=np.broadcast_to((dome * (1 - reach) + 0.35)[:, None], (count, 3)),
        half_width=np.broadcast_to(seed * np.array([0.33, 0.55, 0.17]), (count, 3)),
        colours=ramp(reach, *stops)[:, None] * dark_to_light * rng.normal(1, 0.1, (count, 1, 1)),
        radius=reach * radius - seed / 2,
        height=dome * radius * (1 - reach**2) + 0.06,
        across=1,
    )
    spokes, u = 12, along(3)
    wedge = np.broadcast_to(radius * u / 3, (spokes, 3))
    soil = _tinted(u, spokes, rng, *stops) * 0.6
    return join([_whorl(_around(spokes, rng, 0), radius, np.zeros((spokes, 3)), wedge, soil, across=1), seeds])


def _calyx(rng: Generator, radius: float, depth: float, tips: float, floor: float) -> Facets:
    """The green cup under a head: it starts at the height ``floor``, is ``depth`` deep and ``radius`` wide, and its
    ``tips`` bend outwards."""
    count, u = 11, along(6)
    slope = np.arctan2(depth, radius)
    rise = slope - (slope + 0.25) * np.clip((u - 0.6) / 0.4, 0, 1) + rng.normal(0, 0.06, (count, 1))
    length = np.hypot(radius, depth) * (1.25 + tips)
    half_width = radius * 0.42 * outline(u, 0.35, 0.6) * rng.normal(1, 0.1, (count, 1))
    colours = _tinted(u, count, rng, GREEN * 0.9, GREEN * 0.7, GREEN)
    return _whorl(_around(count, rng), length, rise, half_width, colours, 0.02, floor, wrap=0.8, across=2)


def _rays(
    rng: Generator,
    colours: tuple[Array, ...],
    u: Array,
    start: float,
    height: float,
    half_width: float,
    shape: tuple[float, float],
    rise: tuple[float, float],
    unruly: float,
) -> Facets:
    """One row of petals from the radius ``start`` to 1, shaped by ``outline(u, *shape)``; ``rise`` at both ends."""
    count = int(rng.integers(15, 24))
    return _whorl(
        _around(count, rng, 2 * unruly),
        length=(1 - start) * rng.normal(1, 0.06, count),
        rise=np.linspace(*rise, len(u)) + rng.normal(0, unruly, (count, 1)),
        half_width=half_width * outline(u, *shape) * rng.normal(1, 0.1, (count, 1)),
        colours=_tinted(u, count, rng, *colours),
        radius=start,
        height=height + 0.05 * rng.permutation(count) / count,  # each petal clearly above or below its neighbour
        wrap=0.5,
        veins=0.08,
        edge=0.3,
    )


def daisy(rng: Generator, base: Array, tip: Array, detail: float) -> Facets:
    """One or two rows of narrow round-tipped rays around a small yellow disc."""
    u, colours = along(_steps(8, detail)), (base * 0.75, base, tip, tip)
    disc, droop = rng.uniform(0.24, 0.36), rng.uniform(-0.45, 0.25)
    rows = [
        _rays(rng, colours, u, disc * 0.8, height, rng.uniform(0.085, 0.13), (0.5, 0.22), (0.25, droop), 0.08)
        for height in (0.0, 0.06)[: rng.integers(1, 3)]
    ]
    seeds = _disc(_steps(130, detail), disc, 0.55, rng, *palette("#f0c31f", "#ffc61f", "#f0930b"))
    return join([*rows, seeds, _calyx(rng, radius=disc * 0.9, depth=0.16, tips=0.0, floor=-0.16)])


def sunflower(rng: Generator, base: Array, tip: Array, detail: float) -> Facets:
    """Two or three rows of pointed rays around a wide dark disc of seeds with a ring of florets."""
    u, colours = along(_steps(8, detail)), (base * 0.7, base, tip, tip)
    disc, droop = rng.uniform(0.40, 0.58), rng.uniform(-0.3, 0.3)
    rows = [
        _rays(rng, colours, u, disc * 0.85, height, rng.uniform(0.11, 0.15), (0.55, 0.75), (0.45, droop), 0.14)
        for height in (-0.06, 0.0, 0.06)[: rng.integers(2, 4)]
    ]
    heart = pick(rng, palette("#7d8a3c", "#4a2c14", "#2b1608"))
    ring = palette("#4a2a12", "#3a1d0b", "#8a5514", "#c98a1c")
    seeds = _disc(_steps(320, detail), disc, 0.25, rng, heart, *ring)
    return join([*rows, seeds, _calyx(rng, radius=disc, depth=0.2, tips=0.6, floor=-0.34)])


def tulip(rng: Generator, base: Array, tip: Array, detail: float) -> Facets:
    """A cup of six broad petals, each bent around the axis, closed or about to open."""
    count, u = 6, along(_steps(12, detail))
    opening = rng.uniform(-0.12, 0.55)
    inner = np.arange(count) % 2
    rise = np.interp(u, [0, 0.28, 0.55, 1.0], [0.1, 1.15, 1.5 - opening * 0.6, 1.75 - opening])
    petals = _whorl(
        _around(count, rng, 0.06),
        length=1.75,
        rise=rise + rng.normal(0, 0.04, (count, 1)) + 0.12 * inner[:, None],
        half_width=0.66 * outline(u, 0.45, rng.uniform(0.38, 0.6)) * rng.normal(1, 0.04, (count, 1)),
        colours=_tinted(u, count, rng, base, tip, tip, tip * 1.05) * (1 - 0.14 * inner)[:, None, None],
        radius=0.1 - 0.06 * inner,
        height=-0.85,
        wrap=0.85,
        across=_steps(9, detail),
        veins=0.05,
        edge=0.1,
    )
    upright, thin, dark = np.full((6, 4), 1.35), np.full((6, 4), 0.04), np.full((6, 4, 3), 0.18)
    stamens = _whorl(_around(6, rng), 0.7, upright, thin, dark, radius=0.1, height=-0.8)
    return join([petals, stamens])


def rose(rng: Generator, base: Array, tip: Array, detail: float) -> Facets:
    """Petals in a spiral: wrapped tightly in the middle, rolled outwards at the rim."""
    count, u = int(rng.integers(22, 32)), along(_steps(9, detail))
    outer = np.linspace(0, 1, count)
    openness = (outer * rng.uniform(0.45, 1.0))[:, None]
    bends = np.array([1.3, 1.5, 1.65, 1.9]) * (1 - openness) + np.array([0.1, 0.9, 1.0, -0.6]) * openness
    rise = np.stack([np.interp(u, [0, 0.3, 0.65, 1], bend) for bend in bends])
    dusk = (0.72 + 0.28 * outer)[:, None, None]  # little light reaches the middle
    petals = _whorl(
        np.arange(count) * GOLDEN_ANGLE + rng.normal(0, 0.15, count),
        length=0.75 + 0.35 * outer,
        rise=rise + rng.normal(0, 0.07, (count, 1)),
        half_width=(0.17 + 0.40 * outer)[:, None] * outline(u, 0.3, 0.24) * rng.normal(1, 0.07, (count, 1)),
        colours=_tinted(u, count, rng, base * 0.6, base, tip, tip, tip * 1.12) * dusk,
        radius=0.04 + 0.15 * outer,
        height=-0.3 - 0.15 * outer,
        wrap=0.9,
        across=_steps(6, detail),
        veins=0.02,
        edge=0.2,
    )
    heart = _disc(12, 0.12, 0.3, rng, base * 0.5, base * 0.5).placed(np.eye(3), 1.0, np.array([0, 0, -0.1]))
    return join([petals, heart, _calyx(rng, radius=0.22, depth=0.25, tips=0.9, floor=-0.67)])


def dandelion(rng: Generator, base: Array, tip: Array, detail: float) -> Facets:
    """A cushion of more than two hundred strap florets; now and then the ball of seeds that it becomes."""
    if rng.uniform() < 0.3:
        return _seed_ball(rng)
    count, u = int(rng.integers(220, 280)), along(_steps(4, detail))
    angle, reach = spiral(count)
    spread = reach[:, None] * rng.uniform(0.9, 1.5) + np.linspace(-0.15, 0.3, len(u))
    florets = _whorl(
        angle + rng.normal(0, 0.1, count),
        length=(0.38 + 0.45 * reach) * rng.normal(1, 0.06, count),
        rise=1.5 - spread + rng.normal(0, 0.1, (count, 1)),
        half_width=np.broadcast_to(0.04 * outline(u * 0.98, 0.5, 0.2), (count, len(u))),
        colours=_tinted(u, count, rng, base * 0.7, base, tip, tip, contrast=0.1),
        radius=0.22 * reach,
        height=0.1 * (1 - reach),
        across=1,
    )
    return join([florets, _calyx(rng, radius=0.26, depth=0.3, tips=0.5, floor=-0.3)])


def _seed_ball(rng: Generator) -> Facets:
    """Seeds all over a sphere, each a stalk with a parachute of hairs."""
    count, hairs = int(rng.integers(60, 90)), 9
    angle, _ = spiral(count)
    z = np.linspace(-0.85, 1, count)
    ring = np.sqrt(1 - z**2)
    out = np.stack([ring * np.cos(angle), ring * np.sin(angle), z], axis=-1)
    first = unit(np.cross(out, [0.3, 0.8, 0.5]))
    second = np.cross(out, first)
    spoke = np.arange(hairs)[:, None] * 2 * np.pi / hairs
    spread = first[:, None] * np.cos(spoke) + second[:, None] * np.sin(spoke)
    knot = np.repeat(0.78 * out, hairs, axis=0)
    tips = (0.95 * out[:, None] + 0.24 * spread).reshape(-1, 3) + rng.normal(0, 0.02, knot.shape)
    stalks = _hairs(0.12 * out, 0.78 * out, first, colour("#b9a88a"))
    parachutes = _hairs(knot, tips, np.cross(spread, out[:, None]).reshape(-1, 3), colour("#f4f3ee"))
    return join([stalks, parachutes, _disc(60, 0.16, 1.0, rng, *palette("#8a7a4a", "#5c4a2a"))])


def _hairs(root: Array, tip: Array, side: Array, tint: Array) -> Facets:
    """Straight thin strips from ``root`` to ``tip``, all P x 3."""
    half_width = np.full((len(root), 2), 0.012)
    colours = np.broadcast_to(tint, (len(root), 2, 3))
    return sheet(np.stack([root, tip], axis=1), np.stack([side, side], axis=1), half_width, colours, across=1)
