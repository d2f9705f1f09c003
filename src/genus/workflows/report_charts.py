"""The charts of a report: probabilities, errors over answers, the course of the training, more pictures."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from genus.evaluation.calibration import reliability
from genus.evaluation.selective import risk_coverage
from genus.report.content import Chart, Line
from genus.types import EpochResult
from genus.workflows.history import read_history
from genus.workflows.report_pictures import Answers
from genus.workflows.run_folder import LEARNING_CURVE

POINTS = 150  # of a risk-coverage curve


def charts(run: Path, answers: Answers) -> Iterator[Chart]:
    """What the answers and the files of ``run`` have to show."""
    yield _reliability(answers)
    yield _risk(answers)
    yield from _training(run)
    if (run / LEARNING_CURVE).exists():
        yield _learning_curve(run)


def _reliability(answers: Answers) -> Chart:
    logits, labels = answers.judged.logits, answers.judged.side.labels
    scaled = logits / answers.judged.bundle.temperature
    return Chart(
        "Do probabilities mean what they say?",
        "Answers given with 80 % should be right in 80 % of the cases: the nearer to the diagonal, the better.",
        "probability of the answer",
        "share that is right",
        tuple(
            Line(name, tuple((one.confidence, one.accuracy.value) for one in reliability(values, labels)))
            for name, values in (("as given out", scaled), ("before scaling", logits))
        ),
        percent="xy",
        diagonal=True,
        dots=True,
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


def _learning_curve(run: Path) -> Chart:
    found = json.loads((run / LEARNING_CURVE).read_bytes())
    points, gain, wanted = found["points"], found["gain"], found.get("next_class")
    band = tuple((point["accuracy"]["low"], point["accuracy"]["high"]) for point in points)
    between = "" if gain["low"] is None else f" ({100 * gain['low']:+.1f} to {100 * gain['high']:+.1f})"
    line = Line(
        "accuracy",
        tuple((point["pictures"], point["accuracy"]["value"]) for point in points),
        band if all(low is not None for low, _ in band) else (),
    )
    return Chart(
        "What would more pictures bring?",
        f"Twice as many: {100 * gain['value']:+.1f} points{between}, if "
        f"it goes on like this. {f'Photograph next: {wanted}. ' if wanted else ''}"
        "By cross-validation on features of the pretrained network, never fine-tuned.",
        "training pictures",
        "accuracy",
        (line,),
        percent="y",
        dots=True,
    )


def _training(run: Path) -> Iterator[Chart]:
    epochs = [result for result in read_history(run) if isinstance(result, EpochResult)]
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
