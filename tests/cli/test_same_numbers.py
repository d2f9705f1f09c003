"""What is reported is what the model says in use: ``metrics.json`` against ``predict --csv``, picture by picture."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from genus.demo import draw
from genus.models.registry import MODELS
from genus.types import Part
from genus.workflows.dataset import read_split
from tests.cli.conftest import SPECIES, Genus
from tests.models.test_registry import TINY

FULL = ["--freeze-layers", "False", "--epochs", "1"]
LITE = ["--model", "efficientnet_lite0"]
WAYS = {
    "head": [*LITE, "--epochs", "20", "--lr", "1e-3"],
    "linear head in bf16": [*LITE, "--head", "linear", "--precision", "bf16"],
    "upper stages": [*LITE, "--freeze-until", "5", "--epochs", "2"],
    "all layers": [*LITE, *FULL],
    "padded": [*LITE, "--fit", "pad", "--epochs", "20", "--lr", "1e-3"],
    "stretched, all layers": [*LITE, "--fit", "stretch", *FULL],
    "swin": ["--model", "swin_tiny", "--weights", "none", *FULL],
    "vit": ["--model", "vit_tiny_patch16", "--weights", "none", *FULL],
    "vgg": ["--model", "vgg11", "--weights", "none", *FULL],
}


@pytest.fixture(scope="module")
def half_grey(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawings of which every other one is grey, no square, and saved in another format."""
    root = tmp_path_factory.mktemp("data") / "flowers"
    for species in SPECIES:
        (root / species).mkdir(parents=True)
        for number in range(20):
            picture = draw(species, number, size=80)
            if number % 2:
                picture.convert("L").crop((0, 16, 80, 64)).save(root / species / f"{number:02d}.png")
            else:
                picture.save(root / species / f"{number:02d}.jpg")
    return root


@pytest.mark.parametrize("way", WAYS)
def test_metrics_equal_predictions(
    way: str, genus: Genus, half_grey: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, arguments in TINY.items():
        if name != "efficientnet_lite0":
            sizes = {key: value for key, value in arguments.items() if key != "image_size"}
            monkeypatch.setitem(MODELS, name, replace(MODELS[name], arguments=sizes))
    run = tmp_path / "run"
    trained = genus(
        "train", half_grey, "--out", run, "--image-size", 64, "--device", "cpu", "--max-error", 0.3, *WAYS[way]
    )
    assert trained.code == 0, trained.err
    reported = json.loads((run / "metrics.json").read_text())["test"]
    members = read_split(run / "split.json", half_grey).members(Part.TEST)
    answered = genus("predict", run, *(member.path for member in members), "--csv", "-")
    rows = list(csv.DictReader(answered.out.splitlines()))
    assert [row["path"] for row in rows] == [str(member.path) for member in members]
    right = np.array([row["label"] == member.label for row, member in zip(rows, members, strict=True)])
    assert reported["accuracy"]["value"] == right.mean()
    confusion = np.zeros((3, 3), int)
    for row, member in zip(rows, members, strict=True):
        confusion[SPECIES.index(member.label), SPECIES.index(row["label"])] += 1
    assert reported["confusion"] == confusion.tolist()
    known = np.array([row["known"] == "true" for row in rows])
    assert reported["known"]["share"]["value"] == known.mean()
    if known.any():
        assert reported["known"]["error"]["value"] == pytest.approx(1 - right[known].mean())
    evaluated = genus("evaluate", run)
    assert evaluated.code == 0, evaluated.err
    again = json.loads((run / "metrics.json").read_text())["test"]
    assert {key: again[key] for key in ("accuracy", "confusion", "known")} == {
        key: reported[key] for key in ("accuracy", "confusion", "known")
    }
    assert again["log_loss"] == pytest.approx(reported["log_loss"], rel=1e-4)
