"""Elongated pictures: what ``--fit`` lets a model see of them, from training to the report."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from genus.bundle import load_bundle
from genus.features.cache import cache_root, tables
from genus.types import FitName
from tests.cli.conftest import Genus

FLAGS = ["--model", "efficientnet_lite0", "--image-size", "64", "--device", "cpu", "--head", "linear"]
COLOURS = {"blue": (40, 60, 220), "green": (40, 170, 60), "red": (220, 50, 40)}


@pytest.fixture(scope="module")
def strips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Grey strips, four times as long as they are high, of which the beginning alone shows the colour of the class."""
    root, draws = tmp_path_factory.mktemp("data") / "strips", np.random.default_rng(0)
    for label, colour in COLOURS.items():
        (root / label).mkdir(parents=True)
        for number in range(20):
            pixels = draws.normal(128, 10, (60, 240, 3))
            pixels[10:50, 10:50] = colour + draws.normal(0, 10, 3)
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(root / label / f"{number}.jpg")
    return root


def accuracy(run: Path) -> float:
    return json.loads((run / "metrics.json").read_text())["test"]["accuracy"]["value"]


def fit_of(run: Path) -> FitName:
    return load_bundle(run).preprocess.fit


def test_what_a_crop_cuts_off_is_seen_padded_or_stretched(genus: Genus, strips: Path, tmp_path: Path) -> None:
    for fit in ("crop", "pad", "stretch"):
        result = genus("train", strips, "--out", tmp_path / fit, "--fit", fit, *FLAGS)
        assert result.code == 0, result.err
        assert fit_of(tmp_path / fit) == fit
    assert accuracy(tmp_path / "crop") < 0.7
    assert accuracy(tmp_path / "pad") == accuracy(tmp_path / "stretch") == 1
    for fit, told in (("crop", "the central square"), ("pad", "the whole picture, padded to a square")):
        assert f"<dd>{told}, 64 x 64 pixels, bicubic</dd>" in (tmp_path / fit / "report.html").read_text()


def test_a_run_goes_on_with_its_fit_unless_another_is_asked_for(genus: Genus, strips: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for command in (("--out", first, "--fit", "pad", *FLAGS), ("--out", second, "--from", first, "--head", "linear")):
        assert genus("train", strips, *command).code == 0
    assert fit_of(second) == "pad"
    assert genus("train", strips, "--out", tmp_path / "third", "--from", first, "--fit", "stretch").code == 0
    assert fit_of(tmp_path / "third") == "stretch"
    kept = {table.about["preprocess"]["fit"]: table.rows for table in tables(cache_root())}
    assert sorted(kept) == ["pad", "stretch"]
    result = genus("evaluate", second, "--label-errors")  # by features of the pictures as they were seen
    assert result.code == 0, result.err
    assert {table.about["preprocess"]["fit"]: table.rows for table in tables(cache_root())} == kept
