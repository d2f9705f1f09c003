"""JPEG: the segments before its pixels, and how coarsely it is quantised. Source: ITU-T T.81 (1992)."""

import struct
from collections.abc import Iterator
from functools import cache, lru_cache

FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
"""Markers of the segment that tells the size."""

SCAN, TABLES, APP1, APP2 = 0xDA, 0xDB, 0xE1, 0xE2

_HEAD = struct.Struct(">BBH")
_ALONE = frozenset({0x00, 0x01, *range(0xD0, 0xDA), 0xFF})  # followed by no segment, or no marker at all
_MOST_SEGMENTS, _MOST_STEPS = 2**16, 255


def segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Marker and content of each. Raises ValueError or struct.error at the end of ``data``."""
    at = 2
    for _ in range(_MOST_SEGMENTS):
        first, marker, length = _HEAD.unpack_from(data, at)
        if first != 0xFF or marker in _ALONE:
            at = data.index(b"\xff", at + 1)
        else:
            start, at = at + 4, at + 2 + length
            yield marker, data[start:at]


@lru_cache
def estimated_quality(tables: bytes, number: int) -> int | None:
    """1..100, for which libjpeg makes a luminance table with nearly the sum of table ``number``; None where there is no
    such table in ``tables``, the contents of their segments."""
    at = 0
    while at < len(tables):
        is_wide, found = divmod(tables[at], 16)
        if found == number:
            steps = struct.unpack_from(">64H" if is_wide else "64B", tables, at + 1)
            total = sum(min(step, _MOST_STEPS) for step in steps)
            return min(range(1, 101), key=lambda candidate: abs(_sum_at(candidate) - total))
        at += 129 if is_wide else 65
    return None


@cache
def _sum_at(quality: int) -> int:
    """Of libjpeg's luminance table, which at 50 is table K.1."""
    steps = (
        *(16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55),
        *(14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62),
        *(18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92),
        *(49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99),
    )
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    return sum(min(max((step * percent + 50) // 100, 1), _MOST_STEPS) for step in steps)
