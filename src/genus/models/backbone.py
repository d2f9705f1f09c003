"""The contract that every model keeps, and what can be done with a model that keeps it.

A model is a chain ``stages -> finish -> pool -> head``:

    images    B x 3 x H x W   float, normalised as the model's Preprocess says
    features  B x C x h x w   always NCHW, whatever the family
    pooled    B x D           D = num_features
    logits    B x classes     head(pool(features(images)))
"""

from collections.abc import Callable, Sequence
from typing import Protocol, cast, runtime_checkable

import torch
from torch import Tensor, nn

from genus.models.layers import init_truncated_normal

Tail = Callable[[Tensor], Tensor]
"""B x C x h x w -> B x num_features: the part of a model between its ``cam_features`` and its head."""


@runtime_checkable
class Backbone(Protocol):
    """What training, explanation and export may rely on. Models compose ``nn.Module``s; none inherits another."""

    num_features: int
    head: nn.Linear

    @property
    def stages(self) -> Sequence[nn.Module]:
        """Modules from the input to the features, in order of the data: the places where one may freeze."""

    def finish(self, data: Tensor) -> Tensor:
        """What the last stage gives for square images -> features, B x C x h x w."""

    def features(self, images: Tensor) -> Tensor:
        """B x 3 x H x W -> B x C x h x w."""

    def pool(self, features: Tensor) -> Tensor:
        """B x C x h x w -> B x num_features."""

    def cam_features(self, images: Tensor) -> tuple[Tensor, Tail]:
        """The feature maps that class activation maps weigh, B x C x h x w, and the part of the model behind them.

        They are the last ones in which a place still stands for its part of the picture. The head of
        ``tail(maps)`` gives the logits, so that a gradient leads from a logit back to the maps.
        """

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """Every parameter exactly once, grouped by depth from input to output; the last group is the head."""

    def __call__(self, images: Tensor) -> Tensor:
        """B x 3 x H x W -> B x classes."""


def features_for_cam(model: Backbone, images: Tensor) -> tuple[Tensor, Tail]:
    """The ``cam_features`` of a model that takes the mean over all places of its features: these features."""
    return model.features(images), model.pool


class WithoutHead(nn.Module):
    """``model`` up to its pooled features: B x 3 x H x W -> B x num_features."""

    def __init__(self, model: Backbone) -> None:
        super().__init__()
        self.model = module(model)

    def forward(self, images: Tensor) -> Tensor:
        model = cast(Backbone, self.model)
        return model.pool(model.features(images))


class Lower(nn.Module):
    """The first ``stages`` of ``model``: B x 3 x H x W -> B x K, all numbers of a picture in one row."""

    def __init__(self, model: Backbone, stages: int) -> None:
        super().__init__()
        self.parts = nn.Sequential(*model.stages[:stages])

    def forward(self, images: Tensor) -> Tensor:
        return self.parts(images).flatten(1)


class Upper(nn.Module):
    """``model`` behind its first ``stages``, which give ``shape`` for a picture: B x K, as of ``Lower``, -> logits."""

    def __init__(self, model: Backbone, stages: int, shape: Sequence[int]) -> None:
        super().__init__()
        self.model = module(model)
        self.stages = stages
        self.shape = tuple(shape)

    def forward(self, rows: Tensor) -> Tensor:
        return cast(Backbone, self.model).head(self.pooled(rows))

    def pooled(self, rows: Tensor) -> Tensor:
        """B x K -> B x num_features."""
        model, data = cast(Backbone, self.model), rows.unflatten(1, self.shape)
        for stage in model.stages[self.stages :]:
            data = stage(data)
        return model.pool(model.finish(data))


def module(model: Backbone) -> nn.Module:
    """The same object, seen as the ``nn.Module`` that it is."""
    return cast(nn.Module, model)


def to_device(model: Backbone, device: torch.device) -> nn.Module:
    """Move ``model`` to ``device``, convolution weights channels-last: the order in which pictures arrive."""
    return module(model).to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def shape_behind(model: Backbone, stages: int, size: int) -> tuple[int, ...]:
    """What the first ``stages`` give for one picture of ``size`` x ``size`` pixels, without the batch."""
    with torch.inference_mode():
        data = torch.zeros(1, 3, size, size, device=next(module(model).parameters()).device)
        for stage in model.stages[:stages]:
            data = stage.eval()(data)
    return tuple(data.shape[1:])


def replace_head(model: Backbone, num_classes: int) -> None:
    """Give ``model`` a fresh linear head for ``num_classes`` classes, on the device of the old one."""
    old = next(module(model).parameters())
    head = nn.Linear(model.num_features, num_classes, device=old.device, dtype=old.dtype)
    init_truncated_normal(head.weight)
    nn.init.zeros_(head.bias)
    model.head = head


def parameter_groups(*modules: nn.Module | nn.Parameter) -> list[nn.Parameter]:
    """The parameters of several modules (or single parameters) as one layer group."""
    group: list[nn.Parameter] = []
    for part in modules:
        group.extend([part] if isinstance(part, nn.Parameter) else part.parameters())
    return group


def count_parameters(model: Backbone) -> int:
    """Number of scalars in all parameters."""
    return sum(parameter.numel() for parameter in module(model).parameters())
