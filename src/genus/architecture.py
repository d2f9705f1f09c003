"""Which network a bundle holds: a name of the registry and the arguments of its constructor, bounded.

The arguments may come from a file that anybody could have written. What is built from them costs memory and time, so
they are checked first: no name that a hub would be asked for, no argument that is not known here, no number that a
network for pictures does not need.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from genus.models import registry
from genus.models.backbone import Backbone
from genus.models.registry import TIMM_PREFIX

LARGEST: Mapping[str, float] = {  # a number, or the sum of a list of numbers; none is below 0
    "image_size": 2048,
    "patch_size": 1024,
    "window": 32,  # each block has a table of window⁴ entries
    "dim": 16_384,
    "depth": 64,
    "depths": 64,
    "num_heads": 1024,
    "width": 100,
    "widths": 65_536,
    "hidden": 65_536,
    "layer_scale": 100,
    "drop_path": 1,
    "dropout": 1,
    "pool": 0,
    "batch_norm": 0,
}
MOST_NUMBERS = 8  # of a list, one a stage
NAME = re.compile(rf"(?:{TIMM_PREFIX})?[A-Za-z0-9_.-]{{1,100}}")  # no "/" and ":", by which timm would ask a hub


@dataclass(frozen=True, slots=True)
class Architecture:
    """``name`` as in the registry, and the ``arguments`` of its constructor besides the class count.

    Raises ValueError for arguments that no network of ours takes, or for numbers outside of ``LARGEST``.
    """

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not (isinstance(self.name, str) and NAME.fullmatch(self.name)):
            raise ValueError(f"{self.name!r:.100} is no name of a model")
        if not isinstance(self.arguments, Mapping):
            raise ValueError("the arguments of the model have to be names and values")
        for name, value in self.arguments.items():
            if name not in (["image_size"] if self.is_timm else LARGEST):
                raise ValueError(f"a model has no argument {name!r:.100} that could be stored")
            if not _within(value, LARGEST[name]):
                raise ValueError(f"{name} cannot be {value!r:.100}")

    @property
    def is_timm(self) -> bool:
        return self.name.startswith(TIMM_PREFIX)

    def build(self, num_classes: int) -> Backbone:
        """The model with random weights."""
        return registry.build(self.name, num_classes, **self.arguments)

    def skeleton(self, num_classes: int) -> Backbone:
        """The model on torch's ``meta`` device: every tensor has its shape, but no memory and no values.

        Quick to build whatever its size. A model of our own becomes whole by the weights of a file; a timm model may
        keep tables outside of its weights and has to be built once more.
        """
        with torch.device("meta"):
            return self.build(num_classes)


def _within(value: Any, largest: float) -> bool:
    """A number from 0 to ``largest``, a few with such a sum, a word, a truth value or nothing."""
    if isinstance(value, list | tuple):
        return (
            len(value) <= MOST_NUMBERS and all(type(one) is int and one >= 0 for one in value) and sum(value) <= largest
        )
    if type(value) in (int, float):
        return 0 <= value <= largest
    return value is None or type(value) is bool or (type(value) is str and len(value) <= 100)
