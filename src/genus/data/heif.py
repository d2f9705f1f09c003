"""HEIF, the container of HEIC and AVIF: which pictures are in a file, and what it says of the one that is shown.

The libraries that decode these files ask for all of a file. Here its beginning is enough, where the items (pictures,
their tiles, thumbnails and alpha, EXIF) are listed by number. Sources: ISO/IEC 14496-12 for the boxes, 23008-12 for the
items. Damaged files raise KeyError, IndexError or struct.error.
"""

import struct
from collections.abc import Iterator

_MOST_BOXES, _MOST_BYTES = 2**12, 2**18  # more than any honest file has
_ALPHA = (b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", b"urn:mpeg:hevc:2015:auxid:1")
_NOTHING = memoryview(b"")

Boxes = dict[bytes, memoryview]


class Heif:
    """The items of a file; what they hold may lie beyond the end of ``data``."""

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)
        self._file = dict(_boxes(self._data))
        self._meta = dict(_boxes(self._file[b"meta"][4:_MOST_BYTES]))
        self._properties = _properties(self._meta[b"iprp"])
        self._links = list(_links(self._meta.get(b"iref", _NOTHING)))
        self._shown = _Numbers(self._meta[b"pitm"]).item(wide_since=1)

    @property
    def shown(self) -> Boxes:
        """The properties of the picture that is shown."""
        return self._properties[self._shown]

    def has_alpha(self) -> bool:
        """Is another item the alpha of the picture that is shown?"""
        return any(
            kind == b"auxl"
            and self._shown in targets
            and bytes(self._properties[item][b"auxC"][4:]).partition(b"\0")[0] in _ALPHA
            for kind, item, targets in self._links
        )

    def pictures(self) -> int:
        """Frames of a sequence, or pictures that belong to no other; at least 1."""
        tracks = [track for name, track in _boxes(self._file.get(b"moov", _NOTHING)) if name == b"trak"]
        frames = [int.from_bytes(_inside(track, b"mdia", b"minf", b"stbl", b"stsz")[8:12]) for track in tracks]
        pictures = {item for item, properties in self._properties.items() if b"ispe" in properties}
        for kind, item, targets in self._links:
            if kind in (b"auxl", b"thmb"):
                pictures.discard(item)
            elif kind == b"dimg":
                pictures -= targets
        return max(1, len(pictures), *frames)

    def exif(self) -> bytes:
        """Empty where there is none, or where it lies beyond the data."""
        item = _exif_item(self._meta.get(b"iinf", _NOTHING))
        if item is None:
            return b""
        in_file, start, length = _place(self._meta[b"iloc"], item)
        block = bytes((self._data if in_file else self._meta[b"idat"])[start : start + length])
        return block[4 + int.from_bytes(block[:4]) :]


class _Numbers:
    """The numbers in a box that begins with a version and flags, one after the other."""

    def __init__(self, content: memoryview) -> None:
        self.version, self.flags, self._left = content[0], content[3], content[4:]

    def take(self, size: int) -> int:
        """The next one, of ``size`` bytes."""
        if size > len(self._left):
            raise IndexError("truncated box")
        number, self._left = int.from_bytes(self._left[:size]), self._left[size:]
        return number

    def item(self, wide_since: int) -> int:
        """The next one, which has 4 bytes since a version, and 2 before."""
        return self.take(4 if self.version >= wide_since else 2)


def _boxes(content: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Name and content of each box that is whole."""
    at = 0
    for _ in range(_MOST_BOXES):
        if at + 8 > len(content):
            return
        size, name = struct.unpack_from(">I4s", content, at)
        start = at + 8
        if size == 1:
            size, start = struct.unpack_from(">Q", content, start)[0], start + 8
        end = max(start, at + size) if size else len(content)
        if end > len(content):
            return
        yield name, content[start:end]
        at = end


def _inside(content: memoryview, *path: bytes) -> memoryview:
    """The content of a box in a box."""
    for name in path:
        content = dict(_boxes(content)).get(name, _NOTHING)
    return content


def _properties(content: memoryview) -> dict[int, Boxes]:
    """Of every item."""
    both = dict(_boxes(content))
    stored, table = list(_boxes(both[b"ipco"])), _Numbers(both[b"ipma"])
    size, most = (2, 0x7FFF) if table.flags & 1 else (1, 0x7F)
    properties = {}
    for _ in range(table.take(4)):
        item = table.item(wide_since=1)
        numbers = [table.take(size) & most for _ in range(table.take(1))]
        properties[item] = dict(stored[number - 1] for number in numbers if number)
    return properties


def _links(content: memoryview) -> Iterator[tuple[bytes, int, set[int]]]:
    """What kind of link, from which item, and to which ones."""
    size = 4 if content and content[0] else 2
    for kind, link in _boxes(content[4:]):
        item, *targets = (int.from_bytes(link[at : at + size]) for at in (0, *range(size + 2, len(link), size)))
        yield kind, item, set(targets)


def _exif_item(content: memoryview) -> int | None:
    for _, entry in _boxes(content[8 if content and content[0] else 6 :]):
        numbers = _Numbers(entry)
        item, _protection, kind = numbers.item(wide_since=3), numbers.take(2), numbers.take(4)
        if kind == int.from_bytes(b"Exif"):
            return item
    return None


def _place(content: memoryview, wanted: int) -> tuple[bool, int, int]:
    """Where the first piece of an item is: in the file or in the box ``idat``, its start, and its length."""
    table = _Numbers(content)
    sizes = table.take(2)
    of_start, of_length, of_base, of_index = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
    for _ in range(table.item(wide_since=2)):
        item = table.item(wide_since=2)
        method = table.take(2) & 15 if table.version else 0
        _file, base, pieces = table.take(2), table.take(of_base), table.take(2)
        if item == wanted:
            table.take(of_index)
            return method == 0, base + table.take(of_start), table.take(of_length)
        table.take(pieces * (of_index + of_start + of_length))
    raise KeyError(wanted)
