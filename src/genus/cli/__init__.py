"""The command line: one small file a verb; the only place that prints or exits."""

import sys
from collections.abc import Sequence

TRUTH = {"true": "True", "yes": "True", "1": "True", "false": "False", "no": "False", "0": "False"}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run ``genus``; exits with one of the documented codes."""
    from genus.cli.app import run

    sys.exit(run(with_explicit_truth(list(sys.argv[1:] if arguments is None else arguments))))


def with_explicit_truth(arguments: list[str]) -> list[str]:
    """``--freeze-layers`` may stand alone, as the tutorial family writes ``--freeze-layers True`` or ``False``.

    A bare one gets its ``True`` here, so that a folder behind it is not taken for its value.
    """
    result: list[str] = []
    for place, argument in enumerate(arguments):
        following = arguments[place + 1].lower() if place + 1 < len(arguments) else ""
        result.append(argument)
        if argument == "--freeze-layers" and following not in TRUTH:
            result.append("True")
    return result
