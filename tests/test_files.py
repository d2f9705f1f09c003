"""The one writer: complete, or not at all."""

import csv
import errno
import io
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genus import files
from genus.errors import MachineError, ModelError, UsageError
from genus.files import (
    WriteBehind,
    atomic,
    csv_text,
    irregular,
    json_text,
    make_folder,
    probe_writable,
    require_regular_file,
    write_json,
    write_text,
)
from tests.corpus import unprivileged_folder

posix = pytest.mark.skipif(os.name == "nt", reason="POSIX only")


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Path]:
    """A file with old content; whatever happens, nothing but it is in the folder afterwards."""
    path = tmp_path / "file.txt"
    path.write_text("old")
    yield path
    assert [entry.name for entry in tmp_path.iterdir()] == ["file.txt"]


def test_new_content_replaces_the_old(target: Path) -> None:
    with atomic(target) as temporary:
        assert temporary.parent == target.parent
        temporary.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"


@pytest.mark.parametrize("error", [ValueError("a bug"), KeyboardInterrupt(), MachineError("no")])
def test_an_exception_inside_leaves_the_old(error: BaseException, target: Path) -> None:
    with pytest.raises(type(error)), atomic(target) as temporary:
        temporary.write_text("half")
        raise error
    assert target.read_text() == "old"


@pytest.mark.parametrize("step", ["fsync", "replace", "write"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_a_full_or_failing_disk_leaves_the_old(
    step: str, code: int, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    where = {"fsync": (os, "fsync"), "replace": (Path, "replace"), "write": (Path, "write_text")}[step]
    with monkeypatch.context() as patch:
        patch.setattr(*where, fail)
        with pytest.raises(MachineError, match=rf"^Cannot write {target}: {os.strerror(code)}\. ") as told:
            write_text(target, "new")
    assert ("Free space" in str(told.value)) == (code == errno.ENOSPC)
    assert target.read_text() == "old"


@posix
def test_the_order_is_write_sync_rename_sync_folder(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, str]] = []
    fsync, replace = os.fsync, Path.replace

    def spy_fsync(handle: int) -> None:
        path = Path(f"/proc/self/fd/{handle}").readlink()
        content = "a folder" if path.is_dir() else path.read_text()
        calls.append(("fsync", content))
        fsync(handle)

    def spy_replace(path: Path, goal: Path) -> Path:
        calls.append(("rename", path.read_text()))
        return replace(path, goal)

    monkeypatch.setattr(os, "fsync", spy_fsync)
    monkeypatch.setattr(Path, "replace", spy_replace)
    write_text(target, "new")
    assert calls == [("fsync", "new"), ("rename", "new"), ("fsync", "a folder")]


def test_windows_has_no_folder_to_sync(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_fsync_folder", lambda folder: None)
    write_text(target, "new")
    assert target.read_text() == "new"


@posix
@pytest.mark.parametrize("mode", [0o555, 0o000])
def test_a_folder_without_rights(mode: int) -> None:
    with unprivileged_folder() as folder:
        closed = folder / "closed"
        closed.mkdir()
        closed.chmod(mode)
        for attempt in (
            lambda: write_text(closed / "x", "new"),
            lambda: make_folder(closed / "deeper"),
            lambda: probe_writable(closed),
        ):
            with pytest.raises(MachineError, match=r"Cannot write .*closed.*Permission denied"):
                attempt()
        closed.chmod(0o755)
        assert list(closed.iterdir()) == []


@pytest.mark.parametrize("parent", ["missing", "file.txt"])
def test_a_place_that_is_no_folder(parent: str, target: Path) -> None:
    with pytest.raises(MachineError, match="Cannot write"):
        write_text(target.with_name(parent) / "x", "new")
    if parent == "file.txt":
        with pytest.raises(MachineError, match="Cannot write"):
            make_folder(target)
        with pytest.raises(MachineError, match="Cannot write"):
            probe_writable(target)


def test_a_folder_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "x" / "y").mkdir(parents=True)
    with pytest.raises(MachineError, match="Cannot write"):
        write_text(tmp_path / "x", "new")
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_probing_leaves_nothing(tmp_path: Path) -> None:
    probe_writable(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_text_is_utf_8_with_unix_line_ends(tmp_path: Path) -> None:
    write_text(tmp_path / "x", "ä花\r\n\n")
    assert (tmp_path / "x").read_bytes() == "ä花\r\n\n".encode()


def test_writing_behind_goes_on_beside_the_caller_in_order_and_is_finished_at_the_end() -> None:
    written: list[int] = []
    gate = threading.Event()

    def late(number: int) -> None:
        gate.wait(10)
        written.append(number)

    with WriteBehind() as write:
        write(late, 1)
        assert not written
        gate.set()
        write(late, 2)
        assert written[0] == 1  # never more than one thing behind
    assert written == [1, 2]


@pytest.mark.parametrize("more", [0, 1])
def test_what_writing_behind_raises_comes_out(more: int, tmp_path: Path) -> None:
    def full(path: Path) -> None:
        with atomic(path):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def behind() -> None:
        with WriteBehind() as write:
            write(full, tmp_path / "x")
            for _ in range(more):
                write(pytest.fail, "goes on after an error")

    with pytest.raises(MachineError, match="No space left"):
        behind()


def test_an_error_of_the_caller_goes_before_that_of_the_writing() -> None:
    def fail(error: Exception) -> None:
        raise error

    def both() -> None:
        with WriteBehind() as write:
            write(fail, MachineError("behind"))
            fail(ValueError("before"))

    with pytest.raises(ValueError, match="before"):
        both()


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=[])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(value=JSON, indent=st.sampled_from([None, 2]))
def test_json_reads_back_as_it_was_lone_surrogates_too(value: Any, indent: int | None) -> None:
    text = json_text(value, indent)
    assert json.loads(text.encode("utf-8")) == joined(value)
    assert indent or "\n" not in text


def joined(value: Any) -> Any:
    """Two lone surrogates that meet are one character, in JSON as in UTF-16."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    if isinstance(value, list):
        return [joined(entry) for entry in value]
    return {joined(key): joined(entry) for key, entry in value.items()} if isinstance(value, dict) else value


def test_json_keeps_letters_and_escapes_bytes(tmp_path: Path) -> None:
    write_json(tmp_path / "x", {"花": "latin\udce9"})
    assert (tmp_path / "x").read_bytes() == '{\n  "花": "latin\\udce9"\n}\n'.encode()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"a": [float("-inf")]}])
def test_no_number_is_no_json(value: object, target: Path) -> None:
    with pytest.raises(ValueError, match="Out of range float"):
        write_json(target, value)
    assert target.read_text() == "old"


@posix
def test_what_is_no_regular_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("pipe")
    found = {name: irregular(tmp_path / name) for name in ("pipe", "file", "link", "missing", ".", "a\0b")}
    kinds = {"pipe": "a pipe", "file": None, "link": "a pipe", "missing": None, ".": "a folder", "a\0b": None}
    assert found == kinds
    assert irregular("/dev/zero") == "a device"
    require_regular_file(tmp_path / "file")
    with pytest.raises(UsageError, match=r"pipe is a pipe, not a file\. Give a regular file\."):
        require_regular_file(tmp_path / "pipe")
    with pytest.raises(ModelError):
        require_regular_file(tmp_path, ModelError)


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"))


@given(st.lists(st.lists(TEXT, min_size=2, max_size=3), max_size=4))
def test_every_text_reads_back(rows: list[list[str]]) -> None:
    read = list(csv.reader(io.StringIO(csv_text(rows), newline="")))
    assert [[cell.removeprefix("'") for cell in row] for row in read] == [
        [cell.removeprefix("'") for cell in row] for row in rows
    ]


def test_formulas_are_disarmed_and_numbers_are_not() -> None:
    assert csv_text([("=cmd()", "-1", -1, 0.5, None)]) == "'=cmd(),'-1,-1,0.5,\n"


def test_names_that_are_no_utf8_become_escapes() -> None:
    name = b"caf\xe9.jpg".decode("utf-8", "surrogateescape")
    assert csv_text([(name,)]) == "caf\\udce9.jpg\n"
