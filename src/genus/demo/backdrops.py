"""What stands behind the flowers: five places, each drawn as size x size x 3, sRGB 0..1, the upper edge first."""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw, ImageFilter

from genus.demo.palette import Array, colour, palette, pick, ramp

Backdrop = Callable[[Generator, int], Array]

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
