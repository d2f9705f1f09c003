"""One photograph: flowers placed before a backdrop, lit, and seen through an imperfect lens."""

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageFilter

from genus.demo.backdrops import BACKDROPS, SURFACES, table
from genus.demo.palette import Array, pick
from genus.demo.plants import TABLE, Pose, Species, grass, plant
from genus.demo.sheets import join, paint, turn, unit


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
