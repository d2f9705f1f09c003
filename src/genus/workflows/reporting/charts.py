"""The charts of a report: probabilities, errors over answers, the course of the training, more pictures."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from genus.evaluation.calibration import reliability
from genus.evaluation.selective import risk_coverage
from genus.report.content import Chart, Line
from genus.run import LEARNING_CURVE, Run
from genus.types import EpochResult
from genus.workflows.reporting.pictures import Answers

POINTS = 150  # of a risk-coverage curve


def charts(run: Run, answers: Answers) -> Iterator[Chart]:
    """What the answers and the files of ``run`` have to show."""
    yield _reliability(answers)
    yield _risk(answers)
    yield from _training(run)
    if curve := run.read_json(LEARNING_CURVE):
        yield _learning_curve(curve)


def _reliability(answers: Answers) -> Chart:
    scored = answers.scored
    bins = reliability(scored.logits / scored.bundle.temperature, scored.subset.labels, scored.subset.groups)
    return Chart(
        "Do probabilities mean what they say?",
        "Answers given with 80 % should be right in 80 % of the cases: the nearer to the diagonal, the better. "
        "Each point stands for pictures with similar probabilities; its bar is the 95 % interval.",
        "probability of the answer",
        "share that is right",
        (
            Line(
                "answers",
                tuple((one.confidence, one.accuracy.value) for one in bins),
                tuple(one.accuracy.interval for one in bins),
                tuple(one.n for one in bins),
            ),
        ),
        percent="xy",
        diagonal=True,
        marks="bars",
    )


def _risk(answers: Answers) -> Chart:
    coverage, risk = risk_coverage(answers.confidence, answers.right)
    chosen = np.unique(np.linspace(0, len(coverage) - 1, POINTS).round().astype(int))
    return Chart(
        "What does it cost to answer more?",
        "If only the surest answers are given, fewer are wrong.",
        "share of the pictures answered",
        "errors among the answers",
        (Line("errors", tuple(zip(coverage[chosen].tolist(), risk[chosen].tolist(), strict=True))),),
        percent="xy",
    )


def _learning_curve(found: dict[str, Any]) -> Chart:
    points, gain, wanted = found["points"], found["gain"], found.get("next_class")
    between = _ends(gain)
    line = Line(
        "accuracy",
        tuple((point["pictures"], point["accuracy"]["value"]) for point in points),
        tuple(_ends(point["accuracy"]) for point in points),
    )
    return Chart(
        "What would more pictures bring?",
        f"Twice as many: {100 * gain['value']:+.1f} points"
        + (f" ({100 * between[0]:+.1f} to {100 * between[1]:+.1f})" if between else "")
        + f", if it goes on like this. {f'Photograph next: {wanted}. ' if wanted else ''}"
        "By cross-validation on features of the pretrained network, never fine-tuned.",
        "training pictures",
        "accuracy",
        (line,),
        percent="y",
        marks="dots",
    )


def _ends(estimate: dict[str, Any]) -> tuple[float, float] | None:
    """The interval of an estimate read from JSON, None where there is none."""
    return None if estimate["low"] is None else (estimate["low"], estimate["high"])


def _training(run: Run) -> Iterator[Chart]:
    epochs = [result for result in run.history() if isinstance(result, EpochResult)]
    if not epochs:
        return
    losses = [Line("training", tuple((one.epoch, one.train_loss) for one in epochs))]
    validation = tuple((one.epoch, one.val_loss) for one in epochs if one.val_loss is not None)
    if validation:
        losses.append(Line("validation", validation))
    yield Chart("How did the loss fall?", "Mean over the pictures, in nats.", "epoch", "loss", tuple(losses))
    accuracy = tuple((one.epoch, one.val_accuracy) for one in epochs if one.val_accuracy is not None)
    if accuracy:
        text = "On the validation pictures; the test pictures take no part in this."
        line = Line("validation", accuracy)
        yield Chart("How did the accuracy rise?", text, "epoch", "accuracy", (line,), percent="y")
