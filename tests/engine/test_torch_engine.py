"""Pixels in, numbers out, with torch."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from genus.engine.device import autocast
from genus.engine.torch_engine import Normalise, TorchEngine, without_batch_norm
from genus.models.backbone import module
from genus.types import HALF, IMAGENET_MEAN, IMAGENET_STD, Preprocess
from tests.card import needs_card
from tests.models.closeness import assert_equal, randomise
from tests.models.test_registry import tiny

CPU = torch.device("cpu")


def noise(n: int, size: int = 32, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, size, size, 3), dtype=np.uint8)


@pytest.mark.parametrize(("mean", "std"), [(IMAGENET_MEAN, IMAGENET_STD), (HALF, HALF)])
def test_normalisation_is_the_formula(mean: tuple[float, ...], std: tuple[float, ...]) -> None:
    pixels = noise(3, 5)
    pixels[0, 0, 0], pixels[0, 0, 1] = 0, 255
    images = Normalise(Preprocess(5, mean, std))(torch.from_numpy(pixels))  # type: ignore[arg-type]
    assert images.shape == (3, 3, 5, 5)
    assert images.dtype == torch.float32
    assert images.is_contiguous(memory_format=torch.channels_last)
    expected = (pixels.astype(np.float64) / 255 - np.array(mean)) / np.array(std)
    assert images.numpy() == pytest.approx(expected.transpose(0, 3, 1, 2), abs=1e-6)


def test_the_engine_is_normalise_then_compute_without_gradients() -> None:
    seen: list[Tensor] = []

    class Mean(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            seen.append(images)
            return images.double().mean(dim=(2, 3))

    pixels = noise(2, 4)
    found = TorchEngine(Mean(), Preprocess(4), CPU)(pixels)
    assert found.dtype == np.float32
    assert seen[0].is_inference()
    expected = ((pixels / 255 - IMAGENET_MEAN) / IMAGENET_STD).mean(axis=(1, 2))
    assert found == pytest.approx(expected, abs=1e-5)


def test_many_threads_get_the_answers_of_one() -> None:
    model = module(tiny("swin_tiny")).eval()
    engine = TorchEngine(model, Preprocess(32), CPU)
    batches = [noise(2, seed=seed) for seed in range(24)]
    alone = [engine(pixels) for pixels in batches]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(engine, batches))
    assert all(map(np.array_equal, alone, together))


@needs_card
def test_on_a_card_one_thread_computes_for_all() -> None:
    computing: set[int] = set()

    class Mean(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            computing.add(threading.get_ident())
            return images.mean(dim=(2, 3))

    card = torch.device("cuda")
    engines = [TorchEngine(Mean(), Preprocess(4), card) for _ in range(2)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: engines[number % 2](noise(2, 4)), range(40)))
    assert len(computing) == 1


def test_bf16_is_used_when_asked_for_and_comes_back_as_fp32() -> None:
    seen: list[torch.dtype] = []
    layer = nn.Conv2d(3, 4, 1)

    class Network(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            maps = layer(images)
            seen.append(maps.dtype)
            return maps.mean(dim=(2, 3))

    low, full = (TorchEngine(Network(), Preprocess(4), CPU, precision)(noise(2, 4)) for precision in ("bf16", "fp32"))
    assert seen == [torch.bfloat16, torch.float32]
    assert low.dtype == np.float32
    assert low == pytest.approx(full, abs=0.05)
    assert layer.weight.dtype == torch.float32
    with autocast(CPU, "fp32"):
        assert layer(torch.zeros(1, 3, 1, 1)).dtype == torch.float32


def batch_norms(network: nn.Module) -> int:
    return sum(isinstance(part, nn.BatchNorm2d) for part in network.modules())


def check(name: str, **arguments: object) -> None:
    network = module(tiny(name, **arguments)).eval()
    randomise(network)
    folded = without_batch_norm(network)
    images = torch.randn(2, 3, 40, 40)
    with torch.no_grad():
        assert_equal(folded(images), network(images), 1e-4)
    assert batch_norms(network) > 0  # the original is as it was
    assert batch_norms(folded) == 0


def test_convolutions_do_the_work_of_the_norms() -> None:
    check("efficientnet_lite0")
    check("vgg11", batch_norm=True)


def test_nothing_to_fold_nothing_copied() -> None:
    network = module(tiny("vit_tiny_patch16", image_size=32))
    assert without_batch_norm(network) is network
