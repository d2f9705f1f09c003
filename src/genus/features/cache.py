"""Features of pictures, kept on disk, so that a frozen network has to look at each picture once only.

    <root>/<table>/about.json      what the rows are: model, weights, preprocessing, precision, engine
    <root>/<table>/<writer>.rows   the rows, one behind the other
    <root>/<table>/<writer>.keys   for each row: the picture (sha256 of its file), the view, a checksum of the row

Every writer appends to two files of its own, a row before its key, so processes can share a table without locks, and
a process that is killed loses at most the row that it was writing. Rows are looked up by what a picture is, never by
where it lies. Damage is found by the checksum: a damaged row counts as missing, is computed again and written behind
the others. Memory holds 16 bytes a row, never the rows.
"""

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import threading
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
from numpy.typing import NDArray
from platformdirs import user_cache_path

from genus.errors import MachineError
from genus.files import json_text, make_folder, write_json

KEY = np.dtype([("picture", "u1", (32,)), ("view", "<u4"), ("crc32", "<u4")])
ABOUT = "about.json"
SEGMENT = 2**40  # a place is SEGMENT * writer + row
FIBONACCI = np.uint64(0x9E3779B97F4A7C15)  # spreads the views of one picture over the index


def cache_root() -> Path:
    """Where tables lie: ``$GENUS_CACHE``, or the user's cache folder of the operating system."""
    return Path(os.environ.get("GENUS_CACHE") or user_cache_path("genus")) / "features"


class FeatureCache:
    """One table. ``about`` says what its rows are, and any other ``about`` is another table; a row is ``width`` numbers
    of ``dtype``. Several threads may use it. A context manager, because files are open. Raises MachineError."""

    def __init__(self, root: Path, about: Mapping[str, Any], width: int, dtype: str = "<f4") -> None:
        self._about = {**about, "width": width, "dtype": dtype}
        self.folder = root / hashlib.sha256(json_text(self._about).encode()).hexdigest()[:32]
        self._row = np.dtype((np.dtype(dtype), (width,)))
        self._lock = threading.Lock()
        self._files: tuple[IO[bytes], IO[bytes]] | None = None
        self._segments: dict[str, int] = {}  # writers, in the order in which they were seen
        self._keys: dict[int, NDArray[Any]] = {}
        self._rows: dict[int, NDArray[Any]] = {}
        self.refresh()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the files that were written to; rows can still be read."""
        for file in self._files or ():
            with contextlib.suppress(OSError):  # what cannot be written now is a row without a key
                file.close()
        self._files = None

    def __len__(self) -> int:
        """Rows on disk, as of the last ``refresh``."""
        return len(self._places)

    def refresh(self) -> None:
        """See what this and other processes have written since. Places that were found before stay what they were.

        What was seen once stays, though somebody should have cleared the cache meanwhile: the files are open.
        """
        for keys_path in sorted(self.folder.glob("*.keys")):
            with contextlib.suppress(OSError, ValueError):  # cleared between the listing and here
                self._map(keys_path.stem, keys_path, keys_path.with_suffix(".rows"))
        if self._files:
            rows_file, keys_file = self._files
            self._map(Path(keys_file.name).stem, keys_file, rows_file)
        hashes = [_hashes(keys["picture"], keys["view"]) for keys in self._keys.values()]
        places = [segment * SEGMENT + np.arange(len(keys)) for segment, keys in self._keys.items()]
        together = np.concatenate(hashes) if hashes else np.empty(0, np.uint64)
        order = np.argsort(together, kind="stable")
        self._hashes = together[order]
        self._places = (np.concatenate(places) if places else np.empty(0, np.int64))[order]

    def _map(self, writer: str, keys: Path | IO[bytes], rows: Path | IO[bytes]) -> None:
        """Map what ``writer`` has written so far into memory."""
        count = min(_size(keys) // KEY.itemsize, _size(rows) // self._row.itemsize)
        if count:
            segment = self._segments.setdefault(writer, len(self._segments))
            self._keys[segment] = np.asarray(np.memmap(keys, KEY, "r", shape=(count,)))
            self._rows[segment] = np.asarray(np.memmap(rows, self._row.base, "r", shape=(count, *self._row.shape)))

    def find(self, pictures: Sequence[bytes], view: int = 0) -> list[int | None]:
        """For each of ``pictures`` (sha256, 32 bytes) the place of a sound row, or None."""
        digests = np.frombuffer(b"".join(pictures), np.uint8).reshape(-1, 32)
        wanted = _hashes(digests, np.full(len(pictures), view, np.uint32))
        spans = (np.searchsorted(self._hashes, wanted, side).tolist() for side in ("left", "right"))
        what = view.to_bytes(4, "little")
        return [self._newest(picture + what, *span) for picture, *span in zip(pictures, *spans, strict=True)]

    def _newest(self, wanted: bytes, first: int, end: int) -> int | None:
        """The last sound row whose key begins with ``wanted``, of those whose hashes stand at ``first`` to ``end``."""
        for place in self._places[first:end][::-1].tolist():
            segment, row = divmod(place, SEGMENT)
            key = self._keys[segment][row].tobytes()
            checksum = zlib.crc32(self._rows[segment][row]).to_bytes(4, "little")
            if key == wanted + checksum:
                return place
        return None

    def append(self, pictures: Sequence[bytes], rows: NDArray[Any], view: int = 0) -> None:
        """Write one row for each picture (sha256, 32 bytes); ``refresh`` makes them visible. Raises MachineError."""
        rows = np.ascontiguousarray(rows, self._row.base)
        keys = np.zeros(len(pictures), KEY)
        keys["picture"] = np.frombuffer(b"".join(pictures), np.uint8).reshape(-1, 32)
        keys["view"] = view
        keys["crc32"] = [zlib.crc32(row.tobytes()) for row in rows]
        with self._lock:
            try:
                for file, content in zip(self._open_files(), (rows, keys), strict=True):
                    file.write(content.tobytes())
                    file.flush()
            except OSError as error:
                self.close()  # a row may be there in part: nothing may be written behind it
                reason = error.strerror or str(error)
                raise MachineError(
                    f"Cannot write the feature cache {self.folder}: {reason}. Free space (genus cache --clear), or "
                    "name another place in GENUS_CACHE."
                ) from error

    def rows(self, places: Sequence[int] | NDArray[np.int64]) -> "CachedRows":
        """The rows at these places, still on disk."""
        return CachedRows(self, np.asarray(places, np.int64))

    def gather(self, places: NDArray[np.int64]) -> NDArray[Any]:
        """The rows at these places, in memory: n x width."""
        segments, rows = np.divmod(places, SEGMENT)
        if len(writers := np.unique(segments)) == 1:
            return self._rows[writers[0]][rows]
        result = np.empty((len(places), *self._row.shape), self._row.base)
        for segment in writers:
            mine = segments == segment
            result[mine] = self._rows[segment][rows[mine]]
        return result

    def _open_files(self) -> tuple[IO[bytes], IO[bytes]]:
        if self._files is None:
            make_folder(self.folder)
            if not (self.folder / ABOUT).exists():
                write_json(self.folder / ABOUT, self._about)
            name = secrets.token_hex(8)
            self._files = (self.folder / f"{name}.rows").open("a+b"), (self.folder / f"{name}.keys").open("a+b")
        return self._files


@dataclass(frozen=True, slots=True)
class CachedRows:
    """Rows of a table in a chosen order, still on disk: they are read when they are indexed."""

    cache: FeatureCache
    places: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.places)

    @property
    def nbytes(self) -> int:
        """Bytes that all rows together would take in memory."""
        return len(self) * self.cache._row.itemsize

    def __getitem__(self, index: slice | NDArray[np.int64]) -> NDArray[Any]:
        """The rows at ``index``, in memory."""
        return self.cache.gather(self.places[index])


@dataclass(frozen=True, slots=True)
class CachedTable:
    """What ``genus cache`` shows of a table."""

    folder: Path
    about: Mapping[str, Any]
    rows: int
    size: int


def tables(root: Path) -> list[CachedTable]:
    """All tables below ``root``, the largest first; folders that are no table are left out."""
    found = []
    for about in root.glob(f"*/{ABOUT}"):
        try:
            content = json.loads(about.read_bytes())
        except (OSError, ValueError):
            content = {}
        rows = sum(_size(path) // KEY.itemsize for path in about.parent.glob("*.keys"))
        size = sum(_size(path) for path in about.parent.iterdir())
        found.append(CachedTable(about.parent, content, rows, size))
    return sorted(found, key=lambda table: -table.size)


def clear(root: Path) -> int:
    """Remove every table below ``root``; the bytes that this frees. Raises MachineError."""
    freed = 0
    for table in tables(root):
        try:
            shutil.rmtree(table.folder)
        except OSError as error:
            raise MachineError(f"Cannot remove {table.folder}: {error.strerror or error}.") from error
        freed += table.size
    return freed


def _hashes(pictures: NDArray[np.uint8], views: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """n x 32 bytes and n views -> 64 bits each, by which the index is sorted."""
    heads = np.ascontiguousarray(pictures[:, :8]).view("<u8")[:, 0]
    return heads ^ (views.astype(np.uint64) * FIBONACCI)


def _size(file: Path | IO[bytes]) -> int:
    try:
        return os.fstat(file.fileno()).st_size if not isinstance(file, Path) else file.stat().st_size
    except OSError:
        return 0
