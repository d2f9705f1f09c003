"""What is known of files and pictures from one process to the next."""

import hashlib
import os
import time
from pathlib import Path

import numpy as np
import pytest

from genus.data.facts import FACTS
from genus.features import memory as memory_module
from genus.features.cache import FeatureCache
from genus.features.memory import PictureMemory, open_memory, stamp
from genus.types import Preprocess

SMALL = Preprocess(size=32)

CONTENT = hashlib.sha256(b"content").digest()


@pytest.fixture
def photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that counts as settled from the start."""
    monkeypatch.setattr(memory_module, "SETTLED_AFTER", 0.0)
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"content")
    time.sleep(0.05)  # longer than the clock of the file system takes from tick to tick
    return path


def test_a_file_that_stays_as_it_is_is_recognised_by_a_later_process(photo: Path, tmp_path: Path) -> None:
    mark = stamp(photo)
    assert mark is not None
    assert stamp(photo) == mark
    with PictureMemory(tmp_path / "cache", SMALL) as memory:
        memory.remember([mark], [CONTENT])
    photo.read_bytes()
    with PictureMemory(tmp_path / "cache", SMALL) as later:
        other = photo.with_name("other.jpg")
        assert later.contents([photo, other, photo]) == [CONTENT, None, CONTENT]
        assert later.contents([]) == []


def test_facts_are_those_of_one_way_to_decode(tmp_path: Path) -> None:
    facts = np.zeros(2, FACTS)
    facts["width"], facts["camera"], facts["mean"] = (7, 2**31), ("Ä".encode(), b""), 0.25
    other = hashlib.sha256(b"other").digest()
    with PictureMemory(tmp_path, SMALL) as memory:
        memory.keep_facts([CONTENT, other], facts)
    with PictureMemory(tmp_path, SMALL) as later:
        found = later.facts([other, None, CONTENT, hashlib.sha256(b"new").digest()])
    assert np.array_equal(np.array([found[2], found[0]], FACTS), facts)
    assert found[1] is found[3] is None
    with PictureMemory(tmp_path, Preprocess(size=64)) as larger:
        assert larger.facts([CONTENT]) == [None]


def test_a_verdict_is_of_a_pair_in_either_order(tmp_path: Path) -> None:
    one, other, third = (hashlib.sha256(name).digest() for name in (b"1", b"2", b"3"))
    with PictureMemory(tmp_path, SMALL) as memory:
        memory.keep_verdicts([(one, other), (third, one)], [2, 0])
    with PictureMemory(tmp_path, Preprocess(size=64)) as later:
        assert later.verdicts([(other, one), (one, third), (other, third)]) == [2, 0, None]


def test_what_cannot_be_kept_is_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("GENUS_CACHE", str(tmp_path / "file"))
    with open_memory(SMALL) as memory:
        memory.keep_verdicts([(CONTENT, CONTENT)], [1])
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


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


def test_a_damaged_row_is_not_believed(photo: Path, tmp_path: Path) -> None:
    mark = stamp(photo)
    assert mark is not None
    with PictureMemory(tmp_path / "cache", SMALL) as memory:
        memory.remember([mark], [CONTENT])
    (rows,) = tmp_path.glob("cache/files/*/*.rows")
    rows.write_bytes(bytes([rows.read_bytes()[0] ^ 1]) + rows.read_bytes()[1:])
    with PictureMemory(tmp_path / "cache", SMALL) as later:
        assert later.contents([photo]) == [None]


def test_a_table_of_earlier_versions_is_still_used(tmp_path: Path) -> None:
    with FeatureCache(tmp_path / "files", {"part": "files read before"}, 32, "|u1") as table:
        table.append([CONTENT], np.frombuffer(CONTENT, np.uint8)[None])
    with PictureMemory(tmp_path, SMALL) as memory:
        memory.remember([CONTENT], [CONTENT])
    assert len(list(tmp_path.glob("files/*/*.rows"))) == 2
    assert len(list(tmp_path.glob("files/*/about.json"))) == 1
