"""Which files ``predict`` and ``explain`` look at: nothing that is or claims to be a picture is left out silently."""

import os
import shutil
from pathlib import Path

import pytest

from genus.data.find import Found, find_pictures
from genus.errors import DataError
from tests.corpus import photo, unprivileged_folder

posix = pytest.mark.skipif(os.name == "nt", reason="POSIX only")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "new"
    (root / "deep" / "er").mkdir(parents=True)
    for name in ("b.jpg", "A.JPEG", "deep/er/c.png", "no suffix", "really.dat", ".hidden.jpg"):
        (root / name).write_bytes(photo(1))
    for name in ("notes.txt", "BMI.csv", "README", "deep/Thumbs.db"):
        (root / name).write_text("BMI, by hand")
    (root / "claims.tif").write_text("no picture")
    (root / "layers.psd").write_bytes(b"8BPS")
    (root / "run").mkdir()
    for name in ("genus.json", "confusion.png"):
        (root / "run" / name).write_text("a run of genus")
    return root


def names(found: Found, root: Path) -> list[str]:
    return [Path(path).relative_to(root).as_posix() for path in found.pictures]


ALL = ["A.JPEG", "b.jpg", "claims.tif", "deep/er/c.png", "layers.psd", "no suffix", "really.dat"]


def test_by_name_and_by_content_and_the_rest_is_counted(folder: Path) -> None:
    found = find_pictures([str(folder)])
    assert names(found, folder) == ALL
    assert found.unread == []
    assert found.others == {"hidden": 2, ".txt": 1, ".csv": 1, "without suffix": 1, "of genus's own folders": 1}
    told = "Left alone, being no pictures: 2 hidden, 1 of genus's own folders, 1 .csv, 1 without suffix, 1 .txt."
    assert found.left_alone == told


@posix
def test_links_inside_are_followed_once_and_those_out_are_named(folder: Path, tmp_path: Path) -> None:
    far = shutil.copytree(folder, tmp_path / "far")
    (folder / "to parent").symlink_to("..")
    (folder / "to itself").symlink_to(".")
    (folder / "a way in").symlink_to("deep")
    (folder / "linked").symlink_to(far)
    (folder / "one.jpg").symlink_to(far / "b.jpg")  # a picture, wherever it lies
    (folder / "broken.jpg").symlink_to("nowhere")
    (folder / "broken").symlink_to("nowhere")
    (folder / "in a circle.png").symlink_to("in a circle.png")
    found = find_pictures([str(folder)])
    assert names(found, folder) == sorted([*ALL, "one.jpg", "broken.jpg", "in a circle.png"])
    unread = {Path(path).name: reason for path, reason in found.unread}
    assert set(unread) == {"linked", "to parent", "broken"}
    assert "a link to a folder outside" in unread["linked"]
    assert "no such file" in unread["broken"]


@posix
def test_pipes_and_folders_without_rights_are_named() -> None:
    with unprivileged_folder() as folder:
        (folder / "closed").mkdir()
        (folder / "a.jpg").write_bytes(photo(1))
        os.mkfifo(folder / "pipe")
        os.mkfifo(folder / "pipe.jpg")
        (folder / "closed").chmod(0)
        found = find_pictures([str(folder)])
        (folder / "closed").chmod(0o755)
        assert names(found, folder) == ["a.jpg", "pipe.jpg"]
        assert {(Path(path).name, reason) for path, reason in found.unread} == {
            ("closed", "cannot read: permission denied"),
            ("pipe", "is a pipe, not a file"),
        }


def test_named_files_and_patterns(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    given = ["notes.txt", "gone.jpg", "gone [1].jpg", "*.gone", "b\0.jpg"]
    assert find_pictures(given).pictures == given  # each gets its row
    (folder / "x [1].jpg").write_bytes(photo(1))
    assert find_pictures(["x [1].jpg"]).pictures == ["x [1].jpg"]
    found = find_pictures(["*.jpg", "d*", "*.txt"])
    assert found.pictures == ["b.jpg", "x [1].jpg", str(Path("deep/er/c.png"))]
    assert found.others[".txt"] == 1
    assert sorted(find_pictures(["**"]).pictures) == sorted([*map(str, map(Path, ALL)), "x [1].jpg"])


def test_a_pattern_does_not_match_what_genus_has_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless it names the very folder."""
    monkeypatch.chdir(folder)
    (folder / "deep/runs").mkdir()
    (folder / "run").rename(folder / "deep/runs/a-1")
    for pattern in ("**/*.png", f"{folder}/**/*.png", "deep/**/*.png", "d*/**"):
        found = find_pictures([pattern])
        assert [Path(path).name for path in found.pictures] == ["c.png"]
        assert found.others["of genus's own folders"] >= 1
    with pytest.raises(DataError, match="What genus has written is left alone"):
        find_pictures(["deep/r*/*"])
    figure = str(Path("deep/runs/a-1/confusion.png"))
    assert find_pictures(["deep/runs/a-1/*.png"]).pictures == find_pictures([figure]).pictures == [figure]


def test_nothing_at_all(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"No pictures in .* \(0 other files\)"):
        find_pictures([str(tmp_path)])
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(DataError, match=r"\(1 other file\)"):
        find_pictures([str(tmp_path)])
    with pytest.raises(DataError, match="an empty list"):
        find_pictures([])
