"""What tells a class without a look at the object is named, and nothing is said where there is no such thing."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from genus.data.catalog import Catalog, Picture
from genus.data.checks.finding import Examined, Finding
from genus.data.checks.shortcuts import FEWEST, _area, _interval, shortcuts
from genus.data.facts import FACTS, Facts
from genus.data.folder import scan
from genus.data.inspect import FactsOnly, Inspected, Inspection, inspect
from genus.data.split import Member, split
from genus.features.memory import open_memory
from genus.types import Part, Preprocess, ignore_events

SEEDS = range(20)
PREPROCESS = Preprocess(32)
Plant = Callable[[Facts, np.random.Generator], None]


def photos(count: int, rng: np.random.Generator) -> Facts:
    """Facts such as photos from the web have, of all sorts: nothing depends on what they show."""
    facts = np.zeros(count, FACTS)
    upright = rng.random(count) < 0.3
    sides = rng.choice([(640, 480), (500, 375), (500, 333), (1024, 768), (800, 600)], count)
    sides += rng.integers(0, 40, (count, 2)) * (rng.random((count, 1)) < 0.3)
    facts["width"], facts["height"] = np.where(upright, sides.T[::-1], sides.T)
    png = rng.random(count) < 0.05
    facts["format"], facts["bits"], facts["colour"] = np.where(png, b"PNG", b"JPEG"), 8, b"RGB"
    facts["alpha"], facts["frames"], facts["orientation"] = png & (rng.random(count) < 0.5), 1, 1
    facts["quality"] = np.where(png, 0, rng.choice([75, 80, 85, 90, 92, 95, 96], count))
    facts["camera"] = np.where(rng.random(count) < 0.4, [b"Maker %d" % n for n in rng.integers(0, 40, count)], b"")
    days = rng.integers(14_000, 18_000, count).astype("M8[D]")
    facts["taken"] = np.where(facts["camera"] != b"", days, np.datetime64("NaT"))
    facts["mean"], facts["deviation"] = rng.beta(4, 4, (count, 3)), rng.beta(3, 9, (count, 3))
    for name in ("saturation", "brightness", "contrast", "sharpness"):
        facts[name] = rng.beta(3, 4, count)
    facts["margins"] = rng.beta(1, 5, (count, 4)) * (rng.random((count, 4)) < 0.1)
    facts["bytes"] = facts["width"] * facts["height"] * rng.uniform(0.1, 0.5, count)
    return facts


def examined(facts: Facts, labels: Sequence[str], groups: Sequence[str | None] | None = None) -> Examined:
    """The paths are label/number.jpg."""
    pictures = tuple(Picture(Path(label, f"{number}.jpg"), label) for number, label in enumerate(labels))
    good = tuple(Inspected(picture, f"{number:064x}") for number, picture in enumerate(pictures))
    members = tuple(
        Member(one.picture.path, one.picture.label, one.sha256, Part.TRAIN, group)
        for one, group in zip(good, groups or [None] * len(good), strict=True)
    )
    return Examined(
        Catalog(Path(), tuple(sorted({*labels})), pictures), Inspection(good, (), facts), (), members, PREPROCESS
    )


def found(
    plant: Plant, seed: int = 0, classes: int = 5, each: int = 40, groups: Sequence[str | None] | None = None
) -> list[Finding]:
    """What is said when something is planted in the first class, c0."""
    rng = np.random.default_rng(seed)
    facts, labels = photos(classes * each, rng), [f"c{number}" for number in range(classes) for _ in range(each)]
    own = facts[:each]
    plant(own, rng)
    return list(shortcuts(examined(facts, labels, groups)))


def nothing(own: Facts, rng: np.random.Generator) -> None:
    pass


def quality(own: Facts, rng: np.random.Generator) -> None:
    own["format"], own["quality"] = b"JPEG", 88


def camera(own: Facts, rng: np.random.Generator) -> None:
    own["camera"] = b"Maker 17"


def border(own: Facts, rng: np.random.Generator) -> None:
    own["margins"] = rng.normal(0.06, 0.01, own["margins"].shape).clip(0.02)


def size(own: Facts, rng: np.random.Generator) -> None:
    own["width"], own["height"] = 720, 480


def file_type(own: Facts, rng: np.random.Generator) -> None:
    own["format"], own["quality"] = b"PNG", 0


def days(own: Facts, rng: np.random.Generator) -> None:
    own["taken"] = np.datetime64("2016-04-01") + rng.integers(0, 2, len(own))


def saturation(own: Facts, rng: np.random.Generator) -> None:
    own["saturation"] = rng.beta(8, 2, len(own))


PLANTED = {
    quality: "JPEG quality 88 in 100 %",
    camera: "camera Maker 17 in 100 %",
    border: "a border of ",
    size: "width 720 in 100 %",
    file_type: "format PNG in 100 %",
    days: "date 2016-04-01 to 2016-04-02 in 100 %",
}


@pytest.mark.parametrize("plant", PLANTED)
def test_planted_shortcuts_are_found_and_named(plant: Plant) -> None:
    named = 0
    for seed in SEEDS:
        for finding in found(plant, seed):
            opening = "'c0' can be told from the other classes without looking at the object, by its files alone: "
            named += finding.severity == "serious" and finding.sentence.startswith(opening + PLANTED[plant])
    assert named >= 19


def test_of_pictures_like_each_other_nothing_is_said() -> None:
    assert sum(bool(found(nothing, seed)) for seed in SEEDS) <= 1


def test_colours_raise_no_alarm() -> None:
    for seed in SEEDS:
        (finding,) = found(saturation, seed, each=100)
        assert (finding.kind, finding.severity, finding.advice) == ("plain numbers", "note", "")
        assert "tell 'c0' best" in finding.sentence
        assert finding.sentence.split(": ")[1].startswith("saturation ")


@pytest.mark.parametrize("plant", [quality, camera, border, size])
def test_one_class_of_a_hundred(plant: Plant) -> None:
    (finding,) = found(plant, classes=100, each=30)
    assert finding.sentence.startswith("'c0' can be told")
    assert "So can" not in finding.sentence
    assert not found(nothing, classes=100, each=30)


def test_a_value_between_frequent_ones_is_told_from_these() -> None:
    facts, labels = photos(1000, np.random.default_rng(0)), [f"c{number // 20}" for number in range(1000)]
    facts["quality"], facts["quality"][:20] = np.resize([80, 90, 90], 1000), 85
    (finding,) = shortcuts(examined(facts, labels))
    assert "by its files alone: JPEG quality 85 in 100 % of its pictures and 0 % of the others" in finding.sentence


def test_what_is_unknown_is_a_cause_too() -> None:
    rng = np.random.default_rng(0)
    facts = photos(200, rng)
    facts["quality"], facts["camera"], facts["taken"] = 90, b"Phone", rng.integers(14_000, 18_000, 200).astype("M8[D]")
    facts["quality"][:45], facts["camera"][:40], facts["taken"][:50] = 0, b"", np.datetime64("NaT")
    (finding,) = shortcuts(examined(facts, ["scan"] * 40 + ["photo"] * 80 + ["drawing"] * 80))
    assert "JPEG quality unknown in 100 % of its pictures and 3 % of the others" in finding.sentence
    assert "camera unknown in 100 % of its pictures and 0 % of the others" in finding.sentence
    assert "date unknown in 100 % of its pictures and 6 % of the others" in finding.sentence


def test_all_classes_that_are_told_are_named() -> None:
    rng = np.random.default_rng(0)
    facts, labels = photos(500, rng), [f"c{number // 100}" for number in range(500)]
    facts["camera"][110:200], facts["camera"][300:400] = b"New 1", b"New 3"
    (finding,) = shortcuts(examined(facts, labels))
    assert finding.sentence.startswith("'c3' can be told")
    assert finding.sentence.endswith(" So can 'c1'.")
    (of_two,) = found(camera, classes=2)
    assert of_two.sentence.startswith("'c0' can")
    assert "So can" not in of_two.sentence


def test_examples_are_of_the_class_and_of_another() -> None:
    rng = np.random.default_rng(0)
    facts, labels = photos(90, rng), ["rose", "tulip", "daisy"] * 30
    facts["format"], facts["quality"], facts["quality"][1::3] = b"JPEG", 90, [90, 50, *np.repeat([40, 41], 14)]
    facts["quality"][0] = 41
    (finding,) = shortcuts(examined(facts, labels))
    told = "JPEG quality 40 to 50 in 97 % of its pictures and 2 % of the others (tulip/4.jpg for one)"
    assert f"by its files alone: {told}. Of one of its pictures" in finding.sentence, "no other cause is as good"
    assert finding.members == ((Path("tulip/4.jpg"), Path("daisy/2.jpg")),)


def test_pictures_of_a_group_prove_as_much_as_one() -> None:
    """Ten patients a class, each with a camera and a day of their own, which tell nothing of a new patient."""
    rng = np.random.default_rng(0)
    facts, patients = photos(500, rng), [number // 10 for number in range(500)]
    facts["camera"], facts["taken"] = [b"P%d" % one for one in patients], np.array(patients).astype("M8[D]")
    facts["width"], facts["height"] = 500 + rng.permutation(50)[patients], 400
    labels = rng.permutation(np.repeat([f"c{number}" for number in range(5)], 10))[patients].tolist()
    assert [finding.kind for finding in shortcuts(examined(facts, labels))] == ["shortcut"]
    assert not list(shortcuts(examined(facts, labels, [f"p{one}" for one in patients])))


def test_a_group_of_several_classes_stands_for_each() -> None:
    places = [f"place {number % 20}" for number in range(5 * 40)]
    assert found(camera, groups=places)[0].sentence.startswith("'c0' can")


@pytest.mark.parametrize("plant", PLANTED)
def test_few_pictures_prove_nothing(plant: Plant) -> None:
    assert not found(plant, each=FEWEST - 1)
    assert not found(plant, each=50, groups=[f"{number // 6}" for number in range(250)])


def test_ten_pictures_may_prove_something() -> None:
    assert [finding.kind for finding in found(camera, each=FEWEST)] == ["shortcut"]


def test_where_there_is_nothing_to_tell() -> None:
    assert not list(shortcuts(examined(np.zeros(0, FACTS), [])))
    assert not list(shortcuts(examined(photos(100, np.random.default_rng(0)), ["one"] * 100)))
    same = np.repeat(photos(1, np.random.default_rng(0)), 100)
    assert not list(shortcuts(examined(same, ["one", "other"] * 50)))
    same["taken"], same["camera"] = np.datetime64("NaT"), b""
    assert not list(shortcuts(examined(same, ["one", "other"] * 50)))


SHARES = st.floats(0, 1, width=32)
SIDES = st.integers(1, 2**32 - 1)
RECORDS = st.fixed_dictionaries(
    {
        "bytes": st.integers(1, 2**40),
        "format": st.sampled_from([b"JPEG", b"PNG"]),
        "width": SIDES | st.just(227),
        "height": SIDES | st.just(227),
        "alpha": st.booleans(),
        "frames": st.integers(1, 2**32 - 1),
        "quality": st.integers(0, 100),
        "camera": st.binary(max_size=64) | st.sampled_from([b"", b"Nikon"]),
        "taken": st.just("NaT") | st.integers(-(10**11), 10**11),
        "mean": st.tuples(SHARES, SHARES, SHARES),
        "sharpness": SHARES,
        "margins": st.tuples(SHARES, SHARES, SHARES, SHARES),
    }
)


@given(st.lists(RECORDS, min_size=1, max_size=6), st.integers(1, 3), st.integers(0, 1000))
def test_whatever_the_facts_are(records: list[dict[str, object]], classes: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    chosen, facts = rng.integers(len(records), size=60), np.zeros(60, FACTS)
    for name in records[0]:
        facts[name] = np.array([record[name] for record in records], FACTS[name])[chosen]
    numbers = np.where(rng.random(60) < 0.2, rng.integers(classes, size=60), chosen % classes)
    labels = [f"c{number}" for number in numbers]
    groups = [f"{number}" for number in rng.integers(80, size=60)]
    for finding in shortcuts(examined(facts, labels, groups)):
        for example, other in finding.members:
            assert f"({example} for one)" in finding.sentence
            assert example.parent != other.parent


@given(st.lists(st.integers(0, 9), min_size=1), st.lists(st.integers(0, 9), min_size=1))
def test_the_area_counts_pairs(scores: list[int], others: list[int]) -> None:
    pairs = [(one > other) + (one == other) / 2 for one in scores for other in others]
    assert _area(np.array(scores), np.array(others)) == pytest.approx(np.mean(pairs))


def test_the_interval_is_of_95_percent() -> None:
    """For exponential scores, of which the variance by Hanley and McNeil is that of the area."""
    rng = np.random.default_rng(0)
    for ours, others, area in ((10, 200, 0.9), (40, 40, 0.75), (15, 100, 0.98)):
        covered = 0
        for _ in range(1000):
            found = _area(rng.exponential(area / (1 - area), ours), rng.exponential(1, others))
            lower, upper = _interval(found, ours, others)
            covered += lower <= area <= upper
        assert 0.93 < covered / 1000 < 0.98
    assert _interval(1.0, 10, 1000)[0] < 0.86, "ten that are all right do not prove all"


def save(image: Image.Image, path: Path, plant: Plant, rng: np.random.Generator) -> None:
    """A JPEG of the same size, with what is planted."""
    exif = image.getexif()
    exif[271], exif[272] = ("Canon", "EOS 550D") if plant is camera else ("Nikon", f"D{rng.integers(4)}")
    if plant is border:
        image = ImageOps.expand(image.crop((4, 4, image.width - 4, image.height - 4)), 4, "white")
    image.save(path, quality=60 if plant is quality else int(rng.choice([80, 85, 90])), exif=exif)


@pytest.mark.parametrize(
    ("plant", "cause"),
    [
        (quality, ": JPEG quality 60 in 100 % of its pictures and 0 % of the others ("),
        (border, ": a border of "),
        (camera, ": camera Canon EOS 550D in 100 % of its pictures and 0 % of the others ("),
        (nothing, ""),
    ],
)
def test_files(plant: Plant, cause: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for label in ("rose", "tulip", "daisy"):
        (tmp_path / label).mkdir()
        for number in range(15):
            noise = Image.fromarray(rng.integers(0, 256, (6, 8, 3), np.uint8))
            save(
                noise.resize((80, 60), Image.Resampling.BICUBIC),
                tmp_path / label / f"{number}.jpg",
                plant if label == "tulip" else nothing,
                rng,
            )
    catalog = scan(tmp_path)
    with open_memory(PREPROCESS) as memory:
        inspection = inspect(catalog, PREPROCESS, 1, ignore_events, memory, FactsOnly())
    members = split(inspection.good, seed=0).pictures
    told = [finding.sentence for finding in shortcuts(Examined(catalog, inspection, (), members, PREPROCESS))]
    assert len(told) == bool(cause)
    assert all(one.startswith("'tulip' can be told") and cause in one for one in told)
