"""Where and in which precision is computed: decided once, for training and for every consumer of a bundle."""

import contextlib
import re
from typing import Literal, get_args

import torch

from genus.errors import MachineError, UsageError

Precision = Literal["auto", "fp32", "bf16"]


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
    if device.type == "cuda":
        torch.backends.cudnn.allow_tf32 = False  # fp32 is fp32: convolutions would be computed with 10 bits of fraction
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
