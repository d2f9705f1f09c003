"""Odd pictures are told by what is usual in their folder; elongated ones by what a central square leaves of them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genus.data.catalog import Catalog, Picture
from genus.data.checks.finding import Examined, Finding
from genus.data.checks.pictures import cut_off, pictures
from genus.data.facts import FACTS
from genus.data.inspect import Inspected, Inspection
from genus.types import FitName, Preprocess


def examined(count: int = 60, fit: FitName = "crop", **changed: tuple[Any, Any]) -> Examined:
    """``count`` ordinary photos, a third of them of class dog; ``changed``: a name of the facts -> which places, and
    the value there."""
    rng = np.random.default_rng(0)
    facts = np.zeros(count, FACTS)
    facts["width"], facts["height"], facts["bits"], facts["frames"], facts["orientation"] = 640, 480, 8, 1, 1
    for name, low, high in (("contrast", 0.1, 0.3), ("brightness", 0.3, 0.7), ("sharpness", 0.2, 0.5)):
        facts[name] = rng.uniform(low, high, count)
    for name, (places, value) in changed.items():
        facts[name][places] = value
    found = [Picture(Path(f"{n}.jpg"), "dog" if n % 3 == 0 else "cat") for n in range(count)]
    good = tuple(Inspected(picture, f"{n:064x}") for n, picture in enumerate(found))
    catalog = Catalog(Path(), ("cat", "dog"), tuple(found))
    return Examined(catalog, Inspection(good, (), facts), (), (), Preprocess(224, fit=fit))


def told(data: Examined) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for finding in pictures(data):
        found[finding.kind] = [int(path.stem) for (path,) in finding.members]
    return found


def test_of_ordinary_photos_nothing_is_said() -> None:
    assert told(examined()) == {}
    assert not list(cut_off(examined()))


@pytest.mark.parametrize(
    ("name", "value", "kinds"),
    [
        ("contrast", 0.0, ["blank"]),
        ("width", 12, ["tiny"]),
        ("height", 100, ["small"]),
        ("brightness", 0.999, []),  # within three times the quartiles' distance of an even spread
        ("sharpness", 0.001, ["blurred"]),
        ("orientation", 6, ["turned"]),
        ("alpha", True, ["transparent"]),
        ("bits", 16, ["deep"]),
        ("colour", b"CMYK", ["cmyk"]),
        ("frames", 2, ["frames"]),
        ("height", 100_000, ["huge"]),
    ],
)
def test_each_kind_names_its_pictures(name: str, value: object, kinds: list[str]) -> None:
    assert told(examined(**{name: ([7, 31], value)})) == {kind: [7, 31] for kind in kinds}


def test_dark_and_bright_are_what_is_far_from_the_others_here() -> None:
    """Not one threshold for every folder: of pictures of the night, none is dark."""
    rng = np.random.default_rng(1)
    evening = rng.normal(0.5, 0.01, 60)
    for level, kind in ((0.2, "dark"), (0.8, "bright")):
        data = examined(brightness=(slice(None), evening))
        data.inspection.facts["brightness"][9] = level
        assert told(data) == {kind: [9]}
    assert told(examined(brightness=(slice(None), rng.normal(0.05, 0.01, 60)))) == {}
    assert told(examined(count=10, brightness=([3], 0.999))) == {}  # too few to know what is usual


def test_a_blank_picture_is_not_dark_or_blurred_besides() -> None:
    assert told(examined(contrast=([3], 0.0), brightness=([3], 0.0), sharpness=([3], 0.0))) == {"blank": [3]}


def cut(data: Examined) -> Finding:
    (finding,) = cut_off(data)
    return finding


def test_elongated_pictures_are_told_with_what_is_left_of_them() -> None:
    dogs = examined(width=(slice(0, None, 3), 1200), height=(slice(0, None, 3), 300))
    finding = cut(dogs)
    assert (finding.severity, len(finding.members)) == ("warning", 20)
    assert "20 of 60 pictures are at least twice as long as wide" in finding.sentence
    assert "25 % of such a picture" in finding.sentence
    assert "--fit pad" in finding.advice
    assert cut(examined(count=200, width=([1], 200))).severity == "note"
    assert not list(cut_off(replace(dogs, preprocess=Preprocess(224, fit="pad"))))


@given(st.lists(st.tuples(st.integers(1, 5000), st.integers(1, 5000)), max_size=8))
def test_any_sizes_are_taken(sizes: list[tuple[int, int]]) -> None:
    data = examined(count=len(sizes))
    for place, size in enumerate(sizes):
        data.inspection.facts["width"][place], data.inspection.facts["height"][place] = size
    found = {path for finding in cut_off(data) for (path,) in finding.members}
    assert found == {Path(f"{n}.jpg") for n, size in enumerate(sizes) if max(size) >= 2 * min(size)}
    assert {*told(data)} <= {"tiny", "small"}
