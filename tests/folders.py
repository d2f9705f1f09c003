"""Odd and bad data folders, made by code, each with what ``genus check`` must say of it.

``KINDS`` is the one table; ``build(tree, place)`` puts a folder on disk. D1 to D23 are numbers in the project's list of
faults.
"""

import io
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance

from tests.corpus import CASES, ODD_NAMES, encode, scene, turned
from tests.encoders import icc_cmyk_grey

SIZE = (80, 64)
ENOUGH = 20  # pictures of a class: with fewer, that is a warning
CODES = {"note": 0, "warning": 6, "serious": 6, "fatal": 3}

Tree = Mapping[str, bytes | Callable[[Path], object]]
"""What the file at each path holds, or what makes something else than a file there."""


@dataclass(frozen=True)
class Found:
    """A finding of ``check.json``. Its sentence holds ``words``, where ROOT stands for the folder; its members, where
    some are told, are these."""

    severity: str
    kind: str
    words: str
    members: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Refused:
    """Nothing can be looked at: the command ends with ``code`` and says ``words``."""

    code: int
    words: str


@dataclass(frozen=True)
class Kind:
    """A folder with the entries of ``tree``, of which ``data`` is given to the command, and ``flags`` with it. Further
    notes than those ``expected`` may be found."""

    name: str
    tree: Tree
    expected: tuple[Found | Refused, ...]
    data: str
    flags: tuple[str, ...]

    @property
    def code(self) -> int:
        """The exit code."""
        codes = [one.code if isinstance(one, Refused) else CODES[one.severity] for one in self.expected]
        return 3 if 3 in codes else max(codes, default=0)


def kind(name: str, tree: Tree, *expected: Found | Refused, data: str = "", flags: Sequence[str] = ()) -> Kind:
    return Kind(name, tree, expected, data, tuple(flags))


def refused(words: str, code: int = 3) -> Refused:
    return Refused(code, words)


def fatal(words: str) -> Found:
    return Found("fatal", "cannot train", words, ())


def serious(what: str, words: str, *members: tuple[str, ...]) -> Found:
    return Found("serious", what, words, members)


def warning(what: str, words: str, *members: tuple[str, ...]) -> Found:
    return Found("warning", what, words, members)


def note(what: str, words: str, *members: tuple[str, ...]) -> Found:
    return Found("note", what, words, members)


def unreadable(path: str, reason: str) -> Found:
    """The only one that cannot be read, of many."""
    return warning("unreadable", f"1 file cannot be read: {path} ({reason}", (path,))


def build(tree: Tree, place: Path) -> Path:
    """Make all entries of ``tree`` below ``place``."""
    for path, entry in tree.items():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        if callable(entry):
            entry(place / path)
        else:
            (place / path).write_bytes(entry)
    return place


# Entries


def link(target: str) -> Callable[[Path], None]:
    """A link to ``target``."""
    return lambda path: path.symlink_to(target)


def closed(path: Path) -> None:
    """A file that nobody may read; a folder, where the name has no suffix."""
    if path.suffix:
        path.write_bytes(photo(path.name))
    else:
        path.mkdir()
    path.chmod(0)


# Pictures


def mosaic(name: str) -> Image.Image:
    """A colourful picture with sharp edges; another name gives another one."""
    rng = np.random.default_rng([*os.fsencode(name)])
    tiles = rng.integers(256, size=(SIZE[1] // 8, SIZE[0] // 8, 3), dtype=np.uint8)
    return Image.fromarray(tiles).resize(SIZE, Image.Resampling.NEAREST)


@cache
def photo(name: str) -> bytes:
    """``mosaic`` as a JPEG."""
    return encode(mosaic(name), "JPEG", quality=90)


def photos(*folders: str, count: int = ENOUGH, first: int = 0) -> dict[str, bytes]:
    """So many different ones in each folder: they have nothing in common, not even where their numbers follow. Beside
    others, ``first`` is the number of folders before; the same numbers mean the same pictures, looked at only once."""
    return {
        f"{folder}/{number}.jpg": photo(f"{place}/{number}")
        for place, folder in enumerate(folders, first)
        for number in range(count)
    }


def smaller(picture: bytes) -> bytes:
    """A near copy: smaller and brighter."""
    image = Image.open(io.BytesIO(picture)).resize((60, 48), Image.Resampling.LANCZOS)
    return encode(ImageEnhance.Brightness(image).enhance(1.1), "JPEG", quality=80)


def burst(folder: str, numbers: Sequence[int]) -> dict[str, bytes]:
    """What one camera took within seconds: alike in outline, and in nothing finer."""
    found = {}
    for number in numbers:
        noise = np.random.default_rng(number).normal(0, 25, (SIZE[1], SIZE[0], 3))
        image = Image.fromarray((np.asarray(scene(SIZE)) + noise).clip(0, 255).astype(np.uint8))
        exif = Image.Exif()
        exif[0x110] = "Camera 1"
        exif.get_ifd(0x8769)[0x9003] = f"2026:05:01 10:00:0{number}"
        found[f"{folder}/burst_{number}.jpg"] = encode(image, "JPEG", quality=90, exif=exif)
    return found


def table(rows: Mapping[str, str], head: str = "path,label", encoding: str = "utf-8") -> bytes:
    """A CSV table: path -> the other cells."""
    return "\n".join([head, *(f"{path},{cells}" for path, cells in rows.items())]).encode(encoding)


def labelled(tree: Tree) -> dict[str, str]:
    """path -> name of its folder."""
    return {path: Path(path).parent.name for path in tree}


def _case(name: str) -> bytes:
    """The odd picture file of this name of ``tests.corpus``."""
    return next(case.data for case in CASES if case.name == name)


def _palette() -> bytes:
    image = mosaic("palette").quantize(16)
    return encode(image, "PNG", transparency=bytes([0, 128]))


def _deep() -> bytes:
    grey = np.asarray(mosaic("deep").convert("L")).astype(np.uint16) * 257
    return encode(Image.fromarray(grey), "PNG")


def _with_alpha(mode: str) -> bytes:
    image = mosaic(mode).convert(mode)
    image.putalpha(mosaic("alpha").convert("L"))
    return encode(image, "PNG")


def _animated(format: str) -> bytes:
    first, *others = [mosaic(f"{format}{number}") for number in range(3)]
    return encode(first, format, save_all=True, append_images=others)


def _cmyk() -> bytes:
    return encode(mosaic("cmyk").convert("CMYK"), "JPEG", icc_profile=icc_cmyk_grey())


FORMATS = ("PNG", "WEBP", "GIF", "BMP", "TIFF", "HEIC", "AVIF", "PPM")
ZIP, TAR = b"PK\x03\x04", b"\x1f\x8b\x08"
PETS = photos("cat", "dog")
SPLIT = {
    **photos("train/cat", "train/dog"),
    **photos("val/cat", "val/dog", count=2, first=2),
    **photos("test/cat", "test/dog", count=3, first=4),
}
COPY = ("test/cat/copy.jpg", "train/cat/0.jpg")
TURNED = {f"cat/turned{number}.png": turned(mosaic("turned"), number, "PNG") for number in range(1, 9)}


def _layouts() -> list[Kind]:
    few = photos("cat", "dog", count=2)
    alike = "hold the same folders, 'cat', 'dog', and no pictures beside them, so those seem to be the classes"
    return [
        kind("sound", PETS),
        kind("D1 missing", {}, refused("There is no folder ROOT. Give a folder that"), data="none"),
        kind("D1 empty", {}, refused("No class folders in ROOT; expected ROOT/<class>/<image>. Found 0 folders, 0")),
        kind("D1 loose pictures", photos(".", count=2), refused("Found 0 folders, 2 loose images.")),
        kind("D1 texts", {"notes.txt": b"to do"}, refused("Found 0 folders, 0 loose images.")),
        kind("D2 one class", photos("cat"), fatal("Only class 'cat' found in ROOT; at least 2 are needed.")),
        kind(
            "D3 class of one",
            PETS | photos("owl", count=1, first=2),
            warning("folder", "Classes with a single picture cannot be tested: 'owl'."),
            warning("few pictures", "1 class with fewer than 20 pictures: owl (1)."),
            warning("uneven classes", "20 pictures of cat, 1 of owl."),
        ),
        kind(
            "D3 empty class",
            PETS | {"owl": Path.mkdir, "cat/copy.jpg": PETS["cat/0.jpg"]},
            fatal("No pictures in the class folders 'owl'. Fill or remove them."),
            note("copy", "2 pictures are copies of each other", ("cat/0.jpg", "cat/copy.jpg")),
        ),
        kind(
            "D3 class of texts",
            PETS | {"owl/a.txt": b"an owl"},
            fatal("No pictures in the class folders 'owl'. Fill or remove them."),
        ),
        kind(
            "D4 hidden and system entries",
            PETS
            | dict.fromkeys((".DS_Store", "cat/._0.jpg", "cat/Thumbs.db", "dog/desktop.ini"), b"system")
            | photos(".ipynb_checkpoints", "__MACOSX/cat", "dog/@eaDir", count=1, first=2),
            note("folder", "Left alone in ROOT: 7 hidden or system entries."),
        ),
        kind("D5 folders in classes", photos("cat", "dog/outdoors/2019") | photos("cat/indoors", count=1, first=2)),
        kind(
            "D5 loose picture beside classes",
            PETS | photos(".", count=1, first=2),
            warning("folder", "Not used: 1 picture outside any class folder, ROOT/0.jpg for one."),
        ),
        kind(
            "D5 folders in a class and no picture beside them",
            photos("pets/cat", "pets/dog", "birds"),
            warning("folder", "'pets': no picture lies there directly, but in 'cat', 'dog' below."),
        ),
        kind("one folder too many", photos("pets/cat", "pets/dog"), note("folder", "the only folder in ROOT.")),
        kind(
            "unpacked archive",
            photos("archive/pets/cat", "archive/pets/dog") | {"__MACOSX/x": b"", "archive.zip": ZIP},
            note("folder", "The classes are those in ROOT/archive/pets, the only folder in ROOT."),
        ),
        kind(
            "one folder too many, beside another",
            photos("data/cat", "data/dog", "docs", count=2),
            refused("ROOT/data seems to hold the classes ('cat', 'dog'), not to be one. Give it."),
        ),
        kind(
            "Training and Testing",
            photos("Training/cat", "Training/dog") | photos("Testing/cat", "Testing/dog", count=3, first=4),
            note("folder", "Taken for the parts of the data: 'Testing' for test, 'Training' for train."),
        ),
        kind("images/train", {f"images/{path}": data for path, data in SPLIT.items()}, note("folder", "ROOT/images")),
        kind(
            "part without labels",
            SPLIT | photos("pred", count=1, first=6),
            warning("folder", "Left alone, because their pictures are in no class folders and have no labels: 'pred'."),
        ),
        kind(
            "folder beside the parts",
            SPLIT | photos("docs", count=1, first=6),
            warning("folder", "Beside train, val and test these folders are not used: 'docs'."),
        ),
        kind(
            "folds", photos(*(f"fold{n}/{label}" for n in (1, 2) for label in ("cat", "dog")), count=1), refused(alike)
        ),
        kind(
            "parts in classes",
            photos("cat/train", "cat/test", "dog", count=1),
            refused("'test', 'train'), so it is no"),
        ),
        kind("test alone", photos("test/cat", "val/cat", count=1), fatal("ROOT has 'test', 'val' but no 'train'.")),
        kind(
            "a part beside classes", few | photos("test", count=1), refused("ROOT/test looks like a part of the data")
        ),
        kind(
            "a part twice",
            photos("train/cat", "val/cat", "valid/cat", count=1),
            refused("several folders for one part of the data: 'val', 'valid'."),
        ),
        kind("written by genus", {"run/genus.json": b"{}"}, refused("is a folder that genus wrote"), data="run"),
        kind(
            "a run beside classes",
            PETS | {"runs/a-1/genus.json": b"{}"},
            note("folder", "Left alone: 1 folder written by genus, ROOT/runs for one."),
        ),
        kind("a zip", {"pets.zip": ZIP}, refused("ROOT is an archive. Unpack it"), data="pets.zip"),
        kind("a tar", {"pets.tar.gz": TAR}, refused("ROOT is an archive. Unpack it"), data="pets.tar.gz"),
        kind("a zip in the folder", {"pets.zip": ZIP}, refused("Unpack ROOT/pets.zip first.")),
        kind("a picture", photos(".", count=1), refused("ROOT is a file. Give a folder"), data="0.jpg"),
        kind(
            "a spreadsheet",
            {"pets.xlsx": b"PK"},
            refused("is no table that genus reads. Save it as CSV"),
            data="pets.xlsx",
        ),
    ]


def _entries() -> list[Kind]:
    return [
        kind("D6 loops", PETS | {"cat/up": link(".."), "dog/deep/self": link("."), "cat/cats": link("../cat")}),
        kind(
            "D6 a loop alone",
            {"cat/up": link("..")},
            fatal("No pictures in the class folders 'up'."),
            note("folder", "The classes are those in ROOT/cat, the only folder in ROOT."),
        ),
        kind(
            "D6 links inside",
            PETS
            | {"cat/never.jpg": photo("never"), "cat/alias": link("../dog"), "dog/here.jpg": link("../cat/never.jpg")},
            serious("contradiction", "1 photo under two labels", ("cat/never.jpg", "dog/here.jpg")),
        ),
        kind(
            "D6 links out of the root",
            photos("data/cat", "data/dog")
            | {
                "else/0.jpg": photo("else"),
                "data/cat/far.jpg": link("../../else/0.jpg"),
                "data/cat/far": link("../../else"),
            },
            warning("folder", "Not followed: 2 links out of ROOT; copy what they point to"),
            data="data",
        ),
        kind(
            "D6 a class of links out of the root",
            photos("data/cat", "data/dog")
            | {"else/0.jpg": photo("else"), "data/owl/far.jpg": link("../../else/0.jpg")},
            fatal("No pictures in the class folders 'owl'. Fill or remove them. Not followed: 1 link out of ROOT"),
            data="data",
        ),
        kind(
            "D6 broken link",
            PETS | {"cat/x.jpg": link("gone.jpg")},
            unreadable("cat/x.jpg", "is a link to a file that"),
        ),
        kind(
            "D6 link to itself",
            PETS | {"cat/x.jpg": link("x.jpg")},
            unreadable("cat/x.jpg", "is a link to a file that"),
        ),
        kind("pipe", PETS | {"cat/x.jpg": os.mkfifo}, unreadable("cat/x.jpg", "is a pipe or a device, not a file)")),
        kind(
            "D7 closed file", PETS | {"cat/x.jpg": closed}, unreadable("cat/x.jpg", "cannot read: permission denied)")
        ),
        kind(
            "D7 closed folder", PETS | {"cat/closed": closed}, refused("Cannot read ROOT/cat/closed: permission denied")
        ),
        kind(
            "D18 odd file names",
            PETS | {f"cat/{name}": photo(name) for name in ODD_NAMES} | {f"dog/{ODD_NAMES[-1]}": photo(ODD_NAMES[0])},
            serious("contradiction", "1 photo under two labels", (f"cat/{ODD_NAMES[0]}", f"dog/{ODD_NAMES[-1]}")),
        ),
        kind("D18 odd class names", photos("=cmd", "花 ünï", "l\udce9")),
        kind("D18 more odd class names", photos("-rf", "two words", "new\nline")),
        kind("D20 reserved names", photos("CON", "nul.", "dog") | {"dog/aux.jpg": photo("aux")}),
        kind("D19 capitals", photos("Cat", "cat", count=1), refused("'cat' (ROOT/cat) differ only in capitals.")),
        kind(
            "D19 Unicode form",
            photos("caf\xe9", "cafe\u0301", count=1),
            refused("differ only in how their letters are"),
        ),
        kind("D19 blanks", photos("cat", "cat ", count=1), refused("differ only in blanks or invisible characters.")),
        kind(
            "D19 capitals, between the parts",
            photos("train/cat", "train/dog", "test/Dog", count=1),
            refused("Classes 'Dog' (ROOT/test/Dog) and 'dog' (ROOT/train/dog) differ only in capitals."),
        ),
        kind("D23 numbers", photos("10", "9", "2")),
        kind(
            "pictures under other names",
            PETS | {"cat/x.jpg_large": photo("large"), "dog/y.dat": photo("dat")},
            warning("folder", "Not used: 2 files with other suffixes than pictures have, though they hold pictures"),
        ),
        kind(
            "formats that are not read",
            PETS | {"cat/x.nef": b"II*\0", "dog/y.psd": b"8BPS\0\1"},
            warning("folder", "Not used: 2 pictures in formats that genus does not read: 1 camera raw (.nef), 1 Photo"),
        ),
        kind(
            "other files",
            PETS | {"cat/a.txt": b"a cat", "cat/a.zip": ZIP},
            note("folder", "Left alone in ROOT: 2 files that are no pictures (.txt 1, .zip 1)."),
        ),
    ]


def _pictures() -> list[Kind]:
    cut = photo("cut")[:900]
    bad = {
        "D8 truncated": ("x.jpg", cut, "truncated: "),
        "D9 zero bytes": ("x.jpg", b"", "empty file)"),
        "nothing but zeros": ("x.jpg", bytes(5000), "holds nothing but zero bytes)"),
        "D10 text": ("x.jpg", b"a cat\n", "looks like text, not an image)"),
        "D10 HTML": ("x.jpg", b"<!DOCTYPE html><title>404</title>", "looks like HTML, not an image)"),
        "D10 drawing": ("x.png", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "An SVG drawing is not supported"),
        "D10 PDF": ("x.jpg", b"%PDF-1.7\n", "looks like a PDF, not an image)"),
        "D10 video": ("x.jpg", b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2", "looks like a video, not an image)"),
        "pointer of Git LFS": ("x.jpg", b"version https://git-lfs.github.com/spec/v1\n", "only the Git LFS pointer"),
        "D17 bomb": ("x.png", _case("bomb.png"), "30000 x 30000 pixels is over the limit of 178 megapixels"),
        "not a number": ("x.tif", _case("nan.tif"), "has pixels that are not finite numbers"),
    }
    sound = {
        "D11 other suffix": {"x.jpg": encode(mosaic("suffix"), "PNG"), "no_suffix": photo("no_suffix")},
        "D12 animated": {"x.gif": _animated("GIF"), "x.webp": _animated("WEBP"), "x.png": _animated("PNG")},
        "D13 CMYK": {"x.jpg": _cmyk()},
        "D14 sixteen bits": {"x.png": _deep()},
        "D15 transparent": {"x.png": _with_alpha("RGBA"), "y.png": _with_alpha("LA"), "z.png": _palette()},
        "all formats": {f"x.{format.lower()}": encode(mosaic(format), format) for format in FORMATS},
    }
    return [
        *(
            kind(name, PETS | {f"cat/{file}": data}, unreadable(f"cat/{file}", why))
            for name, (file, data, why) in bad.items()
        ),
        *(kind(name, PETS | {f"cat/{file}": data for file, data in files.items()}) for name, files in sound.items()),
        kind(
            "D8 many truncated",
            PETS | {f"cat/x{number}.jpg": cut for number in range(3)},
            fatal("3 of 43 pictures (7.0 %) cannot be read, more than 5 %"),
            warning("unreadable", "3 files cannot be read", *((f"cat/x{number}.jpg",) for number in range(3))),
        ),
        kind(
            "D8 all of a class truncated",
            photos("cat", "dog", "owl") | {"fox/x.jpg": cut},
            fatal("No picture of 'fox' can be read: ROOT/fox/x.jpg (truncated: "),
            unreadable("fox/x.jpg", "truncated: "),
        ),
        kind("D16 turned", PETS | TURNED, note("copy", "8 pictures are copies of each other, 1 group", tuple(TURNED))),
        kind(
            "D21 copies in a class",
            PETS
            | {"cat/copy.jpg": PETS["cat/0.jpg"], "cat/again.png": encode(mosaic("x"), "PNG")}
            | {"cat/and_again.bmp": encode(mosaic("x"), "BMP")},
            note(
                "copy",
                "4 pictures are copies of each other, 2 groups",
                ("cat/0.jpg", "cat/copy.jpg"),
                ("cat/again.png", "cat/and_again.bmp"),
            ),
        ),
        kind(
            "D21 near copies in a class",
            PETS | {"cat/small.jpg": smaller(PETS["cat/0.jpg"])},
            note("near copy", "2 pictures are near copies of each other", ("cat/0.jpg", "cat/small.jpg")),
        ),
        kind(
            "D21 a photo in two classes",
            PETS | {"dog/copy.jpg": PETS["cat/0.jpg"]},
            serious("contradiction", "1 photo under two labels: cat/0.jpg is 'cat'", ("cat/0.jpg", "dog/copy.jpg")),
        ),
        kind(
            "D21 a near copy in two classes",
            PETS | {"dog/small.jpg": smaller(PETS["cat/0.jpg"])},
            serious("contradiction", "1 photo under two labels: cat/0.jpg is 'cat'", ("cat/0.jpg", "dog/small.jpg")),
        ),
        kind(
            "series",
            PETS | photos("cat", count=34) | burst("cat", range(4)),
            note("series", "4 pictures belong to series, 1 group", tuple(burst("cat", range(4)))),
        ),
        kind(
            "uneven classes",
            photos("cat", count=26) | photos("dog", count=5, first=1),
            warning("few pictures", "1 class with fewer than 20 pictures: dog (5)."),
            warning("uneven classes", "The classes are uneven: 26 pictures of cat, 5 of dog."),
        ),
    ]


def _parts() -> list[Kind]:
    group = r"(?P<group>plant\d)"
    plants = (
        photos("train/cat", "train/dog")
        | photos("test/dog", count=2, first=4)
        | {
            f"{folder}/plant{number}.jpg": photo(f"{folder} {number}")
            for folder, number in (("train/cat", 1), ("train/cat", 2), ("test/cat", 2), ("test/cat", 3))
        }
    )
    typo = photos("train/tulip", "train/rose") | photos("test/tulpi", "test/rose", count=2, first=4)
    return [
        kind("a given split", SPLIT),
        kind(
            "D21 a copy in test and train",
            SPLIT | {COPY[0]: SPLIT[COPY[1]]},
            serious("test copy", "1 of 7 pictures of test have a copy in train: test/cat/copy.jpg", COPY),
        ),
        kind(
            "D21 a near copy in test and train",
            SPLIT | {COPY[0]: smaller(SPLIT[COPY[1]])},
            serious("test near copy", "1 of 7 pictures of test have a near copy in train: test/cat/copy.jpg", COPY),
        ),
        kind(
            "D21 a copy in val and train",
            SPLIT | {"val/dog/copy.jpg": SPLIT["train/dog/0.jpg"]},
            warning("val copy", "1 of 5 pictures of val have a copy in train", ("val/dog/copy.jpg", "train/dog/0.jpg")),
        ),
        kind(
            "D21 a series in test and train",
            SPLIT | photos("train/cat", count=34) | burst("train/cat", (0, 1)) | burst("test/cat", (2,)),
            serious("test series", "1 of 7 pictures of test are of a series that has pictures in train"),
        ),
        kind(
            "D22 a class that test lacks",
            {path: data for path, data in SPLIT.items() if "test/dog" not in path},
            warning("folder", "Classes without a picture in test: 'dog'."),
        ),
        kind(
            "D22 a class that train lacks",
            SPLIT | photos("test/fox", count=1, first=6) | {COPY[0]: SPLIT[COPY[1]]},
            fatal("In ROOT, val or test has classes that train lacks: 'fox'."),
            serious("test copy", "1 of 8 pictures of test have a copy in train", COPY),
        ),
        kind("D22 a misspelt class", typo, fatal("classes that train lacks: 'tulpi'. Did you mean 'tulip'?")),
        kind(
            "groups in test and train",
            plants,
            serious(
                "test group",
                "1 of 4 pictures of test are of a group that has pictures in train",
                ("test/cat/plant2.jpg", "train/cat/plant2.jpg"),
            ),
            note("folder", f"3 groups of pictures by {group!r}; 42 paths do not match."),
            flags=["--group", group],
        ),
        kind(
            "groups that no path has",
            PETS,
            refused(
                "matches none of the 40 paths: 'cat/0.jpg', 'cat/1.jpg', 'cat/10.jpg', 'cat/11.jpg', 'cat/12.jpg' and",
                code=2,
            ),
            flags=["--group", "plant"],
        ),
        kind("groups by no expression", PETS, refused("is no regular expression", code=2), flags=["--group", "("]),
    ]


def _tables() -> list[Kind]:
    rows = labelled(PETS)
    few = photos("cat", "dog", count=2)

    def given(name: str, tree: Tree, content: bytes, *expected: Found | Refused) -> Kind:
        return kind(name, {**tree, "labels.csv": content}, *expected, data="labels.csv")

    return [
        given("a table", PETS, table(rows)),
        given("a table in UTF-16", PETS, table(rows, encoding="utf-16")),
        given(
            "a table with a missing file",
            PETS,
            table(rows | {"gone.jpg": "cat"}),
            unreadable("gone.jpg", "line 42 of labels.csv: there is no file 'gone.jpg')"),
        ),
        given(
            "a table with missing files",
            few,
            table(labelled(few) | {"gone.jpg": "cat"}),
            refused("1 of 5 pictures (20.0 %) of ROOT are not there, more than 5 %: line 6 of labels.csv: there is no"),
        ),
        given("a table with odd columns", few, table({}, "path,lable"), refused("Did you mean 'lable'? Then call it")),
        given("a table of nothing", few, table({}), refused("ROOT lists no pictures.")),
        given(
            "a table in the encoding of Windows",
            few,
            table({"cat/0.jpg": "käfer"}, encoding="cp1252"),
            refused("line 2: not UTF-8 text"),
        ),
        given("a picture twice", few, table(labelled(few) | {"./cat/0.jpg": "dog"}), refused("is already in line 2")),
        given(
            "labels that differ in capitals",
            few,
            table(labelled(few) | {"cat/1.jpg": "Cat"}),
            refused("Classes 'Cat' (line 3 of labels.csv) and 'cat' (line 2 of labels.csv) differ only in capitals."),
        ),
        given(
            "an unknown part",
            few,
            table({"cat/0.jpg": "cat,train", "dog/0.jpg": "dog,tets"}, "path,label,split"),
            refused("Did you mean 'test'?"),
        ),
        given(
            "a misspelt label",
            PETS,
            table(
                {path: f"{label},train" for path, label in rows.items()} | {"dog/0.jpg": "dgo,test"}, "path,label,split"
            ),
            fatal("classes that train lacks: 'dgo'. Did you mean 'dog'?"),
        ),
    ]


KINDS = (*_layouts(), *_entries(), *_pictures(), *_parts(), *_tables())
