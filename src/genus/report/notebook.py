"""Short HTML for notebooks: a progress bar, a result."""

import html
from pathlib import Path

from genus.types import Progress


def progress_html(progress: Progress) -> str:
    """A bar, and how far it is in numbers."""
    task = html.escape(progress.task)
    bar = f'<progress value="{progress.done}" max="{max(progress.total, 1)}"></progress>'
    return f"<div>{bar} {task}: {progress.done:,} of {progress.total:,}</div>"


def result_html(folder: Path, pictures: int = 0, accuracy: float = 0, low: float = 0, high: float = 0) -> str:
    """The accuracy (0..1) on so many test pictures, its 95 % interval, and where the report is."""
    place = html.escape(str(folder).encode(errors="backslashreplace").decode())
    if not pictures:
        return f"<p>There was no test picture: the accuracy is not known. Run: <code>{place}</code></p>"
    interval = f"95&nbsp;% interval {low:.3f} to {high:.3f}"
    return (
        f"<p><b>Test accuracy {accuracy:.4f}</b> ({interval}) on {pictures:,} pictures. "
        f"Report: <code>{place}/report.html</code></p>"
    )
