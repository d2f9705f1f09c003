"""Odd and bad picture files, made by code, each with what genus must make of it.

``CASES`` is the one table; ``write(case, folder)`` puts one of them on disk. ``write_folder`` makes a small sound
data set.
"""

import contextlib
import io
import os
import re
import struct
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pillow_heif
from PIL import Image, PngImagePlugin

from tests.encoders import bmp, icc_cmyk_grey, icc_rgb, png, png_chunk, tiff

RED16 = np.array([65535, 0, 0], np.uint16)
MASKS = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)
RED, GREEN, GREY, WHITE = (255, 0, 0), (0, 255, 0), (128, 128, 128), (255, 255, 255)

ODD_NAMES = ("ünï cødé 花.jpg", "new\nline.jpg", "-rf.jpg", "=cmd|calc.jpg", "aux.jpg", "a'b\"c.jpg", "latin\udce9.jpg")
"""Names that have broken programs before; the last one is not UTF-8."""


@dataclass(frozen=True)
class Case:
    """A file ``name`` with ``data``. Either ``reason``, a regular expression for the start of the PictureError, or
    None for a picture that decodes, then perhaps with the ``colour`` of its middle (within 3 of 255)."""

    name: str
    data: bytes
    reason: str | None = None
    colour: tuple[int, int, int] | None = None


RAW = "The raw data of a camera"
UNREAD = (
    ("newer", "JPEG XL", b"\0\0\0\x0cJXL \r\n\x87\n"),
    ("lossless", "JPEG-LS", b"\xff\xd8\xff\xf7\0\x0b"),
    ("layers", "A Photoshop file", b"8BPS\0\x01"),
    ("canon", RAW, b"II*\0\x10\0\0\0CR\x02\0" + bytes(99)),
    ("canon3", RAW, b"\0\0\0\x18ftypcrx \0\0\0\1"),
    ("fuji", RAW, b"FUJIFILMCCD-RAW 0201"),
    ("dng", RAW, tiff(np.zeros((4, 4, 1), np.uint8), tags={50706: 0x401})),
    ("nikon", RAW, tiff(np.zeros((4, 4, 1), np.uint8), order=">", tags={254: 1, 330: 99})),
    ("icon", "An icon", b"\0\0\1\0\2\0\x10\x10"),
    ("scan", "DICOM", bytes(128) + b"DICM"),
    ("sky", "FITS", b"SIMPLE  =                    T"),
    ("brain", "NIfTI", b"\x5c\1\0\0".ljust(344, b"\0") + b"n+1\0"),
    ("print", "A PostScript drawing", b"%!PS-Adobe-3.0 EPSF-3.0"),
)
OTHERS = (
    ("song", "a sound file", b"ID3\x04\0\0\0\0"),
    ("song_without_tag", "a sound file", b"\xff\xfb\x90\x64" + bytes(50)),
    ("speech", "a sound file", b"RIFF\x24\0\0\0WAVEfmt "),
    ("birds", "a sound file", b"fLaC\0\0\0\x22"),
    ("frogs", "a sound file", b"OggS\0\2".ljust(28, b"\0") + b"\x01vorbis"),
    ("radio", "a sound file", b"\0\0\0\x20ftypM4A \0\0\0\0"),
    ("web_film", "a video", b"\x1aE\xdf\xa3\x01\0"),
    ("letter", "an Office document", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
    ("tape", "an archive", b"a/b".ljust(257, b"\0") + b"ustar"),
    ("array", "an array or a table of data", b"\x93NUMPY\1\0"),
)


def write(case: Case, folder: Path) -> Path:
    """Write the file of ``case`` into ``folder``."""
    path = folder / case.name
    path.write_bytes(case.data)
    return path


def write_folder(root: Path, counts: Mapping[str, int]) -> Path:
    """``root/<class>/<n>.jpg`` with ``counts[class]`` different sound pictures; a class may be ``train/cat``."""
    for number, (label, count) in enumerate(counts.items()):
        (root / label).mkdir(parents=True)
        for n in range(count):
            (root / label / f"{n}.jpg").write_bytes(photo(seed=1000 * number + n))
    return root


@contextlib.contextmanager
def unprivileged_folder() -> Iterator[Path]:
    """A new folder, and for as long as it exists no rights but an ordinary user's: root may read everything."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)
        try:
            yield Path(name)
        finally:
            os.seteuid(user)


def photo(seed: int, size: tuple[int, int] = (40, 30)) -> bytes:
    """A small JPEG; another seed gives other bytes."""
    return encode(scene(size, seed), "JPEG", quality=85)


def scene(size: tuple[int, int] = (96, 64), seed: int = 0) -> Image.Image:
    """A smooth picture without any symmetry, mode RGB."""
    width, height = size
    y, x = np.mgrid[0:height, 0:width] / (max(size) - 1)
    a, b, c = np.random.default_rng(seed).uniform(1, 3, 3)
    channels = [np.sin(a * x + y), 0.3 + 0.7 * x * y, np.cos(b * y + c * x * x)]
    return Image.fromarray((127.5 + 120 * np.clip(np.stack(channels, -1), -1, 1)).astype(np.uint8))


def plain(mode: str, colour: object, size: tuple[int, int] = (64, 64)) -> Image.Image:
    """One colour all over."""
    return Image.new(mode, size, colour)  # type: ignore[arg-type]


def encode(image: Image.Image, kind: str, **options: object) -> bytes:
    """The bytes of ``image`` as a file of ``kind`` (a name of Pillow's, or HEIC)."""
    out = io.BytesIO()
    if kind == "HEIC":
        pillow_heif.from_pillow(image).save(out, **options)
    else:
        image.save(out, kind, **options)
    return out.getvalue()


def turned(image: Image.Image, orientation: int, kind: str, **options: object) -> bytes:
    """A file that stores ``image`` turned, with the EXIF orientation that turns it back."""
    flip, transpose = Image.Transpose, image.transpose
    stored = {
        1: lambda: image,
        2: lambda: transpose(flip.FLIP_LEFT_RIGHT),
        3: lambda: transpose(flip.ROTATE_180),
        4: lambda: transpose(flip.FLIP_TOP_BOTTOM),
        5: lambda: transpose(flip.TRANSPOSE),
        6: lambda: transpose(flip.ROTATE_90),
        7: lambda: transpose(flip.TRANSVERSE),
        8: lambda: transpose(flip.ROTATE_270),
    }[orientation]()
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encode(stored, kind, exif=exif.tobytes(), **options)


def _png_header(width: int, height: int) -> bytes:
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(b"\0"))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in [*chunks, (b"IEND", b"")])


def _jpeg_header(width: int, height: int) -> bytes:
    data = encode(plain("RGB", RED), "JPEG")
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]


_FRAME = _jpeg_header(8, 8).index(b"\xff\xc0") + 4  # where the bits of a channel stand


def _changed(data: bytes, places: Mapping[int, int]) -> bytes:
    """With other bytes at some places."""
    changed = bytearray(data)
    for place, byte in places.items():
        changed[place] = byte
    return bytes(changed)


def _webp_header(side: int) -> bytes:
    bits = (side - 1) | (side - 1) << 14
    return b"RIFF\x1e\0\0\0WEBPVP8L\x12\0\0\0\x2f" + struct.pack("<I", bits) + bytes(13)


def _bmp_header(width: int, height: int) -> bytes:
    data = encode(plain("RGB", RED), "BMP")
    return data[:18] + struct.pack("<II", width, height) + data[26:]


def _broken_exif() -> bytes:
    """Orientation 6, then a tag whose value lies far outside the block: Pillow warns about it."""
    entries = struct.pack("<HHII", 0x0112, 3, 1, 6) + struct.pack("<HHII", 0x010F, 2, 4000, 0x7FFFFFF0)
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + entries + bytes(4)
    return encode(plain("RGB", RED, (64, 32)), "JPEG", exif=exif)


def _bad_checksum() -> bytes:
    data = bytearray(encode(scene(), "PNG"))
    data[data.index(b"IDAT") + 40] ^= 1
    return bytes(data)


def with_chunk(data: bytes, name: bytes, body: bytes) -> bytes:
    """A PNG with one more chunk, behind its header."""
    return data[:33] + png_chunk(name, body) + data[33:]


def with_gamma(image: Image.Image, gamma: int) -> bytes:
    """A PNG whose numbers are light to the power of ``gamma`` / 100,000."""
    return with_chunk(encode(image, "PNG"), b"gAMA", struct.pack(">I", gamma))


def with_broken_tag(data: bytes) -> bytes:
    """A little-endian TIFF, whose tag 305 now lies far outside of it. Pillow warns about it."""
    at = data.index(struct.pack("<HHI", 305, 7, 40)) + 8
    return data[:at] + struct.pack("<I", 0x7FFFFFF0) + data[at + 4 :]


def _metadata(data: bytes) -> list[Case]:
    """Red, with more metadata than any program should write."""
    xmp = PngImagePlugin.PngInfo()
    xmp.add_itxt("XML:com.adobe.xmp", "x" * 1_500_000, zip=True)
    bomb = zlib.compress(bytes(2**25))
    profile = icc_rgb("grb")
    large = (len(profile) + 2_000_000).to_bytes(4) + profile[4:] + bytes(2_000_000)
    return [
        Case("xmp.png", encode(plain("RGB", RED), "PNG", pnginfo=xmp), colour=RED),
        Case("text.png", with_chunk(data, b"tEXt", b"Comment\0" + b"x" * 2_000_000), colour=RED),
        Case("texts.png", with_chunk(data, b"zTXt", b"Comment\0\0" + bomb), colour=RED),
        Case("bomb_profile.png", with_chunk(data, b"iCCP", b"bomb\0\0" + bomb), colour=RED),
        Case("large_profile.png", with_chunk(data, b"iCCP", b"large\0\0" + zlib.compress(large)), colour=GREEN),
        Case("large_exif.png", with_chunk(data, b"eXIf", b"II*\0\x08\0\0\0\0\0" + bytes(1_500_000)), colour=RED),
        Case("large_profile.jpg", encode(plain("RGB", RED), "JPEG", icc_profile=large, subsampling=0), colour=GREEN),
    ]


def _grey16(value: int) -> npt.NDArray[np.uint16]:
    return np.full((64, 64), value, np.uint16)


def _frames(kind: str) -> bytes:
    """An animation: red, then green."""
    red, green = plain("RGB", RED), plain("RGB", GREEN)
    return encode(red, kind, save_all=True, append_images=[green], duration=50, lossless=True, subsampling=0)


def _sound() -> list[Case]:
    picture = scene()
    half = plain("P", 0)
    half.putpalette([255, 0, 0])
    red16 = np.broadcast_to(RED16, (64, 64, 3))
    cmyk = plain("CMYK", (255, 0, 0, 0))
    red_pixels = np.asarray(plain("RGB", RED))
    half_red = np.dstack([red_pixels, np.full((64, 64), 128, np.uint8)])
    red_png = encode(plain("RGB", RED), "PNG")
    return [
        Case("plain.jpg", encode(plain("RGB", RED), "JPEG", subsampling=0), colour=(254, 0, 0)),
        Case("progressive.jpg", encode(picture, "JPEG", progressive=True)),
        Case("grey.jpg", encode(plain("L", 128), "JPEG"), colour=GREY),
        Case("cmyk.jpg", encode(cmyk, "JPEG"), colour=(0, 255, 255)),
        Case("cmyk_profile.jpg", encode(cmyk, "JPEG", icc_profile=icc_cmyk_grey()), colour=(162, 162, 162)),
        Case(
            "swapped_profile.jpg",
            encode(plain("RGB", RED), "JPEG", icc_profile=icc_rgb("grb"), subsampling=0),
            colour=GREEN,
        ),
        Case(
            "profile_and_alpha.png", encode(plain("RGBA", (*RED, 255)), "PNG", icc_profile=icc_rgb("grb")), colour=GREEN
        ),
        Case("wrong_profile.png", encode(plain("RGB", RED), "PNG", icc_profile=icc_cmyk_grey()), colour=RED),
        Case("broken_profile.png", encode(plain("RGB", RED), "PNG", icc_profile=b"no profile at all"), colour=RED),
        Case("broken_exif.jpg", _broken_exif()),
        Case("padded.jpg", photo(7) + bytes(4096)),
        *(Case(f"padded.{kind}", encode(picture, kind) + bytes(4096)) for kind in ("HEIC", "AVIF", "WEBP")),
        Case("trailer.jpg", photo(7) + b"ftypmp42 a film behind the picture" * 50),
        Case("really_a_png.jpg", encode(plain("RGB", RED), "PNG"), colour=RED),
        Case("no_suffix", encode(plain("RGB", RED), "PNG"), colour=RED),
        Case("grey16.png", png(_grey16(0x8080), 0), colour=GREY),
        Case("grey16_key.png", png(_grey16(0x0101), 0, key=b"\x01\x01"), colour=WHITE),
        *(
            Case(f"grey{bits}_key{key}.png", png(_grey16(key), 0, key=bytes([0, key]), bits=bits), colour=WHITE)
            for bits, key in ((1, 0), (2, 1), (4, 9), (8, 100))
        ),
        Case("grey4_other_key.png", png(_grey16(8), 0, key=b"\0\x09", bits=4), colour=(136, 136, 136)),
        Case("rgb16.png", png(red16, 2), colour=RED),
        Case("grey_alpha16.png", png(np.stack([_grey16(0), _grey16(0x8080)], -1), 4), colour=(127, 127, 127)),
        Case("bit.png", encode(plain("1", 1), "PNG"), colour=WHITE),
        Case("hidden.png", encode(plain("RGBA", (*RED, 0)), "PNG"), colour=WHITE),
        Case("half.png", encode(plain("RGBA", (*RED, 128)), "PNG"), colour=(255, 127, 127)),
        Case("half_grey.png", encode(plain("LA", (0, 128)), "PNG"), colour=(127, 127, 127)),
        Case("palette.png", encode(half, "PNG"), colour=RED),
        Case("palette_alpha.png", encode(half, "PNG", transparency=bytes([128])), colour=(255, 127, 127)),
        Case("palette_key.png", encode(half, "PNG", transparency=0), colour=WHITE),
        Case("rgb_key.png", encode(plain("RGB", RED), "PNG", transparency=RED), colour=WHITE),
        Case("grey_key.png", encode(plain("L", 9), "PNG", transparency=9), colour=WHITE),
        Case("frames.gif", _frames("GIF"), colour=RED),
        Case("frames.webp", _frames("WEBP"), colour=RED),
        Case("frames.png", _frames("PNG"), colour=RED),
        Case("clear.gif", encode(half, "GIF", transparency=0), colour=WHITE),
        Case("lossy.webp", encode(plain("RGB", GREY), "WEBP"), colour=GREY),
        Case("alpha.webp", encode(plain("RGBA", (*RED, 0)), "WEBP", lossless=True, exact=True), colour=WHITE),
        Case("plain.bmp", encode(plain("RGB", RED), "BMP"), colour=RED),
        Case("pages.tif", _frames_tiff(), colour=RED),
        Case("lzw.tif", encode(plain("RGB", RED), "TIFF", compression="tiff_lzw"), colour=RED),
        Case("jpeg.tif", encode(plain("RGB", GREY), "TIFF", compression="jpeg"), colour=GREY),
        Case("lab.tif", encode(plain("RGB", GREY).convert("LAB"), "TIFF"), colour=GREY),
        Case("grey12.tif", tiff(_grey16(0x808)[:, :, None], bits=12), colour=GREY),
        Case("grey16.tif", encode(Image.fromarray(_grey16(0x8080)), "TIFF"), colour=GREY),
        Case("grey16_big_endian.tif", encode(_big_endian(0x8080), "TIFF"), colour=GREY),
        Case("int32.tif", encode(Image.fromarray(_ramp(np.int32)), "TIFF"), colour=GREY),
        Case("float.tif", encode(Image.fromarray(_ramp(np.float32)), "TIFF"), colour=GREY),
        Case("flat_float.tif", encode(plain("F", 3.5), "TIFF"), colour=(0, 0, 0)),
        *_tiffs(),
        *_metadata(red_png),
        Case("linear.png", with_gamma(plain("L", 55), 100_000), colour=GREY),
        Case("usual_gamma.png", with_gamma(plain("L", 128), 45_455), colour=GREY),
        Case("rgb16_key.png", png(red16, 2, key=struct.pack(">3H", 65535, 0, 0)), colour=WHITE),
        Case("almost_rgb16_key.png", png(red16, 2, key=struct.pack(">3H", 65534, 0, 0)), colour=RED),
        Case("empty_alpha.bmp", bmp(np.dstack([red_pixels, np.zeros((64, 64), np.uint8)]), MASKS), colour=RED),
        Case("alpha.bmp", bmp(half_red, MASKS), colour=(255, 127, 127)),
        Case("plain.avif", encode(plain("RGB", GREY), "AVIF"), colour=GREY),
        Case("plain.jp2", encode(plain("RGB", RED), "JPEG2000"), colour=RED),
        Case("plain.j2k", encode(plain("RGB", RED), "JPEG2000", no_jp2=True), colour=RED),
        Case("burst.mpo", _frames("MPO"), colour=(254, 0, 0)),
        Case("plain.ppm", b"P6 # red\n64 64\n255\n" + bytes(RED) * 64 * 64, colour=RED),
        Case("text.ppm", b"P3 2 2 15\n" + b"15 0 0 " * 4, colour=RED),
        Case("plain.pgm", b"P5 64 64 255\n" + bytes([128]) * 64 * 64, colour=GREY),
        Case("plain.pbm", b"P4 64 64\n" + bytes(8 * 64), colour=WHITE),
        Case("text16.ppm", b"P3 2 2 65535\n" + b"65535 0 # red\n 0 " * 4, colour=RED),
        Case("declared12.pgm", b"P5 64 64 4095\n" + b"\x02\x02" * 64 * 64, colour=(32, 32, 32)),
        Case("plain.heic", encode(plain("RGB", GREY), "HEIC"), colour=GREY),
        Case("one_pixel.png", encode(plain("RGB", RED, (1, 1)), "PNG"), colour=RED),
        Case("thin.png", encode(plain("RGB", RED, (1, 3000)), "PNG"), colour=RED),
    ]


def _tiffs() -> list[Case]:
    """Of layouts that Pillow has no mode for, or gets wrong."""
    red8, grey8 = np.array(RED, np.uint8), np.full((64, 64, 1), 128, np.uint8)
    red16, grey16, half = np.broadcast_to(RED16, (64, 64, 3)), _grey16(0x8080)[:, :, None], _grey16(0x8000)
    ramp = _ramp(np.float32)
    return [
        Case("broken_tag.tif", with_broken_tag(tiff(grey8, tags={305: bytes(40)})), colour=GREY),
        Case(
            "broken_deep_tag.tif",
            with_broken_tag(tiff(grey16, tags={305: bytes(40)})),
            colour=GREY,
        ),
        Case("big_endian_big.tif", tiff(grey8, order=">", big=True), colour=GREY),
        Case("three_greys.tif", tiff(np.broadcast_to(red8, (64, 64, 3)), photometric=1), colour=RED),
        Case("turned16.tif", tiff(_grey16(0x8080)[:32, :, None], tags={274: 6}), colour=GREY),
        Case("white_is_zero16.tif", tiff(_grey16(0x4040)[:, :, None], photometric=0), colour=(191, 191, 191)),
        Case("profile16.tif", tiff(red16, tags={34675: icc_rgb("grb")}), colour=GREEN),
        Case("hidden16.tif", tiff(np.dstack([red16, _grey16(0)]), alpha=2), colour=WHITE),
        Case("premultiplied16.tif", tiff(np.dstack([red16 // 2, half]), alpha=1), colour=(255, 127, 127)),
        Case("cmyk16.tif", tiff(np.dstack([red16, _grey16(0)]), photometric=5), colour=(0, 255, 255)),
        Case("little_ink16.tif", tiff(np.dstack([red16 // 300, _grey16(0)]), photometric=5), colour=WHITE),
        Case("signed8.tif", tiff((_ramp(np.int16) // 10).astype(np.int8)[:, :, None]), colour=GREY),
        Case("uint32.tif", tiff((_ramp(np.int64) * 2_000_000 + 2**31).astype(np.uint32)[:, :, None]), colour=GREY),
        Case(
            "float_rgba.tif",
            tiff(np.dstack([ramp, ramp, ramp, np.ones_like(ramp)]), alpha=2),
            colour=GREY,
        ),
    ]


def _frames_tiff() -> bytes:
    return encode(plain("RGB", RED), "TIFF", save_all=True, append_images=[plain("RGB", GREEN)])


def _big_endian(value: int) -> Image.Image:
    return Image.frombytes("I;16B", (64, 64), _grey16(value).astype(">u2").tobytes())


def _ramp(kind: type) -> npt.NDArray[np.number]:
    """-1000..1000 from top to bottom, whose middle rows are near 0."""
    return np.repeat(np.linspace(-1000, 1000, 65)[:, None], 65, axis=1).astype(kind)


def _bad() -> list[Case]:
    picture = scene()
    kinds = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP", "gif": "GIF", "bmp": "BMP", "tif": "TIFF", "heic": "HEIC"}
    kinds |= {"avif": "AVIF", "jp2": "JPEG2000", "ppm": "PPM"}
    whole = {suffix: encode(picture, kind) for suffix, kind in kinds.items()}
    nan = Image.fromarray(np.full((4, 4), np.nan, np.float32))
    large = "over the limit of 178 megapixels"
    return [
        *(Case(f"cut.{suffix}", data[: len(data) * 2 // 3], "truncated: ") for suffix, data in whole.items()),
        *(Case(f"holed.{suffix}", whole[suffix][:600] + bytes(9000), "truncated: ") for suffix in ("jpg", "gif")),
        *(Case(f"holed.{kind}", _holed(picture, kind), "truncated: ") for kind in ("WEBP", "HEIC", "AVIF")),
        Case("no_end.png", whole["png"][:-12], "truncated: "),
        Case("checksum.png", _bad_checksum(), "damaged PNG file: "),
        Case("start_only.jpg", whole["jpg"][:20], "truncated: "),
        Case("empty.jpg", b"", "empty file$"),
        Case("page.jpg", b"\n<!-- moved --><!DOCTYPE html><title>404</title>", "looks like HTML, not an image$"),
        Case(
            "drawing.png",
            b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>",
            "An SVG drawing is not",
        ),
        Case("note.png", "Köln, not a picture\n".encode(), "looks like text, not an image$"),
        Case("pointer.jpg", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "only the Git LFS pointer"),
        Case("paper.jpg", b"%PDF-1.7\n%\xe2\xe3", "looks like a PDF"),
        Case("weights.png", b"PK\x03\x04\x14\0\0\0", "looks like a zip archive"),
        Case("table.gif", b"\x1f\x8b\x08\0", "looks like an archive"),
        Case("state.jpg", b"\x80\x04\x95\x10\0\0", "looks like a Python pickle"),
        Case("film.jpg", b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2", "looks like a video"),
        *(Case(f"{name}.jpg", head, f"{re.escape(kind)} is not supported; save it") for name, kind, head in UNREAD),
        *(Case(f"{name}.png", head, f"looks like {kind}, not an image$") for name, kind, head in OTHERS),
        Case("channels.tif", tiff(np.zeros((4, 4, 5), np.uint16), photometric=1), "this kind of TIFF is not supported"),
        *(
            Case(
                f"deep{n}.j{kind}",
                _deep_jpeg2000(mode, kind),
                f"JPEG 2000 of {n} x 12 bits is not supported; save it as",
            )
            for n, mode in ((2, "LA"), (3, "RGB"), (4, "RGBA"))
            for kind in ("p2", "2k")
        ),
        Case("two_bits.bmp", _changed(encode(plain("L", 0), "BMP"), {28: 2}), "this kind of BMP is not .*depth .2."),
        Case("short_header.bmp", _changed(encode(plain("L", 0), "BMP"), {14: 16}), "this kind of BMP is not supported"),
        *(
            Case(
                f"deep{bits}.jpg",
                _changed(_jpeg_header(8, 8), {_FRAME: bits}),
                f"this kind of JPEG is not supported: {bits}-bit layers; save",
            )
            for bits in (12, 16)
        ),
        Case(
            "channels.jpg", _changed(_jpeg_header(8, 8), {_FRAME + 5: 5}), "this kind of JPEG is not supported: 5-layer"
        ),
        Case(
            "wrapped.jpg",
            b"\xff\xd8\xff\xe8\0\x08SPIFF\0\xff\xf7\0\x0b\x08\0\x01\0\x01\x01\x01\x11\0",
            "JPEG-LS is not",
        ),
        Case("few_numbers.ppm", b"P3 2 2 65535\n" + b"65535 0 0 " * 3, "truncated: the PNM has 9 numbers of 12$"),
        Case("large_numbers.ppm", b"P3 2 2 65535\n" + b"65536 0 0 " * 4, "damaged PNM file: "),
        Case("short.tif", tiff(_grey16(9)[:, :, None])[:4000], "truncated: "),
        Case("zeros.jpg", bytes(5000), "holds nothing but zero bytes"),
        Case("noise.jpg", bytes(range(200, 100, -3)) + bytes(range(30)), "not one of the formats JPEG, PNG"),
        Case("nan.tif", encode(nan, "TIFF"), "has pixels that are not finite numbers"),
        Case("bomb.png", _png_header(30000, 30000), f"30000 x 30000 pixels is {large}"),
        Case("bomb.jpg", _jpeg_header(30000, 30000), f"30000 x 30000 pixels is {large}"),
        Case("bomb.bmp", _bmp_header(30000, 30000), f"30000 x 30000 pixels is {large}"),
        Case(
            "bomb.gif",
            b"GIF89a\xff\xff\xff\xff\0\0\0" + encode(plain("P", 0), "GIF")[13:],
            f"65535 x 65535 pixels is {large}",
        ),
        Case("bomb.webp", _webp_header(16384), f"this picture is {large}"),
        Case("just_over.png", _png_header(13343, 13342), f"13343 x 13342 pixels is {large}"),
        Case("nothing.png", _png_header(0, 0), "(damaged|truncated)"),
    ]


def _deep_jpeg2000(mode: str, kind: str) -> bytes:
    """A file whose header says 12 bits."""
    data = bytearray(encode(plain(mode, 0), "JPEG2000", no_jp2=kind == "2k"))
    channels = data.index(b"\xff\x4f\xff\x51") + 41  # their number, then three bytes for each
    for at in range(data[channels]):
        data[channels + 1 + 3 * at] = 12 - 1
    return bytes(data)


def _holed(picture: Image.Image, kind: str) -> bytes:
    data = encode(picture.effect_spread(20), kind, quality=95)
    return data[:1500].ljust(len(data), b"\0")


@cache
def _cases() -> tuple[Case, ...]:
    return (*_sound(), *_bad())


CASES = _cases()
SOUND = tuple(case for case in CASES if case.reason is None)
BAD = tuple(case for case in CASES if case.reason is not None)
