"""Verbs, help, and the way from an error to a message and an exit code."""

import errno
import sys
import traceback
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated

import typer

from genus.cli.cache import cache
from genus.cli.compare import compare
from genus.cli.demo import demo
from genus.cli.evaluate import evaluate
from genus.cli.explain import explain
from genus.cli.models import models
from genus.cli.predict import predict
from genus.cli.train import train
from genus.cli.truth import with_explicit_truth
from genus.errors import GenusError, MachineError

DEBUG = "--debug"
DISK_FULL = "The disk is full: not everything could be written."

app = typer.Typer(
    name="genus",
    help="Name every picture: fine-tune a network on a folder of photos, and know honestly how good it is.",
    epilog="Start with: genus demo. Then: genus train photos/ (one folder of pictures per class). "
    "Exit codes: 0 done, 1 a bug, 2 options, 3 data, 4 machine, 5 model or run, 6 some pictures failed, 7 diverged.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for verb in (train, evaluate, predict, explain, compare, models, cache, demo):
    app.command()(verb)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"genus {version('genus')}")
        raise typer.Exit


@app.callback()
def genus(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True)
    ] = False,
    debug: Annotated[bool, typer.Option(DEBUG, help="Show tracebacks of errors.")] = False,
) -> None:
    """The options that stand before a verb."""


def run(arguments: Sequence[str]) -> int:
    """Run the command line; returns the exit code. Errors become one message on stderr, without a traceback."""
    try:
        app(args=with_explicit_truth(list(arguments)), prog_name="genus")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    except GenusError as error:
        return _fail(str(error), error.exit_code, arguments)
    except MemoryError:
        return _fail("The memory is used up. Choose a smaller --batch-size, --image-size or --model.", 4, arguments)
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            return _fail(DISK_FULL, MachineError.exit_code, arguments)
        advice = "This is a bug in genus; please report it with what `genus --debug ...` shows."
        return _fail(f"{type(error).__name__}: {error}\n{advice}", 1, arguments)
    return 0


def _fail(message: str, code: int, arguments: Sequence[str]) -> int:
    if DEBUG in arguments:
        traceback.print_exc()
    print(f"Error: {message}".encode(errors="backslashreplace").decode(), file=sys.stderr)
    return code
