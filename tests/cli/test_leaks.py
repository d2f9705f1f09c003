"""What belongs together stays on one side; what a given split tears apart is told, and counted."""

import csv
import io
import json
import shutil
from pathlib import Path

from PIL import Image, ImageOps

from genus.demo import draw
from tests.cli.conftest import FAST, SPECIES, Genus, members

HEAD = ["--head", "linear", *FAST]


def altered(picture: Path, copy: Path) -> Path:
    """The same photo, smaller, in a mirror, and saved once more."""
    with Image.open(picture) as image:
        ImageOps.mirror(image).resize((120, 120)).save(copy, quality=70)
    return copy


def given(drawn: Path, folder: Path) -> Path:
    """20 drawings of each species train, 10 test; of these, two are in train once more, one of them altered and one
    with its pixels in another file."""
    for species in SPECIES:
        for number, picture in enumerate(sorted((drawn / species).iterdir())):
            target = folder / ("train" if number < 20 else "test") / species / picture.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(picture, target)
    altered(folder / "test" / "rose" / "25.jpg", folder / "train" / "rose" / "again.jpg")
    with Image.open(folder / "test" / "tulip" / "27.jpg") as image:
        image.save(folder / "train" / "tulip" / "again.png")
    return folder


def test_leaks_of_a_given_split_are_named_and_the_accuracy_is_told_without_them(
    genus: Genus, drawn: Path, tmp_path: Path
) -> None:
    data, run = given(drawn, tmp_path / "data"), tmp_path / "run"
    done = genus("train", data, "--out", run, *HEAD)
    assert done.code == 0
    assert "Caution: 1 of 30 pictures of test have a near copy in train" in done.err
    assert "1 picture of test has a near copy in another part" in done.out
    metrics = json.loads((run / "metrics.json").read_text())
    told = metrics["without_leaks"]
    assert (metrics["test"]["n"], told["leaked"], told["n"]) == (30, 2, 28)
    assert 0 < told["accuracy"]["value"] <= 1
    (sentence,) = [caution for caution in metrics["cautions"] if "without" in caution.lower()]
    assert f"on {told['n']} pictures" in sentence
    assert sentence.split(",")[0] in (run / "report.html").read_text()
    found = {one["kind"]: one["members"] for one in json.loads((run / "check.json").read_text())["findings"]}
    assert [[one["path"] for one in pair] for pair in found["test near copy"]] == [
        ["test/rose/25.jpg", "train/rose/again.jpg"]
    ]
    assert [[one["path"] for one in pair] for pair in found["test copy"]] == [
        ["test/tulip/27.jpg", "train/tulip/again.png"]
    ]
    assert genus("evaluate", run).code == 0
    assert json.loads((run / "metrics.json").read_text())["without_leaks"] == told


def test_a_plan_is_a_table_and_nothing_is_done(genus: Genus, drawn: Path, tmp_path: Path) -> None:
    data = given(drawn, tmp_path / "data")
    altered(data / "train" / "daisy" / "03.jpg", data / "train" / "daisy" / "larger.jpg")
    altered(data / "train" / "rose" / "04.jpg", data / "train" / "tulip" / "wrong.jpg")
    (data / "train" / "tulip" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    files = sorted(data.rglob("*"))
    done = genus("check", data, "--plan", "-")
    assert done.code == 6, done.err
    rows = [tuple(row.values()) for row in csv.DictReader(io.StringIO(done.out))]

    def row(action: str, path: str, label: str, because: str, see: str) -> tuple[str, ...]:
        return action, str(data / path), label, because, str(data / see) if see else ""

    assert sorted(rows) == [
        row("decide", "train/rose/04.jpg", "rose", "contradiction", "train/tulip/wrong.jpg"),
        row("decide", "train/tulip/wrong.jpg", "tulip", "contradiction", "train/rose/04.jpg"),
        row("remove", "train/daisy/03.jpg", "", "near copy", "train/daisy/larger.jpg"),
        row("remove", "train/rose/again.jpg", "", "test near copy", "test/rose/25.jpg"),
        row("remove", "train/tulip/again.png", "", "test copy", "test/tulip/27.jpg"),
        row("remove", "train/tulip/broken.jpg", "", "unreadable", ""),
    ]
    assert sorted(data.rglob("*")) == files


def test_strict_stops_before_training(genus: Genus, drawn: Path, tmp_path: Path) -> None:
    data, run = given(drawn, tmp_path / "data"), tmp_path / "run"
    done = genus("train", data, "--out", run, "--strict", *HEAD)
    assert done.code == 3
    assert "near copy in train" in done.err
    assert not (run / "genus.json").exists()
    assert genus("train", drawn, "--out", tmp_path / "clean", "--strict", *HEAD).code == 0


def test_what_belongs_together_stays_together_for_ever(genus: Genus, tmp_path: Path) -> None:
    """Copies of every fifth drawing; later, with the earlier split, turned ones, too."""
    data = tmp_path / "data"
    for species in SPECIES:
        (data / species).mkdir(parents=True)
        for number in range(20):
            draw(species, number, size=160).save(data / species / f"{number}.jpg")
    originals = [data / species / f"{number}.jpg" for species in SPECIES for number in (3, 8, 13)]
    for original in originals:
        altered(original, original.with_name(f"copy-of-{original.name}"))

    def sides(run: Path) -> dict[str, dict[str, str]]:
        return {member["path"]: member for member in members(run, "train", "val", "test")}

    def of(run: Path, kind: str) -> list[tuple[dict[str, str], dict[str, str]]]:
        found = sides(run)
        paths = [path.relative_to(data) for path in originals]
        return [(found[path.as_posix()], found[path.with_name(f"{kind}-{path.name}").as_posix()]) for path in paths]

    assert genus("train", data, "--out", tmp_path / "one", *HEAD).code == 0
    for one, other in of(tmp_path / "one", "copy-of"):
        assert one["part"] == other["part"]
        assert one["because"]["near copy"] == other["because"]["near copy"]  # type: ignore[index]
    for original in originals:
        with Image.open(original) as image:
            image.rotate(4, Image.Resampling.BICUBIC).save(original.with_name(f"turned-{original.name}"))
    earlier = ["--split", tmp_path / "one" / "split.json", "--seed", 5]
    assert genus("train", data, "--out", tmp_path / "two", *earlier, *HEAD).code == 0
    before, after = sides(tmp_path / "one"), sides(tmp_path / "two")
    assert {path: after[path]["part"] for path in before} == {path: one["part"] for path, one in before.items()}
    assert all(one["part"] == other["part"] for one, other in of(tmp_path / "two", "turned"))


def test_groups_by_a_pattern(genus: Genus, drawn: Path, tmp_path: Path) -> None:
    """Three drawings in a row are of one plant."""
    data = tmp_path / "data"
    for species in SPECIES:
        (data / species).mkdir(parents=True)
        for number, picture in enumerate(sorted((drawn / species).iterdir())):
            shutil.copy(picture, data / species / f"plant{number // 3}-{number % 3}.jpg")
    run = tmp_path / "run"
    assert genus("train", data, "--out", run, "--group", r"(?P<group>\w+/plant\d+)-", *HEAD).code == 0
    parts: dict[str, set[str]] = {}
    for member in members(run, "train", "val", "test"):
        assert member["group"] == member["path"].rpartition("-")[0]
        parts.setdefault(member["group"], set()).add(member["part"])
    assert len(parts) == 30
    assert all(len(sides) == 1 for sides in parts.values())
    assert json.loads((run / "metrics.json").read_text())["test"]["groups"] < 15
    missed = genus("check", data, "--group", "patient(.*)")
    assert missed.code == 2
    assert missed.err.count(".jpg'") == 5
    broken = genus("train", data, "--group", "(")
    assert (broken.code, "no regular expression" in broken.err) == (2, True)


def test_a_careless_split_claims_more(genus: Genus, drawn: Path, tmp_path: Path) -> None:
    """Every drawing eight times, a little darker each time: who tears them apart tests on what was learnt."""
    data = tmp_path / "data"
    for species in SPECIES:
        (data / species).mkdir(parents=True)
        for picture in sorted((drawn / species).iterdir())[:10]:
            with Image.open(picture) as image:
                for step in range(8):
                    image.point(lambda value, step=step: value * (1 - 0.03 * step)).save(
                        data / species / f"{picture.stem}x{step}.jpg", quality=90 - step
                    )
    run = tmp_path / "run"
    done = genus("train", data, "--out", run, *HEAD)
    assert done.code == 0
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["test"]["groups"] <= 6
    assert metrics["careless_split"]["value"] > metrics["test"]["accuracy"]["value"]
    assert "A random split that tears them apart would have claimed" in done.err
    assert "tears apart what belongs together" in (run / "report.html").read_text()
