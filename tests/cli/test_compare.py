"""``genus compare``: the same sealed pictures, and a sentence."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from genus.cli.compare import verdict
from genus.evaluation import comparison
from genus.evaluation.intervals import share
from genus.workflows.compare import CompareResult
from tests.cli.conftest import FAST, Genus


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
    split = json.loads((other / "split.json").read_text())
    for member in split["members"]:
        member["part"] = {"test": "train", "train": "test", "val": "val"}[member["part"]]
    (other / "split.json").write_text(json.dumps(split))
    result = genus("compare", own, other)
    assert result.code == 3
    assert "no test picture in common" in result.err
    assert f"--split {own / 'split.json'}" in result.err
    (other / "split.json").unlink()
    assert genus("compare", own, other).code == 5
    assert genus("compare", own, tmp_path).code == 5


def test_only_shared_pictures_count(genus: Genus, own: Path, tmp_path: Path) -> None:
    other = shutil.copytree(own, tmp_path / "other")
    split = json.loads((other / "split.json").read_text())
    tested = [member for member in split["members"] if member["part"] == "test"]
    tested[0]["part"] = "train"
    (other / "split.json").write_text(json.dumps(split))
    result = genus("compare", own, other)
    assert result.code == 0
    assert (
        f"{len(tested) - 1} test pictures are shared; the runs had {len(tested)} and {len(tested) - 1}." in result.err
    )
