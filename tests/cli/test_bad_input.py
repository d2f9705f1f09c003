"""Every kind of bad input: its exit code, a message that says what and what to do, and no traceback."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from genus.data.folder import scan
from genus.errors import install_hint
from genus.features.cache import FeatureCache
from genus.models.backbone import module
from genus.models.registry import build
from tests.cli.conftest import FAST, Genus
from tests.corpus import CASES, ODD_NAMES, photo, unprivileged_folder, write_folder


def small(root: Path, **counts: int) -> Path:
    return write_folder(root, counts)


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# Folders


def test_missing_folder(genus: Genus, tmp_path: Path) -> None:
    result = genus("train", tmp_path / "nothing", *FAST)
    assert (result.code, "There is no folder" in result.err) == (3, True)


def test_empty_folder_and_loose_files(genus: Genus, tmp_path: Path) -> None:
    assert genus("train", tmp_path, *FAST).code == 3
    (tmp_path / "a.jpg").write_bytes(photo(1))
    result = genus("train", tmp_path, *FAST)
    assert result.code == 3
    assert "Found 0 folders, 1 loose image" in result.err


def test_one_class(genus: Genus, tmp_path: Path) -> None:
    result = genus("train", small(tmp_path / "d", cat=9), *FAST)
    assert result.code == 3
    assert "cat" in result.err


def test_class_with_one_picture_is_trained_on_and_named(genus: Genus, tmp_path: Path) -> None:
    data = small(tmp_path / "d", cat=25, dog=25, unicorn=1)
    result = genus("train", data, "--out", tmp_path / "r", "--epochs", 2, *FAST)
    assert result.code == 0, result.err
    assert "unicorn" in result.err
    metrics = json.loads((tmp_path / "r/metrics.json").read_text())
    unicorn = next(row for row in metrics["test"]["per_class"] if row["label"] == "unicorn")
    assert (unicorn["n"], unicorn["recall"]) == (0, None)


def test_a_real_run_in_the_data_folder_is_no_data(drawn: Path, trained: Path, tmp_path: Path) -> None:
    """A finished one, one that was stopped, and the cache of features."""
    data = shutil.copytree(drawn, tmp_path / "d")
    shutil.copytree(trained, data / "runs" / "a-1")
    shutil.copytree(trained, data / "runs" / "a-2", ignore=shutil.ignore_patterns("genus.json", "model.safetensors"))
    with FeatureCache(data / "cache" / "features", {"model": "any"}, width=3) as cache:
        cache.append([bytes(32)], np.zeros((1, 3), np.float32))
    catalog = scan(data)
    assert catalog.classes == scan(drawn).classes
    assert len(catalog.pictures) == len(scan(drawn).pictures)
    assert catalog.notes == (f"Left alone: 2 folders written by genus, {data / 'cache'} for one.",)


def test_a_table_with_a_missing_file(genus: Genus, drawn: Path, tmp_path: Path) -> None:
    rows = [f"{path},{path.parent.name}" for path in sorted(drawn.glob("*/*.jpg"))]
    (tmp_path / "t.csv").write_text("\n".join(["file_name;class", "gone.jpg,rose", *rows]).replace(",", ";"))
    result = genus("train", tmp_path / "t.csv", "--out", tmp_path / "r", "--epochs", 1, *FAST)
    assert result.code == 0, result.err
    assert [row["reason"] for row in table(tmp_path / "r/bad_files.csv")] == [
        "line 2 of t.csv: there is no file 'gone.jpg'"
    ]
    (tmp_path / "t.csv").write_text("\n".join(["path,label", *(f"gone{row},rose" for row in range(9)), *rows]))
    result = genus("train", tmp_path / "t.csv", "--out", tmp_path / "r2", *FAST)
    assert result.code == 3
    assert "line 2 of t.csv: there is no file 'gone0'" in " ".join(result.err.split())
    assert not (tmp_path / "r2").exists()


def test_class_of_the_test_part_that_was_never_trained(genus: Genus, tmp_path: Path) -> None:
    data = write_folder(tmp_path / "d", {"train/cat": 5, "train/dog": 5, "test/cat": 2, "test/fox": 2})
    result = genus("train", data, *FAST)
    assert result.code == 3
    assert "fox" in result.err


def test_evaluate_with_a_strange_class(genus: Genus, trained: Path, tmp_path: Path) -> None:
    """It is no error: how many of its pictures become unknown is worth knowing."""
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    result = genus("evaluate", run, small(tmp_path / "d", daisy=3, fox=3))
    assert result.code == 0, result.err
    assert "on 3 pictures that took part in no decision" in result.out
    assert "3 pictures are of classes that the model does not have" in result.out


@pytest.mark.usefixtures("trained")  # an ordinary user may not import what root has not imported before
def test_unreadable_folder_and_files(genus: Genus) -> None:
    with unprivileged_folder() as folder:
        data = write_folder(folder / "d", {"cat": 5, "dog": 5})
        (data / "cat" / "0.jpg").chmod(0)
        result = genus("train", data, "--out", folder / "r", *FAST)
        assert result.code == 3  # one of ten is more than 5 %
        assert "permission denied" in result.err
        assert "permission denied" in (folder / "r" / "bad_files.csv").read_text()
        (data / "cat").chmod(0)
        result = genus("train", data, "--out", folder / "r2", *FAST)
        (data / "cat").chmod(0o755)
        assert result.code == 3
        assert f"Cannot read {data / 'cat'}: permission denied" in result.err


# Files


def test_bad_files_are_listed_and_take_no_part(genus: Genus, drawn: Path, tmp_path: Path) -> None:
    data = shutil.copytree(drawn, tmp_path / "d")
    bad = {
        "truncated.jpg": photo(1)[:400],
        "empty.jpg": b"",
        "page.jpg": b"<html><body>404</body></html>",
        "=bomb.png": next(case.data for case in CASES if "30000" in str(case.reason)),
    }
    for name, content in bad.items():
        (data / "rose" / name).write_bytes(content)
    result = genus("train", data, "--out", tmp_path / "r", "--epochs", 1, *FAST)
    assert result.code == 0, result.err
    rows = table(tmp_path / "r/bad_files.csv")
    reasons = {Path(row["path"]).name: row["reason"] for row in rows}
    assert set(reasons) == set(bad)
    assert "truncated" in reasons["truncated.jpg"]
    assert reasons["empty.jpg"] == "empty file"
    assert "HTML" in reasons["page.jpg"]
    assert "178" in reasons["=bomb.png"]
    assert len(json.loads((tmp_path / "r/split.json").read_text())["members"]) == 90


def test_too_many_bad_files_stop_before_training(genus: Genus, drawn: Path, tmp_path: Path) -> None:
    data = shutil.copytree(drawn, tmp_path / "d")
    for number in range(6):
        (data / "rose" / f"bad{number}.jpg").write_bytes(b"no picture")
    result = genus("train", data, "--out", tmp_path / "r", *FAST)
    assert result.code == 3
    assert "6 of 96 pictures (6.2 %)" in result.err
    assert (tmp_path / "r/bad_files.csv").read_text().count("/bad") == 6
    assert not (tmp_path / "r/model.safetensors").exists()


def test_class_that_loses_all_its_pictures(genus: Genus, tmp_path: Path) -> None:
    data = small(tmp_path / "d", cat=60, dog=60)
    (data / "owl").mkdir()
    (data / "owl" / "a.jpg").write_bytes(b"")
    result = genus("train", data, "--out", tmp_path / "r", *FAST)
    assert result.code == 3
    assert "owl" in result.err


def test_odd_names_survive_training_and_prediction(genus: Genus, trained: Path, drawn: Path, tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    for name in ODD_NAMES:
        shutil.copy(drawn / "rose" / "00.jpg", folder / name)
    result = genus("predict", trained, folder, "--csv", tmp_path / "a.csv", "--json", tmp_path / "a.jsonl")
    assert result.code == 0, result.err
    rows = table(tmp_path / "a.csv")
    assert len(rows) == len(ODD_NAMES)
    assert {row["status"] for row in rows} == {"ok"}
    assert len({row["probability"] for row in rows}) == 1
    paths = [json.loads(line)["path"] for line in (tmp_path / "a.jsonl").read_text(encoding="utf-8").splitlines()]
    assert sorted(paths) == sorted(str(folder / name) for name in ODD_NAMES)


# Options


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--model", "swin_tinny"], "Did you mean 'swin_tiny'"),
        (["--epoch", "3"], "--epochs"),
        (["--preset", "bets"], "Did you mean 'best'"),
        (["--augment", "heavy"], "none, light, strong"),
        (["--epochs", "0"], "at least 1"),
        (["--lr", "abc"], "not a valid"),
        (["--freeze-layers=maybe"], "Choose True or False"),
        (["--device", "gpu"], "There is no device"),
        (["--weights", "none"], "random"),
        (["--weights", "file.pth", "--model", "auto"], "needs --model"),
        (["--split", "nothing.json"], "Cannot read the split"),
        (["--config", "nothing.toml"], "Cannot read the config"),
    ],
)
def test_wrong_options(flags: list[str], message: str, genus: Genus, drawn: Path, tmp_path: Path) -> None:
    model = [] if "--model" in flags else ["--model", "efficientnet_lite0"]
    result = genus("train", drawn, "--out", tmp_path / "r", *model, *flags)
    assert result.code == 2
    assert message in result.err
    assert not (tmp_path / "r/model.safetensors").exists()


def test_unknown_verb_and_config_key(genus: Genus, drawn: Path, tmp_path: Path) -> None:
    assert genus("trian", drawn).code == 2
    (tmp_path / "c.toml").write_text("epochz = 3")
    result = genus("train", drawn, "--config", tmp_path / "c.toml")
    assert result.code == 2
    assert "unknown key 'epochz'. Did you mean 'epochs'" in result.err


# Output folders


def test_finished_run_is_never_overwritten(genus: Genus, trained: Path, drawn: Path) -> None:
    before = (trained / "genus.json").read_bytes()
    result = genus("train", drawn, "--out", trained, *FAST)
    assert result.code == 2
    assert "finished run" in result.err
    assert (trained / "genus.json").read_bytes() == before


def test_folder_with_other_files_is_not_written(genus: Genus, drawn: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.doc").write_text("two years of work")
    result = genus("train", drawn, "--out", tmp_path, *FAST)
    assert result.code == 2
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.doc"]


@pytest.mark.usefixtures("trained")
def test_output_that_cannot_be_written(genus: Genus) -> None:
    with unprivileged_folder() as folder:
        (folder / "locked").mkdir(mode=0o555)
        data = write_folder(folder / "d", {"cat": 5, "dog": 5})
        result = genus("train", data, "--out", folder / "locked" / "r", *FAST)
        assert result.code == 4
        assert "Permission denied" in result.err


# Weights and runs


def test_no_network_for_weights_says_what_to_do(genus: Genus, drawn: Path, tmp_path: Path) -> None:
    result = genus("train", drawn, "--model", "swin_tiny", "--out", tmp_path / "r", "--image-size", 64)
    assert result.code == 4
    for hint in ("timm/swin_tiny", "--weights FILE", install_hint("demo")):
        assert hint in result.err


def test_wrong_weights_file(genus: Genus, drawn: Path, tmp_path: Path) -> None:
    other = build("vit_tiny_patch16", 5, depth=1)
    save_file(module(other).state_dict(), tmp_path / "vit.safetensors")
    result = genus("train", drawn, *FAST, "--weights", tmp_path / "vit.safetensors", "--out", tmp_path / "r")
    assert result.code == 5
    assert "holds no EfficientNetLite weights" in result.err
    result = genus("train", drawn, *FAST, "--weights", tmp_path / "nothing.pth", "--out", tmp_path / "r2")
    assert result.code == 5


def test_class_count_mismatch_replaces_the_head_and_says_so(genus: Genus, drawn: Path, tmp_path: Path) -> None:
    torch.save(module(build("efficientnet_lite0", 12)).state_dict(), tmp_path / "model-9.pth")
    flags = ["--weights", tmp_path / "model-9.pth", "--out", tmp_path / "r", "--epochs", 1]
    result = genus("train", drawn, *FAST, *flags)
    assert result.code == 0, result.err
    assert "one for 12 classes" in result.err


@pytest.mark.parametrize("verb", ["evaluate", "predict"])
def test_no_run(verb: str, genus: Genus, drawn: Path, tmp_path: Path) -> None:
    result = genus(verb, tmp_path, *([drawn] if verb == "predict" else []))
    assert result.code == 5
    assert "it has no genus.json" in result.err


def test_damaged_run(genus: Genus, trained: Path, drawn: Path, tmp_path: Path) -> None:
    run = shutil.copytree(trained, tmp_path / "run")
    content = bytearray((run / "model.safetensors").read_bytes())
    content[len(content) // 2] ^= 1
    (run / "model.safetensors").write_bytes(content)
    result = genus("predict", run, drawn / "rose" / "00.jpg")
    assert result.code == 5
    assert "checksum" in result.err


# Prediction


def test_prediction_on_a_folder_without_pictures(genus: Genus, trained: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    result = genus("predict", trained, tmp_path)
    assert result.code == 3
    assert "1 other file" in result.err


def test_one_bad_file_among_good_ones(genus: Genus, trained: Path, drawn: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(drawn / "rose", tmp_path / "new")
    clean = genus("predict", trained, folder, "--csv", "-")
    assert clean.code == 0
    (folder / "15b.jpg").write_bytes(b"<html></html>")
    mixed = genus("predict", trained, folder, "--csv", "-")
    assert mixed.code == 6
    assert "31 pictures: " in mixed.err
    assert "1 error." in mixed.err
    bad = [line for line in mixed.out.splitlines() if "15b" in line]
    assert len(bad) == 1
    assert ",error," in bad[0]
    assert "HTML" in bad[0]
    assert [line for line in mixed.out.splitlines() if "15b" not in line] == clean.out.splitlines()


def test_two_outputs_on_stdout(genus: Genus, trained: Path, drawn: Path) -> None:
    assert genus("predict", trained, drawn, "--csv", "-", "--json", "-").code == 2
