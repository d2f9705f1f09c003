"""No number comes from pictures that a run, or one that it descends from, was trained on or decided by."""

import json
import shutil
from pathlib import Path

import pytest

from genus.bundle import load_bundle
from genus.demo import draw
from genus.types import Part
from genus.workflows.dataset import read_split
from tests.cli.conftest import FAST, SPECIES, Genus


def sides(run: Path) -> dict[str, str]:
    return {m["sha256"]: m["part"] for m in json.loads((run / "split.json").read_text())["members"]}


def provenance(run: Path, data: Path) -> dict[str, int]:
    return json.loads((run / f"evaluate-{data.name}" / "metrics.json").read_text())["provenance"]


def test_the_same_pictures_at_another_place(genus: Genus, trained: Path, drawn: Path, tmp_path: Path) -> None:
    """The whole folder moved: what was sealed is tested, the rest is known by its bytes and left out."""
    run, moved = tmp_path / "run", tmp_path / "moved"
    shutil.copytree(trained, run)
    for species in SPECIES:
        (moved / species).mkdir(parents=True)
        for number, picture in enumerate(sorted((drawn / species).iterdir())):
            shutil.copy(picture, moved / species / f"renamed-{number}.jpeg")
    sealed = list(sides(run).values()).count("test")
    result = genus("evaluate", run, moved)
    assert result.code == 0, result.err
    assert f"on {sealed} pictures that took part in no decision." in result.out
    assert f"{90 - sealed} of 90 pictures took part in the training or the decisions of this run" in result.err
    assert provenance(run, moved) == {"left_out": 90 - sealed, "took_part": 0, "sealed": sealed, "checked": True}
    before = json.loads((trained / "metrics.json").read_text())["test"]["accuracy"]["value"]
    after = json.loads((run / "evaluate-moved/metrics.json").read_text())["test"]["accuracy"]["value"]
    assert after == before

    everything = genus("evaluate", run, moved, "--all-pictures")
    assert everything.code == 0, everything.err
    assert f"on 90 pictures, {90 - sealed} of which the model was trained on or decided by." in everything.out
    page = (run / "evaluate-moved/report.html").read_text()
    assert f'<p class="sentence">Of 90 pictures, {90 - sealed} of which the model was trained on' in page
    assert "new pictures like these" not in page
    assert provenance(run, moved)["took_part"] == 90 - sealed


def test_without_split_json_the_bundle_still_knows(genus: Genus, trained: Path, drawn: Path, tmp_path: Path) -> None:
    """Also where the model alone was copied."""
    alone = tmp_path / "model"
    alone.mkdir()
    for name in ("genus.json", "model.safetensors", "index.safetensors", "evidence.safetensors"):
        shutil.copy(trained / name, alone)
    seen = tmp_path / "seen"
    for member in read_split(trained / "split.json", drawn).members(Part.TRAIN):
        (seen / member.label).mkdir(parents=True, exist_ok=True)
        shutil.copy(member.path, seen / member.label)
    result = genus("evaluate", alone, seen)
    assert result.code == 3
    assert "took part in training or decisions" in result.err
    assert "--all-pictures" in result.err


@pytest.mark.parametrize("generation", [1, 2])
def test_descendants_keep_every_picture_on_its_side(
    generation: int, genus: Genus, trained: Path, drawn: Path, tmp_path: Path
) -> None:
    """Whatever the seed, with more pictures, in the second generation after a first that had lost some."""
    parent, data = trained, drawn
    for number in range(generation):
        data = tmp_path / f"data{number}"
        shutil.copytree(drawn, data)
        for species in SPECIES:
            for extra in range(100 + 20 * number, 110 + 20 * number):
                draw(species, extra, size=80).save(data / species / f"{extra}.jpg")
            if number == 0 and generation == 2:
                for lost in sorted((data / species).iterdir())[:10]:
                    lost.unlink()
        child = tmp_path / f"child{number}"
        result = genus(
            "train", data, "--from", parent, "--out", child, "--seed", 7 + number, "--epochs", "1", *FAST[2:4]
        )
        assert result.code == 0, result.err
        parent = child
    first, last = sides(trained), sides(parent)
    assert {sha: part for sha, part in last.items() if sha in first} == {s: first[s] for s in last if s in first}
    members = load_bundle(parent).split_hashes
    assert members
    assert {members.part_of(sha) for sha, part in first.items() if part == "train"} == {Part.TRAIN}
    evaluated = genus("evaluate", parent, drawn)
    assert f"on {list(first.values()).count('test')} pictures that took part in no decision." in evaluated.out


def test_a_former_training_picture_in_a_given_test_folder_is_left_out(
    genus: Genus, trained: Path, drawn: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    trained_on = {m.path for m in read_split(trained / "split.json", drawn).members(Part.TRAIN)}
    for species in SPECIES:
        for part in ("train", "test"):
            (data / part / species).mkdir(parents=True)
        pictures = sorted((drawn / species).iterdir())
        spoilt = next(picture for picture in pictures if picture in trained_on)
        shutil.copy(spoilt, data / "test" / species)
        for extra in range(200, 206):
            draw(species, extra, size=80).save(data / "test" / species / f"{extra}.jpg")
        for picture in pictures:
            if picture != spoilt:
                shutil.copy(picture, data / "train" / species)
    result = genus("train", data, "--from", trained, "--out", tmp_path / "run", "--epochs", "1", *FAST[2:4])
    assert result.code == 0, result.err
    assert "3 pictures" in result.err
    tested = list(read_split(tmp_path / "run/split.json", data).members(Part.TEST))
    assert not {m.sha256 for m in tested} & {
        m.sha256 for m in read_split(trained / "split.json", drawn).members(Part.TRAIN)
    }
    metrics = json.loads((tmp_path / "run/metrics.json").read_text())
    assert metrics["provenance"]["left_out"] == 3


def test_the_weights_of_a_run_are_no_pretrained_weights(
    genus: Genus, trained: Path, drawn: Path, tmp_path: Path
) -> None:
    """They have seen the pictures: --from says so, --weights would not."""
    result = genus("train", drawn, "--weights", trained / "model.safetensors", "--out", tmp_path / "run", *FAST)
    assert result.code == 2
    assert f"--from {trained}" in result.err


def test_pictures_of_foreign_classes_measure_how_many_become_unknown(
    genus: Genus, trained: Path, drawn: Path, tmp_path: Path
) -> None:
    run, data = tmp_path / "run", tmp_path / "others"
    shutil.copytree(trained, run)
    (data / "aster").mkdir(parents=True)
    for number in range(12):
        draw("sunflower", number, size=80).save(data / "aster" / f"{number}.jpg")
    result = genus("evaluate", run, data)
    assert result.code == 0, result.err
    assert "12 pictures are of classes that the model does not have" in result.out
    found = json.loads((run / "evaluate-others/metrics.json").read_text())
    assert found["test"] is None
    assert found["unknown_classes"]["n"] == 12
    assert "evaluate-others: metrics.json\n" in result.out, "what was written, and no more"
    assert sorted(path.name for path in (run / "evaluate-others").iterdir()) == ["metrics.json"]


def test_copies_of_a_picture_of_a_foreign_class_are_one(genus: Genus, trained: Path, tmp_path: Path) -> None:
    """And the report says how many became unknown; a class that was renamed counts as one that the model lacks."""
    run, data = shutil.copytree(trained, tmp_path / "run"), tmp_path / "others"
    for label in ("aster", "daisy"):
        (data / label).mkdir(parents=True)
    for number in range(6):
        draw("sunflower", number, size=80).save(data / "aster" / f"{number}.jpg")
        draw("daisy", 500 + number, size=80).save(data / "daisy" / f"{number}.jpg")
    for number in range(40):
        shutil.copy(data / "aster/0.jpg", data / "aster" / f"copy{number}.jpg")
    root = Path(json.loads((trained / "genus.json").read_text())["data"]["root"])
    seen = next(m.path for m in read_split(trained / "split.json", root).members(Part.TRAIN) if m.label == "rose")
    shutil.copy(seen, data / "aster/seen.jpg")
    result = genus("evaluate", run, data, "--all-pictures")
    assert result.code == 0, result.err
    found = json.loads((run / "evaluate-others/metrics.json").read_text())
    share = found["unknown_classes"]["unknown"]
    assert (found["unknown_classes"]["n"], found["unknown_classes"]["groups"]) == (47, 7)
    assert share["high"] - share["low"] > 0.3, "seven pictures show little"
    assert found["provenance"]["took_part"] == 0, "none of those that were tested"
    page = (run / "evaluate-others/report.html").read_text()
    assert "Pictures of classes that the model does not have" in page
    assert f"47; called unknown: {100 * share['value']:.1f}" in page
