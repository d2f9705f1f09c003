"""Random views, read from files: what full training sees of the pictures, new ones in every epoch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from genus.data.augment import MIN_AREA, Augment, random_view
from genus.data.decode import decode, open_rgb
from genus.data.loader import Pixels
from genus.types import Preprocess


@dataclass(frozen=True, slots=True)
class Views:
    """Views of the pictures ``paths``: the same for the same ``seed``, epoch and picture, whoever asks."""

    paths: Sequence[Path]
    preprocess: Preprocess
    strength: Augment
    seed: int

    def __call__(self, epoch: int, index: int) -> Pixels:
        """S x S x 3 uint8. Raises PictureError."""
        if self.strength == "none":
            return decode(self.paths[index], self.preprocess)
        rng = np.random.default_rng((self.seed, epoch, index))
        return read_view(self.paths[index], self.preprocess, self.strength, rng)


def read_view(
    path: Path, preprocess: Preprocess, strength: Literal["light", "strong"], rng: np.random.Generator
) -> Pixels:
    """A random view of the picture in ``path``, which is decoded no larger than that takes. Raises PictureError."""
    at_least = round(preprocess.size / MIN_AREA[strength] ** 0.5)
    return random_view(open_rgb(path, at_least), preprocess, strength, rng)
