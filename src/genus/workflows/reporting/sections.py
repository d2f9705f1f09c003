"""What a report says besides its pictures: charts, the data, how the run came about, what next, and the model card."""

import contextlib
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from genus.bundle import Bundle
from genus.config import CONFIG, TrainConfig, compose, flag_name
from genus.data.split import Split
from genus.errors import UsageError, plural
from genus.evaluation.calibration import reliability
from genus.evaluation.selective import risk_coverage
from genus.models.backbone import count_parameters
from genus.models.registry import MODELS
from genus.report.content import Chart, Line
from genus.run import BAD_FILES, LABEL_ERRORS, LEARNING_CURVE, Run
from genus.types import EpochResult, Part
from genus.workflows.dataset import data_root
from genus.workflows.reporting.pictures import Answers
from genus.workflows.scoring import Scored, UnknownClasses

Facts = Iterator[tuple[str, str]]
"""Headings and their texts."""

POINTS = 150  # of a risk-coverage curve
NAMED = 20  # classes of the card
SEEN = {
    "crop": "the central square",
    "pad": "the whole picture, padded to a square",
    "stretch": "the whole picture, stretched to a square",
}
"""What a model sees of a picture, by its fit."""


def charts(run: Run, answers: Answers) -> Iterator[Chart]:
    """What the answers and the files of ``run`` have to show."""
    yield _reliability(answers)
    yield _risk(answers)
    yield from _training(run)
    yield from _learning_curve(run)


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


def _learning_curve(run: Run) -> Iterator[Chart]:
    curve = run.learning_curve()
    if curve is None:
        return
    gain, wanted = curve.gain, curve.next_class
    between = gain.interval
    line = Line(
        "accuracy",
        tuple((point.pictures, point.accuracy.value) for point in curve.points),
        tuple(point.accuracy.interval for point in curve.points),
    )
    yield Chart(
        "What would more pictures bring?",
        f"Twice as many: {100 * gain.value:+.1f} points"
        + (f" ({100 * between[0]:+.1f} to {100 * between[1]:+.1f})" if between else "")
        + f", if it goes on like this. {f'Photograph next: {wanted}. ' if wanted else ''}"
        "By cross-validation on features of the pretrained network, never fine-tuned.",
        "training pictures",
        "accuracy",
        (line,),
        percent="y",
        marks="dots",
    )


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


def data_facts(run: Run, bundle: Bundle, split: Split) -> Facts:
    """Which pictures the run had."""
    yield "Folder", str(data_root(bundle))
    if split.pictures:
        yield "Pictures", f"{len(split.pictures):,} in {len(bundle.classes)} classes"
        yield "Parts", ", ".join(f"{len(split.members(part)):,} {part}" for part in Part)
        copies = len(split.pictures) - len({member.sha256 for member in split.pictures})
        if copies:
            yield "Copies of other pictures", f"{copies:,}"
    if bad := run.bad_files():
        yield "Files left out", f"{len(bad)}, see {BAD_FILES}"


def other_data_facts(data: Path, scored: Scored, unknown_classes: UnknownClasses | None) -> Facts:
    """Which pictures a test had on ``data``, others than the run's own."""
    provenance = scored.provenance
    yield "Folder", str(data.resolve())
    yield "Pictures", f"{scored.evaluation.n:,} of the model's {len(scored.bundle.classes)} classes, all to test with"
    if unknown_classes:
        yield "Of classes that the model does not have", f"{unknown_classes.n:,}"
    if provenance.sealed:
        yield "Of the run's own test part", f"{provenance.sealed:,}"
    if provenance.took_part:
        yield "Included, though the model was trained on them or decided by them", f"{provenance.took_part:,}"
    if provenance.left_out:
        yield "Left out, because the model was trained on them or decided by them", f"{provenance.left_out:,}"
    yield "Trained on", str(data_root(scored.bundle))


def run_facts(run: Run, record: Mapping[str, Any]) -> Facts:
    """How to repeat the run, and where and when it was made, by the ``record`` in its bundle."""
    with contextlib.suppress(UsageError):  # a file that is gone, or has options that are no longer allowed together
        config = compose({}, file=run / CONFIG)
        yield "Command", _command(config)
        yield "Seed", str(config.seed)
    yield "Run folder", str(run.folder)
    yield "Weights at the start", str(record.get("weights", "not recorded"))
    yield "Versions", ", ".join(f"{name} {version}" for name, version in record.get("versions", {}).items())
    yield "Hardware", ", ".join(str(value) for value in record.get("hardware", {}).values())
    if record.get("seconds"):
        yield "Time", f"{record['seconds']:.0f} s from the first file to the test"
    yield "Split", str(record.get("split", "not recorded"))
    if openings := run.openings():
        yield "Test pictures looked at", f"{plural(len(openings), 'time')}, first {openings[0].get('time')}"


def _command(config: TrainConfig) -> str:
    """What to type for the same run."""
    default = TrainConfig().to_dict()
    words = ["genus", "train", str(config.data)]
    for key, value in config.to_dict().items():
        if key not in ("data", "out", "resume") and value != default[key]:
            flag = f"--{flag_name(key)}"
            words += [flag] if value is True and key != "freeze_layers" else [flag, str(value)]
    return shlex.join(words)


def next_commands(run: Run) -> Facts:
    """What to do with the run next, and what to type for it."""
    yield "Name new pictures", _line("predict", run.folder, "PICTURE...")
    yield "Show where in a picture the model looked", _line("explain", run.folder, "PICTURE...")
    if not (run / LEARNING_CURVE).exists():
        yield "Find out what more pictures would bring", _line("evaluate", run.folder, "--learning-curve")
    if not (run / LABEL_ERRORS).exists():
        yield "Find pictures whose label looks wrong", _line("evaluate", run.folder, "--label-errors")
    yield "Go on from this model, with more pictures or classes", _line("train", "DATA", "--from", run.folder)


def _line(*words: object) -> str:
    return shlex.join(["genus", *map(str, words)])


def model_card(bundle: Bundle) -> Facts:
    """What the model is, what it is good for, and the licence of the weights it started from."""
    name, preprocess = bundle.architecture.name, bundle.preprocess
    yield "Model", f"{name}, {count_parameters(bundle.model) / 1e6:.1f} million parameters"
    yield "Input", f"{SEEN[preprocess.fit]}, {preprocess.size} x {preprocess.size} pixels, {preprocess.resample}"
    others = len(bundle.classes) - NAMED
    yield "Classes", ", ".join(bundle.classes[:NAMED]) + (f" and {others} more" if others > 0 else "")
    yield "Licence of the pretrained weights", _licence(name, str(bundle.record.get("weights", "")))
    rule = bundle.known_rule
    if rule is None:
        unknown = "This model has no rule for what it does not know."
    elif rule.min_probability is None:
        unknown = rule.reason
    else:
        unknown = (
            f"An answer counts when its probability is at least {rule.min_probability:.3f} and the picture's distance "
            f"from the nearest training picture at most {rule.max_distance:.3f}; everything else is called unknown."
        )
    yield "Unknown", unknown
    yield (
        "Good for",
        "Pictures like those it was trained and tested on. Other cameras, places and subjects were not tested.",
    )


def _licence(model: str, origin: str) -> str:
    pretrained = MODELS[model].pretrained if model in MODELS else None
    if origin == "random":
        return "none were used: the training started from random numbers"
    if pretrained and origin == pretrained.repo:
        return f"{pretrained.licence} ({origin})"
    return f"genus does not know it: the weights came from {origin or 'a place that is not recorded'}"
