"""What the feature cache saves, and that nothing is ever wrong because of it; through the command line."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from genus.data import inspect
from genus.data.decode import read
from genus.features import memory
from genus.features.cache import cache_root, tables
from genus.features.extractor import FeatureExtractor
from tests.cli.conftest import FAST, SPECIES, Genus

QUICK = [*FAST, "--epochs", "3"]


def rows() -> int:
    """Rows in all tables together."""
    return sum(table.rows for table in tables(cache_root()))


def weights(run: Path) -> bytes:
    return (run / "model.safetensors").read_bytes()


def forbid_computing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: FeatureExtractor) -> None:
        raise AssertionError("something was computed again")

    monkeypatch.setattr(FeatureExtractor, "engine", fail)


def test_another_head_or_seed_computes_nothing_again(
    genus: Genus, drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert genus("train", drawn, "--out", tmp_path / "a", *QUICK).code == 0
    assert rows() == 90
    with monkeypatch.context() as patch:
        forbid_computing(patch)
        for name, flags in (("b", ["--head", "linear", "--seed", 5]), ("c", [])):
            result = genus("train", drawn, "--out", tmp_path / name, *QUICK, *flags)
            assert result.code == 0, result.err
    assert rows() == 90
    assert weights(tmp_path / "a") == weights(tmp_path / "c")
    monkeypatch.setenv("GENUS_CACHE", str(tmp_path / "another"))  # and without what was kept: the same model
    assert genus("train", drawn, "--out", tmp_path / "d", *QUICK).code == 0
    assert weights(tmp_path / "a") == weights(tmp_path / "d")


def test_a_second_run_opens_only_files_that_have_changed(
    genus: Genus, drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "SETTLED_AFTER", 0.0)
    photos = tmp_path / "photos"
    shutil.copytree(drawn, photos)
    time.sleep(0.05)
    assert genus("train", photos, "--out", tmp_path / "a", *QUICK).code == 0
    first, second = sorted((photos / "rose").iterdir())[:2]
    shutil.copy(second, first)

    opened: list[Path] = []

    def counting(path: Path) -> bytes:
        opened.append(path)
        return read(path)

    monkeypatch.setattr(inspect, "read", counting)
    assert genus("train", photos, "--out", tmp_path / "b", *QUICK).code == 0
    assert opened == [first]
    assert rows() == 90
    split = json.loads((tmp_path / "b" / "split.json").read_text())["members"]
    content = {member["path"]: member["sha256"] for member in split}
    assert content[f"rose/{first.name}"] == content[f"rose/{second.name}"]


def test_new_pictures_alone_are_computed_wherever_the_old_ones_lie(genus: Genus, drawn: Path, tmp_path: Path) -> None:
    assert genus("train", drawn, "--out", tmp_path / "a", *QUICK).code == 0
    moved = tmp_path / "elsewhere"
    for species in SPECIES:
        shutil.copytree(drawn / species, moved / f"the {species}")
    (moved / "aster").mkdir()
    for number in range(20):
        with Image.open(drawn / "rose" / f"{number:02d}.jpg") as picture:
            picture.transpose(Image.Transpose.ROTATE_90).save(moved / "aster" / f"{number}.png")
    assert genus("train", moved, "--out", tmp_path / "b", *QUICK).code == 0
    assert rows() == 110


def test_what_changes_the_features_has_a_table_of_its_own(genus: Genus, drawn: Path, tmp_path: Path) -> None:
    base = {"--precision": "fp32", "--image-size": "64", "--engine": "torch"}
    for number, changed in enumerate(({}, {"--image-size": "96"}, {"--engine": "openvino"})):
        words = [word for option in (base | changed).items() for word in option]
        command = ["train", drawn, "--out", tmp_path / f"{number}", *FAST[:2], *FAST[4:], "--epochs", 3, *words]
        assert genus(*command).code == 0
    assert [table.rows for table in tables(cache_root())] == [90, 90, 90]


def test_damaged_rows_are_computed_again(genus: Genus, drawn: Path, tmp_path: Path) -> None:
    assert genus("train", drawn, "--out", tmp_path / "a", *QUICK).code == 0
    (table,) = tables(cache_root())
    (path,) = table.folder.glob("*.rows")
    content = bytearray(path.read_bytes())
    for position in range(1000, len(content), len(content) // 7):
        content[position] ^= 0xFF
    path.write_bytes(content)
    assert genus("train", drawn, "--out", tmp_path / "b", *QUICK).code == 0
    assert 90 < rows() <= 98
    metrics = [json.loads((tmp_path / run / "metrics.json").read_text())["test"] for run in "ab"]
    assert metrics[0]["confusion"] == metrics[1]["confusion"]


def test_extraction_goes_on_where_it_was_killed(genus: Genus, drawn: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "genus", "train", drawn, "--out", tmp_path / "a", *QUICK]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while rows() == 0 and time.monotonic() < deadline:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = rows()
    assert kept > 0
    assert genus("train", drawn, "--out", tmp_path / "b", *QUICK).code == 0
    assert rows() == 90


def test_place_that_cannot_be_written_costs_only_the_keeping(
    genus: Genus, drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("GENUS_CACHE", str(tmp_path / "file" / "cache"))
    result = genus("train", drawn, "--out", tmp_path / "a", *QUICK)
    assert result.code == 0, result.err
    assert "Features are not kept for later runs: Cannot write" in result.err
    assert "Choose a place that can be written. GENUS_CACHE names another one." in result.err


def test_views_are_kept_like_the_pictures(
    genus: Genus, drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, views = tmp_path / "plain", tmp_path / "views"
    assert genus("train", drawn, "--out", plain, *QUICK).code == 0
    result = genus("train", drawn, "--out", views, *QUICK, "--views", 2)
    assert result.code == 0, result.err
    trained = sum(member["part"] == "train" for member in json.loads((views / "split.json").read_text())["members"])
    assert rows() == 90 + 2 * trained
    assert weights(plain) != weights(views)
    forbid_computing(monkeypatch)
    assert genus("train", drawn, "--out", tmp_path / "again", *QUICK, "--views", 2).code == 0
    assert weights(views) == weights(tmp_path / "again")
    assert genus("train", drawn, "--out", tmp_path / "linear", *QUICK, "--views", 2, "--head", "linear").code == 0


def test_a_picture_that_has_changed_is_not_kept_as_what_it_was(genus: Genus, drawn: Path, tmp_path: Path) -> None:
    """A study of a run whose files have changed: a later run on the right files takes nothing from it."""
    photos = shutil.copytree(drawn, tmp_path / "photos")
    assert genus("train", photos, "--out", tmp_path / "a", *QUICK).code == 0
    assert genus("cache", "--clear").code == 0
    changed = sorted((photos / "rose").iterdir())[:4]
    for path in changed:
        Image.new("RGB", (80, 80)).save(path)
    result = genus("evaluate", tmp_path / "a", "--label-errors")
    assert result.code == 0, result.err
    assert "4 pictures can no longer be read, or have changed since; first: " in result.err
    assert rows() == 86


def test_cache_is_shown_and_cleared(genus: Genus, drawn: Path, tmp_path: Path) -> None:
    assert genus("cache").out.endswith(": 0.0 MB in all.\n")
    assert genus("train", drawn, "--out", tmp_path / "a", *QUICK).code == 0
    shown = genus("cache").out
    assert "efficientnet_lite0" in shown
    assert "90" in shown.splitlines()[1]
    assert "0.5 MB freed" in genus("cache", "--clear").out
    assert genus("cache").out.endswith(": 0.0 MB in all.\n")


def test_pictures_that_decide_or_test_are_seen_in_fp32(genus: Genus, few: Path, tmp_path: Path) -> None:
    """Whatever precision the head learns from: prediction computes in fp32."""
    command = ["--model", "efficientnet_lite0", "--epochs", "3", "--device", "cpu", "--image-size", "64"]
    assert genus("train", few, "--out", tmp_path / "a", *command, "--precision", "bf16").code == 0
    assert sorted(table.about["precision"] for table in tables(cache_root())) == ["bf16", "fp32"]
