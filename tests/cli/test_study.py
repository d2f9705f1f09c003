"""Cross-validation, learning curve and doubtful labels, from the command line to the files."""

import csv
import json
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from genus.demo import draw
from genus.evaluation.intervals import share
from genus.report.text import decimal
from tests.cli.conftest import FAST, SPECIES, Genus


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


@pytest.mark.parametrize("flags", [["--head", "linear"], ["--freeze-until", "3", "--epochs", "1"]])
def test_cross_validation_leaves_the_test_part_alone(
    flags: list[str], genus: Genus, drawn: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    result = genus("train", drawn, "--out", run, "--cv", "3", *flags, *FAST)
    assert result.code == 0, result.err
    found = json.loads((run / "cross_validation.json").read_text())
    split = json.loads((run / "split.json").read_text())["members"]
    sealed = {str(drawn / member["path"]) for member in split if member["part"] == "test"}
    rows = rows_of(run / "out_of_fold.csv")
    assert {row["path"] for row in rows} == {str(drawn / member["path"]) for member in split} - sealed
    assert len(found["accuracies"]) == 3
    assert found["pictures"] == len(rows)
    assert found["mean"] == pytest.approx(np.mean(found["accuracies"]))
    for fold, accuracy in enumerate(found["accuracies"]):
        inside = [row for row in rows if row["fold"] == str(fold)]
        best = [max(SPECIES, key=lambda name, row=row: float(row[name])) for row in inside]
        assert np.mean([row["label"] == name for row, name in zip(inside, best, strict=True)]) == pytest.approx(
            accuracy
        )
        assert all(sum(float(row[name]) for name in SPECIES) == pytest.approx(1, abs=1e-5) for row in inside)
    accuracy, folds = found["accuracy"], found["accuracies"]
    right = [row["label"] == max(SPECIES, key=lambda name, row=row: float(row[name])) for row in rows]
    named = {str(drawn / member["path"]): member["sha256"] for member in split}
    contents = np.unique([named[row["path"]] for row in rows], return_inverse=True)[1]
    assert accuracy == asdict(share(np.array(right), contents))
    assert accuracy["low"] < accuracy["value"] < accuracy["high"] or accuracy["value"] == 1
    interval = f"95 % interval {decimal(accuracy['low'])} to {decimal(accuracy['high'])}"
    range_ = f"folds {decimal(min(folds))} to {decimal(max(folds))}"
    assert f"{accuracy['value']:.4f} ({interval}; {range_})" in result.err


def test_learning_curve(genus: Genus, trained: Path, tmp_path: Path) -> None:
    run = shutil.copytree(trained, tmp_path / "run")
    result = genus("evaluate", run, "--learning-curve")
    assert result.code == 0, result.err
    curve = json.loads((run / "learning_curve.json").read_text())
    assert [point["share"] for point in curve["points"]] == [0.1, 0.2, 0.3, 0.5, 0.7, 1.0]
    pictures = [point["pictures"] for point in curve["points"]]
    assert pictures == sorted(pictures)
    sides = [member["part"] for member in json.loads((run / "split.json").read_text())["members"]]
    assert pictures[-1] == pytest.approx(0.8 * sum(side != "test" for side in sides), abs=1)
    assert curve["points"][-1]["accuracy"]["value"] > 0.4
    for point in curve["points"]:
        assert f"{point['accuracy']['value']:.4f}" in result.out
    assert f"Twice as many pictures: {100 * curve['gain']['value']:+.1f} points" in result.out
    with Image.open(run / "learning_curve.png") as picture:
        assert picture.width > 1000


def test_a_tuned_network_is_not_asked(genus: Genus, few: Path, tmp_path: Path) -> None:
    """After full training, the study's features are those of the pretrained network: the same as for a frozen run."""
    numbers = []
    for name, flags in (("frozen", []), ("full", ["--freeze-layers", "False"])):
        run = tmp_path / name
        assert genus("train", few, "--out", run, "--epochs", "1", "--lr", "1e-3", *flags, *FAST).code == 0
        assert genus("evaluate", run, "--learning-curve").code == 0
        numbers.append(json.loads((run / "learning_curve.json").read_text())["points"])
    assert numbers[0] == numbers[1]
    again = tmp_path / "again"
    assert genus("train", few, "--out", again, "--epochs", "1", "--lr", "1e-3", "--from", tmp_path / "full").code == 0
    assert genus("evaluate", again, "--learning-curve").code == 0
    assert json.loads((again / "learning_curve.json").read_text())["points"] == numbers[0]


def test_wrong_labels_are_found(genus: Genus, tmp_path: Path) -> None:
    """Solid colours nobody can confuse, two of them in the wrong folder."""
    rng = np.random.default_rng(0)
    for label, colour in (("red", (200, 30, 30)), ("green", (30, 180, 30))):
        (tmp_path / "data" / label).mkdir(parents=True)
        for number in range(25):
            shade = np.clip(np.array(colour) + rng.integers(-25, 25, 3), 0, 255).astype(np.uint8)
            pixels = np.clip(shade + rng.integers(-20, 20, (80, 80, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / label / f"{number:02d}.png")
    for number in (3, 11):
        shutil.move(tmp_path / "data/red" / f"{number:02d}.png", tmp_path / "data/green" / f"wrong{number}.png")
    run = tmp_path / "run"
    assert genus("train", tmp_path / "data", "--out", run, "--head", "linear", *FAST).code == 0
    result = genus("evaluate", run, "--label-errors")
    assert result.code == 0, result.err
    rows = rows_of(run / "label_errors.csv")
    assert {Path(row["path"]).name for row in rows} == {"wrong3.png", "wrong11.png"}
    assert {(row["label"], row["suggested"]) for row in rows} == {("green", "red")}
    assert {row["confident"] for row in rows} == {"true"}
    assert "2 pictures look like another class" in result.out
    openings = [json.loads(line)["command"] for line in (run / "test_openings.jsonl").read_text().splitlines()]
    assert openings == ["train", "evaluate", "label-errors"]


def test_what_cannot_be_studied(genus: Genus, trained: Path, drawn: Path, tmp_path: Path) -> None:
    assert genus("evaluate", trained, drawn, "--label-errors").code == 2
    assert "pretrained" in genus("train", drawn, "--weights", "none", "--freeze-layers", "False", "--cv", "3").err
    assert "may have seen them" in genus("train", drawn, "--from", trained, "--cv", "3").err
    bare = shutil.copytree(trained, tmp_path / "bare")
    (bare / "config.toml").write_text('lr = "a"\n')
    for _ in ("damaged", "gone"):
        result = genus("evaluate", bare, "--learning-curve")
        assert result.code == 5
        assert "has no sound config.toml, so its pretrained weights are not known" in result.err
        (bare / "config.toml").unlink(missing_ok=True)
    few = tmp_path / "few"
    for species in SPECIES[:2]:
        (few / species).mkdir(parents=True)
        draw(species, 1, size=80).save(few / species / "1.jpg")
    assert genus("train", few, "--out", tmp_path / "small", "--epochs", "1", *FAST).code == 0
    result = genus("train", few, "--out", tmp_path / "small2", "--cv", "5", "--epochs", "1", *FAST)
    assert result.code == 3
    assert "--cv 5 needs at least 5 pictures" in result.err
