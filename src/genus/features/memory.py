"""What earlier passes over pictures have found out, kept on disk beside the features: which picture a file holds, the
facts of pictures, and which pairs show the same photo."""

import contextlib
import hashlib
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from genus.data.checks import alignment
from genus.data.facts import FACTS, VERSION, Facts
from genus.errors import MachineError
from genus.features.cache import FeatureCache, cache_root
from genus.files import probe_writable
from genus.types import Preprocess

FILES_READ = "files"  # the folder of the tables of these kinds
SETTLED_AFTER = 2.0
"""Seconds: the coarsest clock of a file system in use (FAT)."""


class PictureMemory:
    """The memory of the pass over all files (``Memory`` of ``data/inspect``), for pictures decoded by ``preprocess``.

    As git does for its index: a file with the same path, place on the disk, size and times holds what it held. A file
    that has changed so recently that the clock of its file system may not show another change is not remembered.
    Raises MachineError where it cannot write.
    """

    def __init__(self, root: Path, preprocess: Preprocess) -> None:
        decoded = {"side": preprocess.scaled_side, "fit": preprocess.fit, "decode": preprocess.decode}
        about = {"part": "facts of pictures", "version": VERSION, **decoded}
        self._files = FeatureCache(root / FILES_READ, {"part": "files read before"}, width=32, dtype="|u1")
        self._facts = FeatureCache(root / FILES_READ, about, width=FACTS.itemsize, dtype="|u1")
        compared = {"part": "pairs compared", "version": alignment.VERSION}
        self._verdicts = FeatureCache(root / FILES_READ, compared, width=1, dtype="|u1")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for table in (self._files, self._facts, self._verdicts):
            table.close()

    def stamp(self, path: Path) -> bytes | None:
        """What tells this state of the file from any other."""
        return stamp(path)

    def contents(self, paths: Sequence[Path]) -> list[bytes | None]:
        """For each file the sha256 of what it holds, or None where that is not known."""
        stamps = [stamp(path) for path in paths]
        return [row if row is None else row.tobytes() for row in _rows(self._files, stamps)]

    def remember(self, stamps: Sequence[bytes], pictures: Sequence[bytes]) -> None:
        """The files with these stamps, which are from before the reading, hold these pictures (sha256)."""
        self._files.append(stamps, np.frombuffer(b"".join(pictures), np.uint8).reshape(-1, 32))

    def facts(self, pictures: Sequence[bytes | None]) -> list[Facts | None]:
        """The facts of each picture (sha256), or None where they are not known."""
        return [row if row is None else row.view(FACTS)[0] for row in _rows(self._facts, pictures)]

    def keep_facts(self, pictures: Sequence[bytes], facts: Facts) -> None:
        """Keep the facts of these pictures."""
        self._facts.append(pictures, np.ascontiguousarray(facts).view(np.uint8).reshape(len(pictures), -1))

    def verdicts(self, pairs: Sequence[tuple[bytes, bytes]]) -> list[int | None]:
        """What was found of each pair of pictures (sha256), or None where it was never looked at."""
        return [row if row is None else int(row[0]) for row in _rows(self._verdicts, [_pair(pair) for pair in pairs])]

    def keep_verdicts(self, pairs: Sequence[tuple[bytes, bytes]], verdicts: Sequence[int]) -> None:
        """Keep what was found of these pairs, a number below 256 each."""
        self._verdicts.append([_pair(pair) for pair in pairs], np.array(verdicts, np.uint8)[:, None])

    def refresh(self) -> None:
        """From now on, what was kept so far is found."""
        for table in (self._files, self._facts, self._verdicts):
            table.refresh()


@contextlib.contextmanager
def open_memory(preprocess: Preprocess) -> Iterator[PictureMemory]:
    """The memory in the user's cache or, where that cannot be written, one that is soon forgotten."""
    with contextlib.ExitStack() as stack:
        root = cache_root()
        try:
            probe_writable(root)
        except MachineError:
            root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="genus-")))
        yield stack.enter_context(PictureMemory(root, preprocess))


def _rows(table: FeatureCache, keys: Sequence[bytes | None]) -> list[NDArray[Any] | None]:
    """The row of each key, None where there is none, or no key."""
    found = iter(table.find([key for key in keys if key]))
    places = [next(found) if key else None for key in keys]
    rows = iter(table.rows([place for place in places if place is not None])[:])
    return [None if place is None else next(rows) for place in places]


def _pair(pair: tuple[bytes, bytes]) -> bytes:
    return hashlib.sha256(b"".join(sorted(pair))).digest()


def stamp(path: Path) -> bytes | None:
    """32 bytes that are others as soon as the file is; None for a file that is not there, or has only just changed."""
    try:
        status = os.stat(path)  # noqa: PTH116 (called for every picture)
    except (OSError, ValueError):
        return None
    if max(status.st_mtime, status.st_ctime) + SETTLED_AFTER > time.time():
        return None
    facts = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return hashlib.sha256(os.fsencode(os.path.abspath(path)) + repr(facts).encode()).digest()  # noqa: PTH100
