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
from genus.evidence import Evidence
from genus.predictor import Predictor
from genus.types import Part
from genus.workflows.dataset import labels_of, read_split
from genus.workflows.tasks.calibrate import known_rule
from tests import corpus
from tests.cli.conftest import FAST, Genus


def test_all_that_is_not_sealed_is_evidence_where_validation_pictures_are_few(trained: Path, drawn: Path) -> None:
    """Temperature and thresholds come from train and validation, each picture named by a head that has not seen it."""
    bundle, split = load_bundle(trained), read_split(trained / "split.json", drawn)
    assert bundle.index
    assert bundle.evidence
    assert bundle.known_rule
    indexed = {bytes(picture).hex() for picture in bundle.index.pictures}
    assert indexed == {member.sha256 for member in split.members(Part.TRAIN)}
    assert len(bundle.evidence) == len(split.members(Part.TRAIN)) + len(split.members(Part.VAL))
    assert bundle.known_rule == known_rule(bundle.evidence, 0.5)
    assert (bundle.evidence.distances > 1e-4).all(), "no picture was measured from itself"
    assert json.loads((trained / "metrics.json").read_text())["test"]["temperature"] == bundle.temperature


def test_validation_decides_alone_where_the_network_has_learnt(genus: Genus, drawn: Path, tmp_path: Path) -> None:
    """Temperature and distance, computed once more with the Predictor, from the validation pictures alone."""
    assert genus("train", drawn, "--out", tmp_path / "full", "--epochs", "1", "--no-freeze-layers", *FAST).code == 0
    bundle, split = load_bundle(tmp_path / "full"), read_split(tmp_path / "full/split.json", drawn)
    val = split.members(Part.VAL)
    answers = list(Predictor(bundle, device="cpu").answers([member.path for member in val]))
    logits, distances = np.stack([one.logits for one in answers]), np.array([one.distance for one in answers])
    assert bundle.temperature == pytest.approx(fit_temperature(logits, labels_of(val, bundle.classes)), rel=1e-3)
    assert bundle.known_rule
    assert bundle.known_rule.max_distance == pytest.approx(max_distance(distances), abs=2e-4)
    assert bundle.evidence
    assert bundle.evidence.distances == pytest.approx(distances, abs=2e-4)

    command = ["train", drawn, "--from", tmp_path / "full", "--epochs", "1", *FAST[2:]]  # the head alone, this time
    assert genus(*command, "--out", tmp_path / "head").code == 0
    assert len(load_bundle(tmp_path / "head").evidence or ()) == len(val)


def test_what_looks_like_nothing_is_unknown(genus: Genus, trained: Path, drawn: Path, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (80, 80, 3)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    Image.new("RGB", (80, 80), "white").save(tmp_path / "white.png")
    rows = list(csv.DictReader(genus("predict", trained, tmp_path, "--csv", "-").out.splitlines()))
    assert [row["known"] for row in rows] == ["false", "false"]
    split = read_split(trained / "split.json", drawn)
    seen = [str(member.path) for member in split.members(Part.TRAIN)][:10]
    rows = list(csv.DictReader(genus("predict", trained, *seen, "--csv", "-").out.splitlines()))
    assert [row["known"] for row in rows].count("true") >= 5
    assert "unknown; perhaps" in genus("predict", trained, tmp_path / "noise.png").out


def test_a_promise_that_cannot_be_kept_is_not_made(genus: Genus, drawn: Path, tmp_path: Path) -> None:
    """77 pictures cannot show an error below 1 %: nothing is known, and train, bundle, predict and report say why."""
    run = tmp_path / "run"
    result = genus("train", drawn, "--out", run, "--epochs", "30", "--lr", "1e-3", "--max-error", "0.01", *FAST)
    assert result.code == 0
    told = "cannot show an error of at most 0.01 for any threshold, so nothing is known"
    assert told in result.err
    rule = load_bundle(run).known_rule
    assert rule
    assert (rule.max_error, rule.min_probability, told in rule.reason) == (0.01, None, True)
    known = json.loads((run / "metrics.json").read_text())["test"]["known"]
    assert (known["share"]["value"], known["error"]) == (0, None)
    answered = genus("predict", run, drawn / "rose", "--csv", "-")
    assert {row["known"] for row in csv.DictReader(answered.out.splitlines())} == {"false"}
    assert answered.err.count(told) == 1
    assert told in (run / "report.html").read_text()


def test_enough_answers_of_which_too_many_are_wrong_are_told_as_such() -> None:
    """75 are more than 59: what is missing are right ones."""
    confidence = np.linspace(0.3, 0.99, 75, dtype=np.float32)
    evidence = Evidence(confidence, np.arange(75) % 9 != 2, np.arange(75), np.full(75, 0.1, np.float32))
    assert known_rule(evidence, 0.05).reason == (
        "75 pictures cannot show an error of at most 0.05 for any threshold, so nothing is known; 9 of their answers "
        "were wrong. It takes at least 59 answers, the surest ones, with no wrong one among them, and more with some: "
        "more pictures or a larger --max-error help."
    )


def test_without_validation_pictures_nothing_is_decided(genus: Genus, tmp_path: Path) -> None:
    corpus.write_folder(tmp_path / "data", {"a": 2, "b": 2})
    result = genus("train", tmp_path / "data", "--out", tmp_path / "run", "--epochs", "1", *FAST)
    assert result.code == 0, result.err
    assert "There was no validation picture, so nothing is known, and probabilities are not calibrated." in result.err
    bundle = load_bundle(tmp_path / "run")
    assert bundle.known_rule
    assert (bundle.temperature, bundle.known_rule.min_probability, bundle.evidence) == (1.0, None, None)
    rows = list(csv.DictReader(genus("predict", tmp_path / "run", tmp_path / "data", "--csv", "-").out.splitlines()))
    assert {row["known"] for row in rows} == {"false"}


def test_on_one_terminal_a_caution_stands_beside_the_result_alone(
    genus: Genus, drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Elsewhere it is said when it is known, too; and without a test picture there is no result to stand beside."""
    told = "cannot show an error of at most 0.01 for any threshold, so nothing is known"
    quick = ["--epochs", "1", "--max-error", "0.01", *FAST]
    apart = genus("train", drawn, "--out", tmp_path / "apart", *quick)
    assert (apart.err.count(told), apart.out.count(told)) == (1, 1)
    monkeypatch.setattr("genus.cli.console.one_terminal", lambda: True)
    together = genus("train", drawn, "--out", tmp_path / "together", *quick)
    assert (together.err.count(told), together.out.count(told)) == (0, 1)
    corpus.write_folder(tmp_path / "data", {"a": 2, "b": 2})
    untested = genus("train", tmp_path / "data", "--out", tmp_path / "untested", *quick)
    assert (untested.err + untested.out).count("nothing is known") == 1


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
