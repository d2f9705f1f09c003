"""Freed memory that stays with the process while it trains on a processor.

glibc gives a large block back to the system as soon as it is freed, and the next step pays for having the same pages
found and zeroed again: with EfficientNet-Lite0 in fp32, half of its time (docs/benchmarks.md, "Training step").
"""

import contextlib
import ctypes
import sys
from collections.abc import Iterator
from typing import Any

TRIM_THRESHOLD, MMAP_MAX = -1, -4  # as malloc.h numbers them
NEVER, NONE = -1, 0
USUAL_TRIM, USUAL_MAPS = 64 << 20, 65536  # what glibc arrives at by itself once large blocks come and go


@contextlib.contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Inside, malloc keeps what is freed, for the whole process; afterwards it gives it back. glibc only: with other
    C libraries nothing happens."""
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
