"""Freed memory is kept and given back, as the kernel counts it."""

import platform
import re
import resource
from pathlib import Path

import numpy as np
import pytest

from genus.engine.memory import freed_memory_kept

BLOCK = 96 << 20  # larger than what glibc ever keeps by itself
pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has the setting")


def page_faults() -> int:
    """How many pages the kernel had to find while a block was filled, freed, and filled once more."""
    np.ones(BLOCK, np.uint8)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(BLOCK, np.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def resident() -> int:
    return int(re.findall(r"VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text())[0]) * 1024


def test_freed_memory_is_kept_and_then_given_back() -> None:
    usual = page_faults()
    with freed_memory_kept():
        kept, inside = page_faults(), resident()
    assert kept < usual / 4
    assert resident() < inside - BLOCK // 2
    assert page_faults() > usual / 2
