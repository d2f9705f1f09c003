"""``genus compare``: the same sealed pictures, and a sentence."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genus.bundle import read_record
from genus.cli.compare import verdict
from genus.data.split import Member
from genus.evaluation import comparison
from genus.evaluation.intervals import share
from genus.evidence import SplitHashes
from genus.types import Part
from genus.workflows.compare import CompareResult, _shared_places, _TestPart
from tests.cli.conftest import FAST, Genus, changed_split, members, moved


@pytest.fixture
def own(trained: Path, tmp_path: Path) -> Path:
    """A copy of the shared run: each comparison is noted in both runs."""
    return shutil.copytree(trained, tmp_path / "own")


def test_two_runs_on_one_split(genus: Genus, own: Path, drawn: Path, tmp_path: Path) -> None:
    """B learnt with a rate so small that it knows nothing: A is better, or at least it looks so."""
    b = tmp_path / "b"
    split = own / "split.json"
    assert genus("train", drawn, "--out", b, "--epochs", 1, "--lr", "1e-7", "--split", split, *FAST).code == 0
    result = genus("compare", own, b)
    assert result.code == 0, result.err
    accuracies = [json.loads((run / "metrics.json").read_text())["test"]["accuracy"] for run in (own, b)]
    for accuracy in accuracies:
        assert f"{accuracy['value']:.4f}" in result.out
    difference = 100 * (accuracies[1]["value"] - accuracies[0]["value"])
    assert f"B - A: {difference:+.1f} points" in result.out
    assert "A is better." in result.out or "would be needed" in result.out
    for run in (own, b):
        assert [json.loads(line)["command"] for line in (run / "test_openings.jsonl").read_text().splitlines()][-1] == (
            "compare"
        )


def test_a_run_against_itself(genus: Genus, own: Path) -> None:
    result = genus("compare", own, own)
    assert result.code == 0
    assert "No difference is seen." in result.out
    assert "p = 1 " in result.out


def test_the_verdict_says_no_more_than_its_numbers() -> None:
    def told(a: list[bool], b: list[bool], groups: list[int] | None = None) -> str:
        right_a, right_b = np.array(a), np.array(b)
        found = comparison.compare(right_a, right_b, None if groups is None else np.array(groups))
        return verdict(CompareResult(Path("a"), Path("b"), share(right_a), share(right_b), found))

    assert told([False] * 6, [True] * 6).startswith("B is better.")
    five = told([False] * 5, [True] * 5)
    assert five.startswith("No difference can be shown with 5 pictures; about 6 would be needed")
    assert "(+0.0 to +100.0)" in five
    few = told([False] * 8, [True] * 8, [0, 0, 1, 1, 2, 2, 3, 3])
    assert few.startswith("No difference can be shown: the pictures come in 4 groups, which are too few.")
    assert told([True] * 8, [True] * 8).startswith("No difference is seen.")


def test_runs_that_share_no_test_picture(genus: Genus, own: Path, tmp_path: Path) -> None:
    other = shutil.copytree(own, tmp_path / "other")
    with changed_split(other) as members:
        for member in members:
            member["part"] = {"test": "train", "train": "test", "val": "val"}[member["part"]]
    result = genus("compare", own, other)
    assert result.code == 3
    assert "no test picture in common" in result.err
    assert f"--split {own / 'split.json'}" in result.err
    assert genus("compare", own, tmp_path).code == 5


def test_only_shared_pictures_count(genus: Genus, own: Path, tmp_path: Path) -> None:
    other = shutil.copytree(own, tmp_path / "other")
    with changed_split(other) as members:
        tested = [member for member in members if member["part"] == "test"]
        tested[0]["part"] = "train"
    result = genus("compare", own, other)
    assert result.code == 0
    assert (
        f"{len(tested) - 1} test pictures are shared; the runs had {len(tested)} and {len(tested) - 1}." in result.err
    )


@pytest.fixture
def data(own: Path, drawn: Path, tmp_path: Path) -> Path:
    """A copy of the pictures, on which ``own`` was trained."""
    return moved(own, shutil.copytree(drawn, tmp_path / "data"))


def write_members(run: Path, new: list[dict[str, Any]]) -> None:
    with changed_split(run) as members:
        members[:] = new


def test_a_file_counts_while_it_has_the_bytes_of_the_split(genus: Genus, own: Path, data: Path, tmp_path: Path) -> None:
    """Behind the name of a test picture lies one that was trained on; another is gone; the other run has both."""
    names = [member["path"] for member in members(own, "test")]
    trained_on = members(own, "train")[0]["path"]
    whole = shutil.copytree(data, tmp_path / "whole")
    shutil.copy(data / trained_on, data / names[0])
    (data / names[1]).unlink()
    result = genus("compare", own, own)
    assert result.code == 0, result.err
    assert f"on {len(names) - 2} pictures" in result.out
    for told in (result.out, result.err):
        assert (
            f"1 test picture left out, {data / names[0]} for one: its bytes are no longer those of the split." in told
        )
        assert f"1 test picture left out, {data / names[1]} for one: it can no longer be read." in told

    other = shutil.copytree(own, tmp_path / "other")
    moved(other, whole)
    for pair in ((own, other), (other, own)):
        result = genus("compare", *pair)
        assert f"on {len(names)} pictures" in result.out
        assert "left out" not in result.out

    shutil.rmtree(data)
    result = genus("compare", own, own)
    assert result.code == 3
    assert f"No test picture is left to compare {own} and {own} on. {len(names)} test pictures left out" in result.err


def test_a_label_that_only_one_run_has_is_not_compared(genus: Genus, own: Path, tmp_path: Path) -> None:
    other = shutil.copytree(own, tmp_path / "other")
    first, *rest = members(other, "test")
    label = {"daisy": "rose", "rose": "tulip", "tulip": "daisy"}[first["label"]]
    write_members(other, [{**first, "label": label}, *rest, *members(other, "train", "val")])
    for pair in ((own, other), (other, own)):
        result = genus("compare", *pair)
        assert result.code == 0, result.err
        assert f"on {len(rest)} pictures" in result.out
        assert f"1 test picture left out, {read_record(own)['data']['root']}/{first['path']} for one" in result.out
        assert "its label is not the same in both runs" in result.out


def test_the_bundle_alone_knows_who_tested_it(genus: Genus, own: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone"
    alone.mkdir()
    for name in ("genus.json", "model.safetensors", "index.safetensors", "evidence.safetensors"):
        shutil.copy(own / name, alone)
    sealed = len(members(own, "test"))
    for pair in ((own, alone), (alone, own)):
        result = genus("compare", *pair)
        assert result.code == 0, result.err
        assert f"on {sealed} pictures" in result.out
    first, *rest = members(own, "train")  # as if another run had the first sealed, which is to be compared
    write_members(own, [{**first, "part": "test"}, *rest, *members(own, "val", "test")])
    assert f"on {sealed} pictures" in genus("compare", alone, own).out
    result = genus("compare", alone, alone)
    assert result.code == 5
    assert "not known where their test pictures lie" in result.err


PICTURES = [hashlib.sha256(bytes([number])).hexdigest() for number in range(6)]
SPLITS = st.lists(st.tuples(st.sampled_from(PICTURES), st.sampled_from(list(Part)), st.sampled_from("ab")), max_size=9)


@given(SPLITS, SPLITS)
def test_the_order_of_the_runs_does_not_choose_the_pictures(
    split_a: list[tuple[str, Part, str]], split_b: list[tuple[str, Part, str]]
) -> None:
    """And none of them took part in either run, be it as a copy."""
    tests, splits = [], (split_a, split_b)
    for name, split in zip("AB", splits, strict=True):
        sides = ([sha256 for sha256, side, _ in split if side == part] for part in Part)
        places: dict[str, list[Member]] = {}
        for sha256, part, label in split:
            if part == Part.TEST:
                places.setdefault(sha256, []).append(Member(Path(name, sha256), label, sha256, part))
        tests.append(_TestPart(SplitHashes.of(*sides), places))
    shared = _shared_places(tests)
    assert [set(places) for places in shared] == [set(places) for places in _shared_places(tests[::-1])]
    for places in shared:
        parts = [{part for sha256, part, _ in split if sha256 == places[0].sha256} for split in splits]
        assert parts == [{Part.TEST}, {Part.TEST}]
