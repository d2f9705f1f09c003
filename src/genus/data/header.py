"""What the header of a picture file says: size, depth, colours, camera, compression; no pixel is decoded.

The first 64 KB are enough for most files. What lies behind them is then missing: EXIF behind the pixels (WebP, some
PNG), frames (GIF, WebP), and where a TIFF has its tags there, everything.

Pillow reads the header of JPEG 2000. In other formats it takes longer than reading the file does, needs the whole file,
or does not tell how many bits there are.
"""

import io
import re
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Literal

from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile

from genus.data import bmp, tiff
from genus.data.exif import Exif, read_exif
from genus.data.formats import HEADER_BYTES, require_picture
from genus.data.heif import Heif
from genus.data.jpeg import APP1, APP2, FRAMES, SCAN, TABLES, estimated_quality, segments
from genus.errors import PictureError

_MOST_CHUNKS, _MOST_BYTES = 2**16, 2**21  # more than any honest header has

Colour = Literal["grey", "RGB", "palette", "CMYK", "Lab"]
"""YCbCr and YCCK are but ways to write RGB and CMYK."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says of its first picture."""

    format: str
    """As ``sniff`` names it."""
    width: int
    height: int
    """As stored, before any turn."""
    bits: int = 8
    """Of a channel, the deepest one; with a palette, of the number of a colour."""
    colour: Colour = "RGB"
    alpha: bool = False
    """May it be transparent in places?"""
    frames: int = 1
    """Pictures in the file: of an animation or a burst, or pages. Of the beginning of a file, at least so many."""
    orientation: int = 1
    """1..8, as EXIF numbers the ways to turn a picture upright; in HEIC and AVIF the container says it."""
    camera: str = ""
    """Make and model by EXIF; empty where unknown."""
    taken: datetime | None = None
    """By EXIF, on the clock of the camera."""
    quality: int | None = None
    """Of a JPEG, 1..100: libjpeg quantises luminance about as coarsely at this quality. None elsewhere."""


def read_header(data: bytes) -> Header:
    """The header of a picture file, of which ``data`` is all, or the beginning.

    Raises PictureError for what is no picture that genus reads, and for a header that is damaged or not complete.
    """
    kind = require_picture(data[:HEADER_BYTES]).name
    try:
        header = _READERS[kind](data)
    except Exception as error:  # whatever fails on hostile bytes is the picture's fault
        raise PictureError(f"the header of the {kind} file is damaged or incomplete") from error
    if header.width < 1 or header.height < 1 or not 1 <= header.bits <= 64:
        raise PictureError(f"damaged {kind} file: {header.width} x {header.height} pixels of {header.bits} bits")
    return header


_CHANNELS: dict[int, Colour] = {1: "grey", 3: "RGB", 4: "CMYK"}


def _jpeg(data: bytes) -> Header:
    tables, frame, exif, frames = b"", b"", b"", 1
    for marker, content in segments(data):
        if marker == TABLES:
            tables += content
        elif marker in FRAMES:
            frame = content
        elif marker == APP1 and content.startswith(b"Exif\0\0"):
            exif = exif or content
        elif marker == APP2 and content.startswith(b"MPF\0"):
            frames = _pictures_of_mpo(content[4:])
        if marker == SCAN or (frame and tables):
            break
    bits, height, width, channels, luminance = struct.unpack_from(">BHHBxxB", frame)
    quality = estimated_quality(tables, luminance)
    return Header("JPEG", width, height, bits, _CHANNELS[channels], False, frames, *read_exif(exif), quality)


def _pictures_of_mpo(index: bytes) -> int:
    with suppress(struct.error, PictureError):
        return max(1, tiff.Tags(index).number(0xB001))
    return 1


def _png(data: bytes) -> Header:
    name, width, height, bits, kind = struct.unpack_from(">12x4sIIBB", data)
    if name != b"IHDR":
        raise ValueError(f"begins with {name!r}")
    colour: Colour = "palette" if kind & 1 else "RGB" if kind & 2 else "grey"
    alpha, frames, exif = bool(kind & 4), 1, b""
    for name, content in _chunks(data, 8, ">"):
        if name == b"tRNS":
            alpha = True
        elif name == b"acTL":
            frames = max(1, int.from_bytes(content[:4]))
        elif name == b"eXIf":
            exif = bytes(content)
    return Header("PNG", width, height, bits, colour, alpha, frames, *read_exif(exif))


def _webp(data: bytes) -> Header:
    width, height, alpha, frames, exif = 0, 0, False, 0, b""
    for name, content in _chunks(data, 12, "<"):
        if name == b"VP8X":
            flags, low, high, low_too, high_too = struct.unpack_from("<B3xHBHB", content)
            width, height, alpha = 1 + (high << 16 | low), 1 + (high_too << 16 | low_too), bool(flags & 16)
        elif name == b"VP8 " and not width:
            width, height = (side & 0x3FFF for side in struct.unpack_from("<6xHH", content))
        elif name == b"VP8L" and not width:
            (packed,) = struct.unpack_from("<xI", content)
            width, height, alpha = 1 + (packed & 0x3FFF), 1 + (packed >> 14 & 0x3FFF), bool(packed >> 28 & 1)
        elif name == b"ANMF":
            frames += 1
        elif name == b"EXIF":
            exif = bytes(content)
    return Header("WebP", width, height, 8, "RGB", alpha, max(1, frames), *read_exif(exif))


def _chunks(data: bytes, at: int, order: Literal["<", ">"]) -> Iterator[tuple[bytes, memoryview]]:
    """Name and content of each chunk of a PNG (``>``; checksums are not looked at) or of a RIFF file (``<``)."""
    view = memoryview(data)
    size_at, name_at = (4, 0) if order == "<" else (0, 4)
    for _ in range(_MOST_CHUNKS):
        if at + 8 > len(data):
            return
        (size,) = struct.unpack_from(order + "I", data, at + size_at)
        yield data[at + name_at : at + name_at + 4], view[at + 8 : at + 8 + size]
        at += 8 + size + (size % 2 if order == "<" else 4)


_GIF_BLOCK = re.compile(rb"[!,;]")


def _gif(data: bytes) -> Header:
    width, height, flags = struct.unpack_from("<6xHHB", data)
    at, frames, alpha = 13 + _palette_bytes(flags), 0, False
    with suppress(IndexError):  # the end of the data
        while (found := _GIF_BLOCK.search(data, at)) and found[0] != b";":
            at = found.end()
            if found[0] == b"!":
                if data[at] == 0xF9 and not frames:
                    alpha = bool(data[at + 2] & 1)
                at += 1
            else:
                if not frames:
                    left, top, wide, high = struct.unpack_from("<4H", data, at)
                    width, height = max(width, left + wide), max(height, top + high)
                frames += 1
                at += 10 + _palette_bytes(data[at + 8])
            while size := data[at]:
                at += 1 + size
            at += 1
    if not frames:
        raise ValueError("no picture")
    return Header("GIF", width, height, 8, "palette", alpha, frames)


def _palette_bytes(flags: int) -> int:
    return 3 * 2 ** (1 + (flags & 7)) if flags & 128 else 0


def _bmp(data: bytes) -> Header:
    is_old = data[14] == 12
    width, height, bits = struct.unpack_from("<18xHH2xH" if is_old else "<18xii2xH", data)
    header = bmp.read_header(data)
    masks = bmp.read_masks(data, header) if header and bits > 8 else ()
    depth = max(mask.bit_count() for mask in masks) if masks else 5 if bits == 16 else min(bits, 8)
    return Header("BMP", width, abs(height), depth, "palette" if bits <= 8 else "RGB", len(masks) == 4)


_PHOTOMETRIC: dict[int, Colour] = {0: "grey", 1: "grey", 2: "RGB", 3: "palette", 5: "CMYK", 6: "RGB"}
_PHOTOMETRIC |= {8: "Lab", 9: "Lab", 10: "Lab"}


def _tiff(data: bytes) -> Header:
    tags = tiff.Tags(data)
    photometric, alpha = tiff.photometric_and_alpha(tags)
    bits = max(tags.numbers(258, 1))
    colour, width, height = _PHOTOMETRIC[photometric], tags.number(256), tags.number(257)
    return Header("TIFF", width, height, bits, colour, bool(alpha), tags.pages(), *read_exif(data))


_UPRIGHT = {None: (1, 8, 3, 6), 0: (4, 5, 2, 7), 1: (2, 7, 4, 5)}
"""By the axis of the mirror and the quarter turns to the left: the orientation of EXIF."""


def _heif(kind: str, data: bytes) -> Header:
    file = Heif(data)
    shown, exif = file.shown, Exif()
    width, height = struct.unpack_from(">4xII", shown[b"ispe"])
    if b"clap" in shown:  # only this much of it is shown
        width, wide_by, height, high_by = struct.unpack_from(">4I", shown[b"clap"])
        width, height = width // wide_by, height // high_by
    channels, bits = shown.get(b"pixi", b"\0\0\0\0\3\x08")[4:6]
    colour: Colour = "grey" if channels == 1 else "RGB"
    axis = shown[b"imir"][0] & 1 if b"imir" in shown else None
    orientation = _UPRIGHT[axis][shown.get(b"irot", b"\0")[0] & 3]
    with suppress(KeyError, IndexError):
        exif = read_exif(file.exif())
    alpha, frames = file.has_alpha(), file.pictures()
    return Header(kind, width, height, bits, colour, alpha, frames, orientation, exif.camera, exif.taken)


def _jpeg2000(data: bytes) -> Header:
    data = data[:_MOST_BYTES]
    mode = Jpeg2KImageFile(io.BytesIO(data)).mode
    right, bottom, left, top, bits = struct.unpack_from(">8x4I18xB", data, data.index(b"\xff\x4f\xff\x51"))
    colours: dict[str, Colour] = {"L": "grey", "I": "grey", "P": "palette", "C": "CMYK"}
    colour = colours.get(mode[0], "RGB")
    return Header("JPEG 2000", right - left, bottom - top, 1 + (bits & 127), colour, mode.endswith("A"))


_NUMBER = rb"(?:\s++|#[^\n]*+\n)++(\d{1,10})(?=[\s#])"
_PNM = re.compile(rb"P([1-6f])" + 2 * _NUMBER + rb"(?:" + _NUMBER + rb")?")
_PNM_BITS = {b"1": 1, b"4": 1, b"f": 32}


def _pnm(data: bytes) -> Header:
    found = _PNM.match(data, 0, _MOST_BYTES)
    if not found:
        raise ValueError("no numbers")
    kind, width, height, highest = found.groups()
    bits = _PNM_BITS.get(kind) or int(highest).bit_length()
    return Header("PNM", int(width), int(height), bits, "RGB" if kind in b"36" else "grey")


_READERS: dict[str, Callable[[bytes], Header]] = {
    "JPEG": _jpeg,
    "PNG": _png,
    "WebP": _webp,
    "GIF": _gif,
    "BMP": _bmp,
    "TIFF": _tiff,
    "HEIC": partial(_heif, "HEIC"),
    "AVIF": partial(_heif, "AVIF"),
    "JPEG 2000": _jpeg2000,
    "PNM": _pnm,
}
