"""Drawn flowers: five species for ``genus demo``, the tests and every picture in the documentation.

The same arguments give the same pixels. The species share colours, backdrops and light, and grass or the edge of
the picture hides parts of them, so that a classifier has to look at shapes and is not always right.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from genus.demo.photograph import photograph
from genus.demo.plants import TABLE
from genus.errors import UsageError, nearest
from genus.files import atomic, make_folder
from genus.types import OnEvent, Progress, ignore_events

SPECIES: tuple[str, ...] = tuple(TABLE)
JPEG_QUALITY = 88
SEEDS_PER_DATASET = 1_000_000


def draw(species: str, seed: int, size: int = 240) -> Image.Image:
    """An RGB picture, ``size`` x ``size`` pixels, of one to three flowers. ``seed`` is not negative.

    Raises UsageError when ``species`` is not one of SPECIES.
    """
    if species not in TABLE:
        raise UsageError(f"Unknown species '{species}': genus draws {', '.join(SPECIES)}.{nearest(species, SPECIES)}")
    return photograph(species, np.random.default_rng([SPECIES.index(species), seed]), size)


def draw_dataset(folder: Path, per_class: int, seed: int = 0, on_event: OnEvent = ignore_events) -> None:
    """Write ``per_class`` pictures of every species to ``folder/<species>/<species>_<nnn>.jpg``.

    More pictures or another ``per_class`` never change the earlier ones. Raises MachineError when ``folder``
    cannot be written.
    """
    total = len(SPECIES) * per_class
    for place, species in enumerate(SPECIES):
        make_folder(folder / species)
        for number in range(per_class):
            picture = draw(species, seed * SEEDS_PER_DATASET + number)
            with atomic(folder / species / f"{species}_{number:03d}.jpg") as temporary:
                picture.save(temporary, format="JPEG", quality=JPEG_QUALITY)
            on_event(Progress("draw", place * per_class + number + 1, total))
