"""How the command line shows events, on stderr, as a live bar or plain lines; and results, on stdout."""

import os
import shlex
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Self, cast

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from genus import types
from genus.cli.terminal import Stderr, one_terminal, say, shown, visible
from genus.report.text import decimal, percent, span
from genus.types import Caution, EpochResult, Event, Note, Prediction, RunOpened

if TYPE_CHECKING:
    from genus.evaluation.intervals import Estimate
    from genus.evaluation.metrics import Evaluation

LINE_EVERY = 10.0  # seconds between two plain lines of progress


class Screen:
    """Receives events on stderr; a context manager, because a bar has to be taken off the screen again."""

    def __init__(self) -> None:
        self.run: Path | None = None  # the folder that a training writes to, as soon as it is known
        self.console = Console(file=cast(IO[str], Stderr()), highlight=False, soft_wrap=True, markup=False, emoji=False)
        self._bars = Progress(
            TextColumn("{task.description:<20}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
        )
        self._tasks: dict[str, TaskID] = {}
        self._last_line = time.monotonic()
        self._heading_shown = False

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._take_off_bars()

    def __call__(self, event: Event) -> None:
        match event:
            case Note(text):
                self._print(text)
            case Caution(text, with_result):
                if with_result and one_terminal():
                    return  # it would stand there twice
                self._print(f"Caution: {text}", "yellow")
            case EpochResult():
                self._epoch(event)
            case RunOpened(folder):
                self.run = folder
            case types.Progress(task, done, total):
                self._progress(task, done, total)

    def interrupted(self, data: Path) -> None:
        """Say how the interrupted training on ``data`` goes on."""
        self._take_off_bars()
        if self.run is None:
            self._print("Interrupted before anything was computed.")
        else:
            command = command_line(["genus", "train", str(data), "--resume", "--out", str(self.run)])
            self._print(f"Interrupted. What is done is kept. To go on:\n{command}")

    def _take_off_bars(self) -> None:
        if self.console.is_terminal:  # elsewhere rich would print an empty line
            self._bars.stop()

    def _print(self, text: str, style: str | None = None) -> None:
        self.console.print(visible(text), style=style)

    def _progress(self, task: str, done: int, total: int) -> None:
        if self.console.is_terminal:
            if task not in self._tasks:
                self._tasks[task] = self._bars.add_task(task, total=total)
            self._bars.update(self._tasks[task], completed=done, total=total)
            if done >= total:
                self._bars.remove_task(self._tasks.pop(task))
        elif time.monotonic() - self._last_line >= LINE_EVERY:
            self._last_line = time.monotonic()
            self._print(f"{task}: {done} of {total}")

    def _epoch(self, result: EpochResult) -> None:
        if result.epochs > 20 and result.epoch % 10 and result.epoch != 1:
            return
        if not self._heading_shown:
            self._heading_shown = True
            self._print("    epoch         lr  train loss  val loss  val accuracy  seconds")
        loss = "-" if result.val_loss is None else f"{result.val_loss:.4f}"
        accuracy = "-" if result.val_accuracy is None else f"{result.val_accuracy:.4f}"
        self._print(
            f"{result.epoch:>4}/{result.epochs:<4} {result.lr:>10.2e}  {result.train_loss:>10.4f}"
            f"  {loss:>8}  {accuracy:>12}  {result.seconds:>7.1f}"
        )


def command_line(words: Sequence[str]) -> str:
    """``words`` as they are typed into a shell of this system."""
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


def answer_line(path: str, found: Prediction | None, error: str, top: int = 3) -> str:
    """``path``, and the ``top`` answers with their probabilities, or the error."""
    if found is None:
        return f"{shown(path)}  error: {shown(error)}"
    best = ", ".join(f"{shown(label)} {plain_percent(share).replace(' ', '')}" for label, share in found.top[:top])
    return f"{shown(path)}  {'unknown; perhaps ' if found.known is False else ''}{best}"


def show_table(heads: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> None:
    """A plain table on stdout; columns numbered in ``right`` are right-aligned."""
    lines = [[shown(cell) for cell in row] for row in (heads, *rows)]
    widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
    for row in lines:
        cells = [
            " " * (width - cell_len(cell)) + cell if column in right else set_cell_size(cell, width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        say("  ".join(cells).rstrip())


def show_evaluation(test: "Evaluation | None", sentence: str, cautions: Sequence[str]) -> None:
    """The ``sentence``, the ``cautions`` about it and the numbers per class, on stdout; nothing without a test."""
    if test is None:
        return
    say(sentence)
    for caution in cautions:
        say(f"Caution: {shown(caution)}")
    say()
    rows = [
        (row.label, str(row.n), _estimate(row.precision), _estimate(row.recall), _number(row.f1))
        for row in test.per_class
    ]
    macro = test.macro
    rows.append(
        ("macro average", str(test.n), _estimate(macro.precision), _estimate(macro.recall), _estimate(macro.f1))
    )
    show_table(("class", "pictures", "precision", "recall", "F1"), rows, right=(1, 2, 3, 4))
    say()
    before, after = test.uncalibrated, test.calibration
    if test.temperature == 1:
        scores = f"calibration error {after.ece:.3f}, log-loss {after.log_loss:.3f}, Brier score {after.brier:.3f}"
        say(f"Probabilities, not calibrated: {scores}.")
    else:
        say(
            f"Probabilities: calibration error {after.ece:.3f} ({before.ece:.3f} before scaling), log-loss "
            f"{after.log_loss:.3f} ({before.log_loss:.3f}), Brier score {after.brier:.3f} ({before.brier:.3f})."
        )
    if known := test.known:
        wrong = ""
        if known.error:
            wrong = f"; of these {plain_percent(known.error.value)} are wrong ({ends(known.error, plain_percent)})"
        share = f"{plain_percent(known.share.value)} are answered with confidence ({ends(known.share, plain_percent)})"
        say(f"Known: {share}{wrong}; --max-error was {known.max_error:g}.")
    say()


def ends(estimate: "Estimate", write: Callable[[float], str] = decimal, between: str = " to ") -> str:
    """Both ends of the interval by ``write``, with ``between`` them; where there is none, why."""
    if estimate.interval is None:
        return "too few groups"
    low, high = map(write, estimate.interval)
    return span(low, high, between)


def plain_percent(share: float) -> str:
    """``percent`` with a space that every terminal shows."""
    return percent(share).replace("\u00a0", " ")


def points(difference: float) -> str:
    """A difference of shares in points: ``+1.5``."""
    return f"{100 * difference:+.1f}"


def _estimate(value: "Estimate | None") -> str:
    return "-" if value is None else f"{decimal(value.value)} ({ends(value, between='-')})"


def _number(value: float | None) -> str:
    return "-" if value is None else decimal(value)
