"""One reader a format: it opens the bytes of a file, tells the size of the picture, and loads its pixels when asked.

Each uses Pillow's class for its format, which leaves Pillow's global registry and its global pixel limit alone. Of
animations, bursts and files with several pages it reads the first picture.

Known limit: damage inside the compressed pixels that the format has no checksum for (JPEG, WebP) cannot be told
from a strange picture. Missing ends, the checksums of PNG and zero-filled ends are looked at, but for the latter where
zeros are black pixels: in BMP, in PNM, and in TIFF without compression.
"""

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, features
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PpmImagePlugin import PpmImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from genus.data import bmp, png, tiff
from genus.data.colour import depth_of, eight_bits
from genus.errors import PictureError, install_hint
from genus.types import DecodeRule


@dataclass(frozen=True, slots=True)
class Opened:
    """A picture whose header has been read. ``load`` gives its pixels, in any of Pillow's modes."""

    width: int
    height: int
    load: Callable[[], Image.Image]
    needed: int
    """Bytes of memory from here to RGB, in all copies that exist at the same time."""


_IN_PILLOW = 8
"""Bytes of a pixel that Pillow needs: 4 in one picture, 4 in the next, which is RGB or turned."""


def open_picture(kind: str, data: bytes, at_least: int | None, rule: DecodeRule, *, by_long_side: bool) -> Opened:
    """A file of the format ``kind``, to which ``sniff`` gives the role ``read``.

    Raises PictureError, or whatever Pillow raises for hostile bytes; ``damage`` makes a message of that.
    """
    if _is_zero_filled(kind, data):
        raise PictureError(_truncated(kind, len(data.rstrip(b"\0"))))
    match kind:
        case "JPEG":
            return _open_jpeg(data, at_least, by_long_side)
        case "PNG":
            opened = png.open_png(data)
            return _opened(opened, partial(png.load_png, opened, rule))
        case "TIFF":
            return _open_tiff(data, rule)
        case "BMP" if header := bmp.read_header(data):
            pixels = header.width * header.height
            return Opened(header.width, header.height, partial(bmp.load_bmp, data, header), 12 * pixels)
        case "PNM":
            return _open_pnm(data, rule)
        case "JPEG 2000":
            return _open_jpeg2000(data)
        case "GIF":
            return _opened(GifImageFile(io.BytesIO(data)))
        case "BMP":
            return _opened(BmpImageFile(io.BytesIO(data)))
        case _:
            image = _CODECS[kind]()(io.BytesIO(data))
            own = 12 if kind == "WebP" else 6  # bytes that copies of the library take; measured
            return _opened(image, pixel_bytes=_IN_PILLOW + own)


def _opened(
    image: ImageFile.ImageFile, load: Callable[[], Image.Image] | None = None, pixel_bytes: int = _IN_PILLOW
) -> Opened:
    width, height = image.size
    return Opened(width, height, load or partial(_loaded, image), pixel_bytes * width * height)


def _loaded(image: ImageFile.ImageFile) -> Image.Image:
    image.load()
    return image


def _open_jpeg(data: bytes, at_least: int | None, by_long_side: bool) -> Opened:
    """It will be loaded at the smallest of 1/1, 1/2, 1/4, 1/8 of its size whose sides are not below ``at_least``, or
    whose long side is not."""
    image = JpegImageFile(io.BytesIO(data))
    width, height = image.size
    if at_least is not None:
        other = 1 if by_long_side else at_least
        image.draft(None, (at_least, other) if width > height else (other, at_least))
    needed = _IN_PILLOW * image.width * image.height
    if image.info.get("progressive"):
        needed += 6 * width * height  # libjpeg then keeps all coefficients, of 2 bytes
    return Opened(width, height, partial(_loaded, image), needed)


def _open_tiff(data: bytes, rule: DecodeRule) -> Opened:
    tiff.silence_libtiff()
    tags = tiff.Tags(data)
    if tiff.is_for_pillow(tags):
        try:
            return _opened(TiffImageFile(io.BytesIO(data)))
        except SyntaxError as error:  # a layout that Pillow has no mode for
            if "mode" not in str(error):
                raise
    layout = tiff.read_layout(tags)

    def load() -> Image.Image:
        image = tiff.load_tiff(data, layout, rule)
        image.info["icc_profile"] = tags.content(34675)
        image.getexif()[0x0112] = tags.number(0x0112, 1)
        return image

    needed = (2 * layout.pixel_bytes + 4) * layout.width * layout.height  # twice: as bytes, and as numbers
    return Opened(layout.width, layout.height, load, needed)


def _open_jpeg2000(data: bytes) -> Opened:
    """Pillow keeps 8 bits of colour and of alpha, and rounds such that white becomes 0; grey it keeps with 16 bits."""
    start = data.find(b"\xff\x4f\xff\x51")  # where the header of the pixels begins; a JP2 has boxes before
    channels = int.from_bytes(data[start + 40 : start + 42])
    depths = [1 + (stored & 127) for stored in data[start + 42 : start + 42 + 3 * channels : 3]]
    if start >= 0 and (channels > 4 or max(depths, default=0) > (16 if channels == 1 else 8)):
        raise PictureError(
            f"JPEG 2000 of {channels} x {max(depths, default=0)} bits is not supported; save it as PNG or TIFF, or as "
            "RGB with 8 bits a channel"
        )
    image = _jpeg2000()(io.BytesIO(data))
    return _opened(image, pixel_bytes=_IN_PILLOW + 4 * len(image.getbands()))


def _open_pnm(data: bytes, rule: DecodeRule) -> Opened:
    """Pillow scales numbers of more than 8 bits by the largest that the header allows, which is right unless that is
    as large as can be, and so says nothing."""
    image = PpmImageFile(io.BytesIO(data))
    magic, start, codec = data[:2], image.tile[0].offset, image.tile[0].args
    highest = codec[1] if isinstance(codec, tuple) else 65535 if codec == "I;16B" else 255

    def load() -> Image.Image:
        if highest == 65535 and (magic == b"P6" or (magic == b"P3" and rule == "full-range")):
            count = 3 * image.width * image.height
            values = np.frombuffer(data, ">u2", count, start) if magic == b"P6" else _written_out(data[start:], count)
            pixels = eight_bits(values, depth_of(values, 16, rule))
            return Image.fromarray(pixels.reshape(image.height, image.width, 3))
        image.load()
        if image.mode != "I":
            return image
        grey = np.asarray(image).astype(np.uint16)
        return Image.fromarray(eight_bits(grey, depth_of(grey, 16, rule) if highest == 65535 else 16))

    text = 6 * len(data) if magic == b"P3" else 0
    return Opened(image.width, image.height, load, 12 * image.width * image.height + text)


def _written_out(text: bytes, count: int) -> NDArray[np.uint16]:
    """The first numbers of a text, in which what lies between # and the end of a line is a comment."""
    numbers = np.fromstring(re.sub(rb"#[^\r\n]*", b" ", text), np.int32, sep=" ")[:count]
    if len(numbers) < count:
        raise PictureError(f"truncated: the PNM has {len(numbers):,} numbers of {count:,}")
    if numbers.min() < 0 or numbers.max() > 65535:
        raise PictureError("damaged PNM file: its numbers are not those of 16 bits")
    return numbers.astype(np.uint16)


def _heif() -> type[ImageFile.ImageFile]:
    try:
        from pillow_heif import HeifImageFile
    except ImportError as error:
        raise PictureError(f"HEIC pictures need an extra: {install_hint('heif')}") from error
    opener: type[ImageFile.ImageFile] = HeifImageFile
    return opener


def _avif() -> type[ImageFile.ImageFile]:
    return _built_with("avif", "AVIF", AvifImageFile)


def _jpeg2000() -> type[ImageFile.ImageFile]:
    return _built_with("jpg_2000", "JPEG 2000", Jpeg2KImageFile)


def _built_with(feature: str, kind: str, opener: type[ImageFile.ImageFile]) -> type[ImageFile.ImageFile]:
    if not features.check(feature):
        raise PictureError(f"{kind} pictures need a Pillow that was built for them: pip install --upgrade pillow")
    return opener


_CODECS: dict[str, Callable[[], type[ImageFile.ImageFile]]] = {
    "WebP": lambda: WebPImageFile,
    "HEIC": _heif,
    "AVIF": _avif,
}


def _is_zero_filled(kind: str, data: bytes) -> bool:
    """Does the file break off into zero bytes, as after a lost connection or a full disk? The libraries for these
    formats take them for pixels. (Zeros behind the proper end of a picture are harmless padding.)"""
    if not data.endswith(bytes(512)):
        return False
    end = len(data.rstrip(b"\0"))
    if kind == "JPEG":
        return not data.endswith(b"\xff\xd9", 0, end)
    lengths = {"WebP": _webp_length, "HEIC": _heif_length, "AVIF": _heif_length}
    return kind in lengths and end + 512 <= lengths[kind](data)


def _webp_length(data: bytes) -> int:
    return 8 + int.from_bytes(data[4:8], "little")


def _heif_length(data: bytes) -> int:
    """Where the last box of pixels ends. No picture of the AVIF and HEIF conformance suites has more than 8 zero bytes
    there."""
    at, end = 0, 0
    while at + 16 <= len(data):
        size = int.from_bytes(data[at : at + 4])
        if size == 1:
            size = int.from_bytes(data[at + 8 : at + 16])
        elif size == 0:  # all that follows
            size = len(data) - at
        if data[at + 4 : at + 8] == b"mdat":
            end = at + size
        at += max(8, size)
    return end


_JPEG_LS = re.compile(rb"\xff\xf7\0[\x0b\x0e\x11][\x02-\x10]")  # its frame, of up to three channels
_BEYOND = {"JPEG": r"cannot handle ((?:12|16)-bit layers|\d-layer images)", "BMP": r"Unsupported BMP (.*)"}
"""What Pillow says of sound files of a kind that it does not read."""


def damage(kind: str, data: bytes, error: Exception) -> str:
    """Why a reader failed with ``error``, in words: a sound file that it cannot read, one that ends too early, or one
    that is damaged inside."""
    text = str(error) or type(error).__name__
    if kind == "JPEG" and _JPEG_LS.search(data, 0, 4096):
        return "JPEG-LS is not supported; save it as PNG or as plain JPEG"
    if kind in _BEYOND and (beyond := re.fullmatch(_BEYOND[kind], text)):
        return f"this kind of {kind} is not supported: {beyond[1]}; save it as PNG or as RGB with 8 bits a channel"
    ends_early = {
        "JPEG": b"\xff\xd9" not in data[-1024:],
        "JPEG 2000": b"\xff\xd9" not in data[-1024:],
        "PNG": b"IEND" not in data[-1024:],
        "WebP": len(data) < _webp_length(data),
        "GIF": b";" not in data[-1:],
        "BMP": len(data) < int.from_bytes(data[2:6], "little"),
    }
    if ends_early.get(kind) or re.search(
        "truncated|end of file|insufficient|cannot read full|buffer of", text, re.IGNORECASE
    ):
        return _truncated(kind, len(data))
    return f"damaged {kind} file: {text}"


def _truncated(kind: str, length: int) -> str:
    return f"truncated: the {kind} data end too early, after {length:,} bytes"
