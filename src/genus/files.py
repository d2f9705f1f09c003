"""The one atomic writer: a file that genus writes is there complete, or not at all.

Order: write a temporary file beside the target, fsync it, rename it over the target, fsync the folder. JSON and CSV
are made here, too. And the one look at a file before it is read: a pipe or a device would block the reader, or never
end.
"""

import contextlib
import csv
import errno
import io
import json
import os
import secrets
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from genus.errors import GenusError, MachineError, UsageError

_SPECIAL = {stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}

_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what spreadsheets take for one begins so

PREFIX, SUFFIX = ".genus-", ".tmp"  # of the temporary files beside their targets


def as_path(what: str, value: object) -> Path:
    """A path that came from Python. Raises TypeError that calls it ``what`` when it is none."""
    if isinstance(value, (str, os.PathLike)):
        return Path(value)
    raise TypeError(f"{what} is a path (str or Path), not {type(value).__name__}.")


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; what the caller wrote there becomes ``path`` on success.

    Raises MachineError when the folder cannot be written or the disk is full; nothing is left behind then.
    """
    temporary = path.with_name(f"{PREFIX}{secrets.token_hex(8)}{SUFFIX}")
    try:
        temporary.touch(exist_ok=False)
    except OSError as error:
        raise _cannot_write(path, error) from error
    try:
        yield temporary
        _fsync(temporary)
        temporary.replace(path)
        _fsync_folder(path.parent)
    except OSError as error:
        raise _cannot_write(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def move(source: Path, target: Path) -> None:
    """Let the file ``source`` become ``target``, on the same disk, so that it stays so. Raises MachineError."""
    try:
        source.replace(target)
        _fsync_folder(target.parent)
    except OSError as error:
        raise _cannot_write(target, error) from error


def remove(path: Path) -> None:
    """Delete the file ``path`` if it is there. Raises MachineError."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise _cannot_write(path, error) from error


class WriteBehind:
    """Lets a thread write while the caller goes on, one thing at a time, in order.

    A context manager, whose end waits for the last one. What writing raises comes out of the next call, or of the end.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="genus-writer")
        self._last: Future[None] | None = None

    def __call__(self, write: Callable[..., None], *arguments: Any) -> None:
        """``write(*arguments)``, once what was given before is written."""
        self.wait()
        self._last = self._thread.submit(write, *arguments)

    def wait(self) -> None:
        """Until all is written."""
        if self._last:
            self._last.result()

    def __enter__(self) -> "WriteBehind":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._thread.shutdown()
        if kind is None:
            self.wait()


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8 with ``\\n`` line ends, atomically."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON, atomically. A NaN or infinity is an error (ValueError): it is no JSON."""
    write_text(path, json_text(value, indent=2) + "\n")


def json_text(value: Any, indent: int | None = None) -> str:
    """``value`` as JSON. Bytes of a file name that are no UTF-8 become escapes, which read back as they were."""
    text = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "backslashreplace").decode()


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """Rows as CSV text: comma, ``\\n`` line ends, quotes where needed, None as an empty cell.

    A text that a spreadsheet would run as a formula gets a ``'`` in front; bytes of a name that are no UTF-8 become
    escapes.
    """
    out = io.StringIO()
    for row in rows:
        cells = [_cell(value) for value in row]
        # csv quotes no "\r" when lines end with "\n", and readers would break the row there
        broken = any("\r" in cell for cell in cells)
        csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL if broken else csv.QUOTE_MINIMAL).writerow(cells)
    return out.getvalue()


def _cell(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        return str(value)
    text = value.encode("utf-8", "backslashreplace").decode()
    return f"'{text}" if text.startswith(_FORMULA) else text


def make_folder(path: Path) -> None:
    """Create ``path`` and its parents; MachineError when that is not allowed or the disk is full."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_write(path, error) from error


def probe_writable(folder: Path) -> None:
    """Raise MachineError now, not after hours of training, when ``folder`` cannot be written."""
    make_folder(folder)
    probe = folder / f"{PREFIX}probe{SUFFIX}"
    with atomic(probe):
        pass
    probe.unlink(missing_ok=True)


def is_leftover(name: str) -> bool:
    """Is a file of this name what a killed process had begun to write?"""
    return name.startswith(PREFIX) and name.endswith(SUFFIX)


def remove_leftovers(folder: Path) -> None:
    """Remove what killed processes had begun to write into ``folder``; nobody else may be writing there."""
    for path in folder.glob(f"{PREFIX}*{SUFFIX}"):
        path.unlink(missing_ok=True)


def irregular(path: str | os.PathLike[str]) -> str | None:
    """What ``path`` is where it is no regular file: "a folder", "a pipe", "a socket" or "a device".

    None for a regular file, and for what is not there or out of reach: opening it says why.
    """
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 (called for every picture)
    except (OSError, ValueError):
        return None
    if stat.S_ISREG(mode):
        return None
    return "a folder" if stat.S_ISDIR(mode) else _SPECIAL.get(stat.S_IFMT(mode), "a device")


def require_regular_file(path: str | os.PathLike[str], error: type[GenusError] = UsageError) -> None:
    """Raise ``error`` where ``path`` is a folder, a pipe, a socket or a device, which cannot be read as a file."""
    if kind := irregular(path):
        raise error(f"{path} is {kind}, not a file. Give a regular file.")


def _cannot_write(path: Path, error: OSError) -> MachineError:
    remedy = "Free space, or choose" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "Choose"
    return MachineError(f"Cannot write {path}: {error.strerror or error}. {remedy} a place that can be written.")


def _fsync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _fsync_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows cannot open a folder; its rename is durable without
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
