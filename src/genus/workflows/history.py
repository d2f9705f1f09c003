"""What a training was like, result by result: ``metrics.jsonl``, the curves, the verdict that chose the weights."""

import contextlib
import json
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from genus.files import atomic, json_text, write_text
from genus.report.figures import curves_png
from genus.training.head import Trial
from genus.types import EpochResult, Note, OnEvent
from genus.workflows.run_folder import CURVES_PNG, HISTORY, append_line
from genus.workflows.track import Track, open_tracker

Result = EpochResult | Trial


def recorded(results: Generator[Result, None, None], folder: Path, on_event: OnEvent) -> tuple[Result, ...]:
    """Run the training to its end. Each result is one line of ``metrics.jsonl``, one event, one step of the tracker.

    Gives back the results of the whole run: of one that was resumed, also those from before the interruption.
    """
    history = list(read_history(folder))
    with contextlib.ExitStack() as stack, contextlib.closing(results):
        track: Track | None = None
        for number, result in enumerate(results):
            if number == 0:
                history = _before(result, history)
                write_text(folder / HISTORY, "".join(json_text(asdict(line)) + "\n" for line in history))
            append_line(folder / HISTORY, asdict(result))
            history.append(result)
            if isinstance(result, EpochResult):
                on_event(result)
                track = track or stack.enter_context(open_tracker(folder))
                track(result)
            else:
                told = f"validation loss {result.val_loss:.4f}, accuracy {result.val_accuracy:.4f}"
                on_event(Note(f"C = {result.c:g}: {told}"))
    return tuple(history)


def verdict_on_validation(history: Sequence[Result], n: int, *, frozen: bool) -> dict[str, Any] | None:
    """What validation (``n`` pictures) says about the weights that were kept, or None without a verdict.

    That is the best epoch of a full training, the strength with the lowest loss of a linear head, and the last epoch
    of a head trained for a fixed number of them.
    """
    verdicts = [
        (result.val_accuracy, result.val_loss)
        for result in history
        if result.val_accuracy is not None and result.val_loss is not None
    ]
    if not verdicts:
        return None
    if isinstance(history[0], Trial):
        accuracy, loss = min(verdicts, key=lambda verdict: verdict[1])
    elif frozen:
        accuracy, loss = verdicts[-1]
    else:
        accuracy, loss = min(verdicts, key=lambda verdict: (-verdict[0], verdict[1]))
    return {"n": n, "accuracy": {"value": accuracy}, "log_loss": loss}


def write_curves(history: Iterable[Result], folder: Path) -> None:
    """``curves.png``, where there were epochs."""
    epochs = [result for result in history if isinstance(result, EpochResult)]
    if epochs:
        with atomic(folder / CURVES_PNG) as temporary:
            temporary.write_bytes(curves_png(epochs, best_epoch(epochs)))


def best_epoch(epochs: Iterable[EpochResult]) -> int | None:
    """The number of the epoch with the highest validation accuracy, among equals the lowest validation loss."""
    judged = [result for result in epochs if result.val_accuracy is not None]
    best = max(judged, key=lambda result: (result.val_accuracy, -(result.val_loss or 0.0)), default=None)
    return best.epoch if best else None


def read_history(folder: Path) -> Iterator[Result]:
    """The lines of ``metrics.jsonl``. A line that was cut off is the last one, and counts as not written."""
    if not (folder / HISTORY).exists():
        return
    for line in (folder / HISTORY).read_text(encoding="utf-8").splitlines():
        try:
            values = json.loads(line)
        except ValueError:
            return
        yield EpochResult(**values) if "epoch" in values else Trial(**values)


def _before(first: Result, earlier: Iterable[Result]) -> list[Result]:
    """Of the ``earlier`` results, those that a training whose first new result is ``first`` stands on."""
    if isinstance(first, Trial):
        return []
    return [result for result in earlier if isinstance(result, EpochResult) and result.epoch < first.epoch]
