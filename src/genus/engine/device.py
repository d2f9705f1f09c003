"""Device, precision and memory settings, for training and for every consumer of a bundle."""

import contextlib
import ctypes
import re
import sys
from collections.abc import Iterator
from typing import Any, get_args

import torch

from genus.errors import MachineError, UsageError
from genus.types import Precision, PrecisionName

TRIM_THRESHOLD, MMAP_MAX = -1, -4  # as malloc.h numbers them
NEVER, NONE = -1, 0
USUAL_TRIM, USUAL_MAPS = 64 << 20, 65536  # what glibc arrives at by itself once large blocks come and go


def autocast(device: torch.device, precision: str) -> contextlib.AbstractContextManager[object]:
    """bf16 where the operation allows it, when asked for; weights stay fp32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


def choose_device(name: str) -> torch.device:
    """``auto``: CUDA, else MPS, else CPU. Raises UsageError for an unknown name, MachineError for a missing device."""
    name = str(name)  # from Python it may be anything
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


def choose_precision(name: PrecisionName, device: torch.device) -> Precision:
    """``auto``: bf16 where the processor computes it in hardware, else fp32. Raises UsageError for another name."""
    if name not in get_args(PrecisionName):
        raise UsageError(f"There is no precision '{name}'. Choose one of {', '.join(get_args(PrecisionName))}.")
    if name != "auto":
        return name
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    if device.type == "cpu":
        able: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()  # torch before 2.12 does not tell
        return "bf16" if any(able.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16")) else "fp32"
    return "fp32"


@contextlib.contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Inside, the process keeps memory that is freed; afterwards it gives it back. Only glibc can do that.

    glibc by itself gives a large block back to the system at once, and the next training step pays for having the same
    pages found and zeroed again: with EfficientNet-Lite0 in fp32, half of its time (docs/benchmarks.md).
    """
    libc: Any = ctypes.CDLL(None) if sys.platform == "linux" else None
    if not hasattr(libc, "mallopt"):
        yield
        return
    libc.mallopt(TRIM_THRESHOLD, NEVER)
    libc.mallopt(MMAP_MAX, NONE)
    try:
        yield
    finally:
        libc.mallopt(MMAP_MAX, USUAL_MAPS)
        libc.mallopt(TRIM_THRESHOLD, USUAL_TRIM)
        libc.malloc_trim(0)
