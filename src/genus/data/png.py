"""PNG: what Pillow leaves to its callers (all checksums, metadata of any size, all 16 bits of a colour)."""

import io
import zlib
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from genus.data.colour import blocks, depth
from genus.types import DecodeRule

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_METADATA = 2**24
"""Bytes of a colour profile or a text that are decompressed at most."""

Box = tuple[int, int, int, int]

_TEXTS = {b"tEXt", b"zTXt", b"iTXt"}
_ORIENTATION_TEXTS = {b"XML:com.adobe.xmp", b"Raw profile type exif"}  # where Pillow looks for it


def open_png(data: bytes) -> PngImageFile:
    """A PNG that is not loaded yet. Text, which may be of any size, is left out unless it can tell the orientation.

    All checksums are looked at; ``load`` skips those of the pixels. Raises what Pillow raises for a damaged file.
    """
    kept: list[bytes | memoryview] = [SIGNATURE]
    info: dict[str | tuple[int, int], str | bytes] = {}
    for name, chunk in _chunks(data):
        if name in _TEXTS:
            key, text = _text(name, bytes(chunk[8:-4]))
            if key in _ORIENTATION_TEXTS:
                info[key.decode()] = text.decode("utf-8", "replace")
        elif name == b"iCCP":
            profile = _inflated(bytes(chunk[8:-4]).partition(b"\0")[2][1:])
            if len(profile) < MAX_METADATA:
                info["icc_profile"] = profile
        else:
            kept.append(chunk)
    image = PngImageFile(io.BytesIO(b"".join(kept)))
    image.info |= info
    return image


def load_png(image: PngImageFile, rule: DecodeRule) -> Image.Image:
    """The pixels of a PNG from ``open_png``. Colour, and grey with alpha, of 16 bits a channel come out with 8, by
    ``rule``; grey of 16 bits stays as deep as it is. (Grey of 2 or 4 bits Pillow makes one of 8, but for the grey that
    is transparent.)"""
    layout, _, bits = str(image.tile[0].args).partition(";")
    if bits != "16B" or layout == "I":
        image.load()
        if (layout, bits) in (("L", "2"), ("L", "4")) and "transparency" in image.info:
            most = (1 << int(bits)) - 1
            image.info["transparency"] = (image.info["transparency"] & most) * 255 // most
        return image
    content = image.fp.getvalue()  # type: ignore[union-attr]
    if layout == "LA":
        both = _load_as(content, "RGBA", "RGBA")  # high and low byte of grey, then of alpha
        result = Image.new("LA", image.size)
        _fill(result, lambda box: np.array(both.crop(box)).view(">u2"), _shifts(both, "LA", rule), None)
        result.info = image.info | both.info
        return result
    result = _load_as(content, layout, f"{layout};16B")
    shifts, key = _shifts(result, layout, rule), image.info.get("transparency")
    if key or min(shifts) < 8:
        low = _load_as(content, layout, f"{layout};16L")
        _fill(result, lambda box: np.array(result.crop(box), np.uint16) << 8 | np.array(low.crop(box)), shifts, key)
    result.info = {name: value for name, value in (image.info | result.info).items() if name != "transparency"}
    return result


def _load_as(content: bytes, mode: str, layout: str) -> Image.Image:
    """The pixels read as if their bytes were laid out otherwise: a channel of 16 bits as if its low byte came first,
    of which Pillow keeps the second, or as two channels of 8 bits."""
    image = PngImageFile(io.BytesIO(content))
    image._mode = mode
    image.tile = [image.tile[0]._replace(args=layout)]
    image.load()
    return image


def _shifts(high: Image.Image, layout: str, rule: DecodeRule) -> list[int]:
    """Low bits of every channel that do not fit into 8, told from the high bytes: the colours have one depth, alpha has
    its own. (Of grey with alpha, each high byte is followed by its low one.)"""
    extremes = high.getextrema()[:: 2 if layout == "LA" else 1]
    highest = [256 * int(maximum) + 255 for _, maximum in extremes]  # type: ignore[misc]
    alpha = [depth(highest.pop(), 16, rule) - 8] if layout.endswith("A") else []
    return [depth(max(highest), 16, rule) - 8] * len(highest) + alpha


def _fill(
    result: Image.Image,
    read: Callable[[Box], NDArray[np.uint16]],
    shifts: list[int],
    transparent: tuple[int, ...] | None,
) -> None:
    """The 8 bits above ``shifts`` of what ``read`` gives, white where it is the ``transparent`` colour."""
    for rows in blocks(result.height, len(shifts) * result.width):
        box = (0, rows.start, result.width, rows.stop)
        values = read(box)
        pixels = (values >> np.array(shifts, np.uint16)).astype(np.uint8)
        if transparent:
            pixels[(values == transparent).all(axis=-1)] = 255
        result.paste(Image.fromarray(pixels), box)


def _chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Name and whole chunk (length, name, body, checksum), up to the end of the picture."""
    view, at, name = memoryview(data), len(SIGNATURE), b""
    while name != b"IEND":
        name, end = data[at + 4 : at + 8], at + 12 + int.from_bytes(data[at : at + 4])
        if end > len(data):
            raise OSError("truncated PNG file")
        if zlib.crc32(view[at + 4 : end - 4]) != int.from_bytes(view[end - 4 : end]):
            raise OSError(f"the checksum of {name!r} is wrong")
        yield name, view[at:end]
        at = end


def _text(name: bytes, body: bytes) -> tuple[bytes, bytes]:
    """Key and text of a chunk; no text where the key is none of those wanted."""
    key, _, rest = body.partition(b"\0")
    if key not in _ORIENTATION_TEXTS:
        return key, b""
    if name == b"iTXt":
        compressed, text = rest[:1] == b"\1", rest[2:].split(b"\0", 2)[-1]
        return key, _inflated(text) if compressed else text
    return key, _inflated(rest[1:]) if name == b"zTXt" else rest


def _inflated(data: bytes) -> bytes:
    """Decompressed, up to ``MAX_METADATA`` bytes; empty for what is no zlib stream."""
    try:
        return zlib.decompressobj().decompress(data, MAX_METADATA)
    except zlib.error:
        return b""
