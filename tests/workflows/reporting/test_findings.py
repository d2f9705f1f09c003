"""What the checks found, with its pictures, as it comes from ``check.json``."""

from pathlib import Path

import numpy as np
import pytest

from genus.data.catalog import BadFile, Catalog, Picture
from genus.data.checks.finding import Finding, to_json
from genus.data.facts import FACTS
from genus.data.inspect import Inspected, Inspection
from genus.files import json_text
from genus.stored import Check, CheckedPicture, StoredFinding, from_json
from genus.workflows.reporting import findings as reporting
from genus.workflows.reporting.findings import GROUPS, OF_GROUP, check_page, shown_findings
from tests.corpus import encode, scene


def check_of(*sizes: int, groups: int = 1) -> Check:
    """A check whose findings have so many pictures in each of their ``groups``; none is there."""
    members = [tuple(tuple(CheckedPicture(f"{k}.jpg", "rose") for k in range(n)) for _ in range(groups)) for n in sizes]
    found = tuple(StoredFinding("copy", "note", "Copies.", "", pictures) for pictures in members)
    return Check("/nowhere", 9, {"rose": 9}, "clean", found)


def test_what_a_check_writes_is_shown_with_labels_and_pictures(tmp_path: Path) -> None:
    """Of what cannot be read, too: a finding may be about that."""
    data, elsewhere = tmp_path / "photos", tmp_path / "elsewhere.png"
    data.mkdir()
    names = ("red rose/1.png", "tulip/\udcff.png", "tulip/gone.png")
    paths = [data / name for name in names] + [elsewhere]
    for path in (paths[0], elsewhere):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(encode(scene((300, 200)), "PNG"))
    labels = ("rose", "tulip", "tulip", "tulip")
    good = tuple(Inspected(Picture(path, label), "") for path, label in zip(paths, labels, strict=True))
    bad = BadFile(data / "broken.png", "rose", "it ends too early")
    found = [
        Finding("unreadable", "warning", "1 file cannot be read.", "Repair it.", ((bad.path,),)),
        Finding("copy", "note", "Copies.", members=((paths[0], elsewhere), (paths[1], paths[2]))),
    ]
    content = to_json(Catalog(data, ("rose", "tulip"), ()), Inspection(good, (bad,), np.zeros(len(good), FACTS)), found)
    check = from_json(Check, json_text(content))
    assert (check.pictures, check.classes, check.verdict) == (4, {"rose": 1, "tulip": 3}, "warnings")
    unreadable, copies = shown_findings(check)
    assert (unreadable.kind, unreadable.severity, unreadable.sentence, unreadable.advice, unreadable.cut) == (
        "unreadable",
        "warning",
        "1 file cannot be read.",
        "Repair it.",
        "",
    )
    shown = [(one.path, one.label, bool(one.thumbnail)) for group in copies.groups for one in group]
    assert [(one.path, one.label, bool(one.thumbnail)) for one in unreadable.groups[0]] == [
        ("broken.png", "rose", False)
    ]
    assert shown == [
        ("red rose/1.png", "rose", True),
        (str(elsewhere), "tulip", True),
        ("tulip/\udcff.png", "tulip", False),
        ("tulip/gone.png", "tulip", False),
    ]


@pytest.mark.parametrize(
    ("size", "groups", "told"),
    [
        (1, GROUPS, ""),
        (OF_GROUP, GROUPS, ""),
        (1, GROUPS + 1, "Shown: 24 of 25 pictures."),
        (2, 1000 + GROUPS, "Shown: 24 of 1,024 groups."),
        (OF_GROUP + 1, 1, "Shown: at most 4 pictures of a group."),
        (OF_GROUP + 1, GROUPS + 1, "Shown: 24 of 25 groups, at most 4 pictures of a group."),
    ],
)
def test_long_lists_are_cut_and_say_so(size: int, groups: int, told: str) -> None:
    (finding,) = shown_findings(check_of(size, groups=groups))
    assert finding.cut == told
    assert [len(group) for group in finding.groups] == [min(size, OF_GROUP)] * min(groups, GROUPS)


def test_the_first_findings_have_their_pictures_before_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporting, "PICTURES", 11)
    found = shown_findings(check_of(2, 2, 1, groups=4))
    assert [len(finding.groups) for finding in found] == [4, 1, 1]
    assert [finding.cut for finding in found] == ["", "Shown: 1 of 4 groups.", "Shown: 1 of 4 pictures."]


@pytest.mark.parametrize(
    ("severity", "verdict", "sentence", "commands"),
    [
        ("fatal", "cannot train", "No model can be trained", ["check"]),
        ("serious", "warnings", "its numbers will be wrong", ["check", "train"]),
        ("warning", "warnings", "better once the warnings are seen to", ["check", "train"]),
        ("note", "clean", "Nothing was found", ["train"]),
    ],
)
def test_the_page_says_what_the_verdict_means_and_what_to_type(
    severity: str, verdict: str, sentence: str, commands: list[str], tmp_path: Path
) -> None:
    found = [{"kind": "series", "severity": severity, "sentence": "Alike.", "advice": "", "members": []}]
    content = {"data": "/nowhere", "pictures": 2, "classes": {"rose": 2}, "verdict": verdict, "findings": found}
    data = tmp_path / "my flowers"
    text = check_page(data, from_json(Check, json_text(content)))
    assert sentence in text
    assert "<title>my flowers</title>" in text
    assert [command for command in ("check", "train") if f"genus {command} &#39;{data}&#39;" in text] == commands
