"""``genus evaluate``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from genus.cli.console import Screen, ends, plain_percent, points, show_evaluation, show_table
from genus.cli.terminal import say
from genus.report.text import decimal

if TYPE_CHECKING:
    from genus.evaluation.learning_curve import LearningCurve
    from genus.workflows.tasks.studies import MislabelledPicture

LISTED = 10


def evaluate(
    run: Annotated[Path, typer.Argument(help="Folder that `genus train` wrote.")],
    data: Annotated[
        Path | None,
        typer.Argument(help="Other pictures in class folders. Default: the run's test part.", show_default=False),
    ] = None,
    all_pictures: Annotated[
        bool,
        typer.Option("--all-pictures", help="Include pictures that the run was trained on or decided by, and say so."),
    ] = False,
    learning_curve: Annotated[
        bool, typer.Option("--learning-curve", help="Also: what would more pictures bring, and of which class?")
    ] = False,
    label_errors: Annotated[bool, typer.Option("--label-errors", help="Also: which labels are doubtful?")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
) -> None:
    """Measure a trained run: accuracy, per class, confusion matrix.

    The learning curve and the doubtful labels come from cross-validation on features of the pretrained network.

    Example: genus evaluate runs/photos-swin_tiny-1 --label-errors
    """
    from genus.workflows.evaluate import evaluate_run

    with Screen() as screen:
        result = evaluate_run(
            run,
            data,
            all_pictures=all_pictures,
            learning_curve=learning_curve,
            label_errors=label_errors,
            device=device,
            on_event=screen,
        )
    show_evaluation(result.test, result.sentence, result.cautions)
    if result.unknown_classes:
        found = result.unknown_classes
        say(
            f"{found.n} pictures are of classes that the model does not have: it calls "
            f"{plain_percent(found.unknown.value)} of them unknown ({ends(found.unknown, plain_percent)})."
        )
        say()
    written = ["report.html", "metrics.json", "confusion.csv", "confusion.png"] if result.test else ["metrics.json"]
    if result.curve:
        _show_curve(result.curve, result.classes)
        written += ["learning_curve.json", "learning_curve.png"]
    if result.mislabelled is not None:
        _show_mislabelled(result.mislabelled)
        written.append("label_errors.csv")
    if result.out:
        say(f"Written to {result.out}: {', '.join(written)}")


def _show_curve(curve: "LearningCurve", classes: tuple[str, ...]) -> None:
    say()
    rows = [(str(point.pictures), decimal(point.accuracy.value, 4), ends(point.accuracy)) for point in curve.points]
    show_table(("pictures", "accuracy", "95 % interval"), rows, right=(0, 1))
    say()
    gain = curve.gain
    say(
        f"Twice as many pictures: {points(gain.value)} points of accuracy "
        f"({ends(gain, points)}), if the curve goes on as it did."
    )
    best = curve.next_class
    if best is None:
        say("Of no single class can it be shown that more pictures would help.")
    else:
        found = curve.gains[best]
        assert found
        say(
            f"Photograph next: {classes[best]} ({points(found.value)} points of recall for twice as many, "
            f"{ends(found, points)})."
        )


def _show_mislabelled(mislabelled: "list[MislabelledPicture]") -> None:
    say()
    if not mislabelled:
        say("No label is doubtful.")
        return
    rows = [
        (str(one.path), one.label, f"{one.label_probability:.3f}", one.suggested, f"{one.suggested_probability:.3f}")
        for one in mislabelled[:LISTED]
    ]
    show_table(("picture", "label", "probability", "looks like", "probability"), rows, right=(2, 4))
    say()
    confident = sum(one.confident for one in mislabelled)
    say(
        f"{len(mislabelled)} pictures look like another class than their label says to a head that has not seen them, "
        f"{confident} of them confidently. The {len(rows)} most doubtful are shown."
    )
