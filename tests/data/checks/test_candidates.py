"""Candidates are what a comparison of all with all would give."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from genus.data.checks import candidates
from genus.data.checks.candidates import (
    HASH_RADIUS,
    NEAREST,
    mirrored,
    pairs_by_features,
    pairs_by_hash,
)
from genus.data.facts import difference_hash

HASHES = st.integers(0, 2**64 - 1)


@st.composite
def near_hashes(draw: st.DrawFn) -> np.ndarray:
    """Some hashes, and others that differ from one of them in a few bits, or from it in a mirror."""
    hashes = draw(st.lists(HASHES, min_size=1, max_size=12))
    for _ in range(draw(st.integers(0, 12))):
        other = np.array([draw(st.sampled_from(hashes))], np.uint64)
        flips = draw(st.lists(st.integers(0, 63), max_size=9, unique=True))
        hashes.append(int((mirrored(other) if draw(st.booleans()) else other)[0]) ^ sum(1 << bit for bit in flips))
    return np.array(hashes, np.uint64)


@given(near_hashes())
def test_pairs_by_hash_are_all_within_the_radius(hashes: np.ndarray) -> None:
    first = {value: number for number, value in reversed(list(enumerate(hashes.tolist())))}
    expected = {(first[value], number) for number, value in enumerate(hashes.tolist()) if first[value] != number}
    for i in first.values():
        for j in first.values():
            if i < j:
                differences = [
                    np.bitwise_count(hashes[i] ^ other) for other in (hashes[j], mirrored(hashes[j : j + 1])[0])
                ]
                if min(differences) <= HASH_RADIUS:
                    expected.add((i, j))
    found = pairs_by_hash(hashes)
    assert len(found) == len(expected)
    assert set(map(tuple, found.tolist())) == expected


@pytest.mark.parametrize("bit", range(16))
def test_one_bit_of_each_band_may_differ(bit: int) -> None:
    hashes = np.random.default_rng(bit).integers(0, 2**63, 50).astype(np.uint64)
    flipped = hashes ^ np.uint64(sum(1 << (16 * band + bit) for band in range(4)))
    assert pairs_by_hash(np.concatenate((hashes, flipped))).tolist() == [[n, 50 + n] for n in range(50)]


def test_many_at_once_are_the_same_as_few(monkeypatch: pytest.MonkeyPatch) -> None:
    hashes = np.random.default_rng(0).integers(0, 2**20, 500).astype(np.uint64)
    expected = pairs_by_hash(hashes)
    assert len(expected) > 10_000
    monkeypatch.setattr(candidates, "PAIRS_AT_ONCE", 100)
    assert np.array_equal(pairs_by_hash(hashes), expected)


@given(st.lists(HASHES, min_size=1, max_size=20))
def test_two_mirrors_are_none(hashes: list[int]) -> None:
    values = np.array(hashes, np.uint64)
    assert np.array_equal(mirrored(mirrored(values)), values)


def test_the_hash_of_a_picture_and_that_in_a_mirror() -> None:
    slope = Image.fromarray(np.tile(np.arange(0, 90, 10, dtype=np.uint8), (8, 1))).convert("RGB")
    assert difference_hash(slope) == 2**64 - 1
    assert difference_hash(ImageOps.mirror(slope)) == 0
    pixels = np.random.default_rng(0).permutation(72).reshape(8, 9).astype(np.uint8)  # no two alike
    image = Image.fromarray(pixels).convert("RGB")
    assert difference_hash(image) >> 63 == int(pixels[0, 1] > pixels[0, 0])
    assert difference_hash(ImageOps.mirror(image)) == mirrored(np.array([difference_hash(image)], np.uint64))[0]


def test_neighbours_that_stand_out_are_found_whatever_all_have_in_common(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(300, 64)) @ rng.normal(size=(64, 64)) + 50  # correlated, and far from the origin
    copies = features[:5] + 0.05 * rng.normal(size=(5, 64)) @ rng.normal(size=(64, 64))
    both = np.concatenate((features, copies)).astype(np.float32)
    expected = [(number, 300 + number) for number in range(5)]
    found = [tuple(pair) for pair in pairs_by_features(both).tolist()]
    assert set(expected) <= set(found)
    assert len(found) < 100, "few others"
    monkeypatch.setattr(candidates, "ROWS_AT_ONCE", 7)
    assert [tuple(pair) for pair in pairs_by_features(both).tolist()] == found


@pytest.mark.parametrize("count", [0, 1, 2, 3, 30])
def test_few_pictures_and_pictures_without_features(count: int) -> None:
    """Of a burst all are candidates; where all features are the same, none can stand out, and nothing fails."""
    rng = np.random.default_rng(0)
    burst = rng.normal(size=(1, 20)) + 0.01 * rng.normal(size=(count, 20))
    assert len(pairs_by_features(np.ones((count, 20), np.float32))) <= NEAREST * count
    apart = np.concatenate((rng.normal(size=(40, 20)), burst)).astype(np.float32)
    found = pairs_by_features(apart)
    partners = np.unique(found[(found >= 40).all(axis=1)])
    assert len(partners) == (count if count > 1 else 0)


@pytest.mark.parametrize("count", [40, 400])
def test_features_of_a_few_kinds_only(count: int) -> None:
    """Of fewer dimensions than pictures and columns, and many equal: their products are singular."""
    rng = np.random.default_rng(0)
    features = (rng.normal(size=(count // 2, 3)) @ rng.normal(size=(3, 128))).astype(np.float32)
    pairs = {tuple(pair) for pair in pairs_by_features(np.concatenate((features, features))).tolist()}
    assert {(number, number + count // 2) for number in range(count // 2)} <= pairs
