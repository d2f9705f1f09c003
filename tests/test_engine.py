"""Pixels in, numbers out; which device, which precision."""

import contextlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from genus.engine import Normalise, TorchEngine, autocast, choose_device, choose_precision
from genus.errors import MachineError, UsageError
from genus.models.backbone import module
from genus.types import HALF, IMAGENET_MEAN, IMAGENET_STD, Preprocess
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

    def compute(images: Tensor) -> Tensor:
        seen.append(images)
        return images.double().mean(dim=(2, 3))

    pixels = noise(2, 4)
    found = TorchEngine(compute, Preprocess(4), CPU)(pixels)
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


def test_bf16_is_used_when_asked_for_and_comes_back_as_fp32() -> None:
    seen: list[torch.dtype] = []
    layer = nn.Conv2d(3, 4, 1)

    def compute(images: Tensor) -> Tensor:
        maps = layer(images)
        seen.append(maps.dtype)
        return maps.mean(dim=(2, 3))

    low, full = (TorchEngine(compute, Preprocess(4), CPU, precision)(noise(2, 4)) for precision in ("bf16", "fp32"))
    assert seen == [torch.bfloat16, torch.float32]
    assert low.dtype == np.float32
    assert low == pytest.approx(full, abs=0.05)
    assert layer.weight.dtype == torch.float32
    with autocast(CPU, "fp32"):
        assert layer(torch.zeros(1, 3, 1, 1)).dtype == torch.float32


def test_auto_takes_the_best_device_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "empty", lambda *_, **__: None)
    for cuda, mps, expected in ((True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda cuda=cuda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda mps=mps: mps)
        assert choose_device("auto") == torch.device(expected)


def test_a_device_that_is_there() -> None:
    assert choose_device("cpu") == CPU
    assert choose_device("cpu:0").type == "cpu"


@pytest.mark.parametrize(
    "name",
    ["", "gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:0 ", "CPU", "meta", "xpu", "mkldnn", "cpu,cuda", "花", "cuda:1\n"],
)
def test_an_unknown_device_is_a_matter_of_usage(name: str) -> None:
    with pytest.raises(UsageError, match=r"(?s)no device.*Choose auto, cpu"):
        choose_device(name)


def test_a_known_device_that_is_not_there_is_a_matter_of_the_machine() -> None:
    with pytest.raises(MachineError, match=r"Device 'cuda:99' is not there.*Try --device cpu\.$"):
        choose_device("cuda:99")


def test_of_a_long_complaint_the_first_line_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("CUDA error: no kernel image.\nFor debugging consider ...")

    monkeypatch.setattr(torch, "empty", fail)
    with pytest.raises(MachineError) as caught:
        choose_device("cuda")
    told = "Device 'cuda' is not there or does not work: CUDA error: no kernel image. Try --device cpu."
    assert str(caught.value) == told


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_cuda_without_a_card() -> None:
    with pytest.raises(MachineError, match="Device 'cuda' is not there"):
        choose_device("cuda")


@settings(max_examples=50)
@given(st.text(max_size=12))
def test_no_name_of_a_device_ends_in_a_traceback(name: str) -> None:
    with contextlib.suppress(UsageError, MachineError):
        choose_device(name)


def test_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"no precision 'fp16'. Choose one of auto, fp32, bf16"):
        choose_precision("fp16", CPU)  # type: ignore[arg-type]
    assert choose_precision("bf16", CPU) == "bf16"
    assert choose_precision("fp32", torch.device("cuda")) == "fp32"
    assert choose_precision("auto", torch.device("mps")) == "fp32"
    for able, expected in (({"avx512_bf16": True}, "bf16"), ({"amx_bf16": True}, "bf16"), ({"avx2": True}, "fp32")):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda able=able: able, raising=False)
        assert choose_precision("auto", CPU) == expected
    for able, expected in ((True, "bf16"), (False, "fp32")):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda able=able, **_: able)
        assert choose_precision("auto", torch.device("cuda")) == expected


def test_precision_with_a_torch_that_does_not_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert choose_precision("auto", CPU) == "fp32"
