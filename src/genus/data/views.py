"""What full training sees of the pictures: random views, new ones in every epoch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

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
        at_least = round(self.preprocess.size / MIN_AREA[self.strength] ** 0.5)
        rng = np.random.default_rng((self.seed, epoch, index))
        return random_view(open_rgb(self.paths[index], at_least), self.preprocess, self.strength, rng)
