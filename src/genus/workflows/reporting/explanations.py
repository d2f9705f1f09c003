"""What explains a bundle's own answers: heat maps, for ``genus explain`` and for the mistakes that a report shows, and
the figures of a tutorial: what they are called, which models have them, how they come about.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from genus.bundle import Bundle
from genus.data.loader import Pixels, chunks
from genus.data.preprocess import input_frame
from genus.engine.torch_engine import Normalise
from genus.errors import UsageError
from genus.explanation import (
    attention_by_head,
    heat_and_features,
    hierarchy,
    patch_similarity,
    position_similarity,
    windows,
)
from genus.models.backbone import Backbone
from genus.models.efficientnet_lite import EfficientNetLite
from genus.models.swin import Swin
from genus.models.vgg import VGG
from genus.models.vit import ViT
from genus.report.explanation import Box, attention_png, hierarchy_png, overlay, patches_png, windows_png

AT_A_TIME = 4  # on a processor the maps of more do not stay in its cache


def heat_of(bundle: Bundle, pixels: Pixels, classes: Sequence[int]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Where pictures as the model sees them (n x S x S x 3, uint8) speak for these classes (n), n x h x w, and their
    features, n x num_features.

    On a graphics card without cuDNN: it takes three seconds to choose kernels, which so few pictures never win back.
    """
    pieces = zip(as_input(bundle, pixels).split(AT_A_TIME), chunks(classes, AT_A_TIME), strict=True)
    with torch.backends.cudnn.flags(enabled=False):
        heat, features = zip(*(heat_and_features(bundle.model, *piece) for piece in pieces), strict=True)
    return torch.cat(heat).cpu().numpy(), torch.cat(features).cpu().numpy()


def laid_over(picture: Image.Image, heat: NDArray[np.floating], bundle: Bundle) -> Pixels:
    """The whole picture with ``heat`` on what the model saw of it."""
    return overlay(np.asarray(picture), heat, input_box(picture, bundle))


def input_box(picture: Image.Image, bundle: Bundle) -> Box:
    """What becomes the model's input: a part of ``picture``, or with padding more than that."""
    rows, columns = input_frame(picture.size, bundle.preprocess)
    return columns.start, rows.start, columns.stop, rows.stop


def as_input(bundle: Bundle, pixels: Pixels) -> Tensor:
    """n x S x S x 3 uint8 -> n x 3 x S x S, normalised, on the device of the model."""
    device = bundle.model.head.weight.device
    return Normalise(bundle.preprocess).to(device)(torch.from_numpy(pixels).to(device))


@dataclass(frozen=True, slots=True, eq=False)
class Viewpoint:
    """What a figure is drawn from: the square ``pixels`` that the model saw, the same normalised (1 x 3 x S x S), and
    the ``place``, 0..1 from the top and from the left, whose surroundings are of interest."""

    pixels: Pixels
    image: Tensor
    place: tuple[float, float]

    def on(self, grid: Sequence[int]) -> tuple[int, int]:
        """Row and column of the place on a grid of so many."""
        return int(self.place[0] * grid[0]), int(self.place[1] * grid[1])


def draw_figure(name: str, model: Backbone, viewpoint: Viewpoint) -> bytes:
    """The PNG of figure ``name``, one of ``FIGURES``."""
    return FIGURES[name][1](model, viewpoint)


def require_figures(names: Sequence[str], model: Backbone, architecture: str) -> None:
    """Raise UsageError when ``model``, called ``architecture``, has not all of these figures, or when one is none."""
    known = list(FIGURES)
    if isinstance(names, str) or not isinstance(names, Collection) or any(name not in known for name in names):
        raise UsageError(f"Figures are a list of any of {', '.join(known)}, not {names!r}.")
    offered = [f"--{name}" for name, (families, _) in FIGURES.items() if isinstance(model, families)]
    for name in names:
        if f"--{name}" not in offered:
            families = " or ".join(family.__name__ for family in FIGURES[name][0])
            raise UsageError(
                f"--{name} shows how a {families} works; this run is {architecture}. "
                f"It has: {', '.join(offered) or 'none of the figures'}."
            )


def _attention(model: Backbone, viewpoint: Viewpoint) -> bytes:
    return attention_png(viewpoint.pixels, attention_by_head(cast(ViT, model), viewpoint.image)[-1].cpu().numpy())


def _patches(model: Backbone, viewpoint: Viewpoint) -> bytes:
    vit = cast(ViT, model)
    similarity = patch_similarity(vit, viewpoint.image).cpu().numpy()
    return patches_png(
        viewpoint.pixels, position_similarity(vit).cpu().numpy(), similarity, viewpoint.on(similarity.shape)
    )


def _windows(model: Backbone, viewpoint: Viewpoint) -> bytes:
    stages = windows(cast(Swin, model), viewpoint.image, viewpoint.place)
    drawn = [[(one.window, one.shift, one.query, one.attention.cpu().numpy()) for one in stage] for stage in stages]
    return windows_png(viewpoint.pixels, drawn)


def _hierarchy(model: Backbone, viewpoint: Viewpoint) -> bytes:
    levels = hierarchy(model, viewpoint.image)
    drawn = [(level.stage, level.reduction, level.channels, level.colours.cpu().numpy()) for level in levels]
    return hierarchy_png(viewpoint.pixels, drawn)


FIGURES: dict[str, tuple[tuple[type, ...], Callable[[Backbone, Viewpoint], bytes]]] = {
    "attention": ((ViT,), _attention),
    "patches": ((ViT,), _patches),
    "windows": ((Swin,), _windows),
    "hierarchy": ((Swin, ViT, VGG, EfficientNetLite), _hierarchy),
}
"""Name -> the families that have it, and how it is drawn."""
