"""Short HTML for notebooks: a progress bar, a result."""

import html
from pathlib import Path

from genus.types import Progress


def progress_html(progress: Progress) -> str:
    """A bar, and how far it is in numbers."""
    task = html.escape(progress.task)
    bar = f'<progress value="{progress.done}" max="{max(progress.total, 1)}"></progress>'
    return f"<div>{bar} {task}: {progress.done:,} of {progress.total:,}</div>"


def result_html(folder: Path, sentence: str) -> str:
    """What came out, in a ``sentence``, and where the report is."""
    place = html.escape(str(folder).encode(errors="backslashreplace").decode())
    return f"<p>{html.escape(sentence)}<br>Report: <code>{place}/report.html</code></p>"
