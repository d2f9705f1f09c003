"""What the checks of the pictures found, with the pictures: for the report of a run, and as a page of its own."""

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from genus.files import json_text, make_folder, write_text
from genus.report.content import CheckPage, FoundPicture, ShownFinding
from genus.report.page import render_check
from genus.run import CHECK
from genus.stored import Check, StoredFinding, from_json
from genus.workflows.reporting.pictures import thumbnails

PAGE = "check.html"
GROUPS, OF_GROUP = 24, 4  # at most so many groups of a finding, and pictures of a group,
PICTURES = 600  # and pictures of all findings


def check_page(data: Path, check: Check) -> str:
    """The HTML file about ``check``, of the folder or table ``data`` as the user called it."""
    return render_check(
        CheckPage(
            title=data.resolve().name or str(data),
            verdict=check.verdict,
            sentence=_sentence(check),
            pictures=check.pictures,
            findings=shown_findings(check),
            classes=tuple(check.classes.items()),
            commands=tuple(_commands(data, check)),
        )
    )


def write_check(data: Path, content: Mapping[str, Any], folder: Path) -> None:
    """``content`` as check.json in ``folder``, and as check.html, of the folder or table ``data``. Raises
    MachineError."""
    make_folder(folder)
    text = json_text(content, indent=2) + "\n"
    write_text(folder / CHECK, text)
    write_text(folder / PAGE, check_page(data, from_json(Check, text)))


def shown_findings(check: Check) -> tuple[ShownFinding, ...]:
    """The findings of ``check`` with small copies of their pictures: of too many, those of the first findings."""
    shown, left = [], PICTURES
    for finding in check.findings:
        groups = [group[:OF_GROUP] for group in finding.members[:GROUPS]]
        while sum(map(len, groups)) > left:
            groups.pop()
        left -= sum(map(len, groups))
        shown.append(groups)
    paths = list(dict.fromkeys(one.path for groups in shown for group in groups for one in group))
    small = dict(zip(paths, thumbnails(Path(check.data) / path for path in paths), strict=True))
    return tuple(
        ShownFinding(
            finding.kind,
            finding.severity,
            finding.sentence,
            finding.advice,
            tuple(tuple(FoundPicture(one.path, one.label, small[one.path]) for one in group) for group in groups),
            _cut(finding, len(groups)),
        )
        for finding, groups in zip(check.findings, shown, strict=True)
    )


def _cut(finding: StoredFinding, shown: int) -> str:
    """What is shown of a finding, where that is not all."""
    largest = max(map(len, finding.members), default=0)
    told = []
    if shown < len(finding.members):
        told.append(f"{shown} of {len(finding.members):,} {'groups' if largest > 1 else 'pictures'}")
    if shown and largest > OF_GROUP:
        told.append(f"at most {OF_GROUP} pictures of a group")
    return f"Shown: {', '.join(told)}." if told else ""


def _sentence(check: Check) -> str:
    """What the verdict means."""
    if check.verdict == "cannot train":
        return "No model can be trained on these pictures as they are. What is fatal has to be mended first."
    if any(finding.severity == "serious" for finding in check.findings):
        return (
            "A model can be trained, but its numbers will be wrong, or not hold elsewhere, until what is serious is "
            "mended."
        )
    if check.verdict == "warnings":
        return "A model can be trained. It will be better once the warnings are seen to."
    return "Nothing was found that would harm a model or its numbers."


def _commands(data: Path, check: Check) -> Iterator[tuple[str, str]]:
    """What to do next, and what to type for it."""
    folder = shlex.quote(str(data))
    if any(finding.members for finding in check.findings):
        yield "List what could be removed or relabelled, for you to edit", f"genus check {folder} --plan plan.csv"
    if check.verdict != "clean":
        yield "Check again, when something is mended", f"genus check {folder}"
    if check.verdict != "cannot train":
        yield "Train a model", f"genus train {folder}"
