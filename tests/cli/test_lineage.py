"""No number comes from pictures that a run, or one that it descends from, was trained on or decided by."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from genus.bundle import load_bundle
from genus.data.catalog import Picture
from genus.data.inspect import Inspected
from genus.data.split import split
from genus.demo import draw
from genus.types import Part
from genus.workflows.dataset import read_split
from tests.cli.conftest import FAST, SPECIES, Genus, changed_split


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


@pytest.mark.parametrize("knowingly", [False, True])
def test_the_labels_of_the_test_pictures_are_those_of_the_run(
    knowingly: bool, genus: Genus, trained: Path, tmp_path: Path
) -> None:
    """Another label would be another accuracy; a label that the model has not, none at all."""
    run = shutil.copytree(trained, tmp_path / "run")
    with changed_split(run, knowingly=knowingly) as members:
        of_daisy = next(member for member in members if member["part"] == "test" and member["label"] == "daisy")
        of_daisy["label"] = "rosd" if knowingly else "rose"
    for flags in ([], ["--label-errors"]):
        result = genus("evaluate", run, *flags)
        assert result.code == 5
        assert "has no sound split.json" in result.err
        assert ("the model has no class 'rosd'" if knowingly else "The split is damaged") in result.err


def test_a_name_that_cannot_be_encoded_is_one_picture_less(genus: Genus, trained: Path, tmp_path: Path) -> None:
    """As those of split.json in a locale of less letters than where it was written; a lone surrogate fits in none."""
    run = shutil.copytree(trained, tmp_path / "run")
    with changed_split(run) as members:
        member = next(member for member in members if member["part"] == "test")
        member["path"] = f"{member['label']}/\ud800.jpg"
    result = genus("evaluate", run)
    assert result.code == 0, result.err
    assert "1 test picture left out" in result.out


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
    assert genus("evaluate", tmp_path / "run").code == 0
    assert json.loads((tmp_path / "run/metrics.json").read_text())["provenance"] == metrics["provenance"]
    everything = genus("evaluate", tmp_path / "run", "--all-pictures")
    assert f"on {len(tested) + 3} pictures, 3 of which the model was trained on or decided by." in everything.out


def test_the_weights_of_a_run_are_no_pretrained_weights(
    genus: Genus, trained: Path, drawn: Path, tmp_path: Path
) -> None:
    """They have seen the pictures: --from says so, --weights would not."""
    result = genus("train", drawn, "--weights", trained / "model.safetensors", "--out", tmp_path / "run", *FAST)
    assert result.code == 2
    assert f"--from {trained}" in result.err
    copy = shutil.copy(trained / "model.safetensors", tmp_path / "copy.safetensors")
    result = genus("train", drawn, "--weights", copy, "--out", tmp_path / "run", *FAST)
    assert result.code == 5
    assert "comes from a run of genus, but lies outside of its folder" in result.err
    assert not (tmp_path / "run").exists()


@pytest.fixture
def interrupted(trained: Path, drawn: Path, tmp_path: Path) -> Path:
    """A run that went on from ``trained`` with pictures of its own, as it lies there after a power cut."""
    run, data = tmp_path / "interrupted", tmp_path / "more"
    for species in SPECIES:
        (data / species).mkdir(parents=True)
        for number in range(300, 310):
            draw(species, number, size=80).save(data / species / f"{number}.jpg")
    run.mkdir()
    shutil.copy(trained / "model.safetensors", run / "best.safetensors")
    (run / "config.toml").write_text(f'data = "{data}"\nfrom = "{trained}"\n')
    inspected = [
        Inspected(Picture(path, path.parent.name), hashlib.sha256(path.read_bytes()).hexdigest())
        for path in sorted(data.rglob("*.jpg"))
    ]
    (run / "split.json").write_text(json.dumps(split(inspected, 5).to_json(data)))
    return run


def test_weights_of_an_interrupted_run_bring_all_that_they_have_learnt_from(
    genus: Genus, trained: Path, drawn: Path, interrupted: Path, tmp_path: Path
) -> None:
    data, out = shutil.copytree(drawn, tmp_path / "data"), tmp_path / "run"
    shutil.copytree(tmp_path / "more", data, dirs_exist_ok=True)
    start = ["train", data, "--weights", interrupted / "best.safetensors", *FAST, "--seed", 9]
    result = genus(*start, "--out", out, "--epochs", "1")
    assert result.code == 0, result.err
    learnt = sides(trained) | sides(interrupted)
    assert sides(out) == learnt
    assert "each named by a head that has not seen it" not in result.err  # their features have
    assert "may have seen them" in genus(*start, "--cv", 3).err

    (interrupted / "split.json").unlink()
    result = genus(*start, "--out", tmp_path / "other")
    assert result.code == 5
    assert "which pictures it was trained on is not known" in result.err


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
