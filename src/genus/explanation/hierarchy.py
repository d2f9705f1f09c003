"""What a network makes of a picture, stage by stage: places become fewer, channels more.

A place's channels are shown as a colour: their first three principal components over the picture. Places of the same
colour are the same to the network.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from genus.models.backbone import Backbone

LEVELS = 4


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """``colours``: h x w x 3, 0..1, of the ``channels`` features after stage number ``stage`` (from 1). One place
    stands for ``reduction`` x ``reduction`` pixels."""

    stage: int
    reduction: int
    channels: int
    colours: Tensor


def hierarchy(model: Backbone, image: Tensor) -> list[Level]:
    """The last stage at each size; of a network that keeps one size, four stages, evenly spread.

    ``image``: 1 x 3 x H x W, normalised. ``model`` is in eval mode. Raises UsageError for a timm model, whose stages
    are no chain.
    """
    maps, data = [], image
    with torch.no_grad():
        for stage in model.stages:
            data = stage(data)
            maps.append(model.finish(data)[0])
    last_of_size = [
        number for number, one in enumerate(maps) if number + 1 == len(maps) or len(one[0]) > len(maps[number + 1][0])
    ]
    if len(last_of_size) == 1:
        last_of_size = [round(level * len(maps) / LEVELS) - 1 for level in range(1, LEVELS + 1)]
    return [
        Level(number + 1, round(image.shape[-2] / maps[number].shape[1]), len(maps[number]), _colours(maps[number]))
        for number in last_of_size
    ]


def _colours(maps: Tensor) -> Tensor:
    """C x h x w -> h x w x 3: the strongest components, each stretched to 0..1; a component's sign is arbitrary, here
    that for which its largest number is positive."""
    places = maps.flatten(1).T.float()
    places = places - places.mean(dim=0)
    _, _, directions = torch.linalg.svd(places, full_matrices=False)
    components = places @ directions[:3].T
    components = F.pad(components, (0, 3 - components.shape[1]))
    extremes = components.gather(0, components.abs().argmax(dim=0, keepdim=True))
    components = components * torch.where(extremes < 0, -1.0, 1.0)
    low, high = components.amin(dim=0), components.amax(dim=0)
    return ((components - low) / (high - low).clamp(min=1e-12)).unflatten(0, maps.shape[1:])
