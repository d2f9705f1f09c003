"""The command line: one small file a verb; the only place that prints or exits."""

import errno
import gc
import os
import sys
from collections.abc import Sequence

from genus.cli.app import DISK_FULL, run
from genus.errors import MachineError

COLLECT_AFTER = 200_000  # new objects


def main(arguments: Sequence[str] | None = None) -> None:
    """Run ``genus``; exits with one of the documented codes.

    Importing torch makes a million objects that stay. Looking among them for garbage as often as Python does by itself,
    and taking them apart one by one at the end, takes half a second of every command.
    """
    gc.set_threshold(COLLECT_AFTER)
    code = run(sys.argv[1:] if arguments is None else arguments)
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError as error:
        code = code or MachineError.exit_code
        if error.errno == errno.ENOSPC:
            print(f"Error: {DISK_FULL}", file=sys.stderr)
    os._exit(code)
