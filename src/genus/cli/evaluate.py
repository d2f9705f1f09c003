"""``genus evaluate``."""

from pathlib import Path
from typing import Annotated

import typer

from genus.cli.console import Screen, say, show_evaluation


def evaluate(
    run: Annotated[Path, typer.Argument(help="Folder that `genus train` wrote.")],
    data: Annotated[
        Path | None,
        typer.Argument(help="Other pictures in class folders. Default: the run's test part.", show_default=False),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
) -> None:
    """Measure a trained run: accuracy, per class, confusion matrix.

    Example: genus evaluate runs/photos-swin_tiny-1
    """
    from genus.workflows.evaluate import evaluate_run

    with Screen() as screen:
        result = evaluate_run(run, data, device=device, on_event=screen)
    show_evaluation(result.test)
    say(f"Written to {result.out}: metrics.json, confusion.csv, confusion.png")
