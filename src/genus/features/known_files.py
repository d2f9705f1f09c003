"""What files held when they were last read, so that a file that nobody has touched since need not be read again.

As git does for its index: a file with the same path, place on the disk, size and times holds what it held. A file that
has changed so recently that the clock of its file system may not show another change is not remembered.
"""

import hashlib
import os
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from genus.features.cache import FeatureCache

FOLDER = "files"
SETTLED_AFTER = 2.0
"""Seconds: the coarsest clock of a file system in use (FAT)."""


class KnownFiles:
    """A table beside those of features: the stamp of a file (see ``stamp``) -> the sha256 of its content."""

    def __init__(self, root: Path) -> None:
        self._table = FeatureCache(root / FOLDER, {"part": "files read before"}, width=32, dtype="|u1")

    def contents(self, stamps: Sequence[bytes | None]) -> list[bytes | None]:
        """For each stamp the sha256 of what its file held, or None where that is not known."""
        found = iter(self._table.find([stamp for stamp in stamps if stamp]))
        places = [next(found) if stamp else None for stamp in stamps]
        rows = iter(self._table.rows([place for place in places if place is not None])[:])
        return [None if place is None else next(rows).tobytes() for place in places]

    def remember(self, stamps: Sequence[bytes], contents: Sequence[bytes]) -> None:
        """Keep what has been read for later runs; the stamps are from before the reading. Raises MachineError."""
        self._table.append(stamps, np.frombuffer(b"".join(contents), np.uint8).reshape(-1, 32))

    def close(self) -> None:
        """Close the files of the table."""
        self._table.close()


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
