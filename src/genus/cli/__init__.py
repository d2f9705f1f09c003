"""The command line: one small file a verb; the only place that prints or exits."""

import sys
from collections.abc import Sequence

from genus.cli.app import run


def main(arguments: Sequence[str] | None = None) -> None:
    """Run ``genus``; exits with one of the documented codes."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))
