"""Reports and checks made of drawn flowers, for the tests of their pages."""

import io
import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from PIL import Image, ImageFilter

from genus.demo import SPECIES, draw
from genus.report.content import (
    Chart,
    CheckPage,
    ClassRow,
    CloseUp,
    FoundPicture,
    Interval,
    Line,
    Neighbour,
    Report,
    ShownFinding,
    ShownLabelError,
    ShownPicture,
)

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</script><script>alert(2)</script>",
    "{{7*7}} ${7*7}",
    "a\nb\x1b[31m\u202ered\u2028",
    "daisy \udcff",
)


@cache
def flower(species: str, seed: int, size: int = 120, *, heat: bool = False) -> bytes:
    """A JPEG of a drawn flower; ``heat``: something that looks like its heat map."""
    image = draw(species, seed, size)
    if heat:
        image = Image.blend(image.convert("L").convert("RGB"), image.filter(ImageFilter.GaussianBlur(size / 12)), 0.6)
    out = io.BytesIO()
    image.save(out, format="JPEG", quality=80)
    return out.getvalue()


def interval(part: int, whole: int) -> Interval:
    """A share with something like its interval."""
    share = part / whole
    half = 1.96 * math.sqrt(share * (1 - share) / whole) + 1 / whole
    return Interval(share, max(0.0, share - half), min(1.0, share + half))


def confusion_of(classes: int) -> tuple[tuple[int, ...], ...]:
    """Mostly right; a class is taken for the next one, now and then for others; the last class has one picture."""
    rows = []
    for truth in range(classes):
        row = [0] * classes
        row[truth] = 30 + 7 * (truth % 5)
        row[(truth + 1) % classes] += 1 + 4 * (truth % 3)
        row[(truth * 7 + 3) % classes] += truth % 2
        rows.append(tuple(row))
    rows[-1] = tuple(int(k == classes - 1) for k in range(classes))
    return tuple(rows)


def pictures_of(
    classes: Sequence[str], confusion: Sequence[Sequence[int]], of_a_cell: int, thumbnails: Sequence[bytes]
) -> list[ShownPicture]:
    """Up to ``of_a_cell`` pictures of each cell; their paths say which: ``<truth>-<answer>/<number>.jpg``."""
    pictures = []
    for truth, row in enumerate(confusion):
        for answer, count in enumerate(row):
            for number in range(min(count, of_a_cell)):
                sure = 0.97 - 0.03 * number if truth == answer else 0.88 - 0.07 * number
                second = truth if truth != answer else (answer + 1) % len(classes)
                top = ((classes[answer], sure), (classes[second], 0.9 * (1 - sure)))
                picture = thumbnails[len(pictures) % len(thumbnails)]
                path = f"{truth}-{answer}/{number}.jpg"
                pictures.append(ShownPicture(path, classes[truth], top, sure > 0.7, picture))
    return pictures


def close_up_of(picture: ShownPicture, classes: Sequence[str], seed: int) -> CloseUp:
    species = SPECIES[list(classes).index(picture.truth) % len(SPECIES)]
    neighbours = tuple(
        Neighbour(
            f"train/{number}.jpg", classes[number % len(classes)], 0.1 + 0.07 * number, flower(SPECIES[number], 90)
        )
        for number in range(4)
    )
    return CloseUp(picture, flower(species, seed, 240), flower(species, seed, 240, heat=True), neighbours)


def charts_of() -> tuple[Chart, ...]:
    epochs = range(1, 31)
    loss = [(float(epoch), 1.6 * math.exp(-epoch / 8) + 0.1) for epoch in epochs]
    val = [(float(epoch), 1.5 * math.exp(-epoch / 9) + 0.25 + 0.004 * epoch) for epoch in epochs]
    sizes = (20.0, 40.0, 80.0, 160.0, 320.0)
    grown = [(size, 1 - 1.4 / math.sqrt(size)) for size in sizes]
    sure = [(0.05 + 0.1 * k, min(1.0, 0.02 + 0.1 * k + 0.03 * (k % 3))) for k in range(10)]
    return (
        Chart(
            "Loss", "Falls, then rises again on validation.", "epoch", "loss", (_line("train", loss), _line("val", val))
        ),
        Chart(
            "More pictures",
            "Accuracy over the number of training pictures, with its 95 % interval.",
            "training pictures",
            "accuracy",
            (_line("accuracy", grown, 0.05),),
            percent="y",
            marks="dots",
        ),
        Chart(
            "Is 80 % sure right 80 % of the time?",
            "Above the diagonal the model is too modest, below it is too sure of itself.",
            "probability of the answer",
            "share of right answers",
            (replace(_line("answers", sure, 0.06), counts=(12,) * 9 + (13,)),),
            percent="xy",
            diagonal=True,
            marks="bars",
        ),
    )


def _line(name: str, points: Sequence[tuple[float, float]], half: float = 0.0) -> Line:
    intervals = tuple((max(0.0, y - half), min(1.0, y + half)) for _, y in points) if half else ()
    return Line(name, tuple(points), intervals)


def report_of(
    classes: Sequence[str] = SPECIES,
    *,
    of_a_cell: int = 4,
    thumbnails: Sequence[bytes] = (),
    **changes: Any,
) -> Report:
    """A full report; ``changes`` are its fields."""
    confusion = confusion_of(len(classes))
    thumbnails = thumbnails or [flower(species, seed) for seed in range(4) for species in SPECIES]
    pictures = pictures_of(classes, confusion, of_a_cell, thumbnails)
    wrong = [picture for picture in pictures if picture.top[0][0] != picture.truth]
    columns = list(zip(*confusion, strict=True))
    rows = []
    for k, label in enumerate(classes):
        right, total, called = confusion[k][k], sum(confusion[k]), sum(columns[k])
        precision, recall = interval(right, called), interval(right, total)
        f1 = 2 * right / (called + total)
        rows.append(ClassRow(label, 90 + 9 * k, 10 + k, total, precision, recall, f1))
    n = sum(map(sum, confusion))
    right = sum(confusion[k][k] for k in range(len(classes)))
    values: dict[str, Any] = {
        "title": "Five flowers",
        "model": "EfficientNet-Lite0, head only, 224 pixels",
        "n": n,
        "accuracy": interval(right, n),
        "sentence": "Of 100 new pictures like these, expect about 86 to be named right. Roses and tulips are taken "
        "for each other most often.",
        "cautions": (
            "Only 1 test picture of sunflower: what is said about it is a guess.",
            "12 test pictures are near copies of training pictures; without them the accuracy is 84.9 %.",
        ),
        "classes": tuple(classes),
        "confusion": confusion,
        "pictures": tuple(pictures),
        "cut": f"At most {of_a_cell} pictures of a cell are in this file.",
        "rows": tuple(rows),
        "macro": (Interval(0.861, 0.82, 0.9), Interval(0.853, 0.81, 0.89), Interval(0.856, 0.815, 0.893)),
        "numbers": (
            ("Top-3 accuracy", "98.8 %"),
            ("Calibration error", "0.021: how far probabilities are, on average, from the share that is right"),
            ("Log-loss", "0.412: 0 is perfect, guessing gives 1.609"),
            ("Known", "85.6 % are answered with confidence; of these 3.1 % are wrong"),
        ),
        "worst": tuple(close_up_of(picture, classes, 50 + k) for k, picture in enumerate(wrong[:4])),
        "least_certain": tuple(close_up_of(picture, classes, 70 + k) for k, picture in enumerate(pictures[:2])),
        "charts": charts_of(),
        "findings": findings_of(),
        "label_errors": tuple(
            ShownLabelError(
                f"{classes[0]}/odd_{k}.jpg", "train", classes[0], classes[1], 0.03, 0.91, flower(SPECIES[1], k)
            )
            for k in range(3)
        ),
        "data": (
            ("Pictures", "1,204 in 5 classes; 3 could not be read"),
            ("Split", "70 % train, 15 % val, 15 % test, by group"),
            ("Near copies", "12 pairs, kept on one side"),
        ),
        "facts": (
            ("Command", "genus train flowers --model efficientnet_lite0 --seed 7"),
            ("Seed", "7"),
            ("Versions", "genus 0.1.0, torch 2.13.0, Python 3.11.7"),
            ("Hardware", "2 cores, 8 GB"),
            ("Time", "1 min 12 s"),
        ),
        "card": (
            ("Intended for", "Photos of one flower of these five kinds, in daylight."),
            ("Not for", "Other plants: it gives one of its five names to everything.\nDrawings and herbarium sheets."),
        ),
        "commands": (
            ("Name new pictures", "genus predict runs/flowers-1 PICTURE..."),
            ("Go on from this model, with more pictures or classes", "genus train DATA --from runs/flowers-1"),
        ),
    }
    return Report(**values | changes)


def findings_of() -> tuple[ShownFinding, ...]:
    """One of each severity: files that cannot be read; groups of two, of which the first has one label; single pictures
    of many, one of them wide; and one without pictures."""

    def found(path: str, label: str, seed: int, size: int = 120) -> FoundPicture:
        return FoundPicture(path, label, flower(SPECIES[seed % len(SPECIES)], seed, size))

    wide = Image.open(io.BytesIO(flower("rose", 1))).resize((112, 40))
    out = io.BytesIO()
    wide.save(out, format="JPEG")
    return (
        ShownFinding(
            "unreadable",
            "fatal",
            "30 files cannot be read: rose/0.jpg (it ends too early) for one.",
            "Repair or remove them.",
            ((FoundPicture("rose/0.jpg", "rose", b""),),),
            "Shown: 1 of 30 pictures.",
        ),
        ShownFinding(
            "near copy",
            "serious",
            "4 pictures are near copies of each other, in 2 groups.",
            "Remove one of each.",
            (
                (found("rose/1.jpg", "rose", 1), found("rose/2.jpg", "rose", 1)),
                (found("rose/3.jpg", "rose", 3), found("Rose/3.jpg", "Rose", 3)),
            ),
            "",
        ),
        ShownFinding(
            "blurred",
            "warning",
            "9 pictures are blurred.",
            "Take them again.",
            (
                (FoundPicture("rose/wide.jpg", "rose", out.getvalue()),),
                *((found(f"{k}.jpg", "tulip", k),) for k in range(8)),
            ),
            "",
        ),
        ShownFinding("folder", "note", "The folders train, val and test are the parts.", "", (), ""),
    )


def check_page_of(**changes: Any) -> CheckPage:
    """A full page of a check; ``changes`` are its fields."""
    values: dict[str, Any] = {
        "title": "Five flowers",
        "verdict": "cannot train",
        "sentence": "No model can be trained on these pictures as they are.",
        "pictures": 1234,
        "findings": findings_of(),
        "classes": (("daisy", 9), ("rose", 1225), ("tulip", 0)),
        "commands": (("Check again", "genus check flowers"),),
    }
    return CheckPage(**values | changes)


def odd_findings(names: Sequence[str] = HOSTILE) -> tuple[ShownFinding, ...]:
    """``names`` in every field of a finding that a stranger can fill."""
    poison = " ".join(names)
    return tuple(
        replace(
            finding,
            kind=poison,
            sentence=poison,
            advice=poison,
            cut=poison,
            groups=tuple(
                tuple(replace(one, path=poison, label=names[k % len(names)]) for k, one in enumerate(group, number))
                for number, group in enumerate(finding.groups)
            ),
        )
        for finding in findings_of()
    )


def hostile_report() -> Report:
    """Odd text in every field that a stranger can fill."""
    report = report_of(HOSTILE)
    poison = " ".join(HOSTILE)
    pictures = tuple(replace(one, path=f"{HOSTILE[k % 6]}/{k}.jpg") for k, one in enumerate(report.pictures))
    worst = tuple(
        replace(
            one,
            picture=replace(one.picture, path=poison),
            neighbours=tuple(replace(other, path=poison) for other in one.neighbours),
        )
        for one in report.worst
    )
    charts = tuple(
        replace(
            chart,
            title=poison,
            text=poison,
            x=poison,
            y=poison,
            lines=tuple(replace(line, name=poison) for line in chart.lines),
        )
        for chart in report.charts
    )
    pairs = tuple((name, name) for name in HOSTILE)
    return replace(
        report,
        title=poison,
        model=poison,
        sentence=poison,
        cautions=HOSTILE,
        cut=poison,
        pictures=pictures,
        worst=worst,
        charts=charts,
        findings=odd_findings(),
        label_errors=tuple(replace(one, path=poison, part=poison) for one in report.label_errors),
        numbers=pairs,
        data=pairs,
        facts=pairs,
        card=pairs,
        commands=pairs,
    )
