"""What a report says of a test in words and numbers: its first sentence, the further results."""

import math
from collections.abc import Iterator, Sequence

from genus.errors import listing
from genus.evaluation.intervals import Estimate
from genus.evaluation.metrics import Evaluation
from genus.report.content import Interval
from genus.report.style import missing_glyphs
from genus.report.text import of_hundred, of_hundred_between, percent, percent_between
from genus.run import Run
from genus.workflows.scoring import Provenance, UnknownClasses

Facts = Iterator[tuple[str, str]]
"""Headings and their texts."""


def headline(test: Evaluation, provenance: Provenance) -> str:
    """The result for everybody: what to expect of new pictures, or that the test does not say it."""
    if not provenance.of_new_pictures:
        right = percent(test.accuracy.value)
        return f"Of {test.n} pictures{provenance.claim}, {right} are named right. New pictures may be named worse."
    right = of_hundred(test.accuracy.value)
    told = f"Of 100 new pictures like these, {'about ' * right.isdigit()}{right} are named right; "
    if test.accuracy.interval is None:
        told += "how near that is cannot be said: the test pictures come in too few groups."
    else:
        told += f"the test shows it to be {of_hundred_between(*test.accuracy.interval)}."
    if test.known and test.known.error:
        told += (
            f" It answers {of_hundred(test.known.share.value)} of 100 with confidence, and of these "
            f"{_percent(test.known.error)} are wrong."
        )
    return told


def matrix_title(test: Evaluation, provenance: Provenance) -> str:
    """What stands above the confusion matrix."""
    right = percent(test.accuracy.value)
    if provenance.of_new_pictures:
        return f"{right} of {test.n} test pictures are right"
    return f"Of {test.n} pictures{provenance.claim}, {right} are right"


def numbers(test: Evaluation) -> Facts:
    """Results of a test besides the accuracy of all and of each class."""
    for k, value in test.top_k.items():
        if k < len(test.per_class):
            yield f"Right answer among the first {k}", _percent(value)
    yield "Macro F1", _percent(test.macro.f1)
    yield "Balanced accuracy", _percent(test.macro.recall)
    quality, guessing = test.calibration, math.log(len(test.per_class))
    yield "Calibration error", f"{quality.ece:.3f}: how far probabilities are, on average, from the share that is right"
    yield "Log-loss", f"{quality.log_loss:.3f}: 0 is perfect, guessing gives {guessing:.3f}"
    yield "Brier score", f"{quality.brier:.3f}: squared errors of the probabilities, from 0 (perfect) to 2"
    if test.temperature == 1:
        effect = "probabilities are as the network gives them, they are not calibrated"
    else:
        surer = "surer" if test.temperature < 1 else "less sure"
        effect = f"by it, probabilities are made {surer} so that they mean what they say"
    yield "Temperature", f"{test.temperature:.3f}: {effect}"
    if test.known:
        yield "Answered with confidence", _percent(test.known.share)
        if test.known.error:
            yield f"Wrong among these (asked for: at most {100 * test.known.max_error:g} %)", _percent(test.known.error)


def unknown_share(found: UnknownClasses | None) -> Facts:
    """How many pictures of classes that the model does not have it calls unknown, where there were any."""
    if found:
        yield (
            "Pictures of classes that the model does not have",
            f"{found.n}; called unknown: {_percent(found.unknown)}",
        )


def careless_split(run: Run) -> Facts:
    """What a random split that tears apart what belongs together would have claimed, where that was looked at."""
    if claim := run.metrics().careless_split:
        yield "What a split would have claimed that tears apart what belongs together", _percent(claim)


def cross_validation(run: Run) -> Facts:
    """What the cross-validation of ``run`` has found, where there was one."""
    if found := run.cross_validation():  # that of an earlier version has no interval
        told = _percent(found.accuracy) if found.accuracy else percent(found.mean)
        folds = f"{told}, folds {percent_between(*found.range)}"
        yield f"Cross-validation, {len(found.accuracies)} folds, features of the pretrained network", folds


def missing_font(classes: Sequence[str]) -> Iterator[str]:
    """A sentence on class names that the pictures cannot show for want of a font; none where they show all."""
    if names := missing_glyphs(classes):
        yield (
            f"No installed font has all characters of {listing(names)}: pictures show boxes for them. Install one, "
            "such as Noto Sans CJK (Debian: apt install fonts-noto-cjk)."
        )


def interval(estimate: Estimate) -> Interval:
    """``estimate`` as the page shows it."""
    return Interval(estimate.value, estimate.low, estimate.high)


def _percent(estimate: Estimate) -> str:
    return f"{percent(estimate.value)} ({percent_between(estimate.low, estimate.high)})"
