"""Which engine computes: the one that finishes first, by a short measurement."""

import time
from typing import get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from genus.data.loader import Pixels, in_threads
from genus.engine import openvino_engine
from genus.engine.openvino_engine import OpenVinoEngine
from genus.engine.stream import Engine
from genus.engine.torch_engine import WORTH_COMPILING, TorchEngine, compile_or_leave
from genus.errors import UsageError, install_hint
from genus.types import EngineName, Note, OnEvent, Precision, Preprocess

WORTH_MEASURING = 5.0  # seconds of work below which nothing is measured: torch is there already
LEAST_SPEEDUP = 1.2  # how much faster OpenVINO has to be: converting takes seconds
LARGEST_DIFFERENCE = 1e-5  # largest difference between two engines in fp32, as a share of the largest value
LEAST_COSINE = 0.99  # least cosine between their rows in bf16, whose rounding differs


def require_engine(name: EngineName, device: torch.device) -> None:
    """Raise UsageError for an engine that is unknown, not installed, or not made for ``device``."""
    if name not in get_args(EngineName):
        raise UsageError(f"There is no engine '{name}'. Choose one of {', '.join(get_args(EngineName))}.")
    if name == "openvino" and not openvino_engine.installed():
        raise UsageError(f"OpenVINO is not installed. Install it with: {install_hint('fast')}, or use --engine torch.")
    if name == "openvino" and device.type != "cpu":
        raise UsageError(f"--engine openvino computes on the processor, not on {device}. Add --device cpu.")


def engine_names(name: EngineName, device: torch.device) -> list[str]:
    """The engines that ``name`` may stand for here, each with its version: features are kept by these names."""
    with_torch, compiled = f"torch {torch.__version__}", f"torch {torch.__version__} compiled"
    if name == "torch":
        return [with_torch]
    with_openvino = [openvino_engine.name()] if device.type == "cpu" and openvino_engine.installed() else []
    return with_openvino if name == "openvino" else [with_torch, compiled, *with_openvino]


def build_engine(
    name: str,
    network: nn.Module,
    preprocess: Preprocess,
    device: torch.device,
    precision: Precision,
    workers: int,
) -> Engine:
    """The engine of this name, one of ``engine_names``, without measuring anything."""
    if name.startswith("openvino"):
        return OpenVinoEngine(network, preprocess, precision, workers)
    engine = TorchEngine(network, preprocess, device, precision)
    if name.endswith("compiled"):
        engine.compile()
    return engine


def choose_engine(
    name: EngineName,
    network: nn.Module,
    preprocess: Preprocess,
    device: torch.device,
    precision: Precision,
    *,
    workers: int,
    pictures: int,
    on_event: OnEvent,
) -> Engine:
    """The engine for a pass over ``pictures``. ``auto`` measures where the work is long enough for it to pay.

    Raises UsageError as ``require_engine`` does.
    """
    require_engine(name, device)
    if name != "auto":
        return build_engine(engine_names(name, device)[0], network, preprocess, device, precision, workers)
    torch_engine = TorchEngine(network, preprocess, device, precision)
    sample = _noise(torch_engine.batch_size, preprocess.size)
    rows, seconds = _measure(torch_engine, sample)
    lanes = workers if device.type == "cpu" else 1
    work = seconds / len(sample) * pictures / lanes
    if work < WORTH_MEASURING:
        return torch_engine
    if device.type == "cpu" and openvino_engine.installed():
        other = OpenVinoEngine(network, preprocess, precision, workers)
        other_rows, other_seconds = _measure(other, sample)
        if LEAST_SPEEDUP * other_seconds < seconds and _agree(rows, other_rows, precision):
            on_event(Note(f"Engine: {other.name}, measured {seconds / other_seconds:.1f} times as fast as torch here."))
            return other
    elif work > WORTH_COMPILING:
        on_event(Note(f"Engine: torch, compiling the network first, because this would take {work / 60:.0f} minutes."))
        compile_or_leave(torch_engine.compile, torch_engine.uncompile, lambda: _measure(torch_engine, sample), on_event)
    return torch_engine


def _noise(pictures: int, size: int) -> Pixels:
    return np.random.default_rng(0).integers(0, 256, (pictures, size, size, 3), dtype=np.uint8)


def _measure(engine: Engine, pixels: Pixels) -> tuple[NDArray[np.float32], float]:
    """The rows, and the seconds of the fastest of three calls after a first one, as in one of several threads."""

    def work(pixels: Pixels) -> tuple[NDArray[np.float32], float]:
        rows, seconds = engine(pixels), []
        for _ in range(3):
            start = time.perf_counter()
            engine(pixels)
            seconds.append(time.perf_counter() - start)
        return rows, min(seconds)

    return next(in_threads(work, [pixels], 1, engine.enter_thread))


def _agree(rows: NDArray[np.float32], others: NDArray[np.float32], precision: Precision) -> bool:
    if precision == "fp32":
        return bool(np.abs(rows - others).max() <= LARGEST_DIFFERENCE * np.abs(rows).max())
    lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(others, axis=1)
    return bool(((rows * others).sum(axis=1) >= LEAST_COSINE * lengths).all())
