"""The scan: layouts, random trees against a model of the rules, links, tables, names, errors."""

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from genus.data.folder import Catalog, listing, scan
from genus.errors import DataError
from genus.types import Part
from tests import corpus

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
    assert catalog.others == (tmp_path / "dog/notes.txt",)
    assert catalog.loose == (tmp_path / "loose.jpeg",)
    assert catalog.ignored == 5
    assert catalog.cautions == (f"Not used: 1 picture outside any class folder, {tmp_path}/loose.jpeg for one.",)


@pytest.mark.parametrize("val", ["val", "valid", "validation", "Valid", None])
@pytest.mark.parametrize("test", ["test", "TEST", None])
def test_train_val_test_folders(tmp_path: Path, val: str | None, test: str | None) -> None:
    parts = {"Train": Part.TRAIN, val: Part.VAL, test: Part.TEST}
    names = [name for name in parts if name]
    catalog = scan(tree(tmp_path, [f"{name}/{path}" for name in names for path in PAIR]))
    assert catalog.classes == ("cat", "dog")
    assert found(catalog) == {(f"{n}/{p}", p.split("/")[0], parts[n]) for n in names for p in PAIR}
    assert catalog.cautions == ()


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    catalog = scan(tree(tmp_path, ["train/1.jpg", "train/2.jpg", "bus/1.jpg", "bus/2.jpg"]))
    assert catalog.classes == ("bus", "train")
    assert catalog.cautions == ("'train' is taken for a class like the folders beside it, not for a part of the data.",)


def test_cautions_of_the_parts(tmp_path: Path) -> None:
    paths = [f"train/{path}" for path in (*PAIR, "fox/1.jpg")] + ["test/cat/1.jpg", "test/2.jpg", "docs/1.jpg"]
    assert scan(tree(tmp_path, paths)).cautions == (
        f"Not used: 1 picture outside any class folder, {tmp_path}/test/2.jpg for one.",
        "Beside train, val and test these folders are not used: 'docs'.",
        "Classes with a single picture cannot be tested: 'fox'.",
        "Classes without a picture in test: 'dog'.",
    )


ERRORS = {
    "No class folders in ROOT; expected ROOT/<class>/<image>. Found 0 folders, 0 loose images.": [],
    "No class folders in ROOT; expected ROOT/<class>/<image>. Found 0 folders, 2 loose images.": ["1.jpg", "2.jpg"],
    "Only class 'cat' found in ROOT; at least 2 are needed.": ["cat/1.jpg", ".dog/1.jpg"],
    "If its 2 folders are the classes, give ROOT/pets.": [f"pets/{path}" for path in PAIR],
    "No pictures in the class folders 'fox', 'owl'. Fill or remove them.": [*PAIR, "fox/", "owl/a.txt"],
    "No class folders in ROOT/train; expected ROOT/train/<class>/<image>.": ["train/1.jpg", "test/cat/1.jpg"],
    "Only class 'cat' found in ROOT": ["train/cat/1.jpg", "test/cat/1.jpg"],
    "val or test has classes that train lacks: 'fox'.": [*(f"train/{p}" for p in PAIR), "test/fox/1.jpg"],
    "ROOT has 'test', 'val' but no 'train'.": ["test/cat/1.jpg", "val/cat/1.jpg"],
    "several folders for one part of the data: 'train', 'val', 'valid'.": ["train/a/", "val/a/", "valid/a/"],
    "Classes 'Cat' and 'cat' cannot both exist on Windows/macOS; rename one in ROOT.": [*PAIR, "Cat/1.jpg"],
    "Windows/macOS (they differ only in how their accents are encoded)": ["caf\xe9/1.jpg", "cafe\u0301/1.jpg"],
    "Classes 'Dog' and 'dog' cannot": [*(f"train/{p}" for p in PAIR), "test/Dog/1.jpg"],
}


@pytest.mark.parametrize("message", ERRORS)
def test_errors(tmp_path: Path, message: str) -> None:
    with pytest.raises(DataError) as caught:
        scan(tree(tmp_path, ERRORS[message]))
    assert message.replace("ROOT", str(tmp_path)) in str(caught.value)
    assert caught.value.exit_code == 3


def test_neither_folder_nor_table(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="There is no folder"):
        scan(tmp_path / "none")
    (tmp_path / "a.zip").touch()
    with pytest.raises(DataError, match="is a file"):
        scan(tmp_path / "a.zip")


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
    """Loops end, a folder keeps its own name, nothing outside is touched, a broken link is left to the reader."""
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
    catalog = scan(root)
    assert catalog.classes == ("a", "cat", "dog", "owl")
    expected = {*PAIR, "a/own.jpg", "owl/1.jpg", "dog/broken.jpg", "cat/self"}
    assert {path for path, _, _ in found(catalog)} == expected
    assert all(label == path.split("/")[0] for path, label, _ in found(catalog))
    assert catalog.others == (root / "dog/pipe.jpg",)
    assert f"Not followed: 2 links out of {root}; " in catalog.cautions[0]


def test_a_class_of_links_out_of_the_root_says_why_it_is_empty(tmp_path: Path) -> None:
    root = tree(tmp_path / "root", [*PAIR, "fox/"])
    (root / "fox/1.jpg").symlink_to(tree(tmp_path, ["1.jpg"]) / "1.jpg")
    with pytest.raises(DataError, match=r"'fox'. Fill or remove them. Not followed: 1 link out of"):
        scan(root)


FOLDERS = st.sampled_from(["cat", "dog", "Cat", "ünï", "train", "test", "valid", ".git", "__MACOSX"])
FILES = st.sampled_from(["1.jpg", "2.TIFF", "plain", "notes.txt", ".3.jpg", "desktop.ini"])
PATHS = st.tuples(st.lists(FOLDERS, max_size=3), FILES).map(lambda parts: "/".join([*parts[0], parts[1]]))
TREES = st.one_of(
    st.sets(PATHS, max_size=12),
    st.sets(PATHS, max_size=8).map(lambda paths: paths | set(PAIR)),
    st.sets(PATHS, max_size=5).map(lambda paths: paths | {f"train/{path}" for path in PAIR} | {"test/cat/1.jpg"}),
)
HIDDEN = {".git", "__MACOSX", ".3.jpg", "desktop.ini"}
PARTS = {"train": Part.TRAIN, "test": Part.TEST, "valid": Part.VAL}


def model(paths: set[str]) -> set[tuple[str, str, Part | None]] | None:
    """The rules once more, on strings; None where the scan must refuse."""
    split_paths = [tuple(path.split("/")) for path in paths]
    folders = {path[:depth] for path in split_paths for depth in range(1, len(path)) if not HIDDEN & {*path[:depth]}}
    files = {path for path in split_paths if not HIDDEN & {*path} and path[-1] != "notes.txt"}
    tops = {folder[0] for folder in folders}
    if tops <= PARTS.keys() and "train" not in tops:
        return None
    in_parts = "train" in tops and (tops <= PARTS.keys() or len(tops & PARTS.keys()) > 1)
    depth = 1 if in_parts else 0
    used = tops & PARTS.keys() if in_parts else tops
    classes = {folder[depth] for folder in folders if len(folder) == depth + 1 and folder[0] in used}
    pictures = {
        ("/".join(path), path[depth], PARTS[path[0]] if in_parts else None)
        for path in files
        if len(path) > depth + 1 and path[0] in used
    }
    trained = {label for _, label, part in pictures if part in (None, Part.TRAIN)}
    empty = {folder[depth] for folder in folders if len(folder) == depth + 1 and folder[0] == "train"} - trained
    if len(trained) < 2 or classes != trained or (in_parts and empty) or {"cat", "Cat"} <= classes:
        return None
    return pictures


@settings(max_examples=120, deadline=None)
@given(TREES)
def test_random_trees_agree_with_the_model(paths: set[str]) -> None:
    expected = model(paths)
    event("refused" if expected is None else "accepted")
    with tempfile.TemporaryDirectory() as name:
        root = tree(Path(name), paths)
        if expected is None:
            with pytest.raises(DataError):
                scan(root)
            return
        catalog = scan(root)
        assert found(catalog) == expected
        assert catalog.classes == tuple(sorted({label for _, label, _ in expected}))


def table(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    tree(folder, ["a.jpg", "b.jpg", "c.jpg", "new\nline.jpg"])
    path = folder / "photos.CSV"
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_table(tmp_path: Path, encoding: str) -> None:
    rows = [
        "Path,label ,SPLIT,group,by",
        "a.jpg, cat ,train,g1,me",
        "",
        '"new\nline.jpg",dög,Validation,,me',
        "b.jpg,dög,train,,",
    ]
    text = "\r\n".join(rows)
    catalog = scan(table(tmp_path, text, encoding))
    assert catalog.root == tmp_path
    assert catalog.classes == ("cat", "dög")
    assert [(p.path.name, p.label, p.part, p.group) for p in catalog.pictures] == [
        ("a.jpg", "cat", Part.TRAIN, "g1"),
        ("b.jpg", "dög", Part.TRAIN, None),
        ("new\nline.jpg", "dög", Part.VAL, None),
    ]


HEAD = "path,label,split\n"
TABLE_ERRORS = {
    "has no column 'label' (its first line says: path, lable). Did you mean 'lable'?": "path,lable\na.jpg,cat\n",
    "separates its columns with ';'": "path;label\na.jpg;cat\n",
    "has no column 'path' (its first line says: nothing)": "",
    "has the column 'label' 2 times": "path,label,label\n",
    "line 3: unknown split 'tets'. Use train, val or test. Did you mean 'test'?": HEAD
    + "a.jpg,cat,train\nb.jpg,dog,tets\n",
    "line 2: unknown split ''": HEAD + "a.jpg,cat,\n",
    "line 2: 2 cells, but the first line names 3 columns": HEAD + "a.jpg,cat\n",
    "line 2: the label is empty": HEAD + "a.jpg,,train\n",
    "line 2: the path is empty": HEAD + ",cat,train\n",
    "line 3: there is no file": HEAD + "a.jpg,cat,train\nz.jpg,cat,train\n",
    "line 5: ROOT/a.jpg is already in line 2": (HEAD + 'a.jpg,cat,train\n"new\nline.jpg",dog,train\na.jpg,dog,train\n'),
    "lists no pictures": HEAD,
    "Only class 'cat' found": HEAD + "a.jpg,cat,train\nb.jpg,cat,test\n",
    "classes that train lacks: 'dog'": HEAD + "a.jpg,cat,train\nb.jpg,dog,test\n",
    "Classes 'Cat' and 'cat' cannot both": HEAD + "a.jpg,cat,train\nb.jpg,Cat,train\n",
    "not a CSV file": HEAD + 'a.jpg,"cat,train\n',
}


@pytest.mark.parametrize("message", TABLE_ERRORS)
def test_table_errors(tmp_path: Path, message: str) -> None:
    with pytest.raises(DataError) as caught:
        scan(table(tmp_path, TABLE_ERRORS[message]))
    assert message.replace("ROOT", str(tmp_path)) in str(caught.value)
    assert "photos.CSV" in str(caught.value)


def test_table_that_is_not_utf8(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not UTF-8 text"):
        scan(table(tmp_path, "path,label\na.jpg,käfer\n", encoding="latin-1"))


def test_listing() -> None:
    assert listing("abc") == "'a', 'b', 'c'"
    assert listing("abcdefg") == "'a', 'b', 'c', 'd', 'e' and 2 more"
