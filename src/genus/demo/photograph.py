"""One photograph: flowers placed before a backdrop, lit, and seen through an imperfect lens; and the five backdrops."""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw, ImageFilter

from genus.demo.drawing import Array, colour, join, paint, palette, pick, ramp, turn, unit
from genus.demo.plants import TABLE, Pose, Species, grass, plant

Backdrop = Callable[[Generator, int], Array]
"""Draws a place as size x size x 3, sRGB 0..1, the upper edge first."""

BLOSSOMS = palette("#f7d84a", "#ffffff", "#e58ab9", "#d8423a", "#a98ad0")
GRASS = palette("#22401c", "#4e7a2c", "#86a94a", "#c3cf86")
SKIES = (
    palette("#d5e8f2", "#8fbfe6", "#3f7fc4"),
    palette("#c9d3d9", "#a9b9c6", "#8096ab"),
    palette("#f3c48a", "#d79a9a", "#6f7fb0"),
)
EARTHS = (palette("#2c1d12", "#8a6a48"), palette("#3a2a1c", "#a07d56"), palette("#4a4440", "#a89c8c"))
CLOTHS = palette("#20242c", "#16181a", "#3a2530", "#23342f", "#c9c4ba", "#9fb0bd", "#7a5c48")
WOODS = (palette("#3d2616", "#7c522d", "#b58a56"), palette("#8c8479", "#c4bbad", "#e9e3d8"))


def photograph(species: str, rng: Generator, size: int) -> Image.Image:
    """An RGB picture, ``size`` x ``size``, of one to three flowers of one ``species`` (a key of plants.TABLE)."""
    light = unit(np.array([rng.normal(0, 0.6), rng.uniform(0.3, 1), rng.uniform(0.3, 1)]))
    backdrop = pick(rng, BACKDROPS)
    picture = backdrop(rng, size).astype(np.float32)
    kind = TABLE[species]
    tint = pick(rng, kind.tints)
    group = join([plant(kind, tint, pose, rng) for pose in _poses(kind, rng)])
    lying = backdrop is table  # cut flowers, seen from above
    angle = rng.uniform(-np.pi, np.pi) if lying else rng.normal(0, 0.15)
    flowers = paint(group.placed(turn(angle), 1.0, np.zeros(3)), light, size)
    if not lying and rng.uniform() < 0.35:
        picture = _with_companions(picture, flowers, rng)
    if backdrop in SURFACES:
        picture = _shadowed(picture, flowers, light, rng.uniform(0.2, 0.6))
    picture = _over(picture, flowers, blur=rng.normal(0.2, 0.8))
    if not lying and rng.uniform() < 0.55:
        picture = _over(picture, paint(grass(rng), light, size), blur=rng.uniform(0, 4))
    return Image.fromarray(np.rint(_exposed(picture, rng) * 255).astype(np.uint8))


def _poses(species: Species, rng: Generator) -> list[Pose]:
    """One to three heads of related size, the first one near the middle, most of them looking up."""
    count = int(rng.choice([1, 2, 3], p=[0.6, 0.25, 0.15]))
    radius = rng.uniform(0.11, 0.40) / count**0.35
    poses = []
    for number in range(count):
        reach = 0.38 if number else 0.14
        lean, azimuth = rng.uniform(*species.lean), rng.normal(np.pi / 2, 0.7)
        axis = turn(azimuth) @ np.array([np.sin(lean), 0.0, np.cos(lean)])
        centre = np.array([*rng.uniform(-reach, reach, 2), -0.15 * number])
        poses.append(Pose(centre, radius * rng.uniform(0.8, 1.1), axis, rng.uniform(0, 2 * np.pi)))
    return poses


def _over(picture: Array, layer: Image.Image, blur: float) -> Array:
    """``layer`` (RGBa) laid over ``picture``, out of focus by ``blur`` pixels of a picture of 240."""
    radius = blur * len(picture) / 240
    if radius > 0.2:
        layer = layer.filter(ImageFilter.GaussianBlur(radius))
    rgba = np.asarray(layer, dtype=np.float32) / 255
    laid: Array = picture * (1 - rgba[..., 3:]) + rgba[..., :3]
    return laid


def _with_companions(picture: Array, flowers: Image.Image, rng: Generator) -> Array:
    """The same flowers again, smaller, behind and out of focus, standing on the lower edge."""
    size = len(picture)
    layer = Image.new("RGBa", (size, size))
    for _ in range(rng.integers(2, 6)):
        small = int(size * rng.uniform(0.35, 0.6))
        copy = flowers.resize((small, small), Image.Resampling.BILINEAR)
        left, sunk = int(size * rng.uniform(-0.3, 0.9)), int(small * rng.uniform(0, 0.5))
        layer.paste(copy, (left, size - small + sunk), copy.getchannel("a"))
    return _over(picture, layer, blur=rng.uniform(2, 5))


def _shadowed(picture: Array, layer: Image.Image, light: Array, strength: float) -> Array:
    """``picture`` under the soft shadow that ``layer`` throws away from the light."""
    size = len(picture)
    shift = np.rint(light[:2] * (-0.06, 0.06) * size).astype(int)
    shadow = Image.new("L", (size, size))
    shadow.paste(layer.getchannel("a"), (int(shift[0]), int(shift[1])))
    soft = np.asarray(shadow.filter(ImageFilter.BoxBlur(size * 0.025)), dtype=np.float32) / 255
    shadowed: Array = picture * (1 - strength * soft[..., None])
    return shadowed


def _exposed(picture: Array, rng: Generator) -> Array:
    """Colour temperature, exposure, uneven light, vignette and sensor noise; clipped to 0..1."""
    size = len(picture)
    warmth = rng.normal(0, 0.05)
    gain = np.array([1 + warmth, 1, 1 - warmth]) * np.exp(rng.normal(-0.02, 0.13))
    across = np.linspace(-0.5, 0.5, size)
    down, right = rng.normal(0, 0.25, 2)
    vignette = rng.uniform(0, 0.6)
    falloff = np.add.outer(1 + down * across - vignette * across**2, right * across - vignette * across**2)
    grain = rng.standard_normal((size, size, 1), dtype=np.float32) * np.float32(rng.uniform(0.004, 0.03))
    lit = picture * gain.astype(np.float32) * falloff.astype(np.float32)[..., None]
    exposed: Array = np.clip(lit + grain, 0, 1)
    return exposed


def _enlarged(grid: Array, size: int) -> Array:
    picture = Image.fromarray(grid.astype(np.float32)).resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(picture)


def _noise(rng: Generator, size: int, cells: tuple[int, ...], stretch: int = 1) -> Array:
    """Smooth random field, size x size, about -1..1: octaves with ``cells`` bumps from top to bottom, each octave
    weaker as it gets finer; bumps are ``stretch`` times wider than high."""
    octaves = [_enlarged(rng.uniform(-1, 1, (n, max(2, n // stretch))), size) * cells[0] / n for n in cells]
    return np.sum(octaves, axis=0)


def _mixed(low: Array, high: Array, amount: Array) -> Array:
    """``low`` where ``amount`` is 0 or less, ``high`` where it is 1 or more."""
    share = np.clip(amount, 0, 1)[..., None]
    mixed: Array = low * (1 - share) + high * share
    return mixed


def _height(size: int) -> Array:
    """1 at the upper edge, 0 at the lower, size x size."""
    return np.broadcast_to(np.linspace(1, 0, size)[:, None], (size, size))


def _dotted(picture: Array, rng: Generator, tints: list[Array], count: int, radius: float, blur: float) -> Array:
    """``picture`` with overlapping translucent discs, then out of focus; lengths count in picture widths."""
    size = len(picture)
    canvas = Image.fromarray((np.clip(picture, 0, 1) * 255).astype(np.uint8))
    draw = ImageDraw.Draw(canvas, "RGBA")
    for x, y, r in rng.uniform((0, 0, 0.3), (1, 1, 1.3), (count, 3)) * (size, size, radius * size):
        tint = (pick(rng, tints) * 255).astype(int).tolist()
        draw.ellipse((x - r, y - r, x + r, y + r), fill=(*tint, int(rng.integers(20, 110))))
    return np.asarray(canvas.filter(ImageFilter.GaussianBlur(blur * size)), dtype=np.float32) / 255


def meadow(rng: Generator, size: int) -> Array:
    """Grass far out of focus, with blossoms as discs of light (bokeh)."""
    field = 0.15 + 0.6 * _height(size) * rng.uniform(0.4, 1.2) + 0.25 * _noise(rng, size, (4, 9, 24))
    tints = [*GRASS, colour("#f2e9b0"), pick(rng, BLOSSOMS)]
    return _dotted(ramp(field, *GRASS), rng, tints, int(rng.integers(15, 45)), 0.07, rng.uniform(0.008, 0.025))


def sky(rng: Generator, size: int) -> Array:
    """Blue, grey or evening sky with clouds; sometimes a hill below."""
    picture = ramp(_height(size), *pick(rng, SKIES))
    clouds = _noise(rng, size, (4, 8, 16, 32), stretch=2) * 1.2 - rng.uniform(-0.2, 0.6)
    picture = _mixed(picture, colour("#fdf3ea"), clouds)
    ridge = rng.uniform(-0.2, 0.35) + 0.1 * _noise(rng, size, (2, 5))[:1]
    hill = colour("#5f7f3a") * rng.uniform(0.5, 1.0)
    return _mixed(picture, hill, (ridge - _height(size)) * 25)


def soil(rng: Generator, size: int) -> Array:
    """Crumbly earth with pebbles."""
    crumbs = 0.5 + 0.35 * _noise(rng, size, (12, 30, 60)) + 0.2 * _noise(rng, size, (size // 3,))
    dark, light = pick(rng, EARTHS)
    return _dotted(_mixed(dark, light, crumbs), rng, [dark, light], 60, 0.012, rng.uniform(0.002, 0.012))


def studio(rng: Generator, size: int) -> Array:
    """Paper or cloth of one colour with a pool of light."""
    y, x = np.mgrid[0:size, 0:size] / size - rng.uniform(0.2, 0.8, (2, 1, 1))
    pool = 1.2 - 0.9 * np.hypot(x, y) + 0.05 * _noise(rng, size, (5, 11))
    return np.clip(pick(rng, CLOTHS) * pool[..., None] + 0.02, 0, 1)


def table(rng: Generator, size: int) -> Array:
    """Wooden planks with grain, side by side or one above the other."""
    planks = int(rng.integers(3, 6))
    number, within = np.divmod(np.linspace(0, planks, size, endpoint=False), 1)
    tone = rng.uniform(0.3, 0.7, planks)[number.astype(int)][:, None]
    grain = 0.3 * _noise(rng, size, (10, 40), stretch=5) + 0.2 * _noise(rng, size, (size // 2,), stretch=20)
    seam = np.clip(np.minimum(within, 1 - within) * 25, 0.25, 1)[:, None, None]
    picture: Array = ramp(tone + grain, *pick(rng, WOODS)) * seam
    return np.rot90(picture) if rng.uniform() < 0.5 else picture


BACKDROPS: tuple[Backdrop, ...] = (meadow, sky, soil, studio, table)
SURFACES = (soil, studio, table)  # near enough to catch a shadow
