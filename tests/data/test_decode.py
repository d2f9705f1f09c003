"""The decoder: the table of odd files, random damage, orientations, geometry, warnings, threads, memory."""

import io
import os
import re
import socket
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from genus.data import decode as decode_module
from genus.data.decode import MAX_BYTES, SMALL_BYTES, Gate, decode, open_rgb, read, require_room
from genus.data.formats import FileKind, sniff
from genus.data.preprocess import fit
from genus.errors import PictureError, install_hint
from genus.types import DecodeRule, FitName, Preprocess
from tests import corpus
from tests.corpus import BAD, CASES, SOUND, Case, encode, plain, turned
from tests.encoders import icc_rgb, png, tiff

SMALL = Preprocess(size=32)
KINDS = {"JPEG": "JPEG", "PNG": "PNG", "WEBP": "WebP", "GIF": "GIF", "BMP": "BMP", "TIFF": "TIFF", "HEIC": "HEIC"}
KINDS |= {"AVIF": "AVIF", "JPEG2000": "JPEG 2000", "PPM": "PNM"}
WHOLE = {kind: corpus.encode(corpus.scene((48, 40)), kind) for kind in KINDS}


@pytest.mark.parametrize("case", SOUND, ids=lambda case: case.name)
def test_sound_file(case: Case, tmp_path: Path) -> None:
    pixels = decode(case.data, SMALL)
    assert pixels.shape == (32, 32, 3)
    assert pixels.dtype == np.uint8
    assert pixels.flags.writeable
    assert np.array_equal(decode(corpus.write(case, tmp_path), SMALL), pixels)
    if case.colour:
        assert np.abs(pixels[16, 16].astype(int) - case.colour).max() <= 3


@pytest.mark.parametrize("case", BAD, ids=lambda case: case.name)
def test_bad_file(case: Case, tmp_path: Path) -> None:
    for source in (case.data, corpus.write(case, tmp_path)):
        start = time.perf_counter()
        with pytest.raises(PictureError) as caught:
            decode(source, SMALL)
        assert re.match(case.reason or "", str(caught.value)), caught.value
        assert time.perf_counter() - start < 0.5


@pytest.mark.parametrize(("kind", "name"), KINDS.items())
def test_sniff_needs_64_bytes(kind: str, name: str) -> None:
    assert sniff(WHOLE[kind][:64]) == FileKind(name, "read")


@pytest.mark.parametrize("kind", KINDS)
def test_cut_file_is_never_half_decoded(kind: str) -> None:
    data = WHOLE[kind]
    whole = decode(data, SMALL)
    for length in sorted({*range(0, len(data), max(1, len(data) // 80)), *range(len(data) - 20, len(data))}):
        try:
            cut = decode(data[:length], SMALL)
        except PictureError:
            continue
        assert np.array_equal(cut, whole), f"{length} of {len(data)} bytes decode to another picture"


@st.composite
def damaged_files(draw: st.DrawFn) -> bytes:
    """A sound file with a few bytes changed, mostly in its header, and perhaps some missing."""
    data = bytearray(WHOLE[draw(st.sampled_from(sorted(KINDS)))])
    positions = st.one_of(st.integers(0, 120), st.integers(0, len(data) - 1)).map(lambda at: min(at, len(data) - 1))
    for position, value in draw(st.lists(st.tuples(positions, st.integers(0, 255)), min_size=1, max_size=8)):
        data[position] = value
    hole = draw(positions)
    return bytes(data[:hole] + data[hole + draw(st.integers(0, 40)) :])


@settings(max_examples=300, deadline=None)
@given(damaged_files())
def test_damage_raises_only_picture_errors(data: bytes) -> None:
    _decodes_or_says_why(data)


@pytest.mark.long
@settings(max_examples=100_000, deadline=2000)
@given(damaged_files())
def test_much_damage_raises_only_picture_errors(data: bytes) -> None:
    _decodes_or_says_why(data)


def _decodes_or_says_why(data: bytes) -> None:
    try:
        pixels = decode(data, SMALL)
    except PictureError:
        return
    assert pixels.shape == (32, 32, 3)


@given(st.sampled_from(sorted(WHOLE)), st.binary(max_size=200))
def test_noise_behind_a_signature_raises_only_picture_errors(kind: str, noise: bytes) -> None:
    with pytest.raises(PictureError):
        decode(WHOLE[kind][:12] + noise, SMALL)


@given(st.binary(max_size=300))
def test_markup_patterns_are_quick_on_anything(noise: bytes) -> None:
    for data in (noise, b"<" * 512, b"<!---->" * 73, b"<?xml " + noise * 5):
        with pytest.raises(PictureError):
            decode(data, SMALL)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_eight_orientations_are_one_picture(kind: str) -> None:
    """Blocks of one colour, as large as two JPEG blocks, survive JPEG equally whichever way they are turned."""
    blocks = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    picture = Image.fromarray(blocks.repeat(32, axis=0).repeat(32, axis=1))
    options = {"JPEG": {"subsampling": 0}, "WEBP": {"lossless": True}}.get(kind, {})
    preprocess = Preprocess(size=56, crop=0.875)
    files = [corpus.turned(picture, orientation, kind, **options) for orientation in range(1, 9)]
    assert len(set(files)) == 8
    assert open_rgb(files[5], preprocess.scaled_side).size == ((128, 96) if kind == "JPEG" else (256, 192))
    tensors = [decode(file, preprocess) for file in files]
    for tensor in tensors[1:]:
        assert np.array_equal(tensor, tensors[0])
    straight = decode(corpus.encode(picture, kind, **options), preprocess)
    assert np.array_equal(straight, tensors[0])


@pytest.mark.parametrize(
    ("size", "at_least", "expected"),
    [
        ((1000, 600), 300, (500, 300)),
        ((1000, 600), 301, (1000, 600)),
        ((1000, 600), 75, (125, 75)),
        ((1000, 600), 20, (125, 75)),
        ((1001, 603), 150, (251, 151)),
        ((50, 40), 64, (50, 40)),
        ((1000, 600), None, (1000, 600)),
    ],
)
def test_draft_rule(size: tuple[int, int], at_least: int | None, expected: tuple[int, int]) -> None:
    data = corpus.encode(corpus.scene(size), "JPEG")
    assert open_rgb(data, at_least).size == expected
    assert open_rgb(corpus.encode(corpus.scene((100, 60)), "PNG"), at_least).size == (100, 60)


def test_draft_is_close_to_the_full_decode() -> None:
    data = corpus.encode(corpus.scene((900, 700)), "JPEG", quality=95)
    preprocess = Preprocess(size=77, crop=0.875)
    assert open_rgb(data, preprocess.scaled_side).size == (225, 175)
    difference = np.abs(decode(data, preprocess).astype(int) - fit(open_rgb(data), preprocess))
    assert difference.mean() < 1
    assert difference.max() <= 6


@pytest.mark.parametrize(
    ("size", "preprocess", "expected"),
    [
        ((1600, 400), Preprocess(100), (400, 100)),
        ((1600, 400), Preprocess(100, crop=0.5), (800, 200)),
        ((1600, 400), Preprocess(100, crop=0.5, fit="pad"), (200, 50)),
        ((400, 1600), Preprocess(201, fit="pad"), (100, 400)),
        ((400, 1600), Preprocess(100, fit="stretch"), (100, 400)),
        ((1600, 400), Preprocess(101, crop=0.5, fit="stretch"), (800, 200)),
    ],
)
def test_no_more_of_a_jpeg_is_decoded_than_the_fit_takes(
    size: tuple[int, int], preprocess: Preprocess, expected: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded = []
    monkeypatch.setattr(decode_module, "fit", lambda image, _: decoded.append(image.size))
    decode(corpus.encode(corpus.scene(size), "JPEG"), preprocess)
    assert decoded == [expected]


@pytest.mark.parametrize("rule", ["draft-cut", "draft"])
@pytest.mark.parametrize("resample", ["bicubic", "bilinear"])
def test_fit_equals_resize_then_central_crop(resample: str, rule: str) -> None:
    picture = corpus.scene((512, 256))
    filters = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}
    classic = np.asarray(picture.resize((256, 128), filters[resample]))[8:120, 72:184]
    one_step = fit(picture, Preprocess(112, crop=0.875, resample=resample, decode=rule))  # type: ignore[arg-type]
    assert np.abs(classic.astype(int) - one_step).max() <= 1


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 90),
    st.integers(1, 90),
    st.integers(1, 40),
    st.sampled_from([0.5, 0.875, 0.9, 1.0]),
    st.sampled_from(["draft-cut", "draft"]),
    st.sampled_from(get_args(FitName)),
)
def test_fit_of_any_size_commutes_with_mirroring(
    width: int, height: int, size: int, crop: float, rule: DecodeRule, how: FitName
) -> None:
    picture = Image.fromarray(np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8))
    preprocess = Preprocess(size=size, crop=crop, decode=rule, fit=how)
    fitted = fit(picture, preprocess).astype(int)
    assert fitted.shape == (size, size, 3)
    mirrored = fit(picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT), preprocess)
    assert np.abs(mirrored[:, ::-1] - fitted).max() <= 3
    upside_down = fit(picture.transpose(Image.Transpose.FLIP_TOP_BOTTOM), preprocess)
    assert np.abs(upside_down[::-1] - fitted).max() <= 3


def test_the_limit_counts_pixels_before_the_draft() -> None:
    data = corpus.encode(corpus.scene((100, 80)), "JPEG")
    decode(data, Preprocess(8), max_pixels=8000)
    with pytest.raises(PictureError, match="100 x 80 pixels is over the limit"):
        decode(data, Preprocess(8), max_pixels=7999)


def test_what_was_used_up_does_not_travel_on(tmp_path: Path) -> None:
    """A picture that is saved again must be shown as it was decoded: not turned or colour-managed twice."""
    exif = Image.Exif()
    exif[0x0112] = 6
    data = corpus.encode(corpus.scene(), "PNG", exif=exif.tobytes(), icc_profile=icc_rgb("grb"))
    picture = open_rgb(data)
    assert np.array_equal(np.asarray(open_rgb(corpus.encode(picture, "PNG"))), np.asarray(picture))


def test_srgb_profiles_cost_nothing_and_change_nothing() -> None:
    plain = corpus.encode(corpus.scene(), "PNG")
    tagged = corpus.encode(corpus.scene(), "PNG", icc_profile=icc_rgb("rgb", gamma=2.2))
    srgb = _srgb_profile()
    assert np.array_equal(decode(plain, SMALL), decode(corpus.encode(corpus.scene(), "PNG", icc_profile=srgb), SMALL))
    assert np.abs(decode(plain, SMALL).astype(int) - decode(tagged, SMALL)).max() <= 12


def _srgb_profile() -> bytes:
    from PIL import ImageCms

    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def test_warnings_as_errors_change_no_result() -> None:
    cases = [case for case in SOUND if case.name.startswith("broken")]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        before = len(warnings.filters)
        with ThreadPoolExecutor(4) as pool:
            strict = list(pool.map(lambda case: decode(case.data, SMALL), cases * 5))
        assert len(warnings.filters) <= before + 1
        with pytest.raises(UserWarning):
            warnings.warn("of somebody else", stacklevel=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        lax = [decode(case.data, SMALL) for case in cases * 5]
    assert all(map(np.array_equal, strict, lax))


def test_many_threads_decode_as_one() -> None:
    def attempt(case: Case) -> str | bytes:
        try:
            return decode(case.data, SMALL).tobytes()
        except PictureError as error:
            return str(error)

    alone = [attempt(case) for case in CASES]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(attempt, CASES * 2)) == alone * 2


def test_files_that_cannot_be_read() -> None:
    with corpus.unprivileged_folder() as folder:
        with pytest.raises(PictureError, match="cannot read: no such file"):
            read(folder / "none.jpg")
        with pytest.raises(PictureError, match="is a folder, not a file"):
            read(folder)
        closed = corpus.write(SOUND[0], folder)
        closed.chmod(0)
        with pytest.raises(PictureError, match="cannot read: permission denied"):
            decode(closed, SMALL)


@pytest.mark.skipif(os.name == "nt", reason="POSIX files")
def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "linked.jpg").symlink_to("/dev/zero")
    (tmp_path / "folder.jpg").mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s.jpg"))
        for name, what in {"pipe": "a named pipe", "linked": "a device", "folder": "a folder", "s": "a socket"}.items():
            with pytest.raises(PictureError, match=f"is {what}, not a file"):
                decode(tmp_path / f"{name}.jpg", SMALL)


@pytest.mark.skipif(os.name == "nt", reason="POSIX files")
def test_what_becomes_a_pipe_before_it_is_opened_blocks_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "pipe.jpg"
    path.write_bytes(WHOLE["JPEG"])
    as_file = path.stat()
    path.unlink()
    os.mkfifo(path)
    monkeypatch.setattr(os, "stat", lambda *_, **__: as_file)
    with pytest.raises(PictureError, match="is a named pipe"):
        read(path)


def test_everything_that_is_a_picture_in_python(tmp_path: Path) -> None:
    """Gives what its file gives."""
    path = tmp_path / "picture.png"
    path.write_bytes(WHOLE["PNG"])
    expected = decode(path, SMALL)
    pixels = np.asarray(Image.open(path))
    with path.open("rb") as file:
        sources = [
            str(path),
            WHOLE["PNG"],
            bytearray(WHOLE["PNG"]),
            memoryview(WHOLE["PNG"]),
            file,
            io.BytesIO(WHOLE["PNG"]),
        ]
        for source in (*sources, Image.open(path), pixels, np.asfortranarray(pixels), pixels[::-1][::-1]):
            assert np.array_equal(decode(source, SMALL), expected)
    grey = pixels[:, :, 0]
    assert np.array_equal(decode(grey, SMALL), decode(np.stack([grey] * 3, axis=2), SMALL))


def closed() -> io.BytesIO:
    file = io.BytesIO(WHOLE["PNG"])
    file.close()
    return file


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        (None, TypeError, "A picture cannot be a NoneType. Give a path, the bytes of a picture file"),
        (7, TypeError, "cannot be a int"),
        ([WHOLE["PNG"]], TypeError, "cannot be a list"),
        (torch.zeros(3, 8, 8), TypeError, "cannot be a Tensor"),
        (io.StringIO("text"), TypeError, "Open it with 'rb'"),
        (np.zeros((8, 8, 3)), TypeError, "an array of float64. Give .* uint8 array of H x W x 3"),
        (np.zeros((8, 8), np.uint16), TypeError, "an array of uint16"),
        (np.zeros((8, 8, 4), np.uint8), TypeError, "of the shape 8 x 8 x 4. Give"),
        (np.zeros((3, 8, 8), np.uint8), TypeError, "of the shape 3 x 8 x 8"),
        (np.zeros((0, 8, 3), np.uint8), TypeError, "of the shape 0 x 8 x 3"),
        (np.zeros((), np.uint8), TypeError, "of the shape"),
        (Image.new("RGB", (0, 0)), TypeError, "an image of 0 x 0 pixels. Give"),
        (Image.new("L", (8, 0)), TypeError, "an image of 8 x 0 pixels. Give"),
        (io.TextIOWrapper(io.BytesIO(WHOLE["JPEG"]), "utf-8"), TypeError, "can't decode byte.*Open it with 'rb'"),
        (closed(), TypeError, "gives no bytes .*closed file.*Open it with 'rb'"),
        (io.BufferedWriter(io.BytesIO()), TypeError, "gives no bytes .*read.*Open it with 'rb'"),  # type: ignore[arg-type]
        (io.BytesIO(), PictureError, "empty file"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_everything_that_is_none(source: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        decode(source, SMALL)


def test_avif_without_a_pillow_that_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("PIL.features.check", lambda _: False)
    with pytest.raises(PictureError, match="AVIF pictures need a Pillow that was built for them"):
        decode(WHOLE["AVIF"], SMALL)


def test_a_huge_stranger_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "film.jpg"
    with path.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(PictureError, match="zero bytes"):
        read(path)


def test_heic_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(PictureError, match=re.escape(install_hint("heif"))):
        decode(WHOLE["HEIC"], SMALL)


MB = 2**20


def test_no_more_than_fit_come_in_at_the_same_time() -> None:
    gate, inside, most, lock = Gate(300 * MB), [0], [0], threading.Lock()

    def enter(needed: int) -> None:
        with gate.taking(needed):
            with lock:
                inside[0] += needed
                most[0] = max(most[0], inside[0])
            time.sleep(0.005)
            with lock:
                inside[0] -= needed

    threads = [threading.Thread(target=enter, args=((100 + 40 * (n % 2)) * MB,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not any(thread.is_alive() for thread in threads)
    assert 200 * MB <= most[0] <= 300 * MB


def test_one_that_is_too_large_comes_alone_and_small_ones_never_wait() -> None:
    gate = Gate(100 * MB)
    with gate.taking(1000 * MB), gate.taking(SMALL_BYTES):
        other = threading.Thread(target=lambda: gate.taking(SMALL_BYTES + 1).__enter__(), daemon=True)
        other.start()
        other.join(0.05)
        assert other.is_alive()
    other.join(20)
    assert not other.is_alive()


def test_an_error_leaves_room() -> None:
    gate = Gate(100 * MB)
    for _ in range(3):
        with pytest.raises(PictureError), gate.taking(100 * MB):
            raise PictureError("damaged")


def test_the_limits() -> None:
    require_room(1000, 1000, MAX_BYTES, 10**6)
    with pytest.raises(PictureError, match=r"of this kind need 1\.6 GB of memory, over the limit"):
        require_room(1000, 1000, MAX_BYTES + 10**7, 10**6)
    with pytest.raises(PictureError, match="1001 x 1000 pixels is over the limit of 1 megapixels"):
        require_room(1001, 1000, 1, 10**6)
    assert open_rgb(encode(plain("RGB", 0, (20, 20)), "PNG"), max_pixels=400).size == (20, 20)


MEASURE = r"""
import re, sys
from pathlib import Path
import torch.nn
from genus.data.decode import decode
from genus.data.readers import open_picture
from genus.types import Preprocess

def peak():
    return 1024 * int(re.search("VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1])

preprocess = Preprocess(32)
decode(Path(sys.argv[1]), preprocess)
files = [(path, path.read_bytes()) for path in map(Path, sys.argv[2:])]
needs = {
    path: open_picture(path.name.split("-")[0], data, 32, "full-range", by_long_side=False).needed
    for path, data in files
}
before = peak()
for path, data in sorted(files, key=lambda file: needs[file[0]]):
    decode(data, preprocess)
    print(path.name, needs[path], peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_no_picture_takes_more_than_it_is_let_in_with(tmp_path: Path) -> None:
    """In a process of its own, the cheapest first; the peak of memory only ever rises."""
    side = 2600
    deep = np.zeros((side, side, 3), np.uint16)
    files = {
        "small": encode(plain("RGB", 0), "PNG"),
        "JPEG-progressive": encode(plain("RGB", 9, (side, side)), "JPEG", progressive=True),
        "PNG-turned": turned(plain("RGBA", (9, 9, 9, 99), (side, side)), 6, "PNG", icc_profile=icc_rgb("grb")),
        "PNG-deep": png(deep, 2),
        "TIFF-deep": tiff(deep, deflate=True, planes=True),
        "WebP-clear": encode(plain("RGBA", (9, 9, 9, 99), (side, side)), "WEBP", lossless=True, method=0),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    paths = [str(tmp_path / name) for name in files]
    measured = subprocess.run([sys.executable, "-c", MEASURE, *paths], check=True, capture_output=True, text=True)
    for line in measured.stdout.splitlines():
        name, needed, taken = line.split()
        assert int(taken) < int(needed) + 24 * MB, name
