"""Bursts and videos are series; numbered pictures that have nothing else in common are none."""

from pathlib import Path

import numpy as np
import pytest

from genus.data.catalog import Picture
from genus.data.checks.series import series_links
from genus.data.facts import FACTS, Facts
from genus.data.groups import Relation, connected

RNG = np.random.default_rng


def scenes(count: int, each: int, change: float = 12, seed: int = 0) -> Facts:
    """``each`` looks at each of ``count`` scenes."""
    rng = RNG(seed)
    facts = np.zeros(count * each, FACTS)
    scene = np.repeat(rng.uniform(30, 220, (count, 8, 8, 3)), each, axis=0)
    facts["thumbnail"] = (scene + rng.normal(0, change, scene.shape)).clip(0, 255)
    facts["taken"] = "NaT"
    return facts


def named(names: list[str], label: str = "cat") -> list[Picture]:
    return [Picture(Path(label, f"{name}.jpg"), label) for name in names]


def found(pictures: list[Picture], facts: Facts) -> list[tuple[int, ...]]:
    links = series_links(pictures, facts)
    assert all(link.relation == Relation.SERIES and link.first < link.second for link in links)
    return connected((link.first, link.second) for link in links)


@pytest.mark.parametrize("step", [1, 10])
@pytest.mark.parametrize("pattern", ["frame_{:05d}", "{}", "IMG{}_n", "a-{}-b"])
def test_frames_of_several_videos_that_are_counted_through(pattern: str, step: int) -> None:
    pictures = named([pattern.format(step * number) for number in range(120)])
    assert found(pictures, scenes(10, 12)) == [tuple(range(start, start + 12)) for start in range(0, 120, 12)]


def test_the_order_and_gaps_of_the_files_do_not_matter() -> None:
    numbers = [n for n in range(120) if n % 12 != 5]
    order = RNG(1).permutation(len(numbers))
    facts = scenes(10, 12)[numbers][order]
    groups = found(named([f"{numbers[place]}" for place in order]), facts)
    assert {frozenset(numbers[order[place]] for place in group) for group in groups} == {
        frozenset(n for n in range(start, start + 12) if n % 12 != 5) for start in range(0, 120, 12)
    }


def test_numbered_pictures_that_look_like_any_other_of_their_class_are_none() -> None:
    """Of parts on a conveyor belt all look alike; of photos, none do."""
    pictures = named([f"{number}" for number in range(500)])
    for facts in (scenes(1, 500), scenes(500, 1)):
        assert len(series_links(pictures, facts)) <= 15  # one in a hundred is taken for unusual


def test_the_ids_of_a_web_site_are_no_numbering() -> None:
    ids = np.sort(RNG(0).choice(10**10, 100, replace=False))
    assert not series_links(named([f"{number}_n" for number in ids]), scenes(50, 2))


def test_a_burst_by_camera_and_time() -> None:
    facts = scenes(30, 3)
    facts["camera"] = b"Ka mera"
    facts["taken"] = np.datetime64("2024-01-01T12:00:00") + np.repeat(np.arange(30) * 3600, 3) + np.tile([0, 1, 9], 30)
    pictures = named([f"photo{'x' * number}" for number in range(90)])
    assert found(pictures, facts) == [(start, start + 1, start + 2) for start in range(0, 90, 3)]
    facts["camera"][1::3] = b"another"
    assert found(pictures, facts) == [(start, start + 2) for start in range(0, 90, 3)]
    facts["taken"] = "NaT"
    assert not series_links(pictures, facts)


def test_another_folder_or_another_scene_ends_a_series() -> None:
    pictures = [*named([f"{n}" for n in range(1, 46)]), *named([f"{n}" for n in range(46, 91)], "dog")]
    groups = found(pictures, scenes(9, 10))
    assert [len(group) for group in groups] == [10, 10, 10, 10, 5, 5, 10, 10, 10, 10]


def test_a_small_class_is_no_series_however_alike_its_pictures() -> None:
    """Twenty numbered photos of one kind of screw on a white ground look alike; they were not taken at one go."""
    assert not series_links(named([f"{n}" for n in range(20)]), scenes(1, 20))


def test_even_pictures_and_none() -> None:
    assert series_links([], np.zeros(0, FACTS)) == []
    assert series_links(named([f"{n}" for n in range(9)]), np.zeros(9, FACTS)) == []
