"""What turns pixels into numbers: numpy in, numpy out, whatever computes between.

Precision and device are decided here, once, for training and for every consumer of a bundle.
"""

import contextlib
import re
from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from genus.errors import MachineError, UsageError
from genus.types import Preprocess

Precision = Literal["auto", "fp32", "bf16"]
Pixels = NDArray[np.uint8]


class TorchEngine:
    """Runs ``compute`` on uint8 pixels: normalises as ``preprocess`` says, in eval mode, without gradients.

    Calls are independent of each other and may come from several threads.
    """

    def __init__(
        self,
        compute: Callable[[Tensor], Tensor],
        preprocess: Preprocess,
        device: torch.device,
        precision: Literal["fp32", "bf16"] = "fp32",
    ) -> None:
        self._compute = compute
        self._normalise = Normalise(preprocess).to(device)
        self._device = device
        self._precision = precision

    def __call__(self, pixels: Pixels) -> NDArray[np.float32]:
        """pixels: B x S x S x 3 uint8, sRGB -> what ``compute`` returns for them, float32."""
        with torch.inference_mode(), autocast(self._device, self._precision):
            images = self._normalise(torch.from_numpy(pixels).to(self._device, non_blocking=True))
            return self._compute(images).float().cpu().numpy()


class Normalise(nn.Module):
    """B x H x W x 3 uint8 -> B x 3 x H x W float32, (value / 255 - mean) / std; channels last in memory."""

    mean: Tensor
    std: Tensor

    def __init__(self, preprocess: Preprocess) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(preprocess.mean), persistent=False)
        self.register_buffer("std", torch.tensor(preprocess.std), persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        return ((pixels.float() / 255 - self.mean) / self.std).permute(0, 3, 1, 2)


def autocast(device: torch.device, precision: str) -> contextlib.AbstractContextManager[object]:
    """bf16 where the operation allows it, when asked for; weights stay fp32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


def choose_device(name: str) -> torch.device:
    """``auto``: CUDA, else MPS, else CPU. Raises UsageError for an unknown name, MachineError for a missing device."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    if not re.fullmatch(r"(cpu|cuda|mps)(:\d{1,3})?", name):
        raise UsageError(f"There is no device '{name}'. Choose auto, cpu, cuda, cuda:1 ..., or mps.")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise MachineError(f"Device '{name}' is not there or does not work: {reason}. Try --device cpu.") from error
    return device


def choose_precision(name: Precision, device: torch.device) -> Literal["fp32", "bf16"]:
    """``auto``: bf16 where the processor computes it in hardware, else fp32. Raises UsageError for another name."""
    if name not in get_args(Precision):
        raise UsageError(f"There is no precision '{name}'. Choose one of {', '.join(get_args(Precision))}.")
    if name != "auto":
        return name
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    if device.type == "cpu":
        able: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()  # torch before 2.12 does not tell
        return "bf16" if any(able.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16")) else "fp32"
    return "fp32"
