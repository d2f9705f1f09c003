"""Every answer says whether it counts: what validation decides, from ``genus train`` to the row of ``predict``."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from genus.bundle import load_bundle
from genus.evaluation.calibration import fit_temperature
from genus.evaluation.selective import max_distance
from genus.predictor import Predictor
from genus.types import Part
from genus.workflows.pictures import labels_of, read_split
from tests import corpus
from tests.cli.conftest import FAST, Genus


def test_validation_has_decided(trained: Path, drawn: Path) -> None:
    """Temperature and distance, computed once more with the Predictor, from the validation pictures alone."""
    bundle, split = load_bundle(trained), read_split(trained / "split.json", drawn)
    assert bundle.index
    assert bundle.known_rule
    indexed = {bytes(picture).hex() for picture in bundle.index.pictures}
    assert indexed == {member.sha256 for member in split.members(Part.TRAIN)}
    val = split.members(Part.VAL)
    answers = list(Predictor(bundle, device="cpu").answers([member.path for member in val]))
    logits, distances = np.stack([one.logits for one in answers]), np.array([one.distance for one in answers])
    labels = labels_of(val, bundle.classes)
    assert bundle.temperature == pytest.approx(fit_temperature(logits, labels), rel=0.1)  # the run looked in bf16
    assert bundle.known_rule.max_distance == pytest.approx(max_distance(distances), rel=0.05)
    assert json.loads((trained / "metrics.json").read_text())["test"]["temperature"] == bundle.temperature


def test_what_looks_like_nothing_is_unknown(genus: Genus, trained: Path, drawn: Path, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (80, 80, 3)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    Image.new("RGB", (80, 80), "white").save(tmp_path / "white.png")
    rows = list(csv.DictReader(genus("predict", trained, tmp_path, "--csv", "-").out.splitlines()))
    assert [row["known"] for row in rows] == ["false", "false"]
    split = read_split(trained / "split.json", drawn)
    seen = [str(member.path) for member in split.members(Part.TRAIN)][:10]
    rows = list(csv.DictReader(genus("predict", trained, *seen, "--csv", "-").out.splitlines()))
    assert [row["known"] for row in rows] == ["true"] * 10
    assert "unknown; perhaps" in genus("predict", trained, tmp_path / "noise.png").out


def test_a_promise_that_cannot_be_kept_is_not_made(genus: Genus, drawn: Path, trained: Path, tmp_path: Path) -> None:
    """13 validation pictures cannot show an error below 5 %; they can show one below 90 %."""
    bundle = load_bundle(trained)
    assert bundle.known_rule
    assert bundle.known_rule.min_probability == 0
    run = tmp_path / "run"
    result = genus("train", drawn, "--out", run, "--epochs", "30", "--lr", "1e-3", "--max-error", "0.9", *FAST)
    assert result.code == 0
    assert "cannot show an error" not in result.err
    rule = load_bundle(run).known_rule
    assert rule
    assert (rule.max_error, rule.min_probability > 0) == (0.9, True)
    known = json.loads((run / "metrics.json").read_text())["test"]["known"]
    assert known["max_error"] == 0.9
    assert f"Known: {100 * known['share']['value']:.1f} % are answered" in result.out


def test_without_validation_pictures_nothing_is_decided(genus: Genus, tmp_path: Path) -> None:
    corpus.write_folder(tmp_path / "data", {"a": 2, "b": 2})
    result = genus("train", tmp_path / "data", "--out", tmp_path / "run", "--epochs", "1", *FAST)
    assert result.code == 0, result.err
    assert "no validation picture: probabilities are not calibrated" in result.err
    bundle = load_bundle(tmp_path / "run")
    assert (bundle.temperature, bundle.known_rule, bundle.index) == (1.0, None, None)
    rows = list(csv.DictReader(genus("predict", tmp_path / "run", tmp_path / "data", "--csv", "-").out.splitlines()))
    assert {row["known"] for row in rows} == {""}


@pytest.mark.parametrize("flags", [["--head", "linear"], ["--freeze-layers", "False", "--epochs", "1"]])
def test_every_way_of_training_decides(flags: list[str], genus: Genus, drawn: Path, tmp_path: Path) -> None:
    result = genus("train", drawn, "--out", tmp_path / "run", *flags, *FAST)
    assert result.code == 0, result.err
    bundle = load_bundle(tmp_path / "run")
    assert bundle.index
    assert len(bundle.index) == len(read_split(tmp_path / "run/split.json", drawn).members(Part.TRAIN))
    assert bundle.temperature != 1.0
    members = read_split(tmp_path / "run/split.json", drawn).members(Part.TRAIN)[:5]
    answers = Predictor(bundle, device="cpu").answers([member.path for member in members])
    assert [answer.distance for answer in answers] == pytest.approx(
        [0] * 5, abs=0.05
    )  # the features of this very network, in bf16
