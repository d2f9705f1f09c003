"""``report.html``: what a run's files and the answers to its test pictures say, put together for the page."""

import csv
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from genus.data.split import Split, label_cautions, leak_cautions
from genus.evaluation.intervals import Estimate
from genus.evaluation.metrics import Evaluation
from genus.files import write_text
from genus.report.content import ClassRow, Doubtful, Interval, Report
from genus.report.page import render
from genus.types import Part
from genus.workflows.decide import Judged
from genus.workflows.pictures import own_split
from genus.workflows.report_charts import charts
from genus.workflows.report_facts import data_facts, model_card, run_facts
from genus.workflows.report_pictures import OF_MISTAKES, OF_RIGHT, Answers, below, shown_pictures, studies, thumbnails
from genus.workflows.run_folder import CROSS_VALIDATION, LABEL_ERRORS, REPORT, SPLIT

FEW_TEST, FEW_OF_CLASS = 100, 20
UNEVEN = 5  # times as many pictures in the largest class as in the smallest
DOUBTFUL = 40


def write_report(out: Path, run: Path, judged: Judged, split: Split | None = None) -> None:
    """Write ``out``/report.html about the answers of ``run`` that ``judged`` holds.

    ``split`` is that of the run; without it, it is read, where it is still there. Raises MachineError, DataError.
    """
    if split is None:
        split = own_split(run, judged.bundle) if (run / SPLIT).exists() else Split((), 0)
    write_text(out / REPORT, render(_report(run, judged, split)))


def _report(run: Path, judged: Judged, split: Split) -> Report:
    bundle, test, answers = judged.bundle, judged.evaluation, Answers(judged)
    pictures, worst, uncertain = shown_pictures(answers), answers.worst(), answers.least_certain()
    looked_at = studies(answers, list(dict.fromkeys(worst + uncertain)), split.members(Part.TRAIN))
    return Report(
        title=answers.root.name or run.resolve().name,
        model=bundle.architecture.name,
        n=test.n,
        accuracy=_interval(test.accuracy),
        sentence=_sentence(test),
        warnings=tuple(warnings(split, judged)),
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
        doubtful=_doubtful(run, answers.root),
        data=tuple(data_facts(run, bundle, split)),
        facts=tuple(run_facts(run)),
        card=tuple(model_card(bundle)),
    )


def _sentence(test: Evaluation) -> str:
    told = f"Of 100 new pictures like these, about {100 * test.accuracy.value:.0f} are named right; "
    if test.accuracy.interval:
        low, high = test.accuracy.interval
        told += f"the test shows it to be between {100 * low:.0f} and {100 * high:.0f}."
    else:
        told += f"how sure that is cannot be said from {test.groups} groups of test pictures."
    if test.known and test.known.error:
        told += (
            f" It answers {100 * test.known.share.value:.0f} of 100 with confidence, and of these "
            f"{100 * test.known.error.value:.1f} % are wrong."
        )
    return told


def warnings(split: Split, judged: Judged) -> Iterator[str]:
    """What changes how the accuracy must be read."""
    yield from leak_cautions(split.pictures)
    yield from label_cautions(split.pictures)
    test = judged.evaluation
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
    rule = judged.bundle.known_rule
    if rule and rule.min_probability == 0:
        yield (
            f"Validation could not show an error of at most {rule.max_error:g} for any threshold: only pictures that "
            "look like none of the training are called unknown."
        )


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
        yield f"Right answer among the first {k}", _percent(value)
    yield "Macro F1", _percent(test.macro.f1)
    yield "Balanced accuracy", _percent(test.macro.recall)
    before, after = test.uncalibrated, test.calibration
    yield "Calibration error", f"{after.ece:.3f} ({before.ece:.3f} before scaling)"
    yield "Log-loss", f"{after.log_loss:.3f} ({before.log_loss:.3f} before scaling)"
    yield "Brier score", f"{after.brier:.3f} ({before.brier:.3f} before scaling)"
    yield "Temperature", f"{test.temperature:.3f}"
    if test.known:
        yield "Answered with confidence", _percent(test.known.share)
        if test.known.error:
            yield f"Wrong among these (asked for: at most {100 * test.known.max_error:g} %)", _percent(test.known.error)


def _cross_validation(run: Path) -> Iterator[tuple[str, str]]:
    if (run / CROSS_VALIDATION).exists():
        found = json.loads((run / CROSS_VALIDATION).read_bytes())
        worst, best = 100 * min(found["accuracies"]), 100 * max(found["accuracies"])
        yield (
            f"Cross-validation, {len(found['accuracies'])} folds, features of the pretrained network",
            f"{100 * found['mean']:.1f} % ({worst:.1f}–{best:.1f} %)",
        )


def _doubtful(run: Path, root: Path) -> tuple[Doubtful, ...]:
    if not (run / LABEL_ERRORS).exists():
        return ()
    with (run / LABEL_ERRORS).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))[:DOUBTFUL]
    small = thumbnails([Path(row["path"]) for row in rows])
    return tuple(
        Doubtful(
            below(root, Path(row["path"])),
            row["part"],
            row["label"],
            row["suggested"],
            float(row["label_probability"]),
            float(row["suggested_probability"]),
            thumbnail,
        )
        for row, thumbnail in zip(rows, small, strict=True)
        if thumbnail
    )


def _interval(estimate: Estimate) -> Interval:
    return estimate.value, estimate.low, estimate.high


def _percent(estimate: Estimate) -> str:
    if estimate.interval is None:
        return f"{100 * estimate.value:.1f} % (too few groups)"
    low, high = estimate.interval
    return f"{100 * estimate.value:.1f} % ({100 * low:.1f}–{100 * high:.1f} %)"
