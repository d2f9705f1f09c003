"""docs/bundle.md: its code, run as it stands, reads what genus writes and comes to the same answers."""

import re
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genus.bundle import EVIDENCE, INDEX, TENSORS, load_bundle
from genus.description import FORMAT, LARGEST
from genus.evidence import SplitHashes
from genus.types import Part
from tests.bundles import GOLDEN

PAGE = (Path(__file__).parents[1] / "docs" / "bundle.md").read_text(encoding="utf-8")
RUNS = sorted(GOLDEN.glob(f"format{FORMAT}/*/"))


@pytest.fixture(scope="module")
def reader() -> dict[str, Any]:
    """The functions of the page."""
    names: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(compile(block, "docs/bundle.md", "exec"), names)  # noqa: S102
    return names


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
def test_the_code_of_the_page_reads_a_bundle(reader: dict[str, Any], run: Path) -> None:
    bundle, description = load_bundle(run), reader["read_description"](run)
    assert tuple(description["classes"]) == bundle.classes
    tensors = reader["load_part"](run, TENSORS, description["tensors_sha256"])
    assert tensors["head.weight"].shape == (len(bundle.classes), bundle.model.num_features)
    index = reader["load_part"](run, INDEX, description["index_sha256"])
    evidence = reader["load_part"](run, EVIDENCE, description["evidence_sha256"])
    assert bundle.index
    assert bundle.evidence
    assert bundle.known_rule
    assert np.array_equal(evidence["confidence"], bundle.evidence.confidence)
    for features in np.random.default_rng(0).normal(size=(5, bundle.model.num_features)).astype(np.float32):
        distance = reader["distance"](index, features)
        assert distance == pytest.approx(bundle.index.distances(features[None])[0], abs=1e-6)
        for probability in (0.1, 0.5, 1.0):
            expected = bundle.known_rule.holds(probability, distance)
            assert reader["is_known"](description, probability, distance) == expected


def test_the_code_of_the_page_knows_the_parts(reader: dict[str, Any]) -> None:
    pictures = [bytes([number]) for number in range(6)]
    keys = [sha256(picture).hexdigest() for picture in pictures]
    used = SplitHashes.of(keys[:2], keys[1:3], keys[2:5])
    arrays = {part.value: getattr(used, part) for part in Part}
    assert [reader["part_of"](arrays, one) for one in pictures] == ["train", "train", "val", "test", "test", None]
    assert [reader["part_of"](arrays, one) for one in pictures] == [used.part_of(key) for key in keys]


def test_the_bounds_of_the_page_are_those_of_the_reader() -> None:
    told, waiting = {}, []
    for name, number in re.findall(r"`(\w+)`|([\d,]+\d|\d)", PAGE.split("| | |")[1].split("\n\n")[0]):
        if name:
            waiting.append(name)
        else:
            told.update(dict.fromkeys(waiting, float(number.replace(",", ""))))
            waiting = []
    assert told == {name: largest for name, largest in LARGEST.items() if largest}
