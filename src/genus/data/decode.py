"""The one decoder of the program: from the bytes of a file to upright sRGB pixels, or a PictureError.

Training, evaluation, prediction, explanation and export all see a picture through ``open_rgb``; everything that
feeds a model without augmentation goes through ``decode``, which is ``open_rgb`` and then ``fit``.

What a file is, its first bytes say, never its name. The format found there is opened with its own Pillow class
and no other, which also leaves Pillow's global registry and its global pixel limit alone.

Known limit: damage inside the compressed pixels that the format has no checksum for (JPEG, WebP) cannot be told
from a strange picture. Missing ends, zero-filled ends and the checksums of PNG are all looked at.
"""

import io
import logging
import re
import warnings
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageCms,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from genus.data.resize import central, resize
from genus.errors import PictureError
from genus.types import Preprocess

MAX_PIXELS = 178_000_000
"""Width times height that a header may announce; just under the point where Pillow refuses a picture."""

_HEAD = 512
_FORMATS = "JPEG, PNG, WebP, GIF, BMP, TIFF, HEIC"
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}

_PICTURES = (
    ("JPEG", rb"\xff\xd8\xff"),
    ("PNG", rb"\x89PNG\r\n\x1a\n"),
    ("WebP", rb"RIFF.{4}WEBP"),
    ("GIF", rb"GIF8[79]a"),
    ("BMP", rb"BM"),
    ("TIFF", rb"II\*\0|MM\0\*|II\+\0|MM\0\+"),
)
_MARKUP = rb"[\xef\xbb\xbf\s]*(?=<).*<"
_STRANGERS = (
    (_MARKUP + rb"(!doctype html|html|head|body)\b", "looks like HTML, not an image"),
    (_MARKUP + rb"svg\b", f"SVG drawings are not supported; save it as one of {_FORMATS}"),
    (rb"version https://git-lfs", "only the Git LFS pointer of a picture; run `git lfs pull`"),
    (rb"%PDF", "looks like a PDF, not an image"),
    (rb"PK\x03\x04", "looks like a zip archive, not an image"),
    (rb"\x1f\x8b|Rar!|7z\xbc\xaf", "looks like an archive, not an image"),
    (rb"\x80[\x02-\x05]", "looks like a Python pickle, not an image"),
    (rb".{4}ftypavi[fs]", f"AVIF pictures are not supported; save it as one of {_FORMATS}"),
    (rb"\xff\x0a|\0\0\0\x0cJXL ", f"JPEG XL pictures are not supported; save it as one of {_FORMATS}"),
    (rb"8BPS", f"Photoshop files are not supported; save it as one of {_FORMATS}"),
    (rb".{4}ftyp|\x1aE\xdf\xa3|RIFF.{4}AVI |\0\0\x01[\xb3\xba]", "looks like a video, not an image"),
    (rb"\0+\Z", "holds nothing but zero bytes"),
    (rb"[^\0-\x08\x0e-\x1a\x1c-\x1f\x7f]+\Z", "looks like text, not an image"),
)
_OPENERS: dict[str, type[ImageFile.ImageFile]] = {
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "WebP": WebPImagePlugin.WebPImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
}
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_PILLOW_RESAMPLING = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}
logging.getLogger("PIL").addHandler(logging.NullHandler())  # without one, what Pillow logs lands on the terminal
_PILLOW_FILTER = ("ignore", None, Warning, re.compile(r"PIL\."), 0)


def decode(
    source: Path | bytes | Image.Image, preprocess: Preprocess, max_pixels: int = MAX_PIXELS
) -> npt.NDArray[np.uint8]:
    """Decode a picture and fit it to ``preprocess``: uint8, size x size x 3 (height, width, RGB), sRGB, 0..255.

    ``source`` is a file, the bytes of one, or an open picture. Safe to call from many threads; Pillow decodes and
    resizes without the GIL. Raises PictureError, and nothing else, for any file that cannot be used.
    """
    if not isinstance(source, Image.Image):
        return fit(open_rgb(source, preprocess.short_side, max_pixels), preprocess)
    try:
        source.load()  # it may have been opened and not read yet
        return fit(upright_rgb(source), preprocess)
    except Exception as error:
        raise PictureError(f"cannot be decoded: {error}") from error


def fit(image: Image.Image, preprocess: Preprocess) -> npt.NDArray[np.uint8]:
    """Cut and scale an upright RGB picture for a model: uint8, size x size x 3.

    The central square with sides of ``short side x size / preprocess.short_side`` is resampled to ``size`` in one
    antialiased step. That equals scaling the short side to ``preprocess.short_side`` and keeping the central ``size``
    pixels, except that nothing outside the square is computed, and that the margins on both sides are equal: a
    mirrored picture gives the mirrored result (within 2 of 255, from rounding).
    """
    if preprocess.decode == "draft":
        return _fit_with_fractions(image, preprocess)
    return resize(np.array(image)[central_square(image.size, preprocess)], preprocess.size, preprocess.resample)


def central_square(size: tuple[int, int], preprocess: Preprocess) -> tuple[slice, slice]:
    """Rows and columns of what a model sees of a picture with this width and height."""
    width, height = size
    side = min(width, height) * preprocess.size / preprocess.short_side
    return central(height, side), central(width, side)


def _fit_with_fractions(image: Image.Image, preprocess: Preprocess) -> npt.NDArray[np.uint8]:
    width, height = image.size
    side = min(width, height) * preprocess.size / preprocess.short_side
    box = ((width - side) / 2, (height - side) / 2, (width + side) / 2, (height + side) / 2)
    resampling = _PILLOW_RESAMPLING[preprocess.resample]
    return np.array(image.resize((preprocess.size, preprocess.size), resampling, box))


def open_rgb(source: Path | bytes, at_least: int | None = None, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """The whole picture in mode RGB: first frame, upright, sRGB, transparency on white, 8 bits.

    With ``at_least``, a JPEG is decoded at the smallest of 1/1, 1/2, 1/4, 1/8 of its size (sides rounded up) whose
    sides are not below ``at_least`` pixels, or at full size where there is none; other formats, and every format
    without ``at_least``, come at full size. ``max_pixels`` is held against the header, before decoding.
    Raises PictureError.
    """
    data = read(source) if isinstance(source, Path) else source
    kind = _require_picture(data[:_HEAD])
    _ignore_pillow_warnings()
    try:
        return _open(kind, data, at_least, max_pixels)
    except PictureError:
        raise
    except Image.DecompressionBombError as error:
        raise PictureError(_over_limit("this picture", max_pixels)) from error
    except MemoryError as error:
        raise PictureError("needs more memory than this machine has free") from error
    except Exception as error:  # hostile bytes reach every corner of Pillow: any failure there is the picture's
        raise PictureError(_reason(kind, data, error)) from error


def read(path: Path) -> bytes:
    """The bytes of a picture file, read whole only if its first bytes are those of a picture.

    Raises PictureError when the file cannot be read, is empty, or is no picture.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
            _require_picture(head)
            return head + file.read()
    except OSError as error:
        raise PictureError(f"cannot read: {(error.strerror or str(error)).lower()}") from error
    except ValueError as error:  # a NUL in the name
        raise PictureError(f"cannot read: {error}") from error


def sniff(head: bytes) -> str | None:
    """The format that the first bytes of a file (64 are enough) announce: one of JPEG, PNG, WebP, GIF, BMP, TIFF,
    HEIC, or None for everything that genus does not read."""
    for kind, pattern in _PICTURES:
        if re.match(pattern, head, re.DOTALL):
            return kind
    if head[4:8] == b"ftyp":
        end = min(int.from_bytes(head[:4]), 64)
        brands = {head[i : i + 4] for i in (8, *range(16, end, 4))}
        if brands & _HEIC_BRANDS:
            return "HEIC"
    return None


def _require_picture(head: bytes) -> str:
    """The format of a picture by its first bytes, or a PictureError that says what the file is instead."""
    if not head:
        raise PictureError("empty file")
    if kind := sniff(head):
        return kind
    for pattern, reason in _STRANGERS:
        if re.match(pattern, head, re.DOTALL | re.IGNORECASE):
            raise PictureError(reason)
    raise PictureError(f"not one of the formats {_FORMATS}")


def _open(kind: str, data: bytes, at_least: int | None, max_pixels: int) -> Image.Image:
    if _is_zero_filled(kind, data):
        raise PictureError(_truncated(kind, len(data.rstrip(b"\0"))))
    opener = _heif_opener() if kind == "HEIC" else _OPENERS[kind]
    image = opener(io.BytesIO(data))
    width, height = image.size
    if width * height > max_pixels:
        raise PictureError(_over_limit(f"{width} x {height} pixels", max_pixels))
    if kind == "PNG":
        opener(io.BytesIO(data)).verify()  # the checksums; load() skips those of the pixels
    if kind == "JPEG" and at_least is not None:
        image.draft(None, (at_least, at_least))
    image.load()
    return upright_rgb(image)


def upright_rgb(image: Image.Image) -> Image.Image:
    """A loaded picture in any mode -> RGB: turned as its EXIF says, sRGB, transparency on white, 8 bits."""
    turn = _UPRIGHT.get(_orientation(image))
    rgb = _to_srgb(image)
    rgb = rgb.transpose(turn) if turn is not None else rgb
    rgb.info = {}  # the profile and the orientation are used up; a copy saved later must not carry them
    return rgb


def _heif_opener() -> type[ImageFile.ImageFile]:
    try:
        from pillow_heif import HeifImageFile
    except ImportError as error:
        raise PictureError('HEIC pictures need an extra: pip install "genus[heif]"') from error
    opener: type[ImageFile.ImageFile] = HeifImageFile
    return opener


def _orientation(image: Image.Image) -> int:
    """EXIF (or XMP) orientation, 1..8; 1 where the block is missing or broken, for then it says nothing."""
    try:
        return int(image.getexif().get(0x0112, 1))
    except Exception:
        return 1


def _to_srgb(image: Image.Image) -> Image.Image:
    """Any mode and profile -> RGB in sRGB, with what is transparent laid on white."""
    profile = image.info.get("icc_profile")
    alpha = None
    if image.mode.startswith(("I", "F")):
        image = _to_eight_bits(image)
    elif image.has_transparency_data:
        image = image.convert("RGBA")
        alpha = image.getchannel("A")
    if image.mode not in ("L", "RGB", "CMYK"):
        image = image.convert("RGB")
    transform = _profile_transform(profile, image.mode) if profile else None
    if transform:
        rgb = transform.apply(image)
    else:
        rgb = image if image.mode == "RGB" else image.convert("RGB")
    if alpha is None:
        return rgb
    white = Image.new("RGB", rgb.size, "white")
    white.paste(rgb, mask=alpha)
    return white


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Deep grey -> mode L. Integers of known depth keep their high 8 bits; 32-bit and floating-point pixels have no
    agreed white, so their own minimum..maximum becomes 0..255."""
    values = np.asarray(image)
    if image.mode.startswith("I;16"):
        grey = values >> (_bits(image) - 8)
        if image.has_transparency_data:
            grey = np.where(values == image.info["transparency"], 255, grey)
        return Image.fromarray(grey.astype(np.uint8))
    values = values.astype(np.float64)
    low, high = values.min(), values.max()
    if not np.isfinite(high - low):
        raise PictureError("has pixels that are not finite numbers")
    return Image.fromarray(np.rint((values - low) * (255 / (high - low or 1))).astype(np.uint8))


def _bits(image: Image.Image) -> int:
    """Bits of a grey pixel that Pillow opened as 16-bit: 12 in some TIFF files, else 16."""
    return int(image.tag_v2[258][0]) if isinstance(image, TiffImagePlugin.TiffImageFile) else 16


@lru_cache(maxsize=16)
def _profile_transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """From an ICC profile to sRGB, perceptually; None where nothing is to be done: the profile is broken, is made
    for another colour space than the pixels', or changes no colour by more than 2 of 255 (sRGB in its many names)."""
    try:
        transform = ImageCms.ImageCmsTransform(
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")),
            mode,
            "RGB",
            ImageCms.Intent.PERCEPTUAL,
            flags=ImageCms.Flags.NOCACHE,  # the cache of one pixel is what threads would share
        )
    except (OSError, ValueError, TypeError, ImageCms.PyCMSError):
        return None
    if mode == "CMYK":
        return transform
    probe = _every_few_colours().convert(mode)
    before, after = np.asarray(probe.convert("RGB"), np.int16), np.asarray(transform.apply(probe), np.int16)
    return transform if np.abs(after - before).max() > 2 else None


def _every_few_colours() -> Image.Image:
    steps = np.arange(0, 256, 15, dtype=np.uint8)
    grid = np.stack(np.meshgrid(steps, steps, steps), axis=-1)
    return Image.fromarray(grid.reshape(len(steps), -1, 3))


def _is_zero_filled(kind: str, data: bytes) -> bool:
    """Does the file break off into zero bytes, as after a lost connection or a full disk? libjpeg and libwebp take
    these for pixels. (Zeros behind the proper end of a picture are harmless padding.)"""
    if not data.endswith(bytes(512)):
        return False
    end = len(data.rstrip(b"\0"))
    if kind == "JPEG":
        return not data.endswith(b"\xff\xd9", 0, end)
    return kind == "WebP" and end + 512 <= _webp_length(data)


def _webp_length(data: bytes) -> int:
    return 8 + int.from_bytes(data[4:8], "little")


def _reason(kind: str, data: bytes, error: Exception) -> str:
    """Why Pillow failed, in words: a file that ends too early, or one that is damaged inside."""
    text = str(error) or type(error).__name__
    ends_early = {
        "JPEG": b"\xff\xd9" not in data[-1024:],
        "PNG": b"IEND" not in data[-1024:],
        "WebP": len(data) < _webp_length(data),
        "GIF": b";" not in data[-1:],
        "BMP": len(data) < int.from_bytes(data[2:6], "little"),
    }
    if ends_early.get(kind) or re.search("truncated|end of file|insufficient|cannot read full", text, re.IGNORECASE):
        return _truncated(kind, len(data))
    return f"damaged {kind} file: {text}"


def _truncated(kind: str, length: int) -> str:
    return f"truncated: the {kind} data end too early, after {length:,} bytes"


def _over_limit(what: str, max_pixels: int) -> str:
    return f"{what} is over the limit of {max_pixels / 1e6:.0f} megapixels"


def _ignore_pillow_warnings() -> None:
    """Keep Pillow's warnings (odd EXIF, odd TIFF tags, large pictures) out of decoding.

    Where warnings are errors they would make a readable picture unreadable. ``warnings.catch_warnings`` swaps the
    filters of the whole process, so two threads that overlap in it can leave a filter behind for ever; one filter,
    put in front once and limited to modules of Pillow, is safe. It is put back where somebody took it out.
    """
    if not warnings.filters or warnings.filters[0] != _PILLOW_FILTER:
        warnings.filterwarnings("ignore", module=r"PIL\.")
