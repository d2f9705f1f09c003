"""``genus compare``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from genus.cli.console import Screen, ends, points, show_table
from genus.cli.terminal import say, shown
from genus.report.text import decimal

if TYPE_CHECKING:
    from genus.workflows.compare import CompareResult


def compare(
    run_a: Annotated[Path, typer.Argument(help="Folder that `genus train` wrote.", metavar="RUN_A")],
    run_b: Annotated[Path, typer.Argument(help="Another one.", metavar="RUN_B")],
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
) -> None:
    """Is B better than A, or is it chance? Both are held against the test pictures that they share.

    Example: genus compare runs/photos-swin_tiny-1 runs/photos-swin_tiny-2
    """
    from genus.workflows.compare import compare_runs

    with Screen() as screen:
        result = compare_runs(run_a, run_b, device=device, on_event=screen)
    found = result.comparison
    show_table(
        ("", "run", "accuracy", "95 % interval", "right where the other is wrong"),
        [
            (name, str(run), decimal(e.value, 4), ends(e), str(alone))
            for name, run, e, alone in (
                ("A", result.run_a, result.a, found.only_a),
                ("B", result.run_b, result.b, found.only_b),
            )
        ],
        right=(2, 4),
    )
    say()
    for line in verdict(result).split("\n"):
        say(line)
    for caution in result.cautions:
        say(f"Caution: {shown(caution)}")


def verdict(result: "CompareResult") -> str:
    """The sentence that a person needs."""
    found = result.comparison
    difference = found.difference
    test = "McNemar's exact test" if found.groups == found.n else f"the sign-flip test of {found.groups} groups"
    numbers = (
        f"B - A: {points(difference.value)} points ({ends(difference, points)}); "
        f"p = {found.p_value:.2g} by {test} on {found.n} pictures."
    )
    if found.shown:
        return f"{'B' if difference.value > 0 else 'A'} is better.\n{numbers}"
    if not difference.value:
        return f"No difference is seen.\n{numbers}"
    if found.needed is None:
        return f"No difference can be shown: the pictures come in {found.groups} groups, which are too few.\n{numbers}"
    if found.test_alone_shows:
        numbers += "\nThe test alone would show a difference; the interval, which holds 0, does not."
    return (
        f"No difference can be shown with {found.n} pictures; about {found.needed} would be needed if it is as large "
        f"as it looks.\n{numbers}"
    )
