"""Short HTML for notebooks: a progress bar, a result."""

import html
from pathlib import Path
from typing import TYPE_CHECKING

from genus.types import Progress

if TYPE_CHECKING:
    from genus.evaluation.metrics import Evaluation


def progress_html(progress: Progress) -> str:
    """A bar, and how far it is in numbers."""
    task = html.escape(progress.task)
    bar = f'<progress value="{progress.done}" max="{max(progress.total, 1)}"></progress>'
    return f"<div>{bar} {task}: {progress.done:,} of {progress.total:,}</div>"


def result_html(folder: Path, test: "Evaluation | None") -> str:
    """Accuracy with its interval and the numbers per class, and where the report is."""
    place = html.escape(str(folder).encode(errors="backslashreplace").decode())
    if test is None:
        return f"<p>No test picture: the accuracy is not known. Run: <code>{place}</code></p>"
    accuracy = test.accuracy
    head = "".join(f"<th>{name}</th>" for name in ("class", "pictures", "recall", "F1"))
    rows = "".join(
        f"<tr><td>{html.escape(row.label)}</td><td>{row.n}</td>"
        f"<td>{'-' if row.recall is None else f'{row.recall.value:.3f}'}</td>"
        f"<td>{'-' if row.f1 is None else f'{row.f1:.3f}'}</td></tr>"
        for row in test.per_class
    )
    return (
        f"<p><b>Test accuracy {accuracy.value:.4f}</b> (95&nbsp;% interval {accuracy.low:.3f} to {accuracy.high:.3f}) "
        f"on {test.n} pictures. Report: <code>{place}/report.html</code></p>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    )
