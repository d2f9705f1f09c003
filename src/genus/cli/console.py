"""How the command line shows events: a live bar on a terminal, plain lines elsewhere. stdout is left to results."""

import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

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
from genus.config import TrainConfig
from genus.types import Caution, EpochResult, Event, Note

if TYPE_CHECKING:
    from genus.evaluation.intervals import Estimate
    from genus.evaluation.metrics import Evaluation

LINE_EVERY = 10.0  # seconds between two plain lines of progress


class Screen:
    """Receives events on stderr; a context manager, because a bar has to be taken off the screen again."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._bars = Progress(
            TextColumn("{task.description:<20}"),
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
        self._bars.stop()

    def __call__(self, event: Event) -> None:
        match event:
            case Note(text):
                self.console.print(text, markup=False)
            case Caution(text):
                self.console.print(f"Caution: {text}", style="yellow", markup=False)
            case EpochResult():
                self._epoch(event)
            case types.Progress(task, done, total):
                self._progress(task, done, total)

    def interrupted(self, options: TrainConfig) -> None:
        """Say how an interrupted training goes on."""
        self._bars.stop()
        if options.freeze_layers:
            self.console.print(
                "Interrupted. The features seen so far are kept: the same command with --resume and --out RUN goes on."
            )
        else:
            self.console.print(
                "Interrupted. The same command with --resume and --out RUN goes on after the last epoch."
            )

    def _progress(self, task: str, done: int, total: int) -> None:
        if self.console.is_terminal:
            if task not in self._tasks:
                self._tasks[task] = self._bars.add_task(task, total=total)
            self._bars.update(self._tasks[task], completed=done, total=total)
            if done >= total:
                self._bars.remove_task(self._tasks.pop(task))
        elif time.monotonic() - self._last_line >= LINE_EVERY:
            self._last_line = time.monotonic()
            self.console.print(f"{task}: {done} of {total}", markup=False)

    def _epoch(self, result: EpochResult) -> None:
        if result.epochs > 20 and result.epoch % 10 and result.epoch != 1:
            return
        if not self._heading_shown:
            self._heading_shown = True
            self.console.print("    epoch         lr  train loss  val loss  val accuracy  seconds")
        loss = "-" if result.val_loss is None else f"{result.val_loss:.4f}"
        accuracy = "-" if result.val_accuracy is None else f"{result.val_accuracy:.4f}"
        self.console.print(
            f"{result.epoch:>4}/{result.epochs:<4} {result.lr:>10.2e}  {result.train_loss:>10.4f}"
            f"  {loss:>8}  {accuracy:>12}  {result.seconds:>7.1f}"
        )


def say(text: str = "") -> None:
    """One line of result on stdout; what its encoding cannot hold is escaped."""
    encoding = sys.stdout.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding))


def shown(text: str) -> str:
    """``text`` with control characters and undecodable bytes made visible: a file name must not steer a terminal."""
    visible = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
    return visible.encode("utf-8", "backslashreplace").decode()


def show_table(heads: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> None:
    """A plain table on stdout; columns numbered in ``right`` are right-aligned."""
    widths = [max(cell_len(row[column]) for row in [heads, *rows]) for column in range(len(heads))]
    for row in [heads, *rows]:
        cells = [
            " " * (width - cell_len(cell)) + cell if column in right else set_cell_size(cell, width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        say("  ".join(cells).rstrip())


def show_evaluation(test: "Evaluation | None") -> None:
    """Accuracy and the numbers per class, on stdout; nothing when there was no test picture."""
    if test is None:
        return
    say(
        f"Test accuracy {test.accuracy.value:.4f} (95 % interval {ends(test.accuracy)}) "
        f"on {test.n} pictures that took part in no decision."
    )
    say()
    rows = [
        (shown(row.label), str(row.n), _estimate(row.precision), _estimate(row.recall), _number(row.f1))
        for row in test.per_class
    ]
    macro = test.macro
    rows.append(
        ("macro average", str(test.n), _estimate(macro.precision), _estimate(macro.recall), _estimate(macro.f1))
    )
    show_table(("class", "pictures", "precision", "recall", "F1"), rows, right=(1, 2, 3, 4))
    say()
    before, after = test.uncalibrated, test.calibration
    say(
        f"Probabilities: calibration error {after.ece:.3f} ({before.ece:.3f} before scaling), log-loss "
        f"{after.log_loss:.3f} ({before.log_loss:.3f}), Brier score {after.brier:.3f} ({before.brier:.3f})."
    )
    if known := test.known:
        percent = "{:.1f} to {:.1f}%"
        wrong = (
            ""
            if known.error is None
            else f"; of these {known.error.value:.1%} are wrong ({ends(known.error, percent, 100)})"
        )
        share = f"{known.share.value:.1%} are answered with confidence ({ends(known.share, percent, 100)})"
        say(f"Known: {share}{wrong}; --max-error was {known.max_error:g}.".replace("%", " %"))
    say()


def ends(estimate: "Estimate", form: str = "{:.3f} to {:.3f}", scale: float = 1.0) -> str:
    """Both ends of the interval times ``scale``, written by ``form``; where there is none, why."""
    return form.format(*(scale * end for end in estimate.interval)) if estimate.interval else "too few groups"


def _estimate(value: "Estimate | None") -> str:
    return "-" if value is None else f"{value.value:.3f} ({ends(value, '{:.3f}-{:.3f}')})"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
