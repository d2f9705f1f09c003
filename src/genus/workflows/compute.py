"""What a run computes with, chosen once and written into its config."""

from dataclasses import dataclass
from typing import Literal

import torch

from genus.config import TrainConfig
from genus.data.loader import default_workers
from genus.engine import choose_device, choose_precision


@dataclass(frozen=True, slots=True)
class Compute:
    """``workers`` is the number of threads that read pictures."""

    device: torch.device
    precision: Literal["fp32", "bf16"]
    workers: int


def choose_compute(config: TrainConfig) -> Compute:
    """Raises UsageError or MachineError for a device that is unknown or not there."""
    device = choose_device(config.device)
    return Compute(device, choose_precision(config.precision, device), config.workers or default_workers())
