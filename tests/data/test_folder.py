"""The scan: layouts, random trees against a model of the rules, links, tables, names, errors."""

import os
import re
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from genus.data.catalog import Catalog
from genus.data.folder import scan
from genus.data.formats import is_written
from genus.errors import DataError
from genus.types import Part
from tests import corpus

TWO_SPLITS = ("trainA", "trainB", "testA", "testB")
PAIR = ("cat/1.jpg", "cat/2.jpg", "dog/1.jpg", "dog/2.jpg")


def tree(root: Path, paths: Iterable[str]) -> Path:
    """Empty files; a path that ends in / is an empty folder. (A scan looks at names only.)"""
    for path in paths:
        target = root / path
        if path.endswith("/"):
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.touch()
    return root


def found(catalog: Catalog) -> set[tuple[str, str, Part | None]]:
    """(path below the root, label, part) of every picture."""
    return {(p.path.relative_to(catalog.root).as_posix(), p.label, p.part) for p in catalog.pictures}


def test_class_folders(tmp_path: Path) -> None:
    paths = [*PAIR, "dog/deep/down/3.PNG", "dog/plain", "dog/notes.txt", "loose.jpeg", "README", "cat/.hidden.jpg"]
    catalog = scan(tree(tmp_path, [*paths, ".git/1.jpg", "__MACOSX/1.jpg", "cat/Thumbs.db", "cat/@eaDir/1.jpg"]))
    assert catalog.classes == ("cat", "dog")
    assert found(catalog) == {
        ("cat/1.jpg", "cat", None),
        ("cat/2.jpg", "cat", None),
        ("dog/1.jpg", "dog", None),
        ("dog/2.jpg", "dog", None),
        ("dog/deep/down/3.PNG", "dog", None),
        ("dog/plain", "dog", None),
    }
    assert list(catalog.pictures) == sorted(catalog.pictures, key=lambda p: (p.label, str(p.path)))
    assert catalog.notes == (
        f"Left alone in {tmp_path}: 1 file that is no picture (.txt 1) and 5 hidden or system entries.",
    )
    assert catalog.cautions == (f"Not used: 1 picture outside any class folder, {tmp_path}/loose.jpeg for one.",)


SPLITS = {  # folder names, and the parts they are
    "train val test": "train val test",
    "Train Valid TEST": "train val test",
    "train validation": "train val",
    "train": "train",
    "Training Testing": "train test",
    "training validation evaluation": "train val test",
    "train eval test": "train val test",
    "train hold-out": "train test",
    "Train Hold_Out": "train test",
    "seg_train seg_test": "train test",
    "train_images test_images": "train test",
    "Train_Data Valid_Data Test-Data": "train val test",
    "trainset testset": "train test",
    "DataTrain DataTest": "train test",
    "TRAIN-1 TEST-1": "train test",
    "flowers_train_224 flowers_test_224": "train test",
}


@pytest.mark.parametrize("names", SPLITS)
@pytest.mark.parametrize("above", ["", "archive/flowers/"])
@pytest.mark.parametrize("doubled", [False, True])
def test_parts(tmp_path: Path, names: str, above: str, doubled: bool) -> None:
    """By whatever name, with folders too many around all of it or in each part."""
    parts = dict(zip(names.split(), map(Part, SPLITS[names].split()), strict=True))
    inner = {name: f"{above}{name}/{name}" if doubled else f"{above}{name}" for name in parts}
    root = tree(tmp_path, [f"{inner[name]}/{path}" for name in parts for path in PAIR] + ["__MACOSX/1.jpg", "a.txt"])
    catalog = scan(root)
    assert catalog.classes == ("cat", "dog")
    assert found(catalog) == {(f"{inner[name]}/{p}", p.split("/")[0], parts[name]) for name in parts for p in PAIR}
    assert catalog.cautions == ()
    assert any("archive/flowers, the only folder" in note for note in catalog.notes) == bool(above)
    assert any("Taken for the parts" in note for note in catalog.notes) == (
        not {*names.lower().split()} <= {"train", "val", "valid", "validation", "test"}
    )


@pytest.mark.parametrize(
    "pred",
    [
        *("seg_pred/1.jpg", "seg_pred/seg_pred/1.jpg", "seg_test/1.jpg", "seg_test/images/1.jpg"),
        *("seg_test/test/1.jpg", "seg_test/unknown/1.jpg"),
    ],
)
def test_parts_without_labels_are_left_alone(tmp_path: Path, pred: str) -> None:
    root = tree(tmp_path, [*(f"seg_train/{path}" for path in PAIR), *(f"seg_val/{path}" for path in PAIR), pred])
    catalog = scan(root)
    assert {part for _, _, part in found(catalog)} == {Part.TRAIN, Part.VAL}
    name = pred.split("/")[0]
    assert catalog.cautions == (
        f"Left alone, because their pictures are in no class folders and have no labels: '{name}'.",
    )


@pytest.mark.parametrize(
    "names", ["train bus", "bullet_train steam_train bus", "test_tube beaker", "valid invalid", "Restaurant Pretest"]
)
def test_classes_with_names_like_parts(tmp_path: Path, names: str) -> None:
    catalog = scan(tree(tmp_path, [f"{name}/{number}.jpg" for name in names.split() for number in (1, 2)]))
    assert catalog.classes == tuple(sorted(names.split()))
    assert list(catalog.cautions) == [
        f"'{name}' is taken for a class like the folders beside it, not for a part of the data."
        for name in names.split()
        if name in ("train", "valid")
    ]


def test_cautions_of_the_parts(tmp_path: Path) -> None:
    paths = [f"train/{path}" for path in (*PAIR, "fox/1.jpg")] + ["test/cat/1.jpg", "test/2.jpg", "docs/1.jpg"]
    assert scan(tree(tmp_path, paths)).cautions == (
        f"Not used: 1 picture outside any class folder, {tmp_path}/test/2.jpg for one.",
        "Beside train, val and test these folders are not used: 'docs'.",
        "Classes with a single picture cannot be tested: 'fox'.",
        "Classes without a picture in test: 'dog'.",
    )


def test_one_folder_too_many_beside_others_is_said(tmp_path: Path) -> None:
    catalog = scan(tree(tmp_path, [*(f"flowers/{path}" for path in PAIR), "docs/1.png", "docs/2.png"]))
    assert catalog.cautions == (
        "'flowers': no picture lies there directly, but in 'cat', 'dog' below. If the folders below are the classes, "
        f"give {tmp_path}/flowers.",
    )


SOUND = {  # folders below the classes, which are none
    "breeds": {"cat": "siamese persian", "dog": "pug collie"},
    "days": {"cat": "may june july", "dog": "june july august"},
    "one class is flat": {"cat": "a b", "dog": "a b", "fox": ""},
    "one folder each": {"cat": "album", "dog": "album"},
    "known parts": {"train/cat": "a b", "train/dog": "a b", "test/cat": "a b", "test/dog": "a b"},
}


@pytest.mark.parametrize("name", SOUND)
def test_folders_below_the_classes_are_looked_through(tmp_path: Path, name: str) -> None:
    paths = [
        f"{label}/{below}/1.jpg" for label, all_below in SOUND[name].items() for below in all_below.split() or ["."]
    ]
    assert len(scan(tree(tmp_path, paths)).pictures) == len(paths)
    tree(tmp_path, mixed := [f"x/{label}/{below}/1.jpg" for label in ("cat", "dog") for below in (".", "a", "b")])
    assert len(scan(tmp_path / "x").pictures) == len(mixed)


@pytest.mark.parametrize(
    "names",
    [
        "train unseen",
        "Trainingsdaten Testdaten",
        "train query gallery",
        "fold1 fold2 fold3",
        "80 20",
        "train new=cat,dog",
    ],
)
@pytest.mark.parametrize("above", ["", "archive/"])
def test_a_split_by_unknown_names_is_no_set_of_classes(tmp_path: Path, names: str, above: str) -> None:
    """Each of them holds the same folders: those are the classes."""
    paths = []
    for name in names.split():
        label, _, inner = name.partition("=")
        paths += [f"{above}{label}/{below}/1.jpg" for below in (inner or "cat,dog,fox").split(",")]
    shown = ", ".join(f"'{name.split('=')[0]}'" for name in sorted(names.split()))
    with pytest.raises(DataError) as caught:
        scan(tree(tmp_path, paths))
    assert f"{shown} hold the same folders, 'cat', 'dog', 'fox', and no pictures beside them" in str(caught.value)
    assert "rename them to train, val and test; else give one of them" in str(caught.value)


OUTPUTS = {
    "finished run": ["genus.json", "confusion.png", "evaluate-x/confusion.png"],
    "begun run": ["config.toml", "split.json", "curves.png"],
    "run that had no time": ["config.toml"],
    "explanations": ["explanations.csv", "1.heat.png"],
    "evaluation": ["metrics.json", "confusion.csv", "confusion.png"],
    "cache": [
        "features/0a1b/about.json",
        "features/0a1b/x.keys",
        "features/files/2c/about.json",
        "features/files/2c/x.keys",
    ],
    "runs": ["a-1/genus.json", "a-1/curves.png", "a-2/config.toml", "a-3/", "b/a-1/genus.json"],
    "genus-demo": ["flowers/rose/1.jpg", "flowers/tulip/1.jpg", "run/genus.json", "run/answers.png"],
}


@pytest.mark.parametrize("name", OUTPUTS)
@pytest.mark.parametrize("where", ["", "cat/", "train/", "train/cat/"])
def test_what_genus_wrote_is_never_data(tmp_path: Path, name: str, where: str) -> None:
    parts = ("train/", "test/") if where.startswith("train") else ("",)
    paths = [f"{part}{path}" for part in parts for path in PAIR]
    catalog = scan(tree(tmp_path, [*paths, *(f"{where}{name}/{path}" for path in OUTPUTS[name])]))
    assert {path for path, _, _ in found(catalog)} == set(paths)
    assert catalog.notes == (f"Left alone: 1 folder written by genus, {tmp_path}/{where}{name} for one.",)
    assert catalog.cautions == ()
    if is_written(tmp_path / where / name):
        with pytest.raises(DataError, match="is a folder that genus wrote"):
            scan(tmp_path / where / name)


UNREAD = {  # names that say nothing or little, with the first bytes
    "1.2.840.1136.20": b"\0" * 128 + b"DICM" + b"\0" * 99,
    "1.2.840.1136.21": b"\0" * 128 + b"DICM" + b"\0" * 99,
    "layers.bin": b"8BPS\0\1" + b"\0" * 99,
    "x.jxl_": b"\xff\x0a" + b"\0" * 99,
    "brain.nii.gz": b"\x1f\x8b" + b"\0" * 99,
    "a.gpr": b"II*\0" + b"\0" * 99,
    "a.PAM": b"P7\nWIDTH 1\n",
}


def test_every_file_is_used_or_counted(tmp_path: Path) -> None:
    root = tree(
        tmp_path, [*PAIR, "cat/a.CR2", "cat/b.nef", "cat/c.cr2", "dog/d.psd", "d.dng", "cat/e.mp3", "dog/x.xml"]
    )
    for name in ("a.jpg_large", "b.JPG~", "c.webp.1", "c.webp.2", "photo.dat"):
        (root / "dog" / name).write_bytes(corpus.photo(1))
    for name, head in UNREAD.items():
        (root / "dog" / name).write_bytes(head)
    (root / "dog/notes.jpg.txt").write_text("what the picture shows")
    catalog = scan(root)
    assert {path for path, _, _ in found(catalog)} == {*PAIR}
    assert catalog.notes == (f"Left alone in {root}: 3 files that are no pictures (.mp3 1, .txt 1, .xml 1).",)
    assert catalog.cautions == (
        f"Not used: 1 picture outside any class folder, {root}/d.dng for one.",
        "Not used: 11 pictures in formats that genus does not read: 2 camera raw (.cr2), 2 DICOM (.<number>), 1 camera "
        "raw (.nef), 1 PAM (.pam), 1 camera raw (.gpr), 1 medical (.nii.gz), 1 Photoshop (.psd), 1 Photoshop file "
        f"(.bin), 1 JPEG XL (.jxl_); {root}/cat/a.CR2 for one. Save them as JPEG, PNG or TIFF.",
        "Not used: 5 files with other suffixes than pictures have, though they hold pictures: .<number> 2, "
        f".jpg_large 1, .jpg~ 1, .dat 1; {root}/dog/a.jpg_large for one. Rename them, to .jpg for instance.",
    )


def test_a_picture_hides_among_many_files_that_are_none(tmp_path: Path) -> None:
    """All are opened, up to a number that is said."""
    root = tree(tmp_path, [*PAIR, *(f"cat/{number:04}.dat" for number in range(1001)), "dog/1.xml"])
    (root / "cat/0500.dat").write_bytes(corpus.photo(1))
    catalog = scan(root)
    assert catalog.notes == (
        f"Left alone in {root}: 1,000 files that are no pictures (.dat 999, .xml 1) and 1 further file, not looked "
        "into (.dat 1).",
    )
    assert [f"{root}/cat/0500.dat for one" in caution for caution in catalog.cautions] == [True]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (
            "1.jpg_large",
            "Not used: 1 file with other suffixes than pictures have, though they hold pictures: .jpg_large 1;",
        ),
        ("1.jpg!d", "Rename them, to .jpg for instance."),
        ("1.2.840.1136.20", "in formats that genus does not read: 1 DICOM (.<number>); "),
    ],
)
def test_an_empty_class_says_what_lies_in_it(tmp_path: Path, name: str, reason: str) -> None:
    root = tree(tmp_path, [*PAIR, "fox/"])
    (root / "fox" / name).write_bytes(UNREAD.get(name, corpus.photo(1)))
    with pytest.raises(DataError, match=f"^No pictures in the class folders 'fox'.*{re.escape(reason)}"):
        scan(root)


ERRORS = {
    "No class folders in ROOT; expected ROOT/<class>/<image>. Found 0 folders, 0 loose images.": [],
    "No class folders in ROOT; expected ROOT/<class>/<image>. Found 0 folders, 2 loose images.": ["1.jpg", "2.jpg"],
    "Unpack ROOT/flowers.tar.gz first.": ["flowers.tar.gz"],
    "If ROOT/labels.csv says what the pictures show, give it instead.": ["1.jpg", "labels.csv"],
    "ROOT/runs was written by genus and is no data.": ["runs/a-1/genus.json", "runs/a-1/curves.png"],
    "Only class 'cat' found in ROOT; at least 2 are needed.": ["cat/1.jpg", ".dog/1.jpg"],
    "Only class 'cat' found in ROOT/pets; at least 2 are needed.": ["pets/cat/1.jpg"],
    "If the 2 folders in ROOT/pets are the classes, give it.": [*(f"pets/{path}" for path in PAIR), "labels/1.txt"],
    "No pictures in the class folders 'fox', 'owl'. Fill or remove them.": [*PAIR, "fox/", "owl/a.txt"],
    "No pictures in the class folders 'fox'. Fill or remove them. Not used: 1 picture in": [*PAIR, "fox/1.dng"],
    "ROOT/data seems to hold the classes ('cat', 'dog'), not to be one. Give it.": [
        *(f"data/{path}" for path in PAIR),
        "docs/figure.jpg",
    ],
    "No class folders in ROOT/train; expected ROOT/train/<class>/<image>.": ["train/1.jpg", "test/cat/1.jpg"],
    "Only class 'cat' found in ROOT": ["train/cat/1.jpg", "test/cat/1.jpg"],
    "val or test has classes that train lacks: 'fox'.": [*(f"train/{p}" for p in PAIR), "test/fox/1.jpg"],
    "ROOT has 'test', 'val' but no 'train'.": ["test/cat/1.jpg", "val/cat/1.jpg"],
    "several folders for one part of the data: 'val', 'valid'.": [
        "train/a/",
        "val/a/",
        "valid/a/",
        "train/b/",
    ],
    "several folders for one part of the data: 'TRAIN-1', 'TRAIN-2'.": ["TRAIN-1/a/", "TRAIN-2/a/", "TEST/a/"],
    "look like parts of the data, not like classes: 'testA', 'testB', ": [f"{n}/1.jpg" for n in TWO_SPLITS],
    "look like parts of the data, not like classes: 'test_hard', 'train'.": ["train/a/1.jpg", "test_hard/a/1.jpg"],
    "look like parts of the data, not like classes: 'test', 'val'.": [*PAIR, "test/1.jpg", "val/1.jpg"],
    "ROOT/test looks like a part of the data, not like a class.": [*PAIR, "test/1.jpg"],
    "ROOT/unlabeled looks like a part of the data, not like a class.": [*PAIR, "unlabeled/1.jpg"],
    "ROOT/val looks like a part of the data, not like a class.": [*PAIR, *(f"val/{path}" for path in PAIR)],
    "ROOT/cat holds parts of the data ('test', 'train'), so it is no class.": [
        f"{label}/{part}/1.jpg" for label in ("cat", "dog") for part in ("train", "test")
    ],
    "Classes 'Cat' (ROOT/Cat) and 'cat' (ROOT/cat) differ only in capitals.": [*PAIR, "Cat/1.jpg"],
    "differ only in how their letters are encoded": ["caf\xe9/1.jpg", "cafe\u0301/1.jpg"],
    "Classes 'Dog' (ROOT/test/Dog) and 'dog' (ROOT/train/dog)": [*(f"train/{p}" for p in PAIR), "test/Dog/1.jpg"],
    "Classes 'cat' (ROOT/cat) and 'cat ' (ROOT/cat ) differ only in blanks or invisible": [*PAIR, "cat /1.jpg"],
    "Classes 'cat' (ROOT/cat) and 'cat\\xa0' (": [*PAIR, "cat\xa0/1.jpg"],
    " and 'ca\\u200bt' (": [*PAIR, "ca\u200bt/1.jpg"],
    "Classes 'blue tit' (ROOT/blue tit) and 'bluetit' (": ["bluetit/1.jpg", "blue tit/1.jpg"],
    "The name of the class '\\u3000' (": [*PAIR, "\u3000/1.jpg"],
}


@pytest.mark.parametrize("message", ERRORS)
def test_errors(tmp_path: Path, message: str) -> None:
    with pytest.raises(DataError) as caught:
        scan(tree(tmp_path, ERRORS[message]))
    assert message.replace("ROOT", str(tmp_path)) in str(caught.value)
    assert caught.value.exit_code == 3


FILES_GIVEN = {
    "none": "There is no folder",
    "a.zip": "is an archive. Unpack it",
    "a.TAR.GZ": "is an archive. Unpack it",
    "a.xlsx": "is no table that genus reads. Save it as CSV",
    "a.jpg": "is a file. Give a folder",
}


@pytest.mark.parametrize("name", FILES_GIVEN)
def test_neither_folder_nor_table(tmp_path: Path, name: str) -> None:
    tree(tmp_path, [name] if "." in name else [])
    with pytest.raises(DataError, match=FILES_GIVEN[name]):
        scan(tmp_path / name)


def test_data_that_are_not_for_training(tmp_path: Path) -> None:
    """One class, a test part alone, or an empty class are enough to be evaluated on."""
    for paths in (["a/rose/1.jpg"], [f"b/test/{path}" for path in PAIR], ["c/rose/1.jpg", "c/tulip/"]):
        root = tree(tmp_path, paths) / paths[0].split("/")[0]
        with pytest.raises(DataError):
            scan(root)
        assert len(scan(root, for_training=False).pictures) == sum(path.endswith(".jpg") for path in paths)


def test_folder_without_access() -> None:
    with corpus.unprivileged_folder() as root:
        closed = tree(root, [*PAIR, "dog/deep/1.jpg"]) / "dog/deep"
        closed.chmod(0)
        with pytest.raises(DataError, match=f"Cannot read {closed}: permission denied"):
            scan(root)
        closed.chmod(0o700)
        scan(root)


def test_odd_names_survive(tmp_path: Path) -> None:
    paths = [f"{label}/{name}" for label in ("=cmd", "-rf", "CON", "two words", "l\udce9") for name in corpus.ODD_NAMES]
    catalog = scan(tree(tmp_path, paths))
    assert {path for path, _, _ in found(catalog)} == set(paths)
    assert catalog.classes == ("-rf", "=cmd", "CON", "l\udce9", "two words")


def test_links(tmp_path: Path) -> None:
    """Loops end, a folder keeps its own name, nothing outside is touched, a pipe or a broken link is a bad file."""
    outside = tree(tmp_path / "outside", ["1.jpg", "deep/2.jpg"])
    root = tree(tmp_path / "root", [*PAIR, ".store/owl/1.jpg", "loose.jpg"])
    (root / "cat/up").symlink_to(root)
    (root / "cat/self").symlink_to("self")
    (root / "a").mkdir()
    (root / "a/also_dog").symlink_to(root / "dog")
    (root / "a/own.jpg").symlink_to("../cat/1.jpg")
    (root / "owl").symlink_to(".store/owl")
    (root / "cat/far").symlink_to(outside)
    (root / "cat/far.jpg").symlink_to(outside / "1.jpg")
    (root / "dog/broken.jpg").symlink_to("gone.jpg")
    os.mkfifo(root / "dog/pipe.jpg")
    (root / "cat/pipe").symlink_to("../dog/pipe.jpg")
    catalog = scan(root)
    assert catalog.classes == ("a", "cat", "dog", "owl")
    assert {path for path, _, _ in found(catalog)} == {*PAIR, "a/own.jpg", "owl/1.jpg"}
    assert all(label == path.split("/")[0] for path, label, _ in found(catalog))
    assert {(bad.path.relative_to(root).as_posix(), bad.label, bad.reason) for bad in catalog.bad} == {
        ("cat/self", "cat", "is a link to a file that is not there"),
        ("cat/pipe", "cat", "is a link to a pipe or a device"),
        ("dog/broken.jpg", "dog", "is a link to a file that is not there"),
        ("dog/pipe.jpg", "dog", "is a pipe or a device, not a file"),
    }
    assert f"Not followed: 2 links out of {root}; " in catalog.cautions[0]


@pytest.mark.parametrize("inode", [0, 7])
def test_a_drive_that_reports_one_inode_for_all_loses_nothing(
    inode: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tree(tmp_path, [*PAIR, "dog/deep/down/3.jpg", "cat/4.jpg"])
    (root / "dog/deep/up").symlink_to(root)
    real = os.stat

    def stat(path: str | Path, **options: Any) -> os.stat_result:
        values = list(real(path, **options))
        values[1:3] = inode, 1
        return os.stat_result(values)

    monkeypatch.setattr(os, "stat", stat)
    assert len(scan(root).pictures) == 6


def test_a_class_of_links_out_of_the_root_says_why_it_is_empty(tmp_path: Path) -> None:
    root = tree(tmp_path / "root", [*PAIR, "fox/"])
    (root / "fox/1.jpg").symlink_to(tree(tmp_path, ["1.jpg"]) / "1.jpg")
    with pytest.raises(DataError, match=r"'fox'. Fill or remove them. Not followed: 1 link out of"):
        scan(root)


FOLDERS = st.sampled_from(["cat", "dog", "Cat", "ünï", "train", "test", "valid", ".git", "__MACOSX"])
LINKS = ("up", "own.jpg")  # to the root, a loop; to 1.jpg beside it, which may be missing
FILES = st.sampled_from(["1.jpg", "2.TIFF", "plain", "notes.txt", ".3.jpg", "desktop.ini", *LINKS])
PATHS = st.tuples(st.lists(FOLDERS, max_size=3), FILES).map(lambda parts: "/".join([*parts[0], parts[1]]))
TREES = st.one_of(
    st.sets(PATHS, max_size=12),
    st.sets(PATHS, max_size=8).map(lambda paths: paths | set(PAIR)),
    st.sets(PATHS, max_size=5).map(lambda paths: paths | {f"train/{path}" for path in PAIR} | {"test/cat/1.jpg"}),
)
HIDDEN = {".git", "__MACOSX", ".3.jpg", "desktop.ini"}
PARTS = {"train": Part.TRAIN, "test": Part.TEST, "valid": Part.VAL}


def model(paths: set[str]) -> set[tuple[str, str, Part | None]] | None:
    """The rules once more, on strings; None where the scan must refuse. A loop is an empty folder."""
    split_paths = [tuple(path.split("/")) for path in paths]
    ways = [path if path[-1] == "up" else path[:-1] for path in split_paths]
    folders = {way[:depth] for way in ways for depth in range(1, len(way) + 1) if not HIDDEN & {*way[:depth]}}
    files = {path for path in split_paths if not HIDDEN & {*path} and path[-1] not in ("notes.txt", "up")}

    def below(folder: tuple[str, ...]) -> set[str]:
        return {one[-1] for one in folders if one[:-1] == folder}

    def is_wrapper(folder: tuple[str, ...]) -> bool:
        return bool(below(folder)) and not any(file[:-1] == folder for file in files)

    def in_parts(names: set[str]) -> bool:
        return "train" in names and (names <= PARTS.keys() or len(names & PARTS.keys()) > 1)

    place: tuple[str, ...] = ()
    while not in_parts(tops := below(place)) and len(tops) == 1 and is_wrapper((*place, *tops)) and tops != {"test"}:
        if tops == {"valid"}:
            return None
        place = (*place, *tops)
    starts: dict[tuple[str, ...], Part | None] = {}
    if in_parts(tops):
        for name in sorted(tops & PARTS.keys(), key=lambda name: name != "train"):
            part, trained = (*place, name), {start[-1] for start in starts}
            if len(inner := below(part)) == 1 and not inner & trained:
                if is_wrapper((*part, *inner)):
                    part = (*part, *inner)
                elif trained and PARTS.get(*inner) == PARTS[name]:
                    continue
            starts |= {(*part, label): PARTS[name] for label in below(part)}
    else:
        if tops <= PARTS.keys() or "test" in tops or any(tops & below((*place, name)) for name in tops & PARTS.keys()):
            return None
        starts = {(*place, label): None for label in tops}
    for start in starts:
        if is_wrapper(start) and "train" in below(start) and {"valid", "test"} & below(start):
            return None
    deep = {start: below(start) for start in starts if is_wrapper(start) and len(below(start)) > 1}
    if deep and len(deep) == len(starts) > 1 and not in_parts(tops):
        most = max(deep.values(), key=len)
        beside_part = any(start[-1] in PARTS and inner == most for start, inner in deep.items())
        if all(inner == most or (beside_part and inner <= most) for inner in deep.values()):
            return None
    pictures = {
        ("/".join(file), start[-1], part)
        for file in files
        for start, part in starts.items()
        if file[: len(start)] == start and (file[-1] != "own.jpg" or (*file[:-1], "1.jpg") in files)
    }
    trained = {label for _, label, part in pictures if part in (None, Part.TRAIN)}
    labels = {start[-1] for start in starts}
    if len(trained) < 2 or labels != trained or {"cat", "Cat"} <= labels:
        return None
    return pictures


@settings(max_examples=120, deadline=None)
@given(TREES)
def test_random_trees_agree_with_the_model(paths: set[str]) -> None:
    expected = model(paths)
    event("refused" if expected is None else "accepted")
    with tempfile.TemporaryDirectory() as name:
        root = tree(Path(name), (path for path in paths if path.split("/")[-1] not in LINKS))
        for path in paths:
            if (link := Path(path).name) in LINKS:
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).symlink_to(root if link == "up" else "1.jpg")
        if expected is None:
            with pytest.raises(DataError):
                scan(root)
            return
        catalog = scan(root)
        assert found(catalog) == expected
        assert catalog.classes == tuple(sorted({label for _, label, _ in expected}))


def table(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    tree(folder, ["a.jpg", "b.jpg", "c.jpg", "new\nline.jpg", "deep/d.JPG", "e.png", "e.jpg", "caf\xe9.jpg"])
    path = folder / "photos.CSV"
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_table(tmp_path: Path, encoding: str, delimiter: str) -> None:
    rows = [
        "Path,label ,SPLIT,group,by",
        "a.jpg, cat ,train,g1,me",
        "",
        '"new\nline.jpg",dög,Validation,,me',
        "b.jpg,dög,Training,,",
    ]
    text = "\r\n".join(rows).replace(",", delimiter)
    catalog = scan(table(tmp_path, text, encoding))
    assert catalog.root == tmp_path
    assert catalog.classes == ("cat", "dög")
    assert [(p.path.name, p.label, p.part, p.group) for p in catalog.pictures] == [
        ("a.jpg", "cat", Part.TRAIN, "g1"),
        ("b.jpg", "dög", Part.TRAIN, None),
        ("new\nline.jpg", "dög", Part.VAL, None),
    ]
    assert catalog.notes == (f"Columns of {tmp_path}/photos.CSV not used: 'by'.",)


@pytest.mark.parametrize("path", ["file_name", "filename", "File", "image", "Image Path", "image_id", "filepaths"])
@pytest.mark.parametrize("label", ["class", "Category", "target"])
def test_columns_by_other_names(tmp_path: Path, path: str, label: str) -> None:
    catalog = scan(table(tmp_path, f"by,{path},{label}\nme,a.jpg,cat\nme,b.jpg,dog\n"))
    assert {(p.path.name, p.label) for p in catalog.pictures} == {("a.jpg", "cat"), ("b.jpg", "dog")}
    assert catalog.notes == (
        f"Columns of {tmp_path}/photos.CSV taken: '{path}' for path, '{label}' for label.",
        f"Columns of {tmp_path}/photos.CSV not used: 'by'.",
    )


OWN_SPLITS = {  # the name of a column, and what it says of four pictures: training, training, validation, test
    "data set": "train train valid test",
    "set": "Training TRAIN dev holdout",
    "fold": "train train val test",
    "phase": "train trn validate tst",
    "Usage": "train_data train_data val_data test_data",
    "what it is for": "train train val test",
    "is_test": "0 0 - 1",
    "IsValid": "False false TRUE -",
    "is_val,is_test": "no,no no,no yes,no no,yes",
    "is_training_image,is_test": "1,0 1,0 0,0 0,1",
}


@pytest.mark.parametrize("name", OWN_SPLITS)
def test_the_own_split_is_taken_under_whatever_name(tmp_path: Path, name: str) -> None:
    """A picture of the test part must never be trained on because a column is called otherwise."""
    said = OWN_SPLITS[name].split()
    rows = [f"{path},{label},{what}" for path, label, what in zip(PAIR, "cdcd", said, strict=True) if what != "-"]
    catalog = scan(table(tree(tmp_path, PAIR), "\n".join([f"path,label,{name}", *rows])))
    parts = [part for what, part in zip(said, (*"tt", "val", "test"), strict=True) if what != "-"]
    assert [str(p.part)[0] for p in sorted(catalog.pictures, key=lambda p: p.path)] == [part[0] for part in parts]
    taken = ", ".join(f"'{column}' for split" for column in name.split(","))
    assert catalog.notes == (f"Columns of {tmp_path}/photos.CSV taken: {taken}.",)


@pytest.mark.parametrize("name", ["vehicle", "id", "fold", "is_blue", "patient_id"])
def test_columns_that_say_nothing_of_the_split_are_named(tmp_path: Path, name: str) -> None:
    catalog = scan(
        table(tmp_path, f",path,label,{name},\n0,a.jpg,cat,train,\n".replace("train", "1") + "1,b.jpg,dog,2,")
    )
    assert {p.part for p in catalog.pictures} == {None}
    assert catalog.notes == (f"Columns of {tmp_path}/photos.CSV not used: 'column 1', '{name}'.",)
    belong = f"'patient_id' of {tmp_path}/photos.CSV is not used. If pictures with the same value belong together, call"
    assert [belong in caution for caution in catalog.cautions] == ([True, False] if name == "patient_id" else [False])


WRITTEN = {
    "quoted after a blank": '"path", "label"\n"a.jpg", "cat, red"\n"b.jpg", "dog"\n',
    "quoted in part": 'path, label\na.jpg, "cat, red"\nb.jpg, dog\n',
    "single quotes": "'path','label'\n'a.jpg','cat, red'\n'b.jpg','dog'\n",
    "single quotes after a blank": "path, label\n'a.jpg', 'cat, red'\n'b.jpg', 'dog'\n",
    "bars": "path|label\na.jpg|cat, red\nb.jpg|dog\n",
    "Excel": "sep=;\r\npath;label\r\na.jpg;cat, red\r\nb.jpg;dog\r\n;\r\n",
    "remarks and blank lines": '\n# of a garden, by me\n\n#path,label\na.jpg,"cat, red"\n , \nb.jpg,dog\n',
    "addresses of files": 'path,label\nfile://ROOT/a.jpg,"cat, red"\nfile://ROOT/b.jpg,dog\n',
    "old Mac": 'path,label\ra.jpg,"cat, red"\rb.jpg,dog',
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("way", WRITTEN)
def test_ways_of_writing_a_table(tmp_path: Path, way: str, encoding: str) -> None:
    catalog = scan(table(tmp_path, WRITTEN[way].replace("ROOT", str(tmp_path)), encoding))
    assert catalog.classes == ("cat, red", "dog")
    assert [p.path for p in catalog.pictures] == [tmp_path / "a.jpg", tmp_path / "b.jpg"]


@pytest.mark.parametrize(
    "written", ["deep\\d.JPG", "deep/d", "deep\\D.jpg", "deep/d.JPG ", "'deep/d.JPG'", "deep/d.jpg"]
)
def test_paths_that_are_nearly_right(tmp_path: Path, written: str) -> None:
    catalog = scan(table(tmp_path, f"path,label\na.jpg,cat\n{written},dog\n"))
    assert [p.path.relative_to(tmp_path).as_posix() for p in catalog.pictures] == ["a.jpg", "deep/d.JPG"]
    assert catalog.notes == (
        f"1 path fits no file as written in {tmp_path}/photos.CSV, but one of this name is there: '{written}' in "
        f"line 3 is {tmp_path}/deep/d.JPG.",
    )


def test_unicode_form_and_absolute_paths(tmp_path: Path) -> None:
    catalog = scan(table(tmp_path, f"path,label\ncafe\u0301.jpg,cat\n{tmp_path}/a.jpg,dog\n"))
    assert [p.path for p in catalog.pictures] == [tmp_path / "caf\xe9.jpg", tmp_path / "a.jpg"]


def test_a_few_missing_files_are_bad_files(tmp_path: Path) -> None:
    tree(tmp_path, [f"{number}.jpg" for number in range(57)])
    rows = [f"{number}.jpg,{'cat' if number % 2 else 'dog'}" for number in range(57)]
    gone = ["gone.jpg,cat", "e,dog", "https://example.org/x.jpg,cat"]
    catalog = scan(table(tmp_path, "\n".join(["path,label", *rows, *gone]) + "\n"))
    assert len(catalog.pictures) == 57
    assert [(bad.path, bad.label, bad.reason) for bad in catalog.bad] == [
        (tmp_path / "gone.jpg", "cat", "line 59 of photos.CSV: there is no file 'gone.jpg'"),
        (tmp_path / "e", "dog", "line 60 of photos.CSV: 'e' may be e.jpg or e.png; write it out"),
        (
            tmp_path / "https://example.org/x.jpg",
            "cat",
            "line 61 of photos.CSV: 'https://example.org/x.jpg' is an address, not a file; download it",
        ),
    ]
    with pytest.raises(DataError) as caught:
        scan(table(tmp_path, "\n".join(["path,label", *rows, *gone, "deep,dog"]) + "\n"))
    assert str(caught.value) == (
        f"4 of 61 pictures (6.6 %) of {tmp_path}/photos.CSV are not there, more than 5 %: "
        f"{'; '.join(bad.reason for bad in catalog.bad)}. Paths are relative to {tmp_path}; correct the paths or "
        "remove the lines."
    )


HEAD = "path,label,split\n"
TABLE_ERRORS = {
    " (its first line says: path, lable). Did you mean 'lable'? Then call it 'label'.": "path,lable\na.jpg,cat\n",
    "has no column 'path' (its first line says: nothing)": "",
    "Put the names of the columns above the first picture.": "a.jpg,cat\nb.jpg,dog\n",
    "has the column 'label' 2 times": "path,label,label\n",
    "line 3: unknown split 'tets'. Use train, val or test. Did you mean 'test'?": HEAD
    + "a.jpg,cat,train\nb.jpg,dog,tets\n",
    "line 2: unknown split ''": HEAD + "a.jpg,cat,\n",
    "line 2: 2 cells, but the first line names 3 columns": HEAD + "a.jpg,cat\n",
    "line 2: the label is empty": HEAD + "a.jpg,\u200b ,train\n",
    "line 2: the path is empty": HEAD + ",cat,train\n",
    "there is no file 'z.jpg'": HEAD + "a.jpg,cat,train\nz.jpg,cat,train\n",
    "'deep' is no file": HEAD + "a.jpg,cat,train\ndeep,cat,train\n",
    "line 5: ROOT/a.jpg is already in line 2": (
        HEAD + 'a.jpg,cat,train\n"new\nline.jpg",dog,train\n./a.jpg,dog,train\n'
    ),
    "lists no pictures": HEAD,
    "Only class 'cat' found": HEAD + "a.jpg,cat,train\nb.jpg,cat,test\n",
    "classes that train lacks: 'dog'": HEAD + "a.jpg,cat,train\nb.jpg,dog,test\n",
    "Classes 'Cat' (line 3 of photos.CSV) and 'cat' (line 2 of photos.CSV) differ only in capitals": HEAD
    + "a.jpg,cat,train\nb.jpg,Cat,train\n",
    "Classes 'cat' (line 2 of photos.CSV) and 'cat ' (line 3 of photos.CSV) differ only in blanks": HEAD
    + "a.jpg,cat,train\nb.jpg,cat ,train\n",
    "line 3: a quote opens here that is never closed": HEAD + 'a.jpg,cat,train\nb.jpg,"cat,train\na.jpg,cat,train\n',
    "line 2: not a CSV file": HEAD + 'a.jpg,"c"at,train\n',
    "line 4: the label 'dog' stands in quotes": "path,label\na.jpg,cat\nb.jpg,cat\nc.jpg,'dog'\n",
    "line 2: 'a\\x00.jpg' holds a zero byte. Save the table anew": "path,label\na\0.jpg,cat\n",
    "Classes '1' (line 3 of photos.CSV) and '1.0' (line 2 of photos.CSV) differ only in how the number is written": (
        "path,label\na.jpg,1.0\nb.jpg,1\nc.jpg,2\n"
    ),
    "line 3: unknown split 'tets'. Use train": "path,label,set\na.jpg,cat,train\nb.jpg,dog,tets\n",
    "several columns that name parts: 'set', 'fold'. Call": (
        "path,label,set,fold\na.jpg,cat,train,val\nb.jpg,dog,val,train\n"
    ),
    "line 3: is_val '1', is_test '1': these are not one part": (
        "path,label,is_val,is_test\na.jpg,cat,0,0\nb.jpg,dog,1,1\n"
    ),
}


@pytest.mark.parametrize("message", TABLE_ERRORS)
def test_table_errors(tmp_path: Path, message: str) -> None:
    with pytest.raises(DataError) as caught:
        scan(table(tmp_path, TABLE_ERRORS[message]))
    assert message.replace("ROOT", str(tmp_path)) in str(caught.value)
    assert "photos.CSV" in str(caught.value)


def test_table_that_is_not_utf8(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"line 2: not UTF-8 text \(.*\), perhaps 'a.jpg,käfer' in the encoding of"):
        scan(table(tmp_path, "path,label\na.jpg,käfer\n", encoding="cp1252"))
