"""What the report warns of."""

from pathlib import Path

import numpy as np

from genus.bundle import Bundle
from genus.data.split import Member, Split
from genus.description import Architecture
from genus.run import CHECK, REPORT, Run
from genus.types import KnownRule, Part, Preprocess
from genus.workflows.dataset import subset_of
from genus.workflows.reporting.report import cautions, write_report
from genus.workflows.reporting.sections import next_commands
from genus.workflows.scoring import Provenance, Scored, scored
from tests.models.test_registry import tiny

CLASSES = ("daisy", "rose", "tulip")


def members(part: Part, **counts: int) -> list[Member]:
    return [
        Member(Path(f"{label}/{part}{number}.jpg"), label, f"{label}{part}{number}", part)
        for label, count in counts.items()
        for number in range(count)
    ]


def told(
    pictures: list[Member], rule: KnownRule | None = None, *, tested: list[Member] | None = None, own: bool = True
) -> str:
    tested = tested or [member for member in pictures if member.part == Part.TEST]
    return "\n".join(cautions(answered(tested, rule), Split(tuple(pictures), 0), Run(Path("gone")) if own else None))


def answered(tested: list[Member], rule: KnownRule | None = None) -> Scored:
    """``tested``, all of them named rightly."""
    bundle = Bundle(tiny("vgg11"), Architecture("vgg11"), CLASSES, Preprocess(64), known_rule=rule)
    subset = subset_of(tested, CLASSES)
    return scored(bundle, subset, Provenance(), np.eye(3, dtype=np.float32)[subset.labels], None)


def test_nothing_to_warn_of() -> None:
    pictures = members(Part.TRAIN, daisy=100, rose=110, tulip=90) + members(Part.TEST, daisy=40, rose=40, tulip=40)
    assert told(pictures, KnownRule(0.05, 0.7, 0.5)) == ""


def test_few_pictures_uneven_classes_copies_and_no_threshold() -> None:
    pictures = members(Part.TRAIN, daisy=100, rose=110, tulip=9) + members(Part.TEST, daisy=40, rose=40, tulip=3)
    copy = pictures[0]
    pictures.append(Member(Path("daisy/copy.jpg"), "daisy", copy.sha256, Part.TEST))
    text = told(pictures, KnownRule(0.05, None, 0.5, "4 validation pictures cannot show an error of at most 0.05."))
    assert (
        "1 picture of test has a copy in another part (daisy/copy.jpg and daisy/train0.jpg for one): the test" in text
    )
    assert "There are only 84 test pictures" in text
    assert "little is known about the class: tulip (3)." in text
    assert "110 training pictures of rose, 9 of tulip" in text
    assert "4 validation pictures cannot show an error of at most 0.05." in text


def test_copies_count_for_the_numbers_that_rest_on_them() -> None:
    """Not where evaluation left them out, and not for other pictures."""
    pictures = members(Part.TRAIN, daisy=90, rose=90, tulip=90) + members(Part.TEST, daisy=40, rose=40, tulip=40)
    copies = [Member(Path(f"copy{n}.jpg"), pictures[n].label, pictures[n].sha256, Part.TEST) for n in range(3)]
    tested = members(Part.TEST, daisy=40, rose=40, tulip=40)
    split = [*pictures, *copies]
    assert "3 pictures of test have a copy in another part" in told(split)
    assert "1 picture of test has a copy in another part" in told(split, tested=[*tested, copies[0]])
    assert told(split, tested=tested) == ""
    assert told(split, own=False) == ""


def test_the_findings_are_those_of_the_run_and_not_of_other_pictures(tmp_path: Path) -> None:
    run = Run(tmp_path)
    finding = {"kind": "series", "severity": "note", "sentence": "9 are alike.", "advice": "", "members": []}
    check = {"data": "/nowhere", "pictures": 9, "classes": {"rose": 9}, "verdict": "clean", "findings": [finding]}
    pictures = members(Part.TEST, daisy=2, rose=2, tulip=2)
    for checked, data, shown in ((False, None, 0), (True, None, 1), (True, tmp_path, 0)):
        if checked:
            run.write_json(CHECK, check)
        write_report(run, "", answered(pictures), None, (), data=data)
        assert (tmp_path / REPORT).read_text().count("9 are alike.") == shown


def test_commands_that_come_next_can_be_pasted(tmp_path: Path) -> None:
    run = tmp_path / "my flowers"
    run.mkdir()
    first = dict(next_commands(Run(run)))
    assert f"genus predict '{run}' PICTURE..." in first.values()
    assert f"genus train DATA --from '{run}'" in first.values()
    (run / "learning_curve.json").write_text("{}")
    done = set(first.values()) - set(dict(next_commands(Run(run))).values())
    assert done == {f"genus evaluate '{run}' --learning-curve"}
