"""Headers: what they say of every format, that the beginning of a file is enough, and that no bytes do harm."""

import io
import re
import struct
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from genus.data.decode import open_rgb
from genus.data.exif import Exif, read_exif
from genus.data.formats import HEADER_BYTES, sniff
from genus.data.header import Header, read_header
from genus.errors import PictureError
from tests.corpus import BAD, SOUND, Case, encode, plain, scene, turned
from tests.encoders import bmp, bmp_runs, phone_heic, png, png_chunk, tiff

SIZE = (40, 30)
BEGINNING = 2**16
MAKE, MODEL, TURN, CHANGED, TAKEN = 271, 272, 274, 306, 36867


def exif(tags: Mapping[int, object], details: Mapping[int, object] = {}) -> bytes:
    """A block with some tags, and ``details`` in its second directory."""
    block = Image.Exif()
    block.update(tags)
    block.get_ifd(0x8769).update(details)
    return block.tobytes()


CANON = exif(
    {MAKE: "Canon", MODEL: "Canon EOS 5D", TURN: 6, CHANGED: "2020:01:01 00:00:00"}, {TAKEN: "2019:05:06 07:08:09"}
)
FROM_CANON = Exif(6, "Canon EOS 5D", datetime(2019, 5, 6, 7, 8, 9))


def drawn(mode: str, kind: str, **options: object) -> bytes:
    colour = {"RGBA": (200, 30, 30, 99), "LA": (9, 99)}.get(mode, 0)
    return encode(plain(mode, colour, SIZE), kind, **options)


def animated(kind: str) -> bytes:
    first, *others = [plain("RGB", colour, SIZE) for colour in ("red", "green", "blue")]
    return encode(first, kind, save_all=True, append_images=others)


def numbered(bits: int) -> bytes:
    """A PNG with a palette of as many colours as ``bits`` can number."""
    image = plain("P", 0, SIZE)
    image.putpalette(bytes(3 * 2**bits))
    return encode(image, "PNG")


def zeros(kind: str, channels: int = 1) -> np.ndarray:
    return np.zeros((SIZE[1], SIZE[0], channels), kind)


def deep_heic(mode: str) -> bytes:
    """Of 10 bits."""
    out = io.BytesIO()
    pillow_heif.from_bytes(mode, SIZE, zeros("u2", 3 if mode.startswith("RGB") else 1).tobytes()).save(out)
    return out.getvalue()


def album() -> bytes:
    """Two pictures in a HEIC, the first one with two thumbnails."""
    file = pillow_heif.from_pillow(scene(SIZE).resize((400, 300)))
    file.add_from_pillow(scene(SIZE))
    file[0].info["thumbnails"] = [64, 128]
    out = io.BytesIO()
    file.save(out)
    return out.getvalue()


def small_frame_first() -> bytes:
    """A GIF whose screen is smaller than its first picture, which is what counts."""
    return b"GIF89a" + struct.pack("<HH", 8, 8) + drawn("P", "GIF")[10:]


def is_read(data: bytes) -> bool:
    kind = sniff(data[:HEADER_BYTES])
    return kind is not None and kind.role == "read"


def pnm(kind: str, rest: str) -> bytes:
    return f"{kind} # {kind}\n40\t# wide 7\n 30\n{rest}\n".encode() + bytes(99)


HEADERS: dict[str, tuple[bytes, str, dict[str, Any]]] = {
    "grey JPEG": (drawn("L", "JPEG"), "JPEG", {"colour": "grey", "quality": 75}),
    "RGB JPEG": (drawn("RGB", "JPEG", progressive=True), "JPEG", {"quality": 75}),
    "CMYK JPEG": (drawn("CMYK", "JPEG"), "JPEG", {"colour": "CMYK", "quality": 75}),
    "JPEG with fill bytes": (re.sub(b"(?=\xff\xdb)", b"\xff\xff", drawn("RGB", "JPEG")), "JPEG", {"quality": 75}),
    "MPO": (animated("MPO"), "JPEG", {"frames": 3, "quality": 75}),
    "PNG of 1 bit": (drawn("1", "PNG"), "PNG", {"bits": 1, "colour": "grey"}),
    **{
        f"grey PNG of {bits} bits": (png(zeros("u2")[:, :, 0], 0, bits=bits), "PNG", {"bits": bits, "colour": "grey"})
        for bits in (1, 2, 4, 8, 16)
    },
    **{
        f"palette PNG of {bits} bits": (numbered(bits), "PNG", {"bits": bits, "colour": "palette"})
        for bits in (1, 2, 4, 8)
    },
    "RGB PNG": (drawn("RGB", "PNG"), "PNG", {}),
    "RGB PNG of 16 bits": (png(zeros("u2", 3), 2), "PNG", {"bits": 16}),
    "grey PNG with alpha": (drawn("LA", "PNG"), "PNG", {"colour": "grey", "alpha": True}),
    "RGB PNG with alpha": (drawn("RGBA", "PNG"), "PNG", {"alpha": True}),
    "PNG with a colour for clear": (drawn("RGB", "PNG", transparency=(0, 0, 0)), "PNG", {"alpha": True}),
    "PNG with a grey for clear": (drawn("L", "PNG", transparency=0), "PNG", {"alpha": True, "colour": "grey"}),
    "PNG with a number for clear": (
        drawn("P", "PNG", transparency=0),
        "PNG",
        {"alpha": True, "colour": "palette", "bits": 1},
    ),
    "animated PNG": (animated("PNG"), "PNG", {"frames": 3}),
    "lossy WebP": (drawn("RGB", "WEBP"), "WebP", {}),
    "lossless WebP": (drawn("RGB", "WEBP", lossless=True), "WebP", {}),
    "lossy WebP with alpha": (drawn("RGBA", "WEBP"), "WebP", {"alpha": True}),
    "lossless WebP with alpha": (drawn("RGBA", "WEBP", lossless=True), "WebP", {"alpha": True}),
    "animated WebP": (animated("WEBP"), "WebP", {"frames": 3}),
    "GIF": (drawn("P", "GIF"), "GIF", {"colour": "palette"}),
    "GIF with transparency": (drawn("P", "GIF", transparency=0), "GIF", {"colour": "palette", "alpha": True}),
    "GIF with a comment": (drawn("P", "GIF", comment=b",;!" * 300), "GIF", {"colour": "palette"}),
    "GIF with a small screen": (small_frame_first(), "GIF", {"colour": "palette"}),
    "animated GIF": (animated("GIF"), "GIF", {"colour": "palette", "frames": 3}),
    "BMP of 1 bit": (drawn("1", "BMP"), "BMP", {"bits": 1, "colour": "palette"}),
    "BMP of 8 bits": (drawn("L", "BMP"), "BMP", {"colour": "palette"}),
    "RGB BMP": (drawn("RGB", "BMP"), "BMP", {}),
    "BMP from top to bottom": (bmp(zeros("u1", 3), (0x7C00, 0x3E0, 0x1F), bits=16, top_down=True), "BMP", {"bits": 5}),
    "BMP of 5 and 6 bits": (bmp(zeros("u1", 3), (0xF800, 0x7E0, 0x1F), bits=16, header=40), "BMP", {"bits": 6}),
    "BMP with alpha": (bmp(zeros("u1", 4), (0xFF0000, 0xFF00, 0xFF, 0xFF000000)), "BMP", {"alpha": True}),
    "BMP of runs": (
        bmp_runs(zeros("u1")[:, :, 0], np.zeros((16, 3), np.uint8), 4),
        "BMP",
        {"bits": 4, "colour": "palette"},
    ),
    "old BMP": (b"BM" + struct.pack("<12xI4H", 12, *SIZE, 1, 24) + bytes(3600), "BMP", {}),
    "TIFF of 1 bit": (drawn("1", "TIFF"), "TIFF", {"bits": 1, "colour": "grey"}),
    "TIFF of 4 bits": (tiff(zeros("u1"), bits=4), "TIFF", {"bits": 4, "colour": "grey"}),
    "TIFF of 12 bits": (tiff(zeros("u2"), bits=12), "TIFF", {"bits": 12, "colour": "grey"}),
    "big TIFF, big-endian": (tiff(zeros("u2", 3), order=">", big=True), "TIFF", {"bits": 16}),
    "TIFF of 32 bits": (drawn("F", "TIFF"), "TIFF", {"bits": 32, "colour": "grey"}),
    "palette TIFF": (drawn("P", "TIFF"), "TIFF", {"colour": "palette"}),
    "grey TIFF with alpha": (drawn("LA", "TIFF"), "TIFF", {"colour": "grey", "alpha": True}),
    "RGB TIFF with alpha": (drawn("RGBA", "TIFF"), "TIFF", {"alpha": True}),
    "RGB TIFF with something else": (drawn("RGBX", "TIFF"), "TIFF", {}),
    "CMYK TIFF": (drawn("CMYK", "TIFF"), "TIFF", {"colour": "CMYK"}),
    "Lab TIFF": (drawn("LAB", "TIFF"), "TIFF", {"colour": "Lab"}),
    "JPEG in a TIFF": (drawn("YCbCr", "TIFF", compression="jpeg"), "TIFF", {}),
    "TIFF of three pages": (animated("TIFF"), "TIFF", {"frames": 3}),
    "grey HEIC": (drawn("L", "HEIC"), "HEIC", {"colour": "grey"}),
    "RGB HEIC": (drawn("RGB", "HEIC"), "HEIC", {}),
    "HEIC with alpha": (drawn("RGBA", "HEIC"), "HEIC", {"alpha": True}),
    "RGB HEIC of 10 bits": (deep_heic("RGB;16"), "HEIC", {"bits": 10}),
    "grey HEIC of 10 bits": (deep_heic("L;16"), "HEIC", {"bits": 10, "colour": "grey"}),
    "HEIC of two": (album(), "HEIC", {"width": 400, "height": 300, "frames": 2}),
    **{
        f"HEIC of a phone, {'later' if wide else 'first'} tables": (
            phone_heic(CANON.removeprefix(b"Exif\0\0"), wide=wide),
            "HEIC",
            {"width": 800, "height": 512, **FROM_CANON._asdict()},
        )
        for wide in (False, True)
    },
    "grey AVIF": (drawn("L", "AVIF"), "AVIF", {"colour": "grey"}),
    "RGB AVIF": (drawn("RGB", "AVIF"), "AVIF", {}),
    "AVIF with alpha": (drawn("RGBA", "AVIF"), "AVIF", {"alpha": True}),
    "animated AVIF": (animated("AVIF"), "AVIF", {"frames": 3}),
    "grey JPEG 2000 of 16 bits": (drawn("I;16", "JPEG2000"), "JPEG 2000", {"bits": 16, "colour": "grey"}),
    "JPEG 2000": (drawn("RGB", "JPEG2000"), "JPEG 2000", {}),
    "bare JPEG 2000": (drawn("RGB", "JPEG2000", no_jp2=True), "JPEG 2000", {}),
    "JPEG 2000 with alpha": (drawn("LA", "JPEG2000"), "JPEG 2000", {"colour": "grey", "alpha": True}),
    "CMYK JPEG 2000": (drawn("CMYK", "JPEG2000"), "JPEG 2000", {"colour": "CMYK"}),
    "PBM": (pnm("P4", ""), "PNM", {"bits": 1, "colour": "grey"}),
    "PGM": (pnm("P2", "15"), "PNM", {"bits": 4, "colour": "grey"}),
    "PGM of 12 bits": (pnm("P5", "4095"), "PNM", {"bits": 12, "colour": "grey"}),
    "PPM": (pnm("P6", "255"), "PNM", {}),
    "PFM": (pnm("Pf", "-1.0"), "PNM", {"bits": 32, "colour": "grey"}),
}


@pytest.mark.parametrize("name", HEADERS)
def test_every_format(name: str) -> None:
    data, kind, fields = HEADERS[name]
    expected = Header(**{"format": kind, "width": SIZE[0], "height": SIZE[1]} | fields)
    assert read_header(data) == expected
    assert read_header(data + bytes(BEGINNING)) == expected


@pytest.mark.parametrize("case", SOUND, ids=lambda case: case.name)
def test_upright_it_is_as_large_as_the_decoded_picture(case: Case) -> None:
    header = read_header(case.data)
    assert upright(header) == open_rgb(case.data).size


def upright(header: Header) -> tuple[int, int]:
    return (header.height, header.width) if header.orientation > 4 else (header.width, header.height)


@pytest.mark.parametrize("case", [case for case in BAD if not is_read(case.data)], ids=lambda case: case.name)
def test_what_is_no_picture(case: Case) -> None:
    with pytest.raises(PictureError, match=case.reason):
        read_header(case.data)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "HEIC", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation(kind: str, orientation: int) -> None:
    data = turned(scene(SIZE), orientation, kind)
    header = read_header(data)
    assert header.orientation == orientation
    assert upright(header) == open_rgb(data).size == SIZE


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "HEIC", "AVIF"])
def test_camera_and_time(kind: str) -> None:
    header = read_header(encode(scene(SIZE), kind, exif=CANON))
    assert (header.orientation, header.camera, header.taken) == FROM_CANON


@pytest.mark.parametrize(
    ("make", "model", "camera"),
    [
        ("Apple", "iPhone 12", "Apple iPhone 12"),
        ("NIKON CORPORATION", "NIKON D750", "NIKON D750"),
        ("", "X100", "X100"),
        ("Canon", "", "Canon"),
        ("", "", ""),
        ("SONY\0\0 of old", "  ILCE-7   ", "SONY ILCE-7"),
        ("\x1b[31m", "a\nb\u202ec", "[31m a b c"),
        ("m" * 50, "n" * 5000, "m" * 50 + " " + "n" * 13),
    ],
)
def test_cameras(make: str, model: str, camera: str) -> None:
    block = exif({MAKE: "MAKE" * 200, MODEL: "MODEL" * 2000})
    for old, new in (("MAKE" * 200, make), ("MODEL" * 2000, model)):
        block = block.replace(old.encode(), new.encode().ljust(len(old), b"\0"))
    assert read_exif(block).camera == camera


@pytest.mark.parametrize(
    ("taken", "expected"),
    [
        ("2019:05:06 07:08:09", datetime(2019, 5, 6, 7, 8, 9)),
        ("0000:00:00 00:00:00", datetime(2020, 1, 1)),
        ("2019:02:29 00:00:00", datetime(2020, 1, 1)),
        ("    :  :     :  :  ", datetime(2020, 1, 1)),
        ("yesterday", datetime(2020, 1, 1)),
        ("", datetime(2020, 1, 1)),
    ],
)
def test_times(taken: str, expected: datetime) -> None:
    """The time of the last change stands in for that of the photo."""
    block = exif({CHANGED: "2020:01:01 00:00:00"}, {TAKEN: taken})
    assert read_exif(block).taken == expected
    assert read_exif(exif({CHANGED: taken})).taken == (None if expected.year == 2020 else expected)


@pytest.mark.parametrize(
    "entry",
    [
        struct.pack("<HHII", TURN, 3, 1, 0),
        struct.pack("<HHII", TURN, 3, 1, 9),
        struct.pack("<HHIi", TURN, 9, 1, -6),
        struct.pack("<HHII", TURN, 3, 2**32 - 1, 2**32 - 1),
        struct.pack("<HHII", MAKE, 2, 2**32 - 1, 2**32 - 1),
        struct.pack("<HHII", 0x8769, 4, 1, 8),  # the directory itself
        struct.pack("<HHII", 0x8769, 4, 1, 2**32 - 1),
        struct.pack("<HHII", TURN, 99, 1, 6),
    ],
)
def test_broken_exif_says_nothing(entry: bytes) -> None:
    block = b"II*\0" + struct.pack("<IH", 8, 1) + entry + bytes(4)
    assert read_exif(block) == Exif()
    assert read_header(encode(scene(SIZE), "JPEG", exif=b"Exif\0\0" + block)).width == SIZE[0]
    for cut in range(len(block)):
        assert read_exif(block[:cut]) == Exif()


def tables_of(data: bytes) -> list[int]:
    """The luminance table of a JPEG, as Pillow reads it."""
    return list(JpegImageFile(io.BytesIO(data)).quantization[0])


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_quality_is_that_of_libjpeg(mode: str) -> None:
    for quality in range(1, 101):
        assert read_header(drawn(mode, "JPEG", quality=quality)).quality == quality


def test_quality_by_other_tables() -> None:
    sums = {quality: sum(tables_of(drawn("L", "JPEG", quality=quality))) for quality in range(1, 101)}
    for step in range(1, 256, 6):
        data = drawn("L", "JPEG", qtables=[[step] * 64])
        assert sum(tables_of(data)) == 64 * step
        assert read_header(data).quality == min(sums, key=lambda quality: abs(sums[quality] - 64 * step))


def test_quality_by_tables_of_16_bits_behind_the_size_and_without() -> None:
    data = drawn("RGB", "JPEG", quality=35)
    tables, frame = data[20:158], data[158:177]
    assert tables.count(b"\xff\xdb\0\x43") == 2
    assert frame.startswith(b"\xff\xc0")
    wide = b"".join(
        b"\xff\xdb\0\x83" + bytes([16 + number]) + struct.pack(">64H", *tables[5 + 69 * number : 69 + 69 * number])
        for number in (1, 0)
    )
    for middle, expected in ((wide + frame, 35), (frame + tables, 35), (frame, None)):
        assert read_header(data[:20] + middle + data[177:]).quality == expected


def grainy(size: tuple[int, int] = (500, 400), seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3), dtype=np.uint8))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "HEIC", "AVIF", "JPEG2000", "PPM"])
def test_the_beginning_is_enough(kind: str) -> None:
    options = {"exif": CANON} if kind in ("JPEG", "PNG", "TIFF") else {}
    data = encode(grainy(), kind, **options)
    assert len(data) > BEGINNING
    header = read_header(data[:BEGINNING])
    assert header == read_header(data)
    assert (header.width, header.height) == (500, 400)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "TIFF"])
def test_of_the_beginning_the_frames_are_a_lower_bound(kind: str) -> None:
    first, *others = [grainy((180, 180), seed) for seed in range(4)]
    data = encode(first, kind, save_all=True, append_images=others)
    assert 1 <= read_header(data[:BEGINNING]).frames < read_header(data).frames == 4


SMALL = {name: data for name, (data, *_) in HEADERS.items() if len(data) < 6000}
SMALL |= {f"{kind} with EXIF": encode(scene((8, 6)), kind, exif=CANON) for kind in ("JPEG", "PNG", "WEBP", "AVIF")}


@pytest.mark.parametrize("name", SMALL)
def test_cut_anywhere_it_is_refused_or_right(name: str) -> None:
    whole = read_header(SMALL[name])
    for length in range(min(len(SMALL[name]), 1500)):
        try:
            cut = read_header(SMALL[name][:length])
        except PictureError:
            continue
        assert (cut.format, cut.width, cut.height, cut.bits) == (whole.format, whole.width, whole.height, whole.bits)
        assert cut.frames <= whole.frames


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A sound file with a few bytes changed, mostly near its beginning, and some left out."""
    data = bytearray(SMALL[draw(st.sampled_from(sorted(SMALL)))])
    places = st.one_of(st.integers(0, 400), st.integers(0, len(data) - 1)).map(lambda at: min(at, len(data) - 1))
    values = st.one_of(st.sampled_from([0, 1, 255]), st.integers(0, 255))
    for place, value in draw(st.lists(st.tuples(places, values), max_size=8)):
        data[place] = value
    hole = draw(places)
    return bytes(data[:hole] + data[hole + draw(st.integers(0, 40)) :])


def is_sensible_or_refused(data: bytes) -> None:
    try:
        header = read_header(data)
    except PictureError:
        return
    assert header.width >= 1
    assert header.height >= 1
    assert 1 <= header.bits <= 64
    assert header.frames >= 1
    assert header.orientation in range(1, 9)
    assert header.quality is None or header.quality in range(1, 101)
    assert len(header.camera) <= 64
    assert header.camera.isprintable()


@settings(max_examples=300, deadline=None)
@given(damaged())
def test_damage(data: bytes) -> None:
    is_sensible_or_refused(data)


@pytest.mark.long
@settings(max_examples=20_000, deadline=2000)
@given(damaged())
def test_much_damage(data: bytes) -> None:
    is_sensible_or_refused(data)


@given(st.sampled_from(sorted(SMALL)), st.binary(max_size=200))
def test_noise_behind_a_signature(name: str, noise: bytes) -> None:
    is_sensible_or_refused(SMALL[name][:12] + noise)


REPEATED = {
    "segments": (b"\xff\xd8\xff\xe0\0\2", b"\xff\xe0\0\2"),
    "fill bytes": (b"\xff\xd8", b"\xff"),
    "chunks": (drawn("1", "PNG")[:33], png_chunk(b"aaAa", b"")),
    "RIFF chunks": (b"RIFF\0\0\0\0WEBP", b"ALPH\0\0\0\0"),
    "blocks": (drawn("P", "GIF")[:13] + b"!\xff", b"\1a"),
    "boxes": (b"\0\0\0\x10ftypheic\0\0\0\0", b"\0\0\0\x08free"),
    "boxes of JPEG 2000": (b"\0\0\0\x0cjP  \r\n\x87\n", b"\0\0\0\x08free"),
    "blanks": (b"P6 1", b" "),
    "comments": (b"P6 1 ", b"#\n"),
}


@pytest.mark.parametrize("name", REPEATED)
def test_the_same_millions_of_times_takes_no_time(name: str) -> None:
    start, piece = REPEATED[name]
    data = start + piece * 2**22
    before = time.process_time()
    is_sensible_or_refused(data)
    assert time.process_time() - before < 1


def test_pages_in_a_ring_or_without_an_end() -> None:
    page = tiff(np.zeros((2, 2, 1), np.uint8))[:-4]
    chain = [struct.pack("<IH", len(page) + 4 + 6 * n, 0) for n in range(70_000)]
    assert read_header(page + page[4:8]).frames == 1
    assert read_header(page + b"".join(chain[:9])).frames == 10
    assert read_header(page + b"".join(chain)).frames == 2**16


def test_real_photos_as_pillow_sees_them(test_data: Path) -> None:
    paths = sorted((test_data / "data").rglob("*.jpg"))
    assert paths
    for path in paths:
        data = path.read_bytes()
        header, image = read_header(data[:BEGINNING]), JpegImageFile(io.BytesIO(data))
        assert (header.width, header.height) == image.size
        assert header.frames == getattr(image, "n_frames", 1)
        assert header.orientation == image.getexif().get(TURN, 1)
        assert header == read_header(data)
