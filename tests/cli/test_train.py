"""``genus train`` and ``genus evaluate``, from the command line to the files."""

import csv
import hashlib
import json
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import genus as package
from genus.cli.train import with_explicit_truth
from genus.config import TrainConfig, compose, flag_name
from genus.run import Run
from genus.types import ignore_events
from genus.workflows.tasks.compute import choose_compute
from tests.cli.conftest import FAST, SPECIES, Genus


def hash_of(folder: Path) -> str:
    """Over names and contents of everything below ``folder``."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        total.update(str(path.relative_to(folder)).encode())
        if path.is_file():
            total.update(path.read_bytes())
    return total.hexdigest()


def test_run_folder_holds_everything_and_the_numbers_agree(trained: Path, drawn: Path) -> None:
    metrics = json.loads((trained / "metrics.json").read_text())
    split = json.loads((trained / "split.json").read_text())
    test_members = [member for member in split["members"] if member["part"] == "test"]
    assert metrics["schema"] == 1
    assert metrics["classes"] == list(SPECIES)
    assert metrics["test"]["n"] == len(test_members)
    confusion = np.array(metrics["test"]["confusion"])
    assert metrics["test"]["accuracy"]["value"] == pytest.approx(np.trace(confusion) / confusion.sum())
    assert metrics["test"]["accuracy"]["value"] > 0.45  # chance is 0.33
    rows = list(csv.reader((trained / "confusion.csv").read_text(encoding="utf-8").splitlines()))
    assert [[int(cell) for cell in row[1:]] for row in rows[1:]] == confusion.tolist()
    for name in ("confusion.png", "curves.png"):
        with Image.open(trained / name) as picture:
            assert picture.width > 300
    lines = [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == list(range(1, 31))
    assert lines[-1]["train_loss"] < lines[0]["train_loss"]
    openings = [json.loads(line) for line in (trained / "test_openings.jsonl").read_text().splitlines()]
    assert [opening["command"] for opening in openings] == ["train"]
    assert not (trained / "bad_files.csv").exists()
    assert not list(trained.glob(".*"))


def test_evaluate_says_the_same_numbers_again(genus: Genus, trained: Path, drawn: Path, tmp_path: Path) -> None:
    run = shutil.copytree(trained, tmp_path / "run")
    before = json.loads((run / "metrics.json").read_text())
    result = genus("evaluate", run)
    assert result.code == 0
    after = json.loads((run / "metrics.json").read_text())
    assert after["val"] == before["val"]
    assert after["test"]["confusion"] == before["test"]["confusion"]
    # the pictures went through in other batches, which moves the last bits, in bf16 visibly
    assert after["test"]["log_loss"] == pytest.approx(before["test"]["log_loss"], rel=0.01)
    assert f"Test accuracy {before['test']['accuracy']['value']:.4f}" in result.out
    assert f"on {before['test']['n']} pictures" in result.out
    assert after["cautions"] == before["cautions"]
    assert after["cautions"][0] == f"There are only {before['test']['n']} test pictures: the interval is wide."
    assert all(f"Caution: {caution}\n" in result.out for caution in after["cautions"])
    assert len((run / "test_openings.jsonl").read_text().splitlines()) == 2

    other = genus("evaluate", run, drawn, "--all-pictures")
    assert other.code == 0
    numbers = json.loads((run / "evaluate-flowers" / "metrics.json").read_text())
    assert numbers["test"]["n"] == 90


def test_same_command_same_model_bit_for_bit(genus: Genus, drawn: Path, tmp_path: Path) -> None:
    before = hash_of(drawn)
    for name in ("a", "b"):
        assert genus("train", drawn, "--out", tmp_path / name, "--epochs", 2, *FAST).code == 0
    assert (tmp_path / "a/model.safetensors").read_bytes() == (tmp_path / "b/model.safetensors").read_bytes()
    repeated = genus("train", "--config", tmp_path / "a/config.toml", "--out", tmp_path / "c")
    assert repeated.code == 0, repeated.err
    assert (tmp_path / "a/model.safetensors").read_bytes() == (tmp_path / "c/model.safetensors").read_bytes()
    assert hash_of(drawn) == before  # nobody's pictures are touched


@pytest.mark.parametrize("head", ["adamw", "linear"])
def test_tutorials_layout_and_command_line(
    head: str, genus: Genus, drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """train/ and test/ below ./data, the tutorial's own flags, a model and a run folder of its own choosing."""
    for species in SPECIES:
        for number, part in [(n, "train") for n in range(24)] + [(n, "test") for n in range(24, 30)]:
            place = tmp_path / "data" / part / species / f"{number}.jpg"
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(drawn / species / f"{number:02d}.jpg", place)
    monkeypatch.chdir(tmp_path)
    tutorial = ["--epochs", "100", "--batch-size", "32", "--lr", "1e-4", "--lrf", "0.1", "--freeze-layers", "True"]
    result = genus("train", *tutorial, "--head", head, "--image-size", 64)
    assert result.code == 0, result.err
    assert "Model: efficientnet_lite0 (installed" in result.err
    run = tmp_path / "runs" / "data-efficientnet_lite0-1"
    split = json.loads((run / "split.json").read_text())
    assert {member["part"] for member in split["members"] if "test/" in member["path"]} == {"test"}
    assert json.loads((run / "metrics.json").read_text())["test"]["n"] == 18


def test_full_training_learns_and_keeps_best_and_last(genus: Genus, few: Path, tmp_path: Path) -> None:
    out = tmp_path / "full"
    flags = ["--freeze-layers", "False", "--epochs", 3, "--lr", "1e-3", "--augment", "strong", "--class-weights"]
    result = genus("train", few, "--out", out, *flags, *FAST)
    assert result.code == 0, result.err
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["train_loss"] < lines[0]["train_loss"]
    assert (out / "best.safetensors").exists()
    assert (out / "last.safetensors").exists()
    assert not (out / "checkpoint.safetensors").exists()
    assert genus("evaluate", out).code == 0


def test_reading_in_processes_trains_the_same_weights(
    few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a training on a graphics card reads."""
    flags = {"freeze_layers": False, "epochs": 1, "augment": "strong", "model": "efficientnet_lite0", "image_size": 64}
    weights = []
    for processes in (0, 1):
        monkeypatch.setattr(
            "genus.workflows.train.choose_compute",
            lambda config, paths, count=processes: replace(choose_compute(config, paths), processes=count),
        )
        run = package.train(few, out=tmp_path / str(processes), on_event=ignore_events, **flags).run
        weights.append((run / "model.safetensors").read_bytes())
    assert weights[0] == weights[1]


def test_interrupted_training_resumes_to_the_same_weights(genus: Genus, few: Path, tmp_path: Path) -> None:
    """Killed after the first epoch, continued: the same model as without the kill."""
    flags = ["--freeze-layers", "False", "--epochs", 2, *FAST]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert genus("train", few, "--out", whole, *flags).code == 0
    command = [sys.executable, "-m", "genus", "train", few, "--out", killed, *map(str, flags)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (killed / "checkpoint.safetensors").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    again = genus("train", few, "--out", killed, *flags)
    assert again.code == 2
    assert "--resume" in again.err
    resumed = genus("train", few, "--out", killed, *flags, "--resume")
    assert resumed.code == 0, resumed.err
    assert "Going on after epoch" in resumed.err
    told = [[json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()] for run in (whole, killed)]
    assert [line | {"seconds": 0} for line in told[0]] == [line | {"seconds": 0} for line in told[1]]
    assert len(told[0]) == 2
    assert (whole / "model.safetensors").read_bytes() == (killed / "model.safetensors").read_bytes()


def test_resume_without_a_checkpoint_starts_anew_and_says_so(genus: Genus, few: Path, tmp_path: Path) -> None:
    """Killed before the end of its first epoch. Where there is no run at all, the name was mistyped."""
    command = ["train", few, "--out", tmp_path / "r", "--resume", "--no-freeze-layers", "--epochs", 1, *FAST]
    mistyped = genus(*command)
    assert mistyped.code == 2
    assert f"There is no run in {tmp_path / 'r'} to go on with" in mistyped.err
    assert not (tmp_path / "r").exists()
    options = {"freeze_layers": False, "epochs": 1, "model": "efficientnet_lite0", "image_size": 64, "device": "cpu"}
    Run(tmp_path / "r").write_config(TrainConfig(data=few, **options))
    result = genus(*command)
    assert result.code == 0, result.err
    assert "there is no checkpoint yet; training starts anew" in result.err


def test_from_run_adds_a_class(genus: Genus, trained: Path, drawn: Path, tmp_path: Path) -> None:
    more = shutil.copytree(drawn, tmp_path / "more")
    shutil.copytree(more / "rose", more / "aster")
    for number, picture in enumerate(sorted((more / "aster").iterdir())):
        Image.open(picture).rotate(180).convert("L").convert("RGB").save(picture, quality=70 + number % 20)
    result = genus("train", more, "--from", trained, "--out", tmp_path / "four", "--epochs", 5)
    assert result.code == 0, result.err
    assert "knowing 3 of 4 classes" in result.err
    assert json.loads((tmp_path / "four/genus.json").read_text())["classes"] == ["aster", *SPECIES]


def test_earlier_split_is_binding(genus: Genus, trained: Path, drawn: Path, tmp_path: Path) -> None:
    flags = ["--split", trained / "split.json", "--seed", 99, "--epochs", 1]
    assert genus("train", drawn, "--out", tmp_path / "r", *flags, *FAST).code == 0
    sides = [
        {member["sha256"]: member["part"] for member in json.loads((run / "split.json").read_text())["members"]}
        for run in (trained, tmp_path / "r")
    ]
    assert sides[0] == sides[1]


def test_minutes_fit_the_epochs(genus: Genus, few: Path, tmp_path: Path) -> None:
    flags = ["--freeze-layers", "False", "--epochs", 10_000, "--minutes", 0.05]
    result = genus("train", few, "--out", tmp_path / "r", *flags, *FAST)
    assert result.code == 0, result.err
    assert "of 10000 epochs" in result.err
    stored = tomllib.loads((tmp_path / "r/config.toml").read_text())
    assert (stored["epochs"], stored["minutes"]) == (10_000, 0.05)  # the same command with --resume has to fit
    epochs = stored["measured_epochs"]
    assert 1 <= epochs < 100
    repeated = compose({}, file=tmp_path / "r/config.toml")
    assert (repeated.epochs, repeated.minutes) == (epochs, None)
    trained = len((tmp_path / "r/metrics.jsonl").read_text().splitlines())
    assert trained == epochs or f"Stopped after epoch {trained}: no improvement" in result.err


def test_presets_and_config_file_compose(genus: Genus, drawn: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('model = "efficientnet_lite0"\nimage-size = 64\nlr = 1\nepochs = 7\n')
    result = genus(
        "train", drawn, "--config", tmp_path / "mine.toml", "--preset", "quick", "--lr", 0.5, "--out", tmp_path / "r"
    )
    assert result.code == 0, result.err
    resolved = tomllib.loads((tmp_path / "r/config.toml").read_text())
    assert (resolved["head"], resolved["lr"], resolved["epochs"]) == ("linear", 0.5, 7)


def test_python_users_get_the_same(drawn: Path, tmp_path: Path) -> None:
    events: list[object] = []
    result = package.train(
        drawn, model="efficientnet_lite0", image_size=64, epochs=2, out=tmp_path / "r", on_event=events.append
    )
    assert result.test is not None
    assert events
    evaluated = package.evaluate(result.run)
    assert evaluated.test.accuracy == result.test.accuracy
    answer = package.load(result.run).predict(drawn / "rose" / "00.jpg")
    assert answer.label in SPECIES
    assert sum(share for _, share in answer.top) == pytest.approx(1)


@pytest.mark.parametrize(
    ("given", "understood"),
    [
        (["train", "--freeze-layers", "True"], ["train", "--freeze-layers", "True"]),
        (["train", "--freeze-layers", "false", "x"], ["train", "--freeze-layers", "false", "x"]),
        (["train", "--freeze-layers", "photos"], ["train", "--freeze-layers", "True", "photos"]),
        (["train", "--freeze-layers", "--lr", "1"], ["train", "--freeze-layers", "True", "--lr", "1"]),
        (["train", "--freeze-layers"], ["train", "--freeze-layers", "True"]),
    ],
)
def test_bare_freeze_layers_means_true(
    given: list[str], understood: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    assert with_explicit_truth(given) == understood


@pytest.mark.parametrize(("word", "meant"), [("Flase", "'False'"), ("ture", "'True'"), ("off", "")])
def test_a_mistyped_truth_is_no_folder(word: str, meant: str, genus: Genus, drawn: Path) -> None:
    for arguments in (["--freeze-layers", word, drawn], ["--freeze-layers", word], [f"--freeze-layers={word}", drawn]):
        result = genus("train", *arguments)
        assert result.code == 2
        assert f"--freeze-layers cannot be '{word}'." in result.err
        assert meant in result.err
        assert "Choose True or False" in result.err


def test_every_option_has_its_flag_group_and_default(genus: Genus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    page = genus("train", "--help").out
    for group in ("Run", "Data", "Model", "Training", "Evaluation", "Machine"):
        assert f"─ {group} ─" in page
    for field in fields(TrainConfig):
        flag = "DATA" if field.name == "data" else f"--{flag_name(field.name)}"
        line = next(line for line in page.splitlines() if re.match(rf"│ +{flag} ", line))
        assert len(line.split()) > 4
    assert "Default: 100." in page
    assert "Default: 0.0001." in page
    assert "adamw|linear" in page
