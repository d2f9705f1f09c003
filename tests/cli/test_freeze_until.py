"""Partial freezing through the command line."""

from pathlib import Path

import pytest
import torch

from genus.bundle import load_bundle
from genus.features.cache import cache_root, tables
from genus.models.registry import build, entry
from genus.models.sources import fetch
from genus.models.weights import load_weights
from tests.cli.conftest import FAST, Genus


def test_upper_stages_learn_and_lower_ones_stay(genus: Genus, few: Path, tmp_path: Path) -> None:
    flags = ["--freeze-until", 7, "--epochs", 3, "--lr", "1e-3", "--views", 1, *FAST]
    result = genus("train", few, "--out", tmp_path / "a", *flags)
    assert result.code == 0, result.err
    assert "takes up to 0.00 GB of disk" in result.err
    (table,) = tables(cache_root())
    assert table.about["part"] == "7 stages"
    assert table.rows > 30
    trained = load_bundle(tmp_path / "a").model
    pretrained = build("efficientnet_lite0", 3)
    load_weights(pretrained, fetch(entry("efficientnet_lite0").pretrained, lambda event: None))
    for number, (ours, theirs) in enumerate(zip(trained.stages, pretrained.stages, strict=True), start=1):
        same = all(
            torch.equal(a, b) for a, b in zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True)
        )
        assert same == (number <= 7), f"stage {number}"
    rows = table.rows
    again = genus("train", few, "--out", tmp_path / "b", *flags)
    assert again.code == 0
    assert tables(cache_root())[0].rows == rows
    assert (tmp_path / "a/model.safetensors").read_bytes() == (tmp_path / "b/model.safetensors").read_bytes()
    assert genus("evaluate", tmp_path / "a").code == 0


@pytest.mark.parametrize("stages", [0, 9, 30])
def test_stages_that_are_not_there(stages: int, genus: Genus, drawn: Path, tmp_path: Path) -> None:
    result = genus("train", drawn, "--out", tmp_path / "a", "--freeze-until", stages, *FAST)
    assert result.code == 2
    assert f"--freeze-until cannot be {stages}" in result.err
    assert not (tmp_path / "a").exists()


def test_disk_that_is_too_small(genus: Genus, drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("genus.workflows.tasks.partial.shutil.disk_usage", lambda path: usage)
    result = genus("train", drawn, "--out", tmp_path / "a", "--freeze-until", 3, *FAST)
    assert result.code == 4
    assert "more than the 0.00 GB that are free" in result.err
