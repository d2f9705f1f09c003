"""What a command shares with its terminal: streams and signals.

Results arrive on stdout whatever the encoding, and no text can steer the terminal. Ctrl-C, TERM and HUP end a command
in the same way: it saves what it has. A second one ends it at once.
"""

import errno
import os
import signal
import sys
import unicodedata
from types import FrameType
from typing import Any

_STEERING = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # control, direction of writing, half characters, line ends
_JOINERS = "\u200c\u200d"  # of letters and emoji; harmless
READER_GONE = 141  # as of a program that SIGPIPE has ended
_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")  # Windows lacks SIGHUP, the others SIGBREAK
_received: list[int] = []


class _Stdout:
    """Results go here. When the reader has gone away (``| head``), the rest is dropped and the command goes on."""

    def __init__(self) -> None:
        self.is_closed = False  # from the start, as by ``>&-``
        self.reader_gone = False

    def write(self, text: str, encoding: str) -> None:
        data = text.encode(encoding, "backslashreplace")
        try:
            if hasattr(sys.stdout, "buffer"):
                sys.stdout.flush()
                sys.stdout.buffer.write(data)
            else:  # an object of a notebook or a test
                sys.stdout.write(data.decode(encoding))
            sys.stdout.flush()
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.EINVAL):  # Windows calls it invalid
                raise
            self.reader_gone = True
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


stdout = _Stdout()


class Stderr:
    """sys.stderr for words that nobody may be left to read: a terminal that has gone away ends no training."""

    def write(self, text: str) -> int:
        """All of ``text``, or nothing."""
        try:
            return sys.stderr.write(text)
        except OSError:
            return len(text)

    def flush(self) -> None:
        """What was written appears."""
        try:
            sys.stderr.flush()
        except OSError:
            return

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stderr, name)


def say(text: str = "") -> None:
    """A line of result for people on stdout; characters that its encoding lacks are escaped."""
    stdout.write(f"{visible(text)}\n", sys.stdout.encoding or "utf-8")


def emit(text: str) -> None:
    """Results for programs on stdout: UTF-8, whatever the encoding of the console."""
    stdout.write(text, "utf-8")


def tell(text: str) -> None:
    """A message on stderr."""
    stderr = Stderr()
    stderr.write(f"{visible(text)}\n")
    stderr.flush()


def one_terminal() -> bool:
    """Do results and messages appear on the same terminal?"""
    return sys.stdout.isatty() and sys.stderr.isatty() and os.path.samestat(os.fstat(1), os.fstat(2))


def shown(name: str) -> str:
    """A name with control characters, line ends and undecodable bytes made visible."""
    return "".join(
        char.encode("unicode_escape").decode()
        if unicodedata.category(char) in _STEERING and char not in _JOINERS
        else char
        for char in name
    )


def visible(text: str) -> str:
    """A message with names in it, made visible like ``shown``; further lines are indented, so that no name can forge a
    line of genus."""
    return "\n  ".join(map(shown, text.split("\n")))


def stdin_lines() -> list[str]:
    """The paths on stdin, one a line, in the bytes of the file system whatever the encoding of the console."""
    if os.name != "nt" and hasattr(sys.stdin, "buffer"):
        text = os.fsdecode(sys.stdin.buffer.read())
    else:
        text = sys.stdin.read()
    return [line for line in text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n") if line]


def open_missing_streams() -> None:
    """Give a process without stdin, stdout or stderr the null device: else the next file opened would be taken for
    one."""
    stdout.is_closed = sys.stdout is None
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.open(os.devnull, os.O_RDWR), mode, encoding="utf-8"))  # noqa: PTH123, SIM115


class Stopped(KeyboardInterrupt):
    """The user, the terminal or the system asked for an end."""


def catch_signals() -> None:
    """Raise ``Stopped`` in the main thread at the first signal. One that is ignored, as under nohup, stays ignored."""
    for number in (getattr(signal, name) for name in _SIGNALS if hasattr(signal, name)):
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
