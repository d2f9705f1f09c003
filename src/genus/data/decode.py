"""The one decoder of the program: from a file, bytes, an array or a picture in Python to upright sRGB pixels.

Training, evaluation, prediction, explanation and export all see a picture through ``opened_rgb``; everything that
feeds a model without augmentation goes through ``decode``, which is ``opened_rgb`` and then ``fit``. How much memory
that may take, of one picture and of several at the same time, is limited here, too.
"""

import logging
import os
import re
import stat
import threading
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from genus.data.colour import upright_rgb
from genus.data.formats import HEADER_BYTES, require_picture
from genus.data.preprocess import fit
from genus.data.readers import damage, open_picture
from genus.errors import PictureError
from genus.types import DecodeRule, Preprocess

MAX_PIXELS = 178_000_000
"""Width times height that a header may announce; just under the point where Pillow refuses a picture."""

MAX_BYTES = 9 * MAX_PIXELS
"""Bytes of memory that a picture may need from the file's bytes to RGB, in all copies that exist at the same time. With
8 bits a channel, pixels come to their limit first; deeper pictures, and those whose libraries keep copies, to this."""

MAX_FILE_BYTES = 2**30

SMALL_BYTES = 2**26
"""Bytes up to which a picture waits for nobody."""

AT_A_TIME = 2**31
"""Bytes that the larger pictures may need together."""

logging.getLogger("PIL").addHandler(logging.NullHandler())  # without one, what Pillow logs lands on the terminal
_PILLOW_FILTER = ("ignore", None, Warning, re.compile(r"PIL\."), 0)
_SPECIAL_FILES = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


class BinaryFile(Protocol):
    """A file object that is open for reading bytes."""

    def read(self) -> bytes: ...


Source = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryFile | Image.Image | NDArray[np.uint8]
"""What ``decode`` takes: a path, the bytes of a picture file, a file object that is open for reading them, a PIL image,
or a uint8 array, H x W x 3 (RGB, sRGB) or H x W (grey)."""

TAKEN = (
    "a path, the bytes of a picture file, a file opened for reading bytes, a PIL image, or a uint8 array of "
    "H x W x 3 (RGB) or H x W (grey)"
)


def decode(source: Source, preprocess: Preprocess, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """A picture, fitted to ``preprocess``: uint8, size x size x 3 (height, width, RGB), sRGB, 0..255.

    Safe to call from many threads; Pillow decodes and resizes without the GIL. Raises PictureError for a picture that
    cannot be used, whatever is wrong with it; TypeError for what is no ``Source``, an array of another shape, an image
    without pixels and a file that is not open for reading bytes included.
    """
    with opened_for(source, preprocess, max_pixels) as image:
        return fit(image, preprocess)


def opened_for(
    source: Source, preprocess: Preprocess, max_pixels: int = MAX_PIXELS
) -> AbstractContextManager[Image.Image]:
    """What ``opened_rgb`` gives, no larger than ``fit`` needs it."""
    by_long_side = preprocess.fit == "pad"
    return opened_rgb(source, preprocess.scaled_side, preprocess.decode, max_pixels, by_long_side=by_long_side)


def open_rgb(
    source: Source, at_least: int | None = None, rule: DecodeRule = "full-range", max_pixels: int = MAX_PIXELS
) -> Image.Image:
    """What ``opened_rgb`` gives, for callers that keep it."""
    with opened_rgb(source, at_least, rule, max_pixels) as image:
        return image


@contextmanager
def opened_rgb(
    source: Source,
    at_least: int | None = None,
    rule: DecodeRule = "full-range",
    max_pixels: int = MAX_PIXELS,
    *,
    by_long_side: bool = False,
) -> Iterator[Image.Image]:
    """The whole picture in mode RGB: first frame, upright, sRGB, transparency on white, 8 bits by ``rule``.

    With ``at_least``, a JPEG is decoded at the smallest of 1/1, 1/2, 1/4, 1/8 of its size (sides rounded up) whose
    sides are not below ``at_least`` pixels (``by_long_side``: whose long side is not), or at full size where there is
    none; other formats, and every format without ``at_least``, come at full size. ``max_pixels`` is held against the
    header, before decoding.

    Large pictures wait for one another, so that several threads do not hold them at the same time; the context should
    end when the picture is not needed any more. Raises as ``decode`` does.
    """
    content = _content(source)
    if isinstance(content, Image.Image):
        yield _converted(content, rule)
        return
    kind = require_picture(content[:HEADER_BYTES])
    _ignore_pillow_warnings()
    with _as_picture_errors(kind.name, content, max_pixels):
        opened = open_picture(kind.name, content, at_least, rule, by_long_side=by_long_side)
        require_room(opened.width, opened.height, opened.needed, max_pixels)
    with GATE.taking(opened.needed):
        with _as_picture_errors(kind.name, content, max_pixels):
            image = upright_rgb(opened.load(), rule, consume=True)
        del content, opened
        yield image


def read(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a picture file, read whole only if its first bytes are those of a picture.

    Raises PictureError when it cannot be read, is empty, is no picture, or is no file: reading a pipe or a device might
    never end.
    """
    try:
        _require_file(os.stat(path))  # noqa: PTH116 (before anything is opened)
        flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
        with open(os.open(path, flags), "rb") as file:  # noqa: PTH123 (a descriptor)
            _require_file(os.fstat(file.fileno()))  # it may have become another in between
            head = file.read(HEADER_BYTES)
            require_picture(head)
            content = head + file.read(MAX_FILE_BYTES - len(head) + 1)
    except OSError as error:
        raise PictureError(f"cannot read: {(error.strerror or str(error)).lower()}") from error
    except ValueError as error:  # a NUL in the name
        raise PictureError(f"cannot read: {error}") from error
    if len(content) > MAX_FILE_BYTES:
        raise PictureError(f"is over the limit of {MAX_FILE_BYTES / 2**30:.0f} GiB for one file")
    return content


def _content(source: Source) -> bytes | Image.Image:
    """The bytes of a file, or the picture that the caller has already. Raises TypeError or PictureError."""
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source)
    if isinstance(source, str | os.PathLike):
        return read(source)
    if isinstance(source, Image.Image):
        if not source.width * source.height:
            raise TypeError(f"A picture cannot be an image of {source.width} x {source.height} pixels. Give {TAKEN}.")
        return source
    if isinstance(source, np.ndarray):
        return _from_array(source)
    if callable(getattr(source, "read", None)):
        content = _whole(source)
        if isinstance(content, bytes | bytearray | memoryview):
            return bytes(content)
        raise TypeError(f"The file gives no bytes. Open it with 'rb', or give {TAKEN}.")
    raise TypeError(f"A picture cannot be a {type(source).__name__}. Give {TAKEN}.")


def _whole(file: Any) -> Any:
    try:
        if hasattr(file, "seekable") and file.seekable():
            file.seek(0)  # one that was just written stands at its end
        return file.read()
    except ValueError as error:  # it is closed, or open for writing, or reads bytes as text
        raise TypeError(f"The file gives no bytes ({error}). Open it with 'rb', or give {TAKEN}.") from error


def _from_array(pixels: NDArray[Any]) -> Image.Image:
    if pixels.dtype != np.uint8:
        raise TypeError(f"A picture cannot be an array of {pixels.dtype}. Give {TAKEN}.")
    if not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)) or not pixels.size:
        shape = " x ".join(map(str, pixels.shape))
        raise TypeError(f"A picture cannot be an array of the shape {shape or '()'}. Give {TAKEN}.")
    return Image.fromarray(np.ascontiguousarray(pixels))


def _converted(image: Image.Image, rule: DecodeRule) -> Image.Image:
    try:
        image.load()  # it may have been opened and not read yet
        return upright_rgb(image, rule)
    except PictureError:
        raise
    except Exception as error:
        raise PictureError(f"cannot be decoded: {error}") from error


@contextmanager
def _as_picture_errors(kind: str, data: bytes, max_pixels: int) -> Iterator[None]:
    """Hostile bytes reach every corner of Pillow: whatever fails there is the picture's fault."""
    try:
        yield
    except PictureError:
        raise
    except Image.DecompressionBombError as error:
        raise PictureError(over_limit("this picture", max_pixels)) from error
    except MemoryError as error:
        raise PictureError("needs more memory than this machine has free") from error
    except Exception as error:
        raise PictureError(damage(kind, data, error)) from error


def _require_file(status: os.stat_result) -> None:
    for is_special, name in _SPECIAL_FILES:
        if is_special(status.st_mode):
            raise PictureError(f"is {name}, not a file")


def _ignore_pillow_warnings() -> None:
    """Keep Pillow's warnings (odd EXIF, odd TIFF tags, large pictures) out of decoding.

    Where warnings are errors they would make a readable picture unreadable. ``warnings.catch_warnings`` swaps the
    filters of the whole process, so two threads that overlap in it can leave a filter behind for ever; one filter,
    put in front once and limited to modules of Pillow, is safe. It is put back where somebody took it out.
    """
    if not warnings.filters or warnings.filters[0] != _PILLOW_FILTER:
        warnings.filterwarnings("ignore", module=r"PIL\.")


def require_room(width: int, height: int, needed: int, max_pixels: int) -> None:
    """Raise PictureError for a picture of more than ``max_pixels``, or one that needs more than ``MAX_BYTES``."""
    if width * height > max_pixels:
        raise PictureError(over_limit(f"{width} x {height} pixels", max_pixels))
    if needed > MAX_BYTES:
        raise PictureError(
            f"{width} x {height} pixels of this kind need {needed / 1e9:.1f} GB of memory, over the limit of "
            f"{MAX_BYTES / 1e9:.1f} GB; save the picture smaller, or with 8 bits a channel"
        )


def over_limit(what: str, max_pixels: int) -> str:
    """The message for ``what`` has too many pixels."""
    return f"{what} is over the limit of {max_pixels / 1e6:.0f} megapixels"


class Gate:
    """Lets pictures into memory as long as they fit together; one that is too large for that comes alone."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._taken = 0
        self._left = threading.Condition()

    @contextmanager
    def taking(self, needed: int) -> Iterator[None]:
        """Wait until there is room for ``needed`` bytes, and take it for as long as the context lasts."""
        if needed <= SMALL_BYTES:
            yield
            return
        with self._left:
            self._left.wait_for(lambda: not self._taken or self._taken + needed <= self._room)
            self._taken += needed
        try:
            yield
        finally:
            with self._left:
                self._taken -= needed
                self._left.notify_all()


GATE = Gate(AT_A_TIME)
"""The one of this process."""
