"""``genus compare``: the same sealed pictures, and a sentence."""

import json
import shutil
from pathlib import Path

from tests.cli.conftest import FAST, Genus


def test_two_runs_on_one_split(genus: Genus, trained: Path, drawn: Path, tmp_path: Path) -> None:
    """B learnt with a rate so small that it knows nothing: A is better, or at least it looks so."""
    b = tmp_path / "b"
    split = trained / "split.json"
    assert genus("train", drawn, "--out", b, "--epochs", 1, "--lr", "1e-7", "--split", split, *FAST).code == 0
    result = genus("compare", trained, b)
    assert result.code == 0, result.err
    accuracies = [json.loads((run / "metrics.json").read_text())["test"]["accuracy"] for run in (trained, b)]
    for accuracy in accuracies:
        assert f"{accuracy['value']:.4f}" in result.out
    difference = 100 * (accuracies[1]["value"] - accuracies[0]["value"])
    assert f"B - A: {difference:+.1f} points" in result.out
    assert "A is better." in result.out or "would be needed" in result.out
    for run in (trained, b):
        assert [json.loads(line)["command"] for line in (run / "test_openings.jsonl").read_text().splitlines()][-1] == (
            "compare"
        )


def test_a_run_against_itself(genus: Genus, trained: Path) -> None:
    result = genus("compare", trained, trained)
    assert result.code == 0
    assert "No difference is seen." in result.out
    assert "p = 1 " in result.out


def test_runs_that_share_no_test_picture(genus: Genus, trained: Path, tmp_path: Path) -> None:
    other = shutil.copytree(trained, tmp_path / "other")
    split = json.loads((other / "split.json").read_text())
    for member in split["members"]:
        member["part"] = {"test": "train", "train": "test", "val": "val"}[member["part"]]
    (other / "split.json").write_text(json.dumps(split))
    result = genus("compare", trained, other)
    assert result.code == 3
    assert "no test picture in common" in result.err
    assert f"--split {trained / 'split.json'}" in result.err
    (other / "split.json").unlink()
    assert genus("compare", trained, other).code == 5
    assert genus("compare", trained, tmp_path).code == 5


def test_only_shared_pictures_count(genus: Genus, trained: Path, tmp_path: Path) -> None:
    other = shutil.copytree(trained, tmp_path / "other")
    split = json.loads((other / "split.json").read_text())
    tested = [member for member in split["members"] if member["part"] == "test"]
    tested[0]["part"] = "train"
    (other / "split.json").write_text(json.dumps(split))
    result = genus("compare", trained, other)
    assert result.code == 0
    assert (
        f"{len(tested) - 1} test pictures are shared; the runs had {len(tested)} and {len(tested) - 1}." in result.err
    )
