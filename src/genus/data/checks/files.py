"""What is wrong with the files and folders themselves."""

from collections import Counter
from collections.abc import Iterator

from genus.data.checks.finding import Examined, Finding
from genus.errors import plural
from genus.types import Part

UNEVEN = 5  # times as many pictures in the largest class as in the smallest
FEW = 20  # pictures of a class


def unreadable(data: Examined) -> Iterator[Finding]:
    """Files that are pictures by their names and cannot be used."""
    bad = data.inspection.bad
    if bad:
        yield Finding(
            "unreadable",
            "warning",
            f"{plural(len(bad), 'file')} cannot be read: {data.name(bad[0].path)} ({bad[0].reason}) for one.",
            "They take no part. Repair or remove them.",
            tuple((file.path,) for file in bad),
        )


def layout(data: Examined) -> Iterator[Finding]:
    """How the folders were understood, and what was left aside."""
    for caution in data.catalog.cautions:
        yield Finding("folder", "warning", caution)
    for note in data.catalog.notes:
        yield Finding("folder", "note", note)


def classes(data: Examined) -> Iterator[Finding]:
    """Classes with few pictures, or many fewer than others."""
    sizes = Counter(picture.label for picture in data.catalog.pictures if picture.part in (None, Part.TRAIN))
    if not sizes:
        return
    few = [f"{label} ({count})" for label, count in sorted(sizes.items(), key=lambda item: item[1]) if count < FEW]
    if few:
        more = f" and {len(few) - 5} more" if len(few) > 5 else ""
        yield Finding(
            "few pictures",
            "warning",
            f"{len(few):,} {'class' if len(few) == 1 else 'classes'} with fewer than {FEW} pictures: "
            f"{', '.join(few[:5])}{more}.",
            "Add pictures: little can be learnt of them, and less be tested.",
        )
    (largest, most), (smallest, least) = sizes.most_common(1)[0], sizes.most_common()[-1]
    if most > UNEVEN * least:
        yield Finding(
            "uneven classes",
            "warning",
            f"The classes are uneven: {most:,} pictures of {largest}, {least:,} of {smallest}.",
            "Read the macro averages, which count all classes alike; --class-weights makes rare ones count more.",
        )
