"""``report.html``: what a run's files and the answers to its test pictures say, put together for the page."""

import html
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from genus.data.split import Split, label_cautions, leak_cautions
from genus.errors import listing
from genus.evaluation.intervals import Estimate
from genus.evaluation.metrics import Evaluation, to_json
from genus.report.confusion import confusion_csv, confusion_png
from genus.report.content import ClassRow, Interval, Report, ShownLabelError
from genus.report.figures import curves_png
from genus.report.page import render
from genus.report.style import missing_glyphs
from genus.run import CONFUSION_CSV, CONFUSION_PNG, CURVES_PNG, METRICS, REPORT, Result, Run
from genus.types import Caution, EpochResult, OnEvent, Part, best_epoch
from genus.workflows.reporting.pictures import (
    OF_MISTAKES,
    OF_RIGHT,
    Answers,
    below,
    close_ups,
    shown_pictures,
    thumbnails,
)
from genus.workflows.reporting.sections import charts, data_facts, model_card, next_commands, run_facts
from genus.workflows.scoring import Provenance, Scored, UnknownClasses, shift_caution

FEW_TEST, FEW_OF_CLASS = 100, 20
UNEVEN = 5  # times as many pictures in the largest class as in the smallest
LABEL_ISSUES = 40


def write_evaluation(
    run: Run,
    out: str,
    classes: Sequence[str],
    test: Evaluation | None,
    val: dict[str, Any] | None,
    provenance: Provenance,
    cautions: Sequence[str] = (),
    unknown_classes: UnknownClasses | None = None,
    data: Path | None = None,
) -> None:
    """metrics.json (schema 1), and for a test the confusion matrix as confusion.csv and confusion.png.

    ``out`` is a folder inside ``run``, or "" for the run itself; ``data`` the place of other pictures than the run's
    own. Raises MachineError.
    """
    metrics = {
        "schema": 1,
        "classes": list(classes),
        "test": to_json(test) if test else None,
        "val": val,
        "provenance": asdict(provenance),
        "cautions": list(cautions),
        "unknown_classes": asdict(unknown_classes) if unknown_classes else None,
        "data": str(data.resolve()) if data else None,
    }
    run.write_json(f"{out}{METRICS}", metrics)
    if test:
        title = f"{test.accuracy.value:.1%} of {test.n} test pictures are right".replace("%", " %")
        run.write(f"{out}{CONFUSION_CSV}", confusion_csv(test.confusion, classes))
        run.write(f"{out}{CONFUSION_PNG}", confusion_png(test.confusion, classes, title))


def tell_missing_glyphs(classes: Sequence[str], on_event: OnEvent) -> None:
    """Say which class names the pictures cannot show for want of a font."""
    if names := missing_glyphs(classes):
        on_event(
            Caution(
                f"No installed font has all characters of {listing(names)}: pictures show boxes for them. Install one, "
                "such as Noto Sans CJK (Debian: apt install fonts-noto-cjk)."
            )
        )


def write_curves(run: Run, history: Iterable[Result]) -> None:
    """``curves.png``, where there were epochs. Raises MachineError."""
    epochs = [result for result in history if isinstance(result, EpochResult)]
    if epochs:
        best = best_epoch(epochs)
        run.write(CURVES_PNG, curves_png(epochs, best.epoch if best else None))


def write_report(
    run: Run,
    out: str,
    scored: Scored,
    split: Split | None,
    cautions: Sequence[str],
    seconds: float | None = None,
) -> None:
    """report.html about the answers of ``run`` that ``scored`` holds.

    ``split`` is that of the run, where it is still there; ``cautions`` say what changes how the accuracy must be read;
    ``seconds`` is the time of the training, where the bundle does not know it yet. Raises MachineError.
    """
    run.write(f"{out}{REPORT}", render(_report(run, scored, split or Split((), 0), cautions, seconds)))


def result_html(folder: Path, sentence: str, cautions: Sequence[str] = ()) -> str:
    """For notebooks: what came out, in a ``sentence``, the ``cautions`` about it, and where the report is."""
    place = html.escape(str(folder).encode(errors="backslashreplace").decode())
    told = "<br>".join(html.escape(line) for line in (sentence, *(f"Caution: {caution}" for caution in cautions)))
    return f"<p>{told}<br>Report: <code>{place}/{REPORT}</code></p>"


def _report(run: Run, scored: Scored, split: Split, cautions: Sequence[str], seconds: float | None) -> Report:
    bundle, test, answers = scored.bundle, scored.evaluation, Answers(scored)
    record = {"seconds": seconds, **bundle.record}
    pictures, worst, uncertain = shown_pictures(answers), answers.worst(), answers.least_certain()
    looked_at = close_ups(answers, list(dict.fromkeys(worst + uncertain)), split.members(Part.TRAIN))
    return Report(
        title=answers.root.name or run.folder.resolve().name,
        model=bundle.architecture.name,
        n=test.n,
        accuracy=_interval(test.accuracy),
        sentence=_sentence(test),
        cautions=tuple(cautions),
        classes=bundle.classes,
        confusion=tuple(map(tuple, test.confusion.tolist())),
        pictures=pictures,
        cut=_cut(len(pictures), test.n),
        rows=_rows(split, test),
        macro=(_interval(test.macro.precision), _interval(test.macro.recall), _interval(test.macro.f1)),
        numbers=(*_numbers(test), *_cross_validation(run)),
        worst=tuple(looked_at[place] for place in worst if place in looked_at),
        least_certain=tuple(looked_at[place] for place in uncertain if place in looked_at and place not in worst),
        charts=tuple(charts(run, answers)),
        label_errors=_shown_label_errors(run, answers.root),
        data=tuple(data_facts(run, bundle, split)),
        facts=tuple(run_facts(run, record)),
        card=tuple(model_card(bundle)),
        commands=tuple(next_commands(run)),
    )


def _sentence(test: Evaluation) -> str:
    told = f"Of 100 new pictures like these, about {100 * test.accuracy.value:.0f} are named right; "
    low, high = _interval(test.accuracy)[1:]
    if low is None or high is None:
        told += "how near that is cannot be said: the test pictures come in too few groups."
    else:
        told += f"the test shows it to be between {100 * low:.0f} and {100 * high:.0f}."
    if test.known and test.known.error:
        told += (
            f" It answers {100 * test.known.share.value:.0f} of 100 with confidence, and of these "
            f"{100 * test.known.error.value:.1f} % are wrong."
        )
    return told


def cautions(scored: Scored, split: Split | None, *, own: bool = True) -> Iterator[str]:
    """What changes how the accuracy must be read. ``split`` is that of the run, where it is still there; ``own``: is
    its test part what was tested?"""
    split = split or Split((), 0)
    if scored.unread:
        yield scored.unread
    if scored.provenance.took_part or not scored.provenance.checked:
        yield f"The numbers are from {scored.evaluation.n} pictures{scored.provenance.claim}."
    if told := shift_caution(scored):
        yield told
    if own:
        tested = set(scored.subset.paths)
        behind = [member for member in split.pictures if member.part != Part.TEST or member.path in tested]
        yield from leak_cautions(behind)
        yield from label_cautions(behind)
    test = scored.evaluation
    if test.n < FEW_TEST:
        yield f"There are only {test.n} test pictures: the interval is wide."
    few = [f"{row.label} ({row.n})" for row in test.per_class if row.n < FEW_OF_CLASS]
    if few:
        more = f" and {len(few) - 10} more" if len(few) > 10 else ""
        yield f"Few test pictures, so that little is known about the class: {', '.join(few[:10])}{more}."
    sizes = Counter(member.label for member in split.members(Part.TRAIN))
    if sizes and max(sizes.values()) > UNEVEN * min(sizes.values()):
        (largest, most), (smallest, least) = sizes.most_common(1)[0], sizes.most_common()[-1]
        yield (
            f"The classes are uneven: {most} training pictures of {largest}, {least} of {smallest}. "
            "The accuracy is mostly that of the large classes; the macro averages count all alike."
        )
    rule = scored.bundle.known_rule
    if rule and rule.reason:
        yield rule.reason


def _cut(shown: int, n: int) -> str:
    if shown == n:
        return ""
    return (
        f"{shown} of {n} pictures are in this file: of each cell the {OF_MISTAKES} most confident mistakes "
        f"and the {OF_RIGHT} least certain right answers at most."
    )


def _rows(split: Split, test: Evaluation) -> tuple[ClassRow, ...]:
    sizes = Counter((member.label, member.part) for member in split.pictures)
    return tuple(
        ClassRow(
            row.label,
            sizes[row.label, Part.TRAIN],
            sizes[row.label, Part.VAL],
            row.n,
            _interval(row.precision) if row.precision else None,
            _interval(row.recall) if row.recall else None,
            row.f1,
        )
        for row in test.per_class
    )


def _numbers(test: Evaluation) -> Iterator[tuple[str, str]]:
    for k, value in test.top_k.items():
        if k < len(test.per_class):
            yield f"Right answer among the first {k}", _percent(value)
    yield "Macro F1", _percent(test.macro.f1)
    yield "Balanced accuracy", _percent(test.macro.recall)
    quality, guessing = test.calibration, math.log(len(test.per_class))
    yield "Calibration error", f"{quality.ece:.3f}: how far probabilities are, on average, from the share that is right"
    yield "Log-loss", f"{quality.log_loss:.3f}: 0 is perfect, guessing gives {guessing:.3f}"
    yield "Brier score", f"{quality.brier:.3f}: squared errors of the probabilities, from 0 (perfect) to 2"
    effect = "made surer" if test.temperature < 1 else "made less sure"
    yield "Temperature", f"{test.temperature:.3f}: by it, probabilities are {effect} so that they mean what they say"
    if test.known:
        yield "Answered with confidence", _percent(test.known.share)
        if test.known.error:
            yield f"Wrong among these (asked for: at most {100 * test.known.max_error:g} %)", _percent(test.known.error)


def _cross_validation(run: Run) -> Iterator[tuple[str, str]]:
    if found := run.cross_validation():
        worst, best = found.range
        yield (
            f"Cross-validation, {len(found.accuracies)} folds, features of the pretrained network",
            f"{100 * found.mean:.1f} % ({100 * worst:.1f}–{100 * best:.1f} %)",
        )


def _shown_label_errors(run: Run, root: Path) -> tuple[ShownLabelError, ...]:
    rows = run.label_errors()[:LABEL_ISSUES]
    small = thumbnails([Path(row.path) for row in rows])
    return tuple(
        ShownLabelError(
            below(root, Path(row.path)),
            row.part,
            row.label,
            row.suggested,
            row.label_probability,
            row.suggested_probability,
            thumbnail,
        )
        for row, thumbnail in zip(rows, small, strict=True)
        if thumbnail
    )


def _interval(estimate: Estimate) -> Interval:
    return Interval(estimate.value, estimate.low, estimate.high)


def _percent(estimate: Estimate) -> str:
    value, low, high = _interval(estimate)
    if low is None or high is None:
        return f"{100 * value:.1f} % (too few groups for an interval)"
    return f"{100 * value:.1f} % ({100 * low:.1f}–{100 * high:.1f} %)"
