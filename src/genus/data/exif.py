"""EXIF: how to turn a picture, which camera took it, and when. Source: CIPA DC-008 (2023)."""

import re
import struct
from contextlib import suppress
from datetime import datetime
from typing import NamedTuple

from genus.data.tiff import Tags
from genus.errors import PictureError

_MAKE, _MODEL, _ORIENTATION, _CHANGED, _DETAILS, _TAKEN = 0x010F, 0x0110, 0x0112, 0x0132, 0x8769, 0x9003
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_TIME = re.compile(rb"(\d{4}):(\d\d):(\d\d) (\d\d):(\d\d):(\d\d)")
_MOST_LETTERS = 64


class Exif(NamedTuple):
    """What is known; by itself, nothing."""

    orientation: int = 1
    camera: str = ""
    taken: datetime | None = None


_NOTHING = Exif()


def read_exif(block: bytes) -> Exif:
    """What a block says (it is a TIFF, or begins with the letters of a JPEG's), as far as it is sound."""
    block = block.removeprefix(b"Exif\0\0")
    if block[:4] not in _TIFF:
        return _NOTHING
    exif = _NOTHING
    with suppress(struct.error, PictureError):
        tags = Tags(block)
        exif = Exif(_orientation(tags), _camera(tags), _time(tags, _CHANGED))
        taken = _time(Tags(block, tags.number(_DETAILS)), _TAKEN)
        exif = exif._replace(taken=taken or exif.taken)
    return exif


def _orientation(tags: Tags) -> int:
    orientation = tags.number(_ORIENTATION, 1)
    return orientation if 1 <= orientation <= 8 else 1


def _camera(tags: Tags) -> str:
    """``Apple iPhone 12`` of ``Apple`` and ``iPhone 12``, ``Canon EOS 5D`` of ``Canon`` and ``Canon EOS 5D``."""
    make, model = (_text(tags.content(tag)) for tag in (_MAKE, _MODEL))
    is_twice = model.lower().startswith(make.partition(" ")[0].lower())
    return (model if is_twice else f"{make} {model}")[:_MOST_LETTERS].strip()


def _text(content: bytes) -> str:
    """Printable, and without more than one blank in a row."""
    text = content[: 4 * _MOST_LETTERS].partition(b"\0")[0].decode("utf-8", "ignore")
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def _time(tags: Tags, tag: int) -> datetime | None:
    """None for what is no time, like that of a camera whose clock was never set: ``0000:00:00 00:00:00``."""
    if found := _TIME.match(tags.content(tag)[:19]):
        year, month, day, hour, minute, second = map(int, found.groups())
        with suppress(ValueError):
            return datetime(year, month, day, hour, minute, second)
    return None
