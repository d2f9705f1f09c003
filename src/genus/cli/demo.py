"""``genus demo``."""

from pathlib import Path
from typing import Annotated

import typer

from genus.cli.console import Screen, answer_line, show_evaluation
from genus.cli.terminal import say


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the drawn pictures and the run.")] = Path("genus-demo"),
    seed: Annotated[int, typer.Option(help="Of the drawings, the split and the training.", min=0)] = 0,
) -> None:
    """The whole way, offline, in a few minutes: draw flowers, train, evaluate, predict.

    Example: genus demo
    """
    from genus.workflows.demo import run_demo

    with Screen() as screen:
        result = run_demo(out, seed, screen)
    show_evaluation(result.training.test, result.training.sentence, result.training.cautions)
    say("Six test pictures:")
    for row in result.rows:
        say(f"  {answer_line(row.path, row.prediction, row.error, top=1)}")
    say()
    for path, what in result.files:
        say(f"{path}  {what}")
    say(f"Your own photos, one folder per class: genus train photos/ ({result.training.seconds:.0f} s for this run)")
