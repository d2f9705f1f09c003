"""Verbs, help, and the way from an error to a message and an exit code."""

import errno
import traceback
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated, Any

import typer

from genus.cli.cache import cache
from genus.cli.check import check
from genus.cli.compare import compare
from genus.cli.demo import demo
from genus.cli.evaluate import evaluate
from genus.cli.explain import explain
from genus.cli.models import models
from genus.cli.predict import predict
from genus.cli.terminal import READER_GONE, say, stdout, stop_code, tell
from genus.cli.train import train, with_explicit_truth
from genus.errors import GenusError, MachineError

DEBUG = "--debug"
DISK_FULL = "The disk is full: not everything could be written."
WrongUsage: Any = typer.BadParameter.__base__  # whatever typer itself finds wrong; the class moves between its versions
TYPER_STOPPED = 130  # what typer makes of a KeyboardInterrupt

app = typer.Typer(
    name="genus",
    help="Name every picture: fine-tune a network on a folder of photos, and know honestly how good it is.",
    epilog="Start with: genus demo. Then: genus train photos/ (one folder of pictures per class). "
    "Exit codes: 0 done, 1 a bug, 2 options, 3 data, 4 machine, 5 model or run, 6 some pictures failed, 7 diverged, "
    "129, 130, 143 stopped by HUP, Ctrl-C, TERM, 141 nobody reads the output.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for verb in (check, train, evaluate, predict, explain, compare, models, cache, demo):
    app.command()(verb)


def _show_version(asked: bool) -> None:
    if asked:
        say(f"genus {version('genus')}")
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
    stdout.reader_gone = False
    try:
        code = app(args=with_explicit_truth(list(arguments)), prog_name="genus", standalone_mode=False) or 0
    except (KeyboardInterrupt, SystemExit) as end:  # typer exits when the reader of a help text has gone away
        return stop_code() if isinstance(end, KeyboardInterrupt) else READER_GONE
    except Exception as error:
        if DEBUG in arguments:
            tell(traceback.format_exc())
        message, code = _explained(error)
        if message:
            tell(f"Error: {message}")
        return code
    if code == TYPER_STOPPED:
        return stop_code()
    return code or (READER_GONE if stdout.reader_gone else 0)


def _explained(error: Exception) -> tuple[str, int]:
    """The message and the exit code of an error."""
    if isinstance(error, GenusError):
        return str(error), error.exit_code
    if isinstance(error, WrongUsage):
        message = error.format_message().rstrip(".")
        return f"{message}. See: {error.ctx.command_path} --help" if message and error.ctx else message, 2
    if isinstance(error, MemoryError):
        return "The memory is used up. Choose a smaller --batch-size, --image-size or --model.", 4
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return DISK_FULL, MachineError.exit_code
    advice = "This is a bug in genus; please report it with what `genus --debug ...` shows."
    return f"{type(error).__name__}: {error}\n{advice}", 1
