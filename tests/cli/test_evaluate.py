"""``genus evaluate``: the numbers are of the pictures that they are said to be of, and nothing else is counted."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from genus.demo import draw
from tests.cli.conftest import FAST, SPECIES, Genus, members, moved


@pytest.fixture
def own(trained: Path, tmp_path: Path) -> Path:
    """A copy of the shared run: an evaluation writes into it."""
    return shutil.copytree(trained, tmp_path / "own")


@pytest.fixture
def data(own: Path, drawn: Path, tmp_path: Path) -> Path:
    """A copy of the pictures, on which ``own`` was trained."""
    return moved(own, shutil.copytree(drawn, tmp_path / "data"))


def metrics(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "metrics.json").read_text())


def page(folder: Path) -> str:
    return (folder / "report.html").read_text()


def test_evaluation_says_what_training_said(genus: Genus, own: Path) -> None:
    before = metrics(own)
    assert before["provenance"] == {
        "left_out": 0,
        "took_part": 0,
        "sealed": len(members(own, "test")),
        "checked": True,
    }
    assert genus("evaluate", own).code == 0
    after = metrics(own)
    test = [found.pop("test") for found in (before, after)]
    assert after == before
    for exact in ("n", "groups", "accuracy", "top_k", "confusion", "per_class", "known"):
        assert test[0][exact] == test[1][exact]
    assert test[1]["log_loss"] == pytest.approx(test[0]["log_loss"], rel=1e-4)


def test_test_pictures_that_are_gone_or_were_replaced(genus: Genus, own: Path, data: Path) -> None:
    """Behind the name of one lies a training picture, behind another a new one; a third is gone."""
    first, second, third, *rest = (data / member["path"] for member in members(own, "test"))
    shutil.copy(data / members(own, "train")[0]["path"], first)
    draw("rose", 400, size=80).save(second)
    third.unlink()
    result = genus("evaluate", own)
    assert result.code == 0, result.err
    assert f"on {len(rest)} pictures that took part in no decision." in result.out
    assert metrics(own)["provenance"]["sealed"] == metrics(own)["test"]["n"] == len(rest)
    changed = f"2 test pictures left out, {first} for one: its bytes are no longer those of the split."
    gone = f"1 test picture left out, {third} for one: it can no longer be read."
    for said in (changed, gone):
        assert f"Caution: {said}" in result.out
        assert said in result.err
        assert said in metrics(own)["cautions"]
        assert said in page(own)
    for path in rest:
        shutil.copy(first, path)
    result = genus("evaluate", own)
    assert result.code == 3
    assert f"Name their place: genus evaluate {own} DATA" in result.err


def test_only_what_was_tested_is_counted(genus: Genus, own: Path, data: Path) -> None:
    """Of three classes two have other names now, and some files cannot be decoded."""
    for species in ("rose", "tulip"):
        (data / species).rename(data / f"{species}s")
    daisies = {member["path"]: member for member in members(own, "train", "val", "test") if member["label"] == "daisy"}
    broken = [next(path for path in daisies if daisies[path]["part"] == part) for part in ("train", "test")]
    for path in broken:
        (data / path).write_bytes((data / path).read_bytes()[:200])
    parts = [member["part"] for path, member in daisies.items() if path not in broken]
    took_part = len(parts) - parts.count("test")
    result = genus("evaluate", own, data, "--all-pictures")
    assert result.code == 0, result.err
    assert f"on {len(parts)} pictures, {took_part} of which the model was trained on" in result.out
    found = metrics(own / "evaluate-data")
    assert found["test"]["n"] == len(parts)
    assert found["provenance"] == {
        "left_out": 0,
        "took_part": took_part,
        "sealed": parts.count("test"),
        "checked": True,
    }
    unread = "2 test pictures cannot be read and are left out"
    assert any(said.startswith(unread) for said in found["cautions"])
    assert unread in page(own / "evaluate-data")


@pytest.fixture(scope="module")
def parted(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in parts, with copies of training pictures in its validation and test parts."""
    data = tmp_path_factory.mktemp("parted") / "flowers"
    for species in SPECIES:
        for number, picture in enumerate(sorted((drawn / species).iterdir())):
            place = data / ("test" if number < 8 else "val" if number < 12 else "train") / species
            place.mkdir(parents=True, exist_ok=True)
            shutil.copy(picture, place)
        for part in ("val", "test"):
            shutil.copy(picture, data / part / species / "copy.jpg")
    return data


def test_cautions_are_about_the_numbers_beside_them(genus: Genus, parted: Path, tmp_path: Path) -> None:
    run, other = tmp_path / "run", tmp_path / "other"
    assert genus("train", parted, "--out", run, "--epochs", 2, *FAST).code == 0
    trained = metrics(run)["provenance"]
    assert (trained["left_out"], trained["sealed"]) == (3, 24)
    for species in SPECIES:
        (other / species).mkdir(parents=True)
        for number in range(300, 304):
            draw(species, number, size=80).save(other / species / f"{number}.jpg")
    for arguments, folder in (([run], run), ([run, other], run / "evaluate-other")):
        result = genus("evaluate", *arguments)
        assert result.code == 0, result.err
        assert "took part in no decision" in result.out
        for told in (result.out, page(folder), *metrics(folder)["cautions"]):
            assert "byte-identical" not in told
    assert metrics(run)["provenance"] == trained


def test_of_a_folder_in_parts_only_the_test_part_is_taken_and_that_is_said(
    genus: Genus, own: Path, parted: Path, tmp_path: Path
) -> None:
    table = tmp_path / "table.csv"
    rows = [f"{path},{path.parent.name},{path.parts[-3]}" for path in sorted(parted.rglob("*.jpg"))]
    table.write_text("\n".join(["path,label,split", *rows]))
    for data in (parted, table):
        result = genus("evaluate", own, data)
        assert f"Of {data} only its test part is taken: 27 of 96 pictures. --all-pictures takes all." in result.err
        everything = genus("evaluate", own, data, "--all-pictures")
        assert "on 96 pictures, " in everything.out
        assert "only its test part" not in everything.err


def test_groups_that_share_a_file_are_one(genus: Genus, own: Path, tmp_path: Path) -> None:
    """As in training: of three plants two share a photo, which lies apart from them once more."""
    data = tmp_path / "plants"
    data.mkdir()
    for number in range(6):
        draw("rose", 400 + number, size=80).save(data / f"{number}.jpg")
    for name in ("copy.jpg", "apart.jpg"):
        shutil.copy(data / "0.jpg", data / name)
    plants = {"0": "fern", "1": "fern", "copy": "moss", "2": "moss", "apart": "", "3": "ivy", "4": "ivy", "5": ""}
    rows = [f"{name}.jpg,rose,{plant}" for name, plant in plants.items()]
    (data / "table.csv").write_text("\n".join(["path,label,group", *rows]))
    result = genus("evaluate", own, data / "table.csv")
    assert result.code == 0, result.err
    (folder,) = own.glob("evaluate-*")
    assert (metrics(folder)["test"]["n"], metrics(folder)["test"]["groups"]) == (8, 3)
