"""What a person may want to do about the findings, as rows of a table to be edited. genus applies none of it."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from genus.data.checks.finding import Examined, Finding
from genus.data.leaks import SAME_PHOTO
from genus.types import Part

HEAD = ("action", "path", "label", "because", "see")
"""``action``: remove, or decide which label is right; ``see`` is the other picture of the two."""


def plan(data: Examined, findings: Sequence[Finding]) -> Iterator[tuple[str, ...]]:
    """Rows under ``HEAD``; each picture comes once, with the gravest reason."""
    label_of = {member.path: member.label for member in data.members}
    pixels = data.inspection.facts["width"].astype(int) * data.inspection.facts["height"]
    size_of = {item.picture.path: count for item, count in zip(data.inspection.good, pixels.tolist(), strict=True)}
    told: set[Path] = set()
    for finding in findings:
        for members in finding.members:
            for action, path, label, other in _proposals(finding, members, label_of, size_of):
                if path not in told:
                    told.add(path)
                    yield action, str(path), label, finding.kind, str(other or "")


LEAKS = {f"{part} {relation}" for part in (Part.VAL, Part.TEST) for relation in SAME_PHOTO}
Proposal = tuple[str, Path, str, Path | None]


def _proposals(
    finding: Finding, members: tuple[Path, ...], label_of: dict[Path, str], size_of: dict[Path, int]
) -> Iterator[Proposal]:
    """Of a photo under two labels, a person decides. Of a leak, the copy that trains goes. Of copies on one side, the
    largest stays."""
    if finding.kind == "contradiction":
        for path in members:
            yield "decide", path, label_of[path], next(other for other in members if other != path)
    elif finding.kind == "unreadable":
        yield "remove", members[0], "", None
    elif finding.kind in LEAKS:
        yield "remove", members[1], "", members[0]
    elif finding.kind in SAME_PHOTO:
        best = max(members, key=lambda path: size_of[path])
        for path in members:
            if path != best:
                yield "remove", path, "", best
