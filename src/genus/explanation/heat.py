"""Which places of a picture speak for a class: Grad-CAM, the same for every family.

Selvaraju et al. 2017, "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization", §3, on the
``cam_features`` of a model. Other methods, measured: docs/results.md, "Heat maps".
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from genus.models.backbone import Backbone


def heat_maps(model: Backbone, images: Tensor, classes: Sequence[int] | Tensor) -> Tensor:
    """How much each place speaks for the class: B x h x w, 0 where it says nothing or speaks against it.

    ``images``: B x 3 x H x W, normalised, on the model's device; ``classes``: the class number to explain, one a
    picture. ``model`` is in eval mode. The scale differs from picture to picture.
    """
    return heat_and_features(model, images, classes)[0]


def heat_and_features(model: Backbone, images: Tensor, classes: Sequence[int] | Tensor) -> tuple[Tensor, Tensor]:
    """The maps of ``heat_maps``, and the pooled features that come about on the way: B x num_features."""
    with torch.no_grad():
        maps, tail = model.cam_features(images)
    with torch.enable_grad():
        maps = maps.detach().requires_grad_()
        pooled = tail(maps)
        logits = model.head(pooled)
        chosen = torch.as_tensor(classes, device=logits.device)[:, None]
        (gradient,) = torch.autograd.grad(logits.gather(1, chosen).sum(), maps)
    importance = gradient.mean(dim=(2, 3), keepdim=True)
    return (importance * maps.detach()).sum(dim=1).clamp(min=0), pooled.detach()
