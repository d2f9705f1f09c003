"""BMP with colour masks or run-length encoding, of which Pillow reads only some kinds.

An alpha channel of nothing but zeros is one that the program that wrote the file did not fill: it is left out.
"""

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from genus.data.colour import blocks

_RLE8, _RLE4, _MASKS, _MASKS_WITH_ALPHA = 1, 2, 3, 6
_FILE_HEADER, _HEADER_WITHOUT_MASKS = 14, 40
_END_OF_LINE, _END, _MOVE = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Header:
    """What the headers of a BMP say; ``start`` is where its pixels begin."""

    start: int
    length: int
    width: int
    height: int
    top_down: bool
    bits: int
    compression: int
    colours: int


def read_header(data: bytes) -> Header | None:
    """The header of a BMP that has to be read here; None for one of the kinds that Pillow reads well."""
    start, length = struct.unpack_from("<10xII", data)
    if length < _HEADER_WITHOUT_MASKS:
        return None
    width, height, bits, compression, colours = struct.unpack_from("<18xii2xHI12xI", data)
    masked = compression in (_MASKS, _MASKS_WITH_ALPHA) and bits in (16, 32)
    packed = (compression, bits) in ((_RLE8, 8), (_RLE4, 4))
    if not (masked or packed) or width <= 0 or height == 0:
        return None
    return Header(start, length, width, abs(height), height < 0, bits, compression, colours)


def load_bmp(data: bytes, header: Header) -> Image.Image:
    """Mode RGB or RGBA. Raises IndexError, ValueError or struct.error for damaged data."""
    pixels = _masked(data, header) if header.bits >= 16 else _run_length_encoded(data, header)
    return Image.fromarray(np.ascontiguousarray(pixels if header.top_down else pixels[::-1]))


def read_masks(data: bytes, header: Header) -> tuple[int, ...]:
    """Where red, green, blue, and perhaps alpha lie in a pixel of 16 or 32 bits."""
    with_alpha = header.compression == _MASKS_WITH_ALPHA or header.length > 52
    masks = struct.unpack_from(f"<{3 + with_alpha}I", data, _FILE_HEADER + _HEADER_WITHOUT_MASKS)
    return masks if masks[-1] else masks[:3]


def _masked(data: bytes, header: Header) -> NDArray[np.uint8]:
    """Every channel is what its mask leaves of a pixel, scaled to 0..255."""
    masks = read_masks(data, header)
    line = (header.width * header.bits + 31) // 32 * 4
    lines = np.frombuffer(data, np.uint8, line * header.height, header.start).reshape(header.height, line)
    pixels = np.zeros((header.height, header.width, len(masks)), np.uint8)
    for rows in blocks(header.height, header.width):
        packed = lines[rows, : header.width * header.bits // 8].view(f"<u{header.bits // 8}").astype(np.uint64)
        for channel, mask in enumerate(masks):
            if mask:
                lowest = mask & -mask
                pixels[rows, :, channel] = (packed & mask) // lowest * 255 // (mask // lowest)
    return pixels if len(masks) == 4 and pixels[:, :, 3].any() else pixels[:, :, :3]


def _run_length_encoded(data: bytes, header: Header) -> NDArray[np.uint8]:
    """Runs of one colour (RLE4: of two in turns), literal colours, and places that are passed over, which have colour
    number 0; a line or the picture may end before it is full."""
    size = 1 << header.bits
    stored = np.frombuffer(data, np.uint8, 4 * min(header.colours or size, size), _FILE_HEADER + header.length)
    palette = np.zeros((size, 3), np.uint8)
    palette[: len(stored) // 4] = stored.reshape(-1, 4)[:, 2::-1]
    numbers, width = bytearray(header.width * header.height), header.width
    x, y, at = 0, 0, header.start
    while y < header.height and not (y == header.height - 1 and x >= width and at >= len(data)):
        count, value = data[at], data[at + 1]
        at += 2
        if count:
            run = _unpacked(bytes([value]), header.bits) * count
        elif value == _END:
            break
        elif value == _END_OF_LINE:
            x, y = 0, y + 1
            continue
        elif value == _MOVE:
            x, y, at = x + data[at], y + data[at + 1], at + 2
            continue
        else:
            stored_bytes = (value * header.bits + 7) // 8
            run, count = _unpacked(data[at : at + stored_bytes], header.bits), value
            at += stored_bytes + stored_bytes % 2
            if at > len(data):
                raise IndexError("truncated")
        run = run[: max(0, min(count, width - x))]
        numbers[y * width + x : y * width + x + len(run)] = run
        x += count
    return palette[np.frombuffer(numbers, np.uint8).reshape(header.height, width)]


def _unpacked(packed: bytes, bits: int) -> bytes:
    return packed if bits == 8 else bytes(half for byte in packed for half in (byte >> 4, byte & 15))
