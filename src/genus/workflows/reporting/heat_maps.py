"""Heat maps of a bundle's own answers: for ``genus explain``, and for the mistakes that a report shows."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from genus.bundle import Bundle
from genus.data.loader import Pixels, chunks
from genus.data.preprocess import central_square
from genus.engine.torch_engine import Normalise
from genus.explanation import heat_and_features
from genus.report.explanation import Box, overlay

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
    """The whole picture with ``heat`` on the square of it that the model saw."""
    return overlay(np.asarray(picture), heat, seen_box(picture, bundle))


def seen_box(picture: Image.Image, bundle: Bundle) -> Box:
    """The square of ``picture`` that the model sees."""
    rows, columns = central_square(picture.size, bundle.preprocess)
    return columns.start, rows.start, columns.stop, rows.stop


def as_input(bundle: Bundle, pixels: Pixels) -> Tensor:
    """n x S x S x 3 uint8 -> n x 3 x S x S, normalised, on the device of the model."""
    device = bundle.model.head.weight.device
    return Normalise(bundle.preprocess).to(device)(torch.from_numpy(pixels).to(device))
