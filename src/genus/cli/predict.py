"""``genus predict``."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from genus.cli.console import Screen, say, shown
from genus.errors import MachineError, UsageError

if TYPE_CHECKING:
    from genus.workflows.predict import Row

SOME_FAILED = 6
STDOUT = Path("-")


def predict(
    run: Annotated[Path, typer.Argument(help="Folder that `genus train` wrote.")],
    paths: Annotated[list[str], typer.Argument(help="Pictures, folders, patterns; - reads paths from stdin.")],
    csv: Annotated[Path | None, typer.Option(help="Write a CSV table (- is stdout).", metavar="FILE")] = None,
    json: Annotated[Path | None, typer.Option(help="Write JSON lines (- is stdout).", metavar="FILE")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
) -> None:
    """Name pictures. One bad file gets its own error row; all others are answered (then the exit code is 6).

    Example: genus predict runs/photos-swin_tiny-1 holiday/ --csv answers.csv
    """
    if csv == STDOUT and json == STDOUT:
        raise UsageError("--csv - and --json - cannot both write to stdout. Give one of them a file.")
    from genus.predictor import load
    from genus.workflows.predict import CSV_HEAD, csv_row, find_pictures, json_row, predict_paths

    listed = [line for path in paths for line in (stdin_lines() if path == "-" else [path])]
    pictures = find_pictures(listed)
    predictor = load(run, device=device)
    failed = 0
    with contextlib.ExitStack() as files, Screen() as screen:
        write_csv = files.enter_context(_sink(csv)) if csv else None
        write_json = files.enter_context(_sink(json)) if json else None
        if write_csv:
            write_csv(CSV_HEAD)
        for row in predict_paths(predictor, pictures, screen):
            failed += row.prediction is None
            if write_csv:
                write_csv(csv_row(row))
            if write_json:
                write_json(json_row(row))
            if not (csv or json):
                say(_table_line(row))
    if failed:
        typer.echo(f"{failed} of {len(pictures)} pictures could not be read.", err=True)
        raise typer.Exit(SOME_FAILED)


def _table_line(row: "Row") -> str:
    if row.prediction is None:
        return f"{shown(row.path)}  error: {shown(row.error)}"
    best = ", ".join(f"{shown(label)} {share:.1%}" for label, share in row.prediction.top[:3])
    return f"{shown(row.path)}  {'unknown; perhaps ' if row.prediction.known is False else ''}{best}"


@contextlib.contextmanager
def _sink(path: Path) -> Iterator[Callable[[str], None]]:
    """A function that writes lines to ``path`` as they come; the final name appears only when all are there.

    What a killed run had written stays in ``<path>.partial``.
    """
    if path == STDOUT:
        yield _write_stdout
        return
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("w", encoding="utf-8", newline="") as file:

            def write(line: str) -> None:
                file.write(line)
                file.flush()

            yield write
        partial.replace(path)
    except OSError as error:
        raise MachineError(f"Cannot write {path}: {error.strerror}. Choose another file.") from error


def _write_stdout(line: str) -> None:
    sys.stdout.write(line)
    sys.stdout.flush()


def stdin_lines() -> list[str]:
    """The paths on stdin, one a line."""
    return [line for line in sys.stdin.read().splitlines() if line]
