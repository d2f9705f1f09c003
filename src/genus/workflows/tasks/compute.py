"""What a run computes with, chosen once and written into its config."""

import contextlib
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from genus.config import TrainConfig
from genus.data.decode import open_rgb
from genus.data.loader import default_workers, useful_readers
from genus.engine.choice import require_engine
from genus.engine.device import choose_device, choose_precision, freed_memory_kept
from genus.errors import PictureError
from genus.types import EngineName, Precision

SAMPLE = 8  # pictures whose reading is timed
FEW_PICTURES = 3000  # of which most decide or test, in fp32: a second pass in bf16 would not pay
ENOUGH = 8  # processes: small photos then come faster than a card trains, and each takes a quarter of a gigabyte


@dataclass(frozen=True, slots=True)
class Compute:
    """``workers`` is the number of threads that read pictures and, on a processor, compute side by side; ``processes``
    that of processes which read for full training on a graphics card, else 0."""

    device: torch.device
    precision: Precision
    workers: int
    engine: EngineName
    processes: int = 0

    def memory_kept(self) -> contextlib.AbstractContextManager[None]:
        """Inside, a processor that trains keeps the memory that it has freed."""
        return freed_memory_kept() if self.device.type == "cpu" else contextlib.nullcontext()


def choose_compute(config: TrainConfig, pictures: Sequence[Path]) -> Compute:
    """What to compute with on ``pictures``, of which some are read to see how many threads help a graphics card.

    Raises UsageError or MachineError for a device or an engine that is unknown or not there.
    """
    device = choose_device(config.device)
    require_engine(config.engine, device)
    cheap = config.precision == "auto" and not (config.head_only and len(pictures) < FEW_PICTURES)
    precision = choose_precision(config.precision, device) if cheap or config.precision != "auto" else "fp32"
    workers = config.workers or default_workers()
    if device.type == "cpu":
        return Compute(device, precision, workers, config.engine)
    threads = config.workers or useful_readers(workers, _seconds_to_read(pictures))
    return Compute(device, precision, threads, config.engine, config.workers or min(workers, ENOUGH))


def _seconds_to_read(pictures: Sequence[Path]) -> float:
    """The median over a few of them, spread over all: the first one of a process takes longer."""
    seconds = []
    for path in pictures[:: max(1, len(pictures) // SAMPLE)][:SAMPLE]:
        begun = time.perf_counter()
        with contextlib.suppress(PictureError):
            open_rgb(path, 256)
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds or [0.0])
