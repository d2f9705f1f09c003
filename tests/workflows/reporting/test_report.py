"""What the report warns of."""

from pathlib import Path

import numpy as np

from genus.bundle import Bundle
from genus.data.split import Member, Split
from genus.description import Architecture
from genus.run import Run
from genus.types import KnownRule, Part, Preprocess
from genus.workflows.dataset import subset_of
from genus.workflows.reporting.report import cautions
from genus.workflows.reporting.sections import next_commands
from genus.workflows.scoring import Provenance, scored
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
    split = Split(tuple(pictures), 0)
    bundle = Bundle(tiny("vgg11"), Architecture("vgg11"), CLASSES, Preprocess(64), known_rule=rule)
    subset = subset_of(tested or split.members(Part.TEST), CLASSES)
    return "\n".join(
        cautions(scored(bundle, subset, Provenance(), np.eye(3, dtype=np.float32)[subset.labels], None), split, own=own)
    )


def test_nothing_to_warn_of() -> None:
    pictures = members(Part.TRAIN, daisy=100, rose=110, tulip=90) + members(Part.TEST, daisy=40, rose=40, tulip=40)
    assert told(pictures, KnownRule(0.05, 0.7, 0.5)) == ""


def test_few_pictures_uneven_classes_copies_and_no_threshold() -> None:
    pictures = members(Part.TRAIN, daisy=100, rose=110, tulip=9) + members(Part.TEST, daisy=40, rose=40, tulip=3)
    copy = pictures[0]
    pictures.append(Member(Path("daisy/copy.jpg"), "daisy", copy.sha256, Part.TEST))
    text = told(pictures, KnownRule(0.05, None, 0.5, "4 validation pictures cannot show an error of at most 0.05."))
    assert "1 picture of test is byte-identical to pictures of train: the test accuracy is too high." in text
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
    assert "3 pictures of test are byte-identical to pictures of train" in told(split)
    assert "1 picture of test is byte-identical to pictures of train" in told(split, tested=[*tested, copies[0]])
    assert told(split, tested=tested) == ""
    assert told(split, own=False) == ""


def test_commands_that_come_next_can_be_pasted(tmp_path: Path) -> None:
    run = tmp_path / "my flowers"
    run.mkdir()
    first = dict(next_commands(Run(run)))
    assert f"genus predict '{run}' PICTURE..." in first.values()
    assert f"genus train DATA --from '{run}'" in first.values()
    (run / "learning_curve.json").write_text("{}")
    done = set(first.values()) - set(dict(next_commands(Run(run))).values())
    assert done == {f"genus evaluate '{run}' --learning-curve"}
