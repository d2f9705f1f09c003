"""How the command line shows results, on stdout."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size

from genus.cli.streams import say, shown
from genus.types import Prediction

if TYPE_CHECKING:
    from genus.evaluation.intervals import Estimate
    from genus.evaluation.metrics import Evaluation


def answer_line(path: str, found: Prediction | None, error: str, top: int = 3) -> str:
    """``path``, and the ``top`` answers with their probabilities, or the error."""
    if found is None:
        return f"{shown(path)}  error: {shown(error)}"
    best = ", ".join(f"{shown(label)} {share:.1%}" for label, share in found.top[:top])
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


def show_evaluation(test: "Evaluation | None", sentence: str) -> None:
    """The ``sentence`` and the numbers per class, on stdout; nothing when there was no test picture."""
    if test is None:
        return
    say(sentence)
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
    say(
        f"Probabilities: calibration error {after.ece:.3f} ({before.ece:.3f} before scaling), log-loss "
        f"{after.log_loss:.3f} ({before.log_loss:.3f}), Brier score {after.brier:.3f} ({before.brier:.3f})."
    )
    if known := test.known:
        wrong = "" if known.error is None else f"; of these {known.error.value:.1%} are wrong ({_percent(known.error)})"
        share = f"{known.share.value:.1%} are answered with confidence ({_percent(known.share)})"
        say(f"Known: {share}{wrong}; --max-error was {known.max_error:g}.".replace("%", " %"))
    say()


def ends(estimate: "Estimate", form: str = "{:.3f} to {:.3f}", scale: float = 1.0) -> str:
    """Both ends of the interval times ``scale``, written by ``form``; where there is none, why."""
    return form.format(*(scale * end for end in estimate.interval)) if estimate.interval else "too few groups"


def _estimate(value: "Estimate | None") -> str:
    return "-" if value is None else f"{value.value:.3f} ({ends(value, '{:.3f}-{:.3f}')})"


def _percent(estimate: "Estimate") -> str:
    return ends(estimate, "{:.1f} to {:.1f}%", 100)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
