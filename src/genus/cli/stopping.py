"""Ctrl-C, TERM and HUP end a command in the same way: it saves what it has. A second one ends it at once."""

import os
import signal
from types import FrameType

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")  # Windows lacks SIGHUP, the others SIGBREAK
_received: list[int] = []


class Stopped(KeyboardInterrupt):
    """The user, the terminal or the system asked for an end."""


def catch_signals() -> None:
    """Raise ``Stopped`` in the main thread at the first signal. One that is ignored, as under nohup, stays ignored."""
    for number in (getattr(signal, name) for name in _NAMES if hasattr(signal, name)):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)


def stop_code() -> int:
    """The exit code after a stop: 130 for Ctrl-C, 143 for TERM, 129 for HUP."""
    return 128 + (_received[0] if _received else signal.SIGINT)


def _stop(number: int, frame: FrameType | None) -> None:
    _received.append(number)
    if len(_received) > 1:
        os._exit(stop_code())
    raise Stopped
