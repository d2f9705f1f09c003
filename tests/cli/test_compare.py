"""``genus compare``: the same sealed pictures, and a sentence."""

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import FAST, Genus, changed_split


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


def test_runs_that_share_no_test_picture(genus: Genus, own: Path, tmp_path: Path) -> None:
    other = shutil.copytree(own, tmp_path / "other")
    with changed_split(other) as members:
        for member in members:
            member["part"] = {"test": "train", "train": "test", "val": "val"}[member["part"]]
    result = genus("compare", own, other)
    assert result.code == 3
    assert "no test picture in common" in result.err
    assert f"--split {own / 'split.json'}" in result.err
    (other / "split.json").unlink()
    assert genus("compare", own, other).code == 5
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
