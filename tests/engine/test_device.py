"""Which device, which precision; freed memory is kept and given back, as the kernel counts it."""

import contextlib
import platform
import subprocess
import sys
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genus.engine.device import choose_device, choose_precision
from genus.errors import MachineError, UsageError

CPU = torch.device("cpu")


def test_auto_takes_the_best_device_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "empty", lambda *_, **__: None)
    for cuda, mps, expected in ((True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda cuda=cuda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda mps=mps: mps)
        assert choose_device("auto") == torch.device(expected)


def test_a_device_that_is_there() -> None:
    assert choose_device("cpu") == CPU == choose_device(CPU)  # type: ignore[arg-type]
    assert choose_device("cpu:0").type == "cpu"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "gpu",
        "cuda:",
        "cuda:x",
        "cuda:-1",
        "cuda:0 ",
        "CPU",
        "meta",
        "xpu",
        "mkldnn",
        "cpu,cuda",
        "花",
        "cuda:1\n",
        3,
        None,
    ],
)
def test_an_unknown_device_is_a_matter_of_usage(name: Any) -> None:
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


FRESH_PROCESS = """
import re
import resource
from pathlib import Path
import numpy as np
from genus.engine.device import freed_memory_kept

BLOCK = 96 << 20  # larger than what glibc ever keeps by itself

def page_faults():
    np.ones(BLOCK, np.uint8)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(BLOCK, np.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def resident():
    return int(re.findall(r"VmRSS:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[0]) * 1024

usual = page_faults()
with freed_memory_kept():
    kept, inside = page_faults(), resident()
assert kept < usual / 4, (kept, usual)
assert resident() < inside - BLOCK // 2
assert page_faults() > usual / 2
"""
"""Counts what the kernel has to find while a block is filled, freed, and filled once more, free of earlier tests."""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has the setting")
def test_freed_memory_is_kept_and_then_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", FRESH_PROCESS], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
