"""A file is recognised as long as nobody has touched it, and never afterwards."""

import hashlib
import os
import time
from pathlib import Path

import pytest

from genus.features import known_files
from genus.features.cache import FeatureCache
from genus.features.known_files import KnownFiles, stamp

CONTENT = hashlib.sha256(b"content").digest()


@pytest.fixture
def photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that counts as settled from the start."""
    monkeypatch.setattr(known_files, "SETTLED_AFTER", 0.0)
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"content")
    time.sleep(0.05)  # longer than the clock of the file system takes from tick to tick
    return path


def test_a_file_that_stays_as_it_is_is_recognised_by_a_later_process(photo: Path, tmp_path: Path) -> None:
    mark = stamp(photo)
    assert mark is not None
    assert stamp(photo) == mark
    table = KnownFiles(tmp_path / "cache")
    table.remember([mark], [CONTENT])
    table.close()
    photo.read_bytes()
    later = KnownFiles(tmp_path / "cache")
    unknown = hashlib.sha256(b"another").digest()
    assert later.contents([None, stamp(photo), unknown, None, mark]) == [None, CONTENT, None, None, CONTENT]
    assert later.contents([]) == []


def test_a_relative_path_is_the_same_file(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(photo.parent)
    assert stamp(Path(photo.name)) == stamp(photo)


def test_whatever_happens_to_a_file_its_stamp_is_another(photo: Path) -> None:
    first, status = stamp(photo), photo.stat()
    os.utime(photo, ns=(status.st_atime_ns, status.st_mtime_ns + 1_000_000))
    touched = stamp(photo)

    time.sleep(0.05)
    photo.write_bytes(b"CONTENT")  # as long as before, and its time put back: only the time of its change tells
    os.utime(photo, ns=(status.st_atime_ns, status.st_mtime_ns))
    time.sleep(0.05)
    rewritten = stamp(photo)

    other = photo.with_name("other.jpg")
    other.write_bytes(b"content")
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.replace(photo)
    time.sleep(0.05)
    replaced = stamp(photo)

    assert None not in {first, touched, rewritten, replaced}
    assert len({first, touched, rewritten, replaced}) == 4


def test_a_file_that_has_only_just_changed_may_change_again_unseen(tmp_path: Path) -> None:
    path = tmp_path / "new.jpg"
    path.write_bytes(b"content")
    os.utime(path, (0, 0))  # an old date does not help: the file has changed just now
    assert stamp(path) is None


def test_what_is_not_there_has_no_stamp(tmp_path: Path) -> None:
    assert stamp(tmp_path / "gone.jpg") is None
    assert stamp(Path("nul\0in the name.jpg")) is None


def test_a_damaged_row_is_not_believed(tmp_path: Path) -> None:
    mark = hashlib.sha256(b"stamp").digest()
    table = KnownFiles(tmp_path)
    table.remember([mark], [CONTENT])
    table.close()
    (rows,) = tmp_path.glob("files/*/*.rows")
    rows.write_bytes(bytes([rows.read_bytes()[0] ^ 1]) + rows.read_bytes()[1:])
    assert KnownFiles(tmp_path).contents([mark]) == [None]


def test_it_is_a_table_like_those_of_features(tmp_path: Path) -> None:
    table = KnownFiles(tmp_path)
    table.remember([CONTENT], [CONTENT])
    table.close()
    with FeatureCache(tmp_path / "files", {"part": "files read before"}, 32, "|u1") as same:
        assert len(same) == 1
