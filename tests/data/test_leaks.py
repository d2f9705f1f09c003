"""Leaks between given parts are counted and named; photos under two labels, too."""

import hashlib
import json
from pathlib import Path

from genus.data.catalog import Picture
from genus.data.groups import Link, Relation
from genus.data.inspect import Inspected
from genus.data.leaks import find_contradictions, find_leaks, label_cautions, leak_cautions
from genus.data.split import Split, split
from genus.types import Part

ROOT = Path("/data")
TRAIN, VAL, TEST = Part.TRAIN, Part.VAL, Part.TEST


def item(number: int, part: Part | None = None, group: str | None = None, label: str = "cat") -> Inspected:
    picture = Picture(ROOT / label / f"{number}.jpg", label, part, group)
    return Inspected(picture, hashlib.sha256(f"{number}".encode()).hexdigest())


def given(links: list[Link]) -> Split:
    """0 to 5 train, 6 to 8 validate, 9 to 11 test."""
    items = [item(number, TRAIN if number < 6 else VAL if number < 9 else TEST) for number in range(12)]
    return split(items, 0, links=links)


def test_each_held_out_picture_is_a_leak_once_for_the_closest_reason() -> None:
    result = given(
        [
            Link(0, 9, Relation.SERIES),
            Link(1, 9, Relation.NEAR_COPY),
            Link(6, 10, Relation.COPY),
            Link(2, 7, Relation.SERIES),
            Link(3, 4, Relation.NEAR_COPY),  # on one side
        ]
    )
    assert [member.part for member in result.pictures] == [TRAIN] * 6 + [VAL] * 3 + [TEST] * 3
    found = {leak.member.path.stem: (leak.other.path.stem, leak.relation) for leak in find_leaks(result.pictures)}
    assert found == {"9": ("1", Relation.NEAR_COPY), "10": ("6", Relation.COPY), "7": ("2", Relation.SERIES)}
    assert list(leak_cautions(result.pictures)) == [
        "1 picture of test has a copy in another part (/data/cat/10.jpg and /data/cat/6.jpg for one): the test "
        "accuracy is too high.",
        "1 picture of test has a near copy in another part (/data/cat/9.jpg and /data/cat/1.jpg for one): the test "
        "accuracy is too high.",
        "1 picture of val is of a series that another part has, too (/data/cat/7.jpg and /data/cat/2.jpg for one): of "
        "new series, fewer will be named right.",
    ]


def test_a_chain_is_no_leak_where_its_ends_have_nothing_in_common() -> None:
    """9 and 10 are one photo, and both test; 9 is of a series with 0, so 10 is kept with it, but says nothing of it."""
    result = given([Link(9, 10, Relation.NEAR_COPY), Link(0, 9, Relation.SERIES)])
    assert [leak.member.path.stem for leak in find_leaks(result.pictures)] == ["9"]


def test_groups_of_the_user_in_several_parts_are_said() -> None:
    items = [item(n, TEST if n % 5 == 0 else TRAIN, f"p{n // 10}") for n in range(40)]
    (said,) = leak_cautions(split(items, 0).pictures)
    assert said.startswith("8 pictures of test are of groups that other parts have, too ('p0' for one)")


def test_one_photo_under_two_labels() -> None:
    items = [item(0), item(1), item(0, label="dog"), item(3, label="dog"), item(4, label="fox"), item(5, label="fox")]
    links = [Link(1, 3, Relation.NEAR_COPY), Link(3, 4, Relation.NEAR_COPY), Link(0, 5, Relation.SERIES)]
    members = split(items, 0, links=links).pictures
    found = find_contradictions(members)
    assert [[member.path.stem for member in photo] for photo in found] == [["0", "0"], ["1", "3", "4"]]
    (said,) = label_cautions(members)
    assert said == ("2 photos have copies under two labels: /data/cat/0.jpg is 'cat', /data/dog/0.jpg is 'dog'.")


def test_groups_survive_the_file_and_an_earlier_split() -> None:
    """Nothing tells the second time that they belong together but the earlier split, and a copy joins them."""
    links = [Link(0, 1, Relation.NEAR_COPY), Link(2, 3, Relation.SERIES)]
    named = [*(item(number) for number in range(20)), item(20, group="plant"), item(21, group="plant")]
    before = split(named, 0, links=links)
    stored = Split.from_json(json.loads(json.dumps(before.to_json(ROOT))), ROOT)
    assert stored == Split(before.pictures, 0)
    now = split([*(item(number) for number in range(24))], 7, [stored], links=[Link(1, 22, Relation.COPY)])
    assert [member.because for member in now.pictures[2:22]] == [member.because for member in before.pictures[2:22]]
    units = [member.unit for member in now.pictures]
    assert units[0] == units[1] == units[22]
    assert units[20] == units[21] == "plant"
    assert now.pictures[22].part == before.pictures[0].part


def test_a_split_of_before_has_groups_without_reasons() -> None:
    value = split([item(n, group=f"g{n % 5}") for n in range(20)], 0).to_json(ROOT)
    for member in value["members"]:
        del member["because"]
    del value["checksum"]
    assert {dict(member.because)["group"] for member in Split.from_json(value, ROOT).pictures} == {
        f"g{n}" for n in range(5)
    }
