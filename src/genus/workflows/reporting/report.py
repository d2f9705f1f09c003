"""``report.html``: what a run's files and the answers to its test pictures say, put together for the page."""

import html
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from genus.data.leaks import label_cautions, leak_cautions
from genus.data.split import Split
from genus.evaluation.metrics import Evaluation, to_json
from genus.report.confusion import confusion_csv, confusion_png
from genus.report.content import ClassRow, Report, ShownLabelError
from genus.report.figures import curves_png
from genus.report.page import render
from genus.run import CONFUSION_CSV, CONFUSION_PNG, CURVES_PNG, METRICS, REPORT, Result, Run
from genus.types import Caution, EpochResult, OnEvent, Part, best_epoch
from genus.workflows.reporting.findings import shown_findings
from genus.workflows.reporting.pictures import (
    OF_MISTAKES,
    OF_RIGHT,
    Answers,
    below,
    close_ups,
    shown_pictures,
    thumbnails,
)
from genus.workflows.reporting.sections import (
    charts,
    data_facts,
    model_card,
    next_commands,
    other_data_facts,
    run_facts,
)
from genus.workflows.reporting.words import (
    careless_split,
    cross_validation,
    headline,
    interval,
    matrix_title,
    missing_font,
    numbers,
    unknown_share,
)
from genus.workflows.scoring import (
    Provenance,
    Scored,
    UnknownClasses,
    WithoutLeaks,
    in_words,
    shift_caution,
    without_leaks,
)

SHORTCUT = "shortcut"  # the kind of finding that says that a number will not hold elsewhere
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
    clean: WithoutLeaks | None = None,
    careless: Mapping[str, Any] | None = None,
) -> None:
    """metrics.json (schema 1), and for a test the confusion matrix as confusion.csv and confusion.png.

    ``out`` is a folder inside ``run``, or "" for the run itself; ``data`` the place of other pictures than the run's
    own; ``clean`` what is left of a test part that leaks, ``careless`` what a random split would have claimed. Raises
    MachineError.
    """
    metrics = {
        "schema": 1,
        "classes": list(classes),
        "test": to_json(test) if test else None,
        "val": val,
        "without_leaks": asdict(clean) if clean else None,
        "careless_split": careless,
        "provenance": asdict(provenance),
        "cautions": list(cautions),
        "unknown_classes": asdict(unknown_classes) if unknown_classes else None,
        "data": str(data.resolve()) if data else None,
    }
    run.write_json(f"{out}{METRICS}", metrics)
    if test:
        run.write(f"{out}{CONFUSION_CSV}", confusion_csv(test.confusion, classes))
        run.write(f"{out}{CONFUSION_PNG}", confusion_png(test.confusion, classes, matrix_title(test, provenance)))


def tell_missing_glyphs(classes: Sequence[str], on_event: OnEvent) -> None:
    """Say which class names the pictures cannot show for want of a font."""
    for told in missing_font(classes):
        on_event(Caution(told))


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
    data: Path | None = None,
    unknown_classes: UnknownClasses | None = None,
) -> None:
    """report.html about the answers of ``run`` that ``scored`` holds.

    ``split`` is that of the run, where it is still there; ``cautions`` say what changes how the accuracy must be read;
    ``seconds`` is the time of the training, where the bundle does not know it yet; ``data`` the place of other pictures
    than the run's own. Raises MachineError.
    """
    report = _report(run, scored, split or Split((), 0), cautions, seconds)
    if data:
        report = _of_other_data(report, scored, data, unknown_classes)
    elif check := run.check():
        report = replace(report, findings=shown_findings(check))
    run.write(f"{out}{REPORT}", render(report))


def result_html(folder: Path, sentence: str, cautions: Sequence[str] = ()) -> str:
    """For notebooks: what came out, in a ``sentence``, the ``cautions`` about it, and where the report is."""
    place = html.escape(str(folder).encode(errors="backslashreplace").decode())
    told = "<br>".join(html.escape(line) for line in (sentence, *(f"Caution: {caution}" for caution in cautions)))
    return f"<p>{told}<br>Report: <code>{place}/{REPORT}</code></p>"


def _of_other_data(report: Report, scored: Scored, data: Path, unknown_classes: UnknownClasses | None) -> Report:
    """``report`` on pictures of ``data``: it says so, and nothing of the run's own pictures as if it were of these."""
    return replace(
        report,
        title=data.resolve().name or str(data),
        model=f"{report.model}, trained on {report.title}",
        rows=_rows(Split((), 0), scored.evaluation),
        numbers=(*numbers(scored.evaluation), *unknown_share(unknown_classes)),
        label_errors=(),
        data=tuple(other_data_facts(data, scored, unknown_classes)),
    )


def _report(run: Run, scored: Scored, split: Split, cautions: Sequence[str], seconds: float | None) -> Report:
    bundle, test, answers = scored.bundle, scored.evaluation, Answers(scored)
    record = {"seconds": seconds, **bundle.record}
    pictures, worst, uncertain = shown_pictures(answers), answers.worst(), answers.least_certain()
    looked_at = close_ups(answers, list(dict.fromkeys(worst + uncertain)), split.members(Part.TRAIN))
    return Report(
        title=answers.root.name or run.folder.resolve().name,
        model=bundle.architecture.name,
        n=test.n,
        accuracy=interval(test.accuracy),
        sentence=headline(test, scored.provenance),
        cautions=tuple(cautions),
        classes=bundle.classes,
        confusion=tuple(map(tuple, test.confusion.tolist())),
        pictures=pictures,
        cut=_cut(len(pictures), test.n),
        rows=_rows(split, test),
        macro=(interval(test.macro.precision), interval(test.macro.recall), interval(test.macro.f1)),
        numbers=(*numbers(test), *careless_split(run), *cross_validation(run)),
        worst=tuple(looked_at[place] for place in worst if place in looked_at),
        least_certain=tuple(looked_at[place] for place in uncertain if place in looked_at and place not in worst),
        charts=tuple(charts(run, answers)),
        findings=(),
        label_errors=_shown_label_errors(run, answers.root),
        data=tuple(data_facts(run, bundle, split)),
        facts=tuple(run_facts(run, record)),
        card=tuple(model_card(bundle)),
        commands=tuple(next_commands(run)),
    )


def cautions(scored: Scored, split: Split | None, run: Run | None) -> Iterator[str]:
    """What changes how the accuracy must be read. ``split`` is that of the run, where it is still there; ``run`` is it
    where its own test part was tested."""
    split = split or Split((), 0)
    if scored.unread:
        yield scored.unread
    if scored.provenance.took_part or not scored.provenance.checked:
        yield f"The numbers are from {scored.evaluation.n} pictures{scored.provenance.claim}."
    if told := shift_caution(scored):
        yield told
    if run:
        tested = set(scored.subset.paths)
        behind = [member for member in split.pictures if member.part != Part.TEST or member.path in tested]
        yield from leak_cautions(behind)
        if clean := without_leaks(scored, split):
            left = in_words(clean.accuracy) + f" on {clean.n} pictures" if clean.accuracy else "not known: none is left"
            yield f"Without the test pictures that belong to others, {clean.leaked} in all, the accuracy is {left}."
        yield from label_cautions(behind)
        if check := run.check():
            yield from (finding.sentence for finding in check.findings if finding.kind == SHORTCUT)
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
            interval(row.precision) if row.precision else None,
            interval(row.recall) if row.recall else None,
            row.f1,
        )
        for row in test.per_class
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
