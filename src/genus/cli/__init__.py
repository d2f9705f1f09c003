"""The command line: one small file a verb; the only place that prints or exits."""

import errno
import gc
import logging
import os
import sys
import warnings
from collections.abc import Sequence

from genus.cli.app import DEBUG, DISK_FULL, run
from genus.cli.terminal import READER_GONE, catch_signals, open_missing_streams, tell
from genus.errors import MachineError

COLLECT_AFTER = 200_000  # new objects


def main(arguments: Sequence[str] | None = None) -> None:
    """Run ``genus``; exits with one of the documented codes.

    Importing torch makes a million objects that stay. Looking among them for garbage as often as Python does by itself,
    and taking them apart one by one at the end, takes half a second of every command.
    """
    gc.set_threshold(COLLECT_AFTER)
    arguments = sys.argv[1:] if arguments is None else arguments
    open_missing_streams()
    if DEBUG not in arguments:
        _silence_libraries()
    catch_signals()
    code = run(arguments)
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError as error:
        if error.errno == errno.ENOSPC and code != MachineError.exit_code:  # else it is said already
            tell(f"Error: {DISK_FULL}")
        code = code or (MachineError.exit_code if error.errno == errno.ENOSPC else READER_GONE)
    os._exit(code)


def _silence_libraries() -> None:
    """Warnings of libraries are for programmers: what a user has to know comes as an event of genus."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    logging.getLogger().addHandler(logging.NullHandler())
