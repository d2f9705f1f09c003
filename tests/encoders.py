"""Picture files and colour profiles written byte by byte, so that what they hold is known without any decoder."""

import itertools
import struct
import zlib
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.generic]


def png(array: npt.NDArray[np.uint16], colour: int, key: bytes = b"", bits: int = 16) -> bytes:
    """A PNG of ``bits`` a channel; ``colour`` 0 grey, 2 RGB, 4 grey + alpha, 6 RGBA; ``key`` the body of tRNS."""
    height, width = array.shape[:2]
    rows = b"".join(b"\0" + _packed(row, bits) for row in array)
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))]
    chunks += [(b"tRNS", key)] if key else []
    chunks += [(b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)


def tiff(
    pixels: Array,
    *,
    order: str = "<",
    planes: bool = False,
    tile: tuple[int, int] | None = None,
    rows: int | None = None,
    deflate: bool = False,
    predictor: int = 1,
    photometric: int | None = None,
    alpha: int = 0,
    big: bool = False,
    bits: int | None = None,
    tags: Mapping[int, int | bytes] = {},
) -> bytes:
    """H x W x C numbers as one page. ``rows`` of a strip or the height and width of a ``tile``; ``predictor`` 2 takes
    differences of numbers, 3 those of their bytes; ``bits`` fewer than the type has (10, 12, 14) are packed."""
    height, width, samples = pixels.shape
    high, wide = tile or (rows or height, width)
    pixels = pixels.astype(pixels.dtype.newbyteorder(order))
    groups = [pixels[:, :, [n]] for n in range(samples)] if planes else [pixels]
    pieces = []
    for group, top, left in itertools.product(groups, range(0, height, high), range(0, width, wide)):
        piece = group[top : top + high, left : left + wide]
        if tile:
            piece = np.pad(piece, ((0, high - piece.shape[0]), (0, wide - piece.shape[1]), (0, 0)))
        stored = b"".join(_predicted(row, predictor) if not bits else _packed(row, bits) for row in piece)
        pieces.append(zlib.compress(stored) if deflate else stored)
    body, offsets = b"", []
    for piece_bytes in pieces:
        offsets.append((16 if big else 8) + len(body))
        body += piece_bytes + bytes(len(piece_bytes) % 2)
    kind = {"u": 1, "i": 2, "f": 3}[pixels.dtype.kind]
    photometric = (2 if samples >= 3 else 1) if photometric is None else photometric
    depth = bits or 8 * pixels.dtype.itemsize
    fields: dict[int, Sequence[int] | bytes] = {256: [width], 257: [height], 258: [depth] * samples}
    fields |= {259: [8 if deflate else 1], 262: [photometric], 277: [samples], 284: [1 + planes], 317: [predictor]}
    fields |= {339: [kind] * samples, **({338: [alpha]} if alpha else {})}
    sizes = [len(piece_bytes) for piece_bytes in pieces]
    fields |= {322: [wide], 323: [high], 324: offsets, 325: sizes} if tile else {273: offsets, 278: [high], 279: sizes}
    fields |= {tag: value if isinstance(value, bytes) else [value] for tag, value in tags.items()}
    return _tiff_file(order, big, body, fields)


def _predicted(row: Array, predictor: int) -> bytes:
    """A row (width x samples) as bytes, as differences to the left neighbour if ``predictor`` says so."""
    if predictor == 2:
        whole = row.view(row.dtype.str[0] + "u" + row.dtype.str[2:])
        return np.concatenate([whole[:1], whole[1:] - whole[:-1]]).astype(whole.dtype).tobytes()
    if predictor == 3:
        size = row.dtype.itemsize
        by_weight = row.astype(row.dtype.newbyteorder(">")).tobytes()
        in_planes = np.frombuffer(by_weight, np.uint8).reshape(-1, size).T.reshape(-1, row.shape[1])
        return np.concatenate([in_planes[:1], in_planes[1:] - in_planes[:-1]]).tobytes()
    return row.tobytes()


def _packed(row: Array, bits: int) -> bytes:
    """Numbers of a row without gaps between them, the highest bit first."""
    if bits == 16:
        return row.astype(">u2").tobytes()
    text = "".join(f"{int(number):0{bits}b}" for number in row.reshape(-1))
    text += "0" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8)


def _tiff_file(order: str, big: bool, body: bytes, fields: Mapping[int, Sequence[int] | bytes]) -> bytes:
    start = (16 if big else 8) + len(body)
    mark = b"II" if order == "<" else b"MM"
    header = mark + struct.pack(order + ("HHHQ" if big else "HI"), *((43, 8, 0, start) if big else (42, start)))
    room, word, count = (8, "Q", "Q") if big else (4, "I", "H")
    extra_at = start + (8 + 20 * len(fields) + 8 if big else 2 + 12 * len(fields) + 4)
    entries, extra = b"", b""
    for tag, values in sorted(fields.items()):
        kind, stored = (7, values) if isinstance(values, bytes) else (4, struct.pack(f"{order}{len(values)}I", *values))
        inside = stored.ljust(room, b"\0") if len(stored) <= room else struct.pack(order + word, extra_at + len(extra))
        extra += stored if len(stored) > room else b""
        entries += struct.pack(order + "HH" + word, tag, kind, len(values)) + inside
    return header + body + struct.pack(order + count, len(fields)) + entries + bytes(room) + extra


def bmp(
    pixels: npt.NDArray[np.uint8], masks: Sequence[int], *, bits: int = 32, header: int = 124, top_down: bool = False
) -> bytes:
    """H x W x 3 or 4 as a BMP of 16 or 32 bits a pixel, whose channels lie under ``masks``."""
    packed = np.zeros(pixels.shape[:2], np.uint64)
    for channel, mask in enumerate(masks[: pixels.shape[2]]):
        unit = mask & -mask
        packed |= np.rint(pixels[:, :, channel] / 255 * (mask // max(1, unit))).astype(np.uint64) * np.uint64(unit)
    lines = [line.astype(f"<u{bits // 8}").tobytes() for line in packed]
    lines = [line + bytes(-len(line) % 4) for line in lines]
    stored = b"".join(struct.pack("<I", mask) for mask in masks)
    stored = stored if header == 40 else stored.ljust(header - 40, b"\0")
    height, width = pixels.shape[:2]
    body = b"".join(lines if top_down else lines[::-1])
    return _bmp_file((-height if top_down else height, width), bits, 3, body, stored, header)


def bmp_runs(numbers: npt.NDArray[np.uint8], palette: npt.NDArray[np.uint8], bits: int) -> bytes:
    """H x W colour numbers as a run-length encoded BMP that uses all there is: runs, literal stretches, empty lines,
    moves over number 0, and an end before the last lines if they hold nothing else. The palette is a whole one."""
    double = 17 if bits == 4 else 1  # one colour for both halves of a byte
    lines, empty = [], 0
    for line in numbers[::-1]:
        if not line.any():
            empty += 1
            continue
        lines.append(b"\0\0" if empty == 1 else bytes([0, 2, 0, empty]) if empty else b"")
        first = int(np.flatnonzero(line)[0])
        run = int(np.argmax(np.append(line[first:].astype(int), 256) != line[first]))
        lines.append(bytes([0, 2, first, 0]) if first else b"")
        lines.append(bytes([run, int(line[first]) * double]))
        literal = line[first + run :].tolist()
        if len(literal) < 3:
            lines += [bytes([1, number * double]) for number in literal]
        else:
            stored = bytes(literal)
            if bits == 4:
                halves = itertools.zip_longest(literal[::2], literal[1::2], fillvalue=0)
                stored = bytes(left << 4 | right for left, right in halves)
            lines.append(bytes([0, len(literal)]) + stored + bytes(len(stored) % 2))
        lines.append(b"\0\0")
        empty = 0
    body = b"".join(lines) + b"\0\1"
    colours = b"".join(bytes([*colour[::-1], 0]) for colour in palette)
    return _bmp_file(numbers.shape, bits, 1 if bits == 8 else 2, body, colours, header=40)


def _bmp_file(shape: tuple[int, ...], bits: int, kind: int, body: bytes, before: bytes, header: int) -> bytes:
    """``shape`` is height (below 0 if the first line is the top one) and width; ``before`` lies before the pixels."""
    start = 14 + 40 + len(before)
    info = struct.pack("<IiiHHIIiiII", header, shape[1], shape[0], 1, bits, kind, len(body), 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", start + len(body), 0, 0, start) + info + before + body


def icc_rgb(order: str = "rgb", gamma: float = 2.2) -> bytes:
    """An RGB profile with the primaries of sRGB, given to the channels in another order: with ``"grb"`` what is
    stored as pure red means pure green."""
    columns = {"r": (0.4361, 0.2225, 0.0139), "g": (0.3851, 0.7169, 0.0971), "b": (0.1431, 0.0606, 0.7141)}
    curve = b"curv" + struct.pack(">IIH", 0, 1, round(gamma * 256))
    tags = {f"{channel}XYZ": b"XYZ " + bytes(4) + _fixed(*columns[o]) for channel, o in zip("rgb", order, strict=True)}
    return _icc(b"RGB ", b"XYZ ", tags | {f"{channel}TRC": curve for channel in "rgb"})


def icc_cmyk_grey() -> bytes:
    """A CMYK profile by which every ink is grey: lightness falls with the mean of cyan, magenta, yellow, and black."""
    corners = [[bits >> shift & 1 for shift in (3, 2, 1, 0)] for bits in range(16)]  # the last channel fastest
    grid = bytes(v for c, m, y, k in corners for v in (round(255 * (1 - (c + m + y) / 3) * (1 - k)), 128, 128))
    identity = struct.pack(">9i", *(65536 * (i % 4 == 0) for i in range(9)))
    ramp = bytes(range(256))
    return _icc(
        b"CMYK", b"Lab ", {"A2B0": b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + identity + 4 * ramp + grid + 3 * ramp}
    )


def _icc(space: bytes, connection: bytes, tags: Mapping[str, bytes]) -> bytes:
    kind = b"prtr" if space == b"CMYK" else b"mntr"
    start = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for name, value in tags.items():
        table += name.encode() + struct.pack(">II", start + len(body), len(value))
        body += value + bytes(-len(value) % 4)
    header = struct.pack(">I4sI4s4s4s", start + len(body), b"none", 0x02400000, kind, space, connection)
    header += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + _fixed(0.9642, 1.0, 0.8249)
    return header.ljust(128, b"\0") + table + body


def _fixed(*numbers: float) -> bytes:
    return b"".join(struct.pack(">i", round(number * 65536)) for number in numbers)


def png_chunk(name: bytes, body: bytes) -> bytes:
    """Length, name, body and checksum."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def phone_heic(exif: bytes, *, wide: bool) -> bytes:
    """A HEIC as phones write it, but for the pixels: 800 x 512, a grid (number 3) of two tiles, turned by a quarter to
    the right, with a thumbnail, a map of depths and EXIF. ``wide`` has the later versions of all tables, and EXIF in
    the box ``idat`` instead of behind them."""
    version, pack = int(wide), ">I" if wide else ">H"

    def items(*numbers: int) -> bytes:
        return b"".join(struct.pack(pack, number) for number in numbers)

    kinds = [b"hvc1", b"hvc1", b"grid", b"hvc1", b"hvc1", b"Exif"]
    entries = [
        _box(b"infe", struct.pack(">I", (2 + version) << 24), items(1 + n), bytes(2), kind, b"\0")
        for n, kind in enumerate(kinds)
    ]
    links = [(b"dimg", 3, (1, 2)), (b"thmb", 4, (3,)), (b"auxl", 5, (3,)), (b"cdsc", 6, (3,))]
    links_of = [_box(kind, items(a), struct.pack(">H", len(to)), items(*to)) for kind, a, to in links]
    properties = [_box(b"ispe", struct.pack(">III", 0, *size)) for size in ((512, 512), (800, 512), (80, 51))]
    properties += [_box(b"irot", b"\3"), _box(b"auxC", bytes(4), b"urn:mpeg:hevc:2015:auxid:2\0")]
    used = {1: [1], 2: [1], 3: [2, 4], 4: [3], 5: [2, 5]}
    uses = [
        items(n) + bytes([len(of)]) + b"".join(struct.pack(pack[0] + "BH"[wide], at) for at in of)
        for n, of in used.items()
    ]
    block = struct.pack(">I", 6) + b"Exif\0\0" + exif

    def meta(start: int) -> bytes:
        tile = items(1) + bytes(2 + 2 * wide) + struct.pack(">H4I", 2, 9, 9, 9, 9)
        place = items(6) + (b"\0\1" if wide else b"") + bytes(2) + struct.pack(">HII", 1, start, len(block))
        return _box(
            b"meta",
            bytes(4),
            _box(b"pitm", struct.pack(">I", version << 24), items(3)),
            _box(b"iinf", struct.pack(">I", version << 24), items(len(kinds)), *entries),
            _box(b"iref", struct.pack(">I", version << 24), *links_of),
            _box(
                b"iprp",
                _box(b"ipco", *properties),
                _box(b"ipma", struct.pack(">II", version << 24 | wide, len(uses)), *uses),
            ),
            _box(b"iloc", struct.pack(">I", 2 * version << 24), b"\x44\0", items(2), tile, place),
            _box(b"idat", block if wide else b""),
        )

    before = _box(b"ftyp", b"heic", bytes(4), b"mif1heic")
    behind = b"" if wide else _box(b"mdat", block)
    return before + meta(0 if wide else len(before) + len(meta(0)) + 8) + behind


def _box(name: bytes, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return struct.pack(">I4s", 8 + len(content), name) + content
