"""How well do heat maps say what a model looked at? usage: explanation RUN DATA [PICTURES]

Test pictures of DATA, spread over the classes, with the label that the model of RUN gives them. Deletion: the hottest
pixels are blurred first, 5 % at a time, and the probability of that label, averaged over the steps, should be low.
Insertion: starting from the blurred picture they come back first, and it should be high (Petsiuk et al. 2018, "RISE",
§4.1). Compared, all scaled to the size of the picture alike: the map of genus (Grad-CAM on the model's cam_features);
gradient times features there (HiResCAM: Draelos and Carin 2020); Grad-CAM and LayerCAM (Jiang et al. 2021) on the final
features; occlusion of each of 7 x 7 tiles (Zeiler and Fergus 2014); and a random map.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.timing import machine
from genus.bundle import load_bundle
from genus.data.decode import decode
from genus.data.folder import scan
from genus.engine.torch_engine import Normalise
from genus.explanation import heat_maps
from genus.models.backbone import Backbone, Tail, features_for_cam, to_device
from genus.types import Part

STEPS = 20
TILES = 7
BATCH = 8
BLUR = 10.0  # standard deviation in pixels

Method = Callable[[Tensor, Tensor], Tensor]
"""B x 3 x S x S and B class numbers -> B x h x w."""


def main(run: Path, folder: Path, count: int = 100) -> None:
    machine()
    bundle = load_bundle(run)
    model, side = bundle.model, bundle.preprocess.size
    to_device(model, torch.device("cpu"))
    paths = [picture.path for picture in scan(folder).pictures if picture.part == Part.TEST]
    chosen = [paths[number * len(paths) // count] for number in range(count)]
    pixels = torch.from_numpy(np.stack([decode(path, bundle.preprocess) for path in chosen]))
    pictures = Normalise(bundle.preprocess)(pixels)
    with torch.no_grad():
        labels = torch.cat([model(piece) for piece in pictures.split(BATCH)]).argmax(1)
    blurred = blur(pictures)
    print(f"\n{bundle.architecture.name}, {count} test pictures\n")
    print("| map | places | deletion | insertion |\n|---|---|---|---|")
    for name, method in methods(model, blurred).items():
        maps = method(pictures, labels)
        heat = F.interpolate(maps[:, None], (side, side), mode="bilinear")[:, 0]
        deleted = area(model, pictures, blurred, heat, labels)
        inserted = area(model, blurred, pictures, heat, labels)
        print(f"| {name} | {maps.shape[1]} x {maps.shape[2]} | {deleted:.3f} | {inserted:.3f} |", flush=True)


def methods(model: Backbone, blurred: Tensor) -> dict[str, Method]:
    """Every map by name."""

    def weighted(maps_of: Callable[[Tensor], tuple[Tensor, Tail]], weights: Callable[[Tensor], Tensor]) -> Method:
        def method(pictures: Tensor, labels: Tensor) -> Tensor:
            with torch.no_grad():
                maps, tail = maps_of(pictures)
            maps = maps.requires_grad_()
            (gradient,) = torch.autograd.grad(model.head(tail(maps)).gather(1, labels[:, None]).sum(), maps)
            return (maps.detach() * weights(gradient)).sum(1).clamp(min=0)

        return in_batches(method)

    def occlusion(pictures: Tensor, labels: Tensor) -> Tensor:
        side = pictures.shape[-1]
        edges = np.linspace(0, side, TILES + 1).round().astype(int)
        heat = torch.empty(len(pictures), TILES, TILES)
        whole = probability(model, pictures, labels)
        for row in range(TILES):
            for column in range(TILES):
                hidden = pictures.clone()
                tile = (..., slice(edges[row], edges[row + 1]), slice(edges[column], edges[column + 1]))
                hidden[tile] = blurred[tile]
                heat[:, row, column] = whole - probability(model, hidden, labels)
        return heat

    def at_the_end(pictures: Tensor) -> tuple[Tensor, Tail]:
        return features_for_cam(model, pictures)

    return {
        "genus": in_batches(lambda pictures, labels: heat_maps(model, pictures, labels)),
        "gradient times features": weighted(model.cam_features, lambda gradient: gradient),
        "Grad-CAM, final features": weighted(at_the_end, lambda gradient: gradient.mean(dim=(2, 3), keepdim=True)),
        "LayerCAM, final features": weighted(at_the_end, lambda gradient: gradient.clamp(min=0)),
        "occlusion": occlusion,
        "random": lambda pictures, labels: torch.rand(len(pictures), TILES, TILES),
    }


def in_batches(method: Method) -> Method:
    def batched(pictures: Tensor, labels: Tensor) -> Tensor:
        pairs = zip(pictures.split(BATCH), labels.split(BATCH), strict=True)
        return torch.cat([method(*pair) for pair in pairs])

    return batched


def area(model: Backbone, start: Tensor, end: Tensor, heat: Tensor, labels: Tensor) -> float:
    """Mean probability of ``labels`` while ``start`` turns into ``end``, the hottest pixels first."""
    rank = heat.flatten(1).argsort(dim=1, descending=True).argsort(dim=1).view_as(heat) / heat[0].numel()
    steps = [
        probability(model, torch.where((rank < step / STEPS)[:, None], end, start), labels) for step in range(STEPS + 1)
    ]
    return torch.stack(steps).mean().item()


def probability(model: Backbone, pictures: Tensor, labels: Tensor) -> Tensor:
    with torch.inference_mode():
        logits = torch.cat([model(piece) for piece in pictures.split(BATCH)])
        return logits.softmax(1).gather(1, labels[:, None])[:, 0]


def blur(pictures: Tensor) -> Tensor:
    """Gaussian, the edge pixels repeated outwards."""
    reach = round(3 * BLUR)
    kernel = torch.exp(-torch.arange(-reach, reach + 1).square() / (2 * BLUR**2))
    kernel = (kernel / kernel.sum()).expand(3, 1, 1, -1)
    across = F.conv2d(F.pad(pictures, (reach, reach, 0, 0), mode="replicate"), kernel, groups=3)
    return F.conv2d(F.pad(across, (0, 0, reach, reach), mode="replicate"), kernel.transpose(2, 3), groups=3)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:]))
