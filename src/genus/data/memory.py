"""How much memory decoding may take: of one picture, and of several at the same time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from genus.errors import PictureError

MAX_PIXELS = 178_000_000
"""Width times height that a header may announce; just under the point where Pillow refuses a picture."""

MAX_BYTES = 9 * MAX_PIXELS
"""Bytes of memory that a picture may need from the file's bytes to RGB, in all copies that exist at the same time. With
8 bits a channel, pixels come to their limit first; deeper pictures, and those whose libraries keep copies, to this."""

MAX_FILE_BYTES = 2**30

SMALL = 2**26
"""Bytes up to which a picture waits for nobody."""

AT_A_TIME = 2**31
"""Bytes that the larger pictures may need together."""


def require_room(width: int, height: int, needed: int, max_pixels: int) -> None:
    """Raise PictureError for a picture of more than ``max_pixels``, or one that needs more than ``MAX_BYTES``."""
    if width * height > max_pixels:
        raise PictureError(over_limit(f"{width} x {height} pixels", max_pixels))
    if needed > MAX_BYTES:
        raise PictureError(
            f"{width} x {height} pixels of this kind need {needed / 1e9:.1f} GB of memory, over the limit of "
            f"{MAX_BYTES / 1e9:.1f} GB; save the picture smaller, or with 8 bits a channel"
        )


def over_limit(what: str, max_pixels: int) -> str:
    """The message for ``what`` has too many pixels."""
    return f"{what} is over the limit of {max_pixels / 1e6:.0f} megapixels"


class Gate:
    """Lets pictures into memory as long as they fit together; one that is too large for that comes alone."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._taken = 0
        self._left = threading.Condition()

    @contextmanager
    def taking(self, needed: int) -> Iterator[None]:
        """Wait until there is room for ``needed`` bytes, and take it for as long as the context lasts."""
        if needed <= SMALL:
            yield
            return
        with self._left:
            self._left.wait_for(lambda: not self._taken or self._taken + needed <= self._room)
            self._taken += needed
        try:
            yield
        finally:
            with self._left:
                self._taken -= needed
                self._left.notify_all()


GATE = Gate(AT_A_TIME)
"""The one of this process."""
