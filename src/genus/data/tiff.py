"""TIFF of any depth and layout: strips or tiles, interleaved or in planes, either byte order, integers or
floating-point numbers, in every lossless compression that Pillow's libtiff knows.

Pillow reads TIFF of 8 bits, and has no mode for most of the rest: of colour in 16 bits it keeps 8, compressed
big-endian numbers come out with their bytes swapped, and uncompressed planes of 16 bits in stripes. So each strip or
tile is given to Pillow as a grey picture of bytes, and the numbers are put together here. Sources: TIFF Revision 6.0
(1992); Adobe Photoshop TIFF Technical Note 3 (2005) for the predictor of floating-point numbers.
"""

import contextlib
import ctypes
import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from genus.data.colour import blacken, blocks, depth_of, eight_bits, opacity
from genus.errors import PictureError
from genus.types import DecodeRule

_RAW = 1
_LOSSLESS = {_RAW, 5, 8, 32946, 32773, 34925, 50000}  # none, LZW, deflate (two numbers), PackBits, LZMA, Zstandard
_FOR_PILLOW = _LOSSLESS | {2, 3, 4, 6, 7, 32771, 32809, 34676, 34677}  # fax, JPEG, and those of three old programs
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _CMYK, _YCBCR = 0, 1, 2, 5, 6
_COLOURS = {_WHITE_IS_ZERO: 1, _BLACK_IS_ZERO: 1, _RGB: 3, _CMYK: 4}
_PREMULTIPLIED, _UNASSOCIATED = 1, 2
_DIFFERENCES, _FLOAT_DIFFERENCES = 2, 3
_KINDS = {1: "u", 2: "i", 3: "f"}
_MAX_TILE = 2**26
_MAX_TAGS, _MAX_NUMBERS, _MAX_PAGES = 4096, 2**20, 2**16
_TYPES = {1: "B", 2: "B", 3: "H", 4: "I", 6: "b", 7: "B", 8: "h", 9: "i", 13: "I", 16: "Q"}
"""Types of numbers: TIFF's number -> the letter of struct."""


@dataclass(frozen=True, slots=True)
class TiffLayout:
    """How the numbers of a TIFF lie in its file."""

    width: int
    height: int
    bits: int
    """Of one sample."""
    kind: str
    """"u", "i" or "f"."""
    order: str
    """"<" or ">"."""
    colours: int
    """Samples of a pixel that are its colour; they come first."""
    alpha: int
    """0, or the number that TIFF has for the kind of alpha in the sample behind the colour."""
    samples: int
    photometric: int
    planes: bool
    tiled: bool
    segment: tuple[int, int]
    """Height and width of a strip or tile."""
    offsets: tuple[int, ...]
    counts: tuple[int, ...]
    compression: int
    fill_order: int
    predictor: int
    no_data: float | None
    """The number that stands for no data."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of a sample in memory."""
        return np.dtype(f"{self.kind}{next(size for size in (1, 2, 4, 8) if self.bits <= 8 * size)}")

    @property
    def pixel_bytes(self) -> int:
        """Of all samples of a pixel in memory."""
        return self.samples * self.dtype.itemsize


class Tags:
    """The tags of a page of a TIFF: the first one, or the one that begins at ``start``. (EXIF is made of such pages,
    too.) Raises struct.error for a file that ends before them."""

    def __init__(self, data: bytes, start: int | None = None) -> None:
        self._data = data
        self.order = "<" if data[:2] == b"II" else ">"
        self.big = data[2:4] in (b"+\0", b"\0+")
        self._word, self._room, self._head = ("Q", 8, 8) if self.big else ("I", 4, 2)
        self._start = self._unpack(self._word, self._room)[0] if start is None else start
        self._entry = struct.Struct(f"{self.order}HH{self._word}{self._room}x")
        first, size = self._start + self._head, self._entry.size
        length = min(self._count(self._start), _MAX_TAGS) * size
        if first + length > len(data):
            raise struct.error("truncated tags")
        self._entries: dict[int, tuple[str, int, int]] = {}  # tag: format, number of values, where they begin if short
        place = first + size - self._room
        for tag, kind, count in self._entry.iter_unpack(data[first : first + length]):
            if kind in _TYPES:
                self._entries.setdefault(tag, (_TYPES[kind], count, place))
            place += size

    def __contains__(self, tag: int) -> bool:
        return tag in self._entries

    def numbers(self, tag: int, default: int | None = None) -> tuple[int, ...]:
        """The whole numbers of a tag. Raises PictureError where it has none and there is no ``default``."""
        kind, length, place = self._values(tag)
        if length:
            return self._unpack(f"{min(length, _MAX_NUMBERS)}{kind}", place)
        if default is None:
            raise PictureError(f"damaged TIFF file: its tag {tag} is missing")
        return (default,)

    def number(self, tag: int, default: int | None = None) -> int:
        """The first of them."""
        return self.numbers(tag, default)[0]

    def content(self, tag: int) -> bytes:
        """The bytes of a tag that holds some, or none."""
        _, length, place = self._values(tag)
        return self._data[place : place + length]

    def pages(self) -> int:
        """How many pages there are from this one on, as far as the data go; they may form a ring."""
        page, seen = self._start, set[int]()
        with contextlib.suppress(struct.error):
            while page and page not in seen and len(seen) < _MAX_PAGES:
                end = page + self._head + self._count(page) * self._entry.size
                seen.add(page)
                page = self._unpack(self._word, end)[0]
        return len(seen)

    def _count(self, page: int) -> int:
        return self._unpack("Q" if self.big else "H", page)[0]

    def _values(self, tag: int) -> tuple[str, int, int]:
        """Their format and number, and where they are."""
        kind, length, place = self._entries.get(tag, ("B", 0, 0))
        if length * struct.calcsize("=" + kind) > self._room:
            place = self._unpack(self._word, place)[0]
        return kind, length, place

    def _unpack(self, format: str, place: int) -> tuple[int, ...]:
        return struct.unpack_from(self.order + format, self._data, min(place, len(self._data)))


@cache
def silence_libtiff() -> None:
    """Keep what libtiff says of damaged files off the terminal. Pillow silences its warnings, but not its errors, and
    passes neither on. Only the library that comes with Pillow's wheels for Linux and macOS is found."""
    package = Path(PIL.__file__).parent
    for library in (*package.parent.glob("pillow.libs/libtiff*"), *package.glob(".dylibs/libtiff*")):
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(str(library)).TIFFSetErrorHandler(None)


def is_for_pillow(tags: Tags) -> bool:
    """Has it at most 8 bits a sample, unsigned, in a layout that Pillow gets right?"""
    samples, planes, compression = tags.number(277, 1), tags.number(284, 1) == 2, tags.number(259, _RAW)
    extra_plane = planes and (samples == 2 or (samples == 4 and tags.number(338, _UNASSOCIATED) == 0))
    big_endian_big_tiff = tags.big and tags.order == ">"
    subsampled = compression == _RAW and tags.number(262, 0) == _YCBCR and max(tags.numbers(530, 1)) > 1
    shallow = max(tags.numbers(258, 1)) <= 8 and tags.number(339, 1) != 2
    return shallow and compression in _FOR_PILLOW and not (extra_plane or big_endian_big_tiff or subsampled)


def photometric_and_alpha(tags: Tags) -> tuple[int, int]:
    """What the first samples of a pixel mean, and the kind of alpha in the sample behind them, or 0."""
    samples, photometric, extra = tags.number(277, 1), tags.number(262, _WHITE_IS_ZERO), tags.number(338, 0)
    if photometric == _BLACK_IS_ZERO and samples == 3:
        photometric = _RGB  # how programs that know arrays, but no colours, write RGB
    if photometric == _RGB and samples == 4 and 338 not in tags:
        return photometric, _UNASSOCIATED
    is_alpha = samples > _COLOURS.get(photometric, 0) and extra in (_PREMULTIPLIED, _UNASSOCIATED)
    return photometric, extra if is_alpha else 0


def read_layout(tags: Tags) -> TiffLayout:
    """Raises PictureError for a TIFF that cannot be read here."""
    width, height = tags.number(256), tags.number(257)
    bits, kinds = set(tags.numbers(258, 1)), set(tags.numbers(339, 1))
    samples, compression = tags.number(277, 1), tags.number(259, _RAW)
    photometric, alpha = photometric_and_alpha(tags)
    colours = _COLOURS.get(photometric, 0)
    known = (colours == 1 and samples == 1 + bool(alpha)) or (colours > 1 and samples >= colours)
    one_kind = len(bits) == len(kinds) == 1 and kinds <= _KINDS.keys() and 8 <= max(bits) <= 64
    if width < 1 or height < 1:
        raise PictureError(f"damaged TIFF file: {width} x {height} pixels")
    if not known or not one_kind or compression not in _LOSSLESS:
        each = " and ".join(map(str, sorted(bits)))
        raise PictureError(
            f"this kind of TIFF is not supported ({samples} x {each} bits, photometric {photometric}, compression "
            f"{compression}); save it as grey or RGB, without compression or with LZW"
        )
    tiled = 324 in tags
    return TiffLayout(
        width=width,
        height=height,
        bits=bits.pop(),
        kind=_KINDS[kinds.pop()],
        order=tags.order,
        colours=colours,
        alpha=alpha,
        samples=samples,
        photometric=photometric,
        planes=samples > 1 and tags.number(284, 1) == 2,
        tiled=tiled,
        segment=(tags.number(323), tags.number(322)) if tiled else (min(tags.number(278, height), height), width),
        offsets=tags.numbers(324 if tiled else 273),
        counts=tags.numbers(325 if tiled else 279, 0),
        compression=compression,
        fill_order=tags.number(266, 1),
        predictor=tags.number(317, 1),
        no_data=_no_data(tags),
    )


def _no_data(tags: Tags) -> float | None:
    """What GDAL, which reads and writes maps, stores as text."""
    try:
        return float(tags.content(42113).rstrip(b"\0 "))
    except ValueError:
        return None


def load_tiff(data: bytes, layout: TiffLayout, rule: DecodeRule) -> Image.Image:
    """The picture in 8 bits a channel (mode L, LA, La, RGB, RGBA, RGBa or CMYK). Raises PictureError."""
    values = read_samples(data, layout)
    colour = values[:, :, : layout.colours]
    if layout.no_data is not None and layout.photometric in (_BLACK_IS_ZERO, _RGB) and rule == "full-range":
        blacken(colour, layout.no_data)
    depth = layout.bits if layout.photometric == _CMYK else depth_of(colour, layout.bits, rule)
    pixels = eight_bits(colour, depth)
    if layout.photometric == _WHITE_IS_ZERO:
        np.subtract(255, pixels, out=pixels)
    alpha = opacity(values[:, :, layout.colours], layout.bits, rule) if layout.alpha else None
    del values, colour
    mode = "CMYK" if layout.photometric == _CMYK else "L" if layout.colours == 1 else "RGB"
    picture = Image.fromarray(pixels[:, :, 0] if mode == "L" else pixels, mode if mode == "CMYK" else None)
    if alpha is None or mode == "CMYK":
        return picture
    picture.putalpha(Image.fromarray(alpha))
    if layout.alpha == _PREMULTIPLIED:
        return Image.frombytes(mode + "a", picture.size, picture.tobytes())
    return picture


def read_samples(data: bytes, layout: TiffLayout) -> NDArray[Any]:
    """All samples of a picture: height x width x samples, in the byte order of this machine. Raises PictureError."""
    values = np.empty((layout.height, layout.width, layout.samples), layout.dtype)
    high, wide = layout.segment
    together = 1 if layout.planes else layout.samples
    row_bytes = ceil(wide * together * layout.bits / 8)
    if not 0 < high * row_bytes <= max(_MAX_TILE, 4 * values.nbytes):
        raise PictureError("damaged TIFF file: its strips or tiles do not fit the picture")
    tops, lefts = range(0, layout.height, high), range(0, layout.width, wide)
    planes = range(layout.samples // together)
    if len(layout.offsets) < len(planes) * len(tops) * len(lefts):
        raise PictureError("truncated: the TIFF has fewer strips or tiles than its size needs")
    if sum(layout.counts) > 2 * len(data):
        raise PictureError("damaged TIFF file: its strips or tiles overlap")
    for number, (plane, top, left) in enumerate(product(planes, tops, lefts)):
        rows = high if layout.tiled else min(high, layout.height - top)
        channels = slice(plane * together, (plane + 1) * together)
        for start, raw in _decompressed(data, layout, number, rows, row_bytes):
            part = _samples_of(raw, layout, together)[: max(0, layout.height - top - start), : layout.width - left]
            values[top + start : top + start + len(part), left : left + wide, channels] = part
    return values


def _decompressed(
    data: bytes, layout: TiffLayout, number: int, rows: int, row_bytes: int
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """The bytes of strip or tile ``number``, some rows at a time: the first of them, and rows x row_bytes."""
    start, raw = layout.offsets[number], layout.compression == _RAW
    stored = layout.counts[number] if number < len(layout.counts) else 0
    length = rows * row_bytes if raw else stored or len(data) - start
    if not 0 < length <= len(data) - start:
        raise PictureError(f"truncated: the TIFF data end too early, after {len(data):,} bytes")
    if raw and layout.fill_order == 1:
        grey = np.frombuffer(data, np.uint8, length, start).reshape(rows, row_bytes)
        yield from ((block.start, grey[block]) for block in blocks(rows, row_bytes))
        return
    picture = TiffImageFile(io.BytesIO(_grey_tiff(data[start : start + length], layout, rows, row_bytes)))
    picture.im = Image.new("L", (row_bytes, rows)).im  # Pillow would take its bytes for pixels, and soon refuse them
    picture.load()
    for block in blocks(rows, row_bytes):
        yield block.start, np.asarray(picture.crop((0, block.start, row_bytes, block.stop)))


def _grey_tiff(content: bytes, layout: TiffLayout, rows: int, row_bytes: int) -> bytes:
    """A TIFF with one strip, ``content``, of 8-bit grey."""
    tags = {256: row_bytes, 257: rows, 258: 8, 259: layout.compression, 262: _BLACK_IS_ZERO, 266: layout.fill_order}
    tags |= {273: 16, 277: 1, 278: rows, 279: len(content)}
    entries = b"".join(struct.pack("<HHQQ", tag, 16, 1, value) for tag, value in tags.items())
    header = struct.pack("<2sHHHQ", b"II", 43, 8, 0, 16 + len(content))
    return header + content + struct.pack("<Q", len(tags)) + entries + bytes(8)


def _samples_of(raw: NDArray[np.uint8], layout: TiffLayout, together: int) -> NDArray[Any]:
    """Rows of bytes -> rows x width x ``together`` samples, with the predictor undone."""
    rows, size = len(raw), layout.dtype.itemsize
    if layout.bits != 8 * size:
        numbers = _unpacked(raw, layout.bits, layout.segment[1] * together)
        return numbers.astype(layout.dtype).reshape(rows, -1, together)
    if layout.predictor == _FLOAT_DIFFERENCES:  # all first bytes, then all second ones, the most significant first
        steps = raw.reshape(rows, -1, together)
        in_planes = np.cumsum(steps, axis=1, dtype=np.uint8).reshape(rows, size, -1)
        return np.ascontiguousarray(in_planes.swapaxes(1, 2)).view(f">f{size}").reshape(rows, -1, together)
    values = raw.view(f"{layout.order}u{size}").reshape(rows, -1, together)
    if layout.predictor == _DIFFERENCES:
        values = np.cumsum(values, axis=1, dtype=f"u{size}")
    return values.view(values.dtype.str[0] + layout.kind + str(size))


def _unpacked(raw: NDArray[np.uint8], bits: int, numbers: int) -> NDArray[np.uint64]:
    """The first ``numbers`` of each row, of ``bits`` bits, the highest bit first, without gaps between them."""
    single = np.unpackbits(raw, axis=1, count=numbers * bits).reshape(len(raw), numbers, bits)
    values = np.zeros((len(raw), numbers), np.uint64)
    for bit in range(bits):
        values = values << np.uint64(1) | single[:, :, bit]
    return values
