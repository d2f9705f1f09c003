"""What a run computes with, chosen once and written into its config."""

from dataclasses import dataclass
from typing import Literal

import torch

from genus.config import TrainConfig
from genus.data.threads import default_workers
from genus.engine.choice import EngineName, require_engine
from genus.engine.device import choose_device, choose_precision


@dataclass(frozen=True, slots=True)
class Compute:
    """``workers`` is the number of threads that read pictures and, on a processor, compute side by side."""

    device: torch.device
    precision: Literal["fp32", "bf16"]
    workers: int
    engine: EngineName


def choose_compute(config: TrainConfig) -> Compute:
    """Raises UsageError or MachineError for a device or an engine that is unknown or not there."""
    device = choose_device(config.device)
    require_engine(config.engine, device)
    precision = choose_precision(config.precision, device)
    return Compute(device, precision, config.workers or default_workers(), config.engine)
