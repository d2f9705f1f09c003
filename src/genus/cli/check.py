"""``genus check``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from genus.cli.console import Screen
from genus.cli.terminal import emit, say, tell
from genus.errors import MachineError

if TYPE_CHECKING:
    from genus.workflows.check import CheckResult

CODES = {"clean": 0, "warnings": 6, "cannot train": 3}
SHOWN = 9  # findings: one screen
STDOUT = Path("-")


def check(
    data: Annotated[Path, typer.Argument(help="Folder of class folders, or a CSV table.")] = Path("data"),
    group: Annotated[
        str | None,
        typer.Option(help="Regular expression on paths: pictures of one group belong together.", metavar="REGEX"),
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write check.json here, too; - is stdout.", metavar="FILE")] = None,
    plan: Annotated[
        Path | None,
        typer.Option(help="Write a CSV table of what could be removed, for you to edit; - is stdout.", metavar="FILE"),
    ] = None,
) -> None:
    """Say everything that is wrong with a folder of pictures. Nothing in it is changed.

    Exit codes: 0 clean, 6 there is something to look at, 3 training is not possible.

    Example: genus check photos/ --plan plan.csv
    """
    from genus.data.checks.plan import HEAD
    from genus.files import csv_text, json_text
    from genus.workflows.check import check_folder
    from genus.workflows.reporting.findings import PAGE, write_check

    with Screen() as screen:
        result = check_folder(data, group, screen)
    if json:
        _write(json, json_text(result.content, indent=2) + "\n")
    if plan:
        _write(plan, csv_text([HEAD, *result.plan]))
    if STDOUT not in (json, plan):
        _show(result)
    folder = Path("runs") / f"{data.resolve().name}-check"
    try:
        write_check(data, result.content, folder)
        tell(f"Look at them: {folder / PAGE}")
    except MachineError as error:
        tell(f"Caution: Not stored: {error}")
    raise typer.Exit(CODES[result.verdict])


def _show(result: "CheckResult") -> None:
    """The findings, at most one screen of them."""
    content, findings = result.content, result.findings
    say(f"{content['pictures']:,} pictures of {len(content['classes'])} classes in {result.data}.")
    for finding in findings[:SHOWN]:
        say()
        say(f"{finding.severity.capitalize()}: {finding.sentence}")
        if finding.advice:
            say(f"  {finding.advice}")
    if len(findings) > SHOWN:
        say()
        say(f"And {len(findings) - SHOWN} more.")
    if not findings:
        say("Nothing is wrong with them, as far as genus can see.")
    say()


def _write(path: Path, text: str) -> None:
    from genus.files import write_text

    if path == STDOUT:
        emit(text.rstrip("\n"))
    else:
        write_text(path, text)
