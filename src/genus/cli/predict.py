"""``genus predict``."""

import contextlib
import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from genus.cli.console import Screen, answer_line
from genus.cli.terminal import READER_GONE, emit, say, stdin_lines, stdout, tell
from genus.errors import MachineError, UsageError
from genus.files import irregular
from genus.types import PredictionRow

if TYPE_CHECKING:
    from genus.data.find import Found

SOME_FAILED = 6
STDOUT = Path("-")


def predict(
    run: Annotated[Path, typer.Argument(help="Folder that `genus train` wrote.", metavar="RUN")],
    paths: Annotated[
        list[str], typer.Argument(help="Pictures, folders, patterns; - reads paths from stdin.", metavar="PATH...")
    ],
    csv: Annotated[
        Path | None,
        typer.Option(help="Write a CSV table in UTF-8, with the mark that Excel needs; - is stdout.", metavar="FILE"),
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write JSON lines in UTF-8; - is stdout.", metavar="FILE")] = None,
    max_error: Annotated[
        float | None, typer.Option(help="Share of wrong answers to allow among the known.", metavar="SHARE")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
) -> None:
    """Name pictures. One bad file gets its own error row; all others are answered (then the exit code is 6).

    Example: genus predict runs/photos-swin_tiny-1 holiday/ --csv answers.csv
    """
    _require_outputs(csv, json)
    from genus.data.find import find_pictures
    from genus.predictor import load
    from genus.workflows.predict import CSV_HEAD, csv_row, json_row, predict_paths, with_max_error

    found = find_pictures([line for path in paths for line in (stdin_lines() if path == "-" else [path])])
    predictor = load(run, device=device)
    if max_error is not None:
        predictor = with_max_error(predictor, max_error)
    to_file = [str(path) for path in (csv, json) if path and path != STDOUT]
    counts: Counter[str] = Counter()
    with contextlib.ExitStack() as stack, Screen() as screen:
        write_csv = stack.enter_context(_sink(csv, "utf-8-sig")) if csv else None
        write_json = stack.enter_context(_sink(json, "utf-8")) if json else None
        if write_csv:
            write_csv(CSV_HEAD)
        unread = (PredictionRow(path, None, reason) for path, reason in found.unread)
        for rows in (predict_paths(predictor, found.pictures, screen), unread):
            for row in rows:
                counts[kind_of(row)] += 1
                if write_csv:
                    write_csv(csv_row(row))
                if write_json:
                    write_json(json_row(row))
                if not (csv or json):
                    say(answer_line(row.path, row.prediction, row.error))
                if stdout.reader_gone and not to_file:
                    raise typer.Exit(READER_GONE)
    finish(counts, found, f" Written to {' and '.join(to_file)}." if to_file else "")


def finish(counts: Counter[str], found: "Found", written: str = "") -> None:
    """The last lines, on stderr: how many answers of which kind, and what was left alone. Exits with 6 after errors."""
    kinds = [f"{counts[kind]:,} {kind}" for kind in ("known", "unknown", "named") if counts[kind]]
    if errors := counts["error"]:
        kinds.append("1 error" if errors == 1 else f"{errors:,} errors")
    total = counts.total()
    tell(f"{total:,} {'picture' if total == 1 else 'pictures'}: {', '.join(kinds)}.{written}")
    if found.left_alone:
        tell(found.left_alone)
    if errors:
        raise typer.Exit(SOME_FAILED)


def kind_of(row: PredictionRow) -> str:
    """``known``, ``unknown``, ``named`` by a model that cannot tell, or ``error``."""
    if row.prediction is None:
        return "error"
    return {True: "known", False: "unknown", None: "named"}[row.prediction.known]


def _require_outputs(csv: Path | None, json: Path | None) -> None:
    if csv and json and os.path.abspath(csv) == os.path.abspath(json):  # noqa: PTH100
        place = "stdout" if csv == STDOUT else str(csv)
        raise UsageError(f"--csv and --json cannot both write to {place}. Give one of them another file.")
    if stdout.is_closed and (STDOUT in (csv, json) or not (csv or json)):
        raise MachineError("stdout is closed, so the answers have nowhere to go. Write them with --csv FILE.")


@contextlib.contextmanager
def _sink(path: Path, encoding: str) -> Iterator[Callable[[str], None]]:
    """A function that writes lines to ``path`` as they come; the final name appears only when all are there.

    What an unfinished command had written stays in ``<path>.partial``. A pipe or a device is written itself.
    """
    if path == STDOUT:
        yield emit
        return
    special = irregular(path) not in (None, "a folder")
    place = path if special else path.with_name(f"{path.name}.partial")
    try:
        with place.open("w", encoding=encoding, newline="") as file:

            def write(line: str) -> None:
                file.write(line)
                file.flush()

            yield write
        if not special:
            place.replace(path)
    except OSError as error:
        raise MachineError(f"Cannot write {path}: {error.strerror}. Choose another file.") from error
    except KeyboardInterrupt:
        tell(f"Interrupted. What is done is in {place}.")
        raise
