import itertools
import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from genus.evaluation.comparison import compare


def answers(both: int, only_a: int, only_b: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    a = np.repeat([True, True, False, False], [both, only_a, only_b, neither])
    b = np.repeat([True, False, True, False], [both, only_a, only_b, neither])
    return a, b


@given(st.tuples(*[st.integers(0, 12)] * 4).filter(any))
def test_counts_and_the_exact_test(counts: tuple[int, int, int, int]) -> None:
    """The p-value by its definition: how likely are counts at least as uneven, if each is a toss of a coin?"""
    _both, only_a, only_b, _neither = counts
    found, n = compare(*answers(*counts)), sum(counts)
    assert (found.n, found.only_a, found.only_b) == (n, only_a, only_b)
    assert found.difference.value == pytest.approx((only_b - only_a) / n)
    low, high = found.difference.interval or (1, -1)
    assert low <= found.difference.value <= high
    tosses = only_a + only_b
    chances = [math.comb(tosses, heads) / 2**tosses for heads in range(tosses + 1)]
    uneven = sum(chance for chance in chances if chance <= chances[only_b] * (1 + 1e-9))
    assert found.p_value == pytest.approx(min(uneven, 1.0))
    mirrored = compare(*reversed(answers(*counts)))
    assert mirrored.difference.value == -found.difference.value
    assert mirrored.p_value == pytest.approx(found.p_value)


def test_the_verdict_needs_evidence() -> None:
    assert compare(*answers(90, 0, 10, 0)).shown
    assert not compare(*answers(96, 1, 3, 0)).shown
    assert compare(*answers(96, 2, 2, 0)).needed is None


@given(st.tuples(*[st.integers(0, 12)] * 4).filter(any), st.integers(1, 9))
@example((0, 0, 5, 0), 1)  # the interval alone would leave out 0
@example((0, 0, 4, 0), 1)  # and one picture more would not be enough
def test_verdict_interval_and_the_pictures_needed_agree(counts: tuple[int, int, int, int], size: int) -> None:
    """Also in groups, where the sign-flip test alone would show more than the interval."""
    a, b = answers(*counts)
    for groups in (None, np.random.default_rng(0).permutation(len(a)) // size):
        found = compare(a, b, groups)
        if found.difference.interval is None:
            assert (found.shown, found.needed) == (False, None)
            continue
        low, high = found.difference.interval
        assert found.shown == (low > 0 or high < 0)
        assert not found.shown or found.p_value < 0.05
        assert found.shown or found.needed is None or found.needed > found.n
    assert compare(*answers(0, 0, 4, 0)).needed == 6
    assert compare(*answers(0, 0, 6, 0)).shown


def test_groups_of_which_the_interval_holds_zero_show_no_difference() -> None:
    rng, tests_alone = np.random.default_rng(0), 0
    for _ in range(600):
        group = np.repeat(np.arange(count := rng.integers(6, 40)), rng.integers(1, 12, count))
        tilt = rng.normal(0, 1, count)[group]
        a, b = rng.random(len(group)) < 0.7, rng.random(len(group)) < np.clip(0.7 + 0.12 * tilt, 0, 1)
        found = compare(a, b, group)
        low, high = found.difference.interval or (0, 0)
        assert found.shown == (low > 0 or high < 0)
        tests_alone += found.test_alone_shows
    assert tests_alone, "the case that this test is about"


def test_so_many_pictures_are_enough_in_four_of_five_cases() -> None:
    shares = [0.88, 0.02, 0.05, 0.05]
    needed = compare(*answers(880, 20, 50, 50)).needed
    assert needed
    draws = np.random.default_rng(0).multinomial(needed, shares, size=800)
    assert np.mean([compare(*answers(*counts)).shown for counts in draws]) == pytest.approx(0.8, abs=0.05)


@given(st.lists(st.tuples(st.integers(-4, 4), st.integers(0, 2)), min_size=1, max_size=9))
def test_groups_change_sides_as_a_whole(members: list[tuple[int, int]]) -> None:
    """The p-value by its definition: the share of all ways to swap A and B in whole groups."""
    a, b, groups = [], [], []
    for group, (gain, ties) in enumerate(members):
        a += [gain < 0] * abs(gain) + [True] * (ties + 1)
        b += [gain > 0] * abs(gain) + [True] * (ties + 1)
        groups += [group] * (abs(gain) + ties + 1)
    found = compare(np.array(a), np.array(b), np.array(groups))
    gains = [gain for gain, _ in members]
    signs = itertools.product((-1, 1), repeat=len(gains))
    flipped = [abs(sum(s * gain for s, gain in zip(ways, gains, strict=True))) >= abs(sum(gains)) for ways in signs]
    assert found.p_value == pytest.approx(np.mean(flipped))
    assert found.groups == len(members)
    if len(members) < 5 < found.n:
        assert (found.difference.interval, found.shown) == (None, False)


def test_groups_of_one_are_no_groups() -> None:
    a, b = answers(80, 3, 12, 5)
    assert compare(a, b, np.arange(100)) == compare(a, b)


def test_equal_models_are_seldom_told_apart_on_few_groups() -> None:
    """In each of twelve groups of 25 pictures, A or B happens to be better: by picture, this looks like proof."""
    rng, shown, by_picture, group = np.random.default_rng(0), 0, 0, np.arange(12).repeat(25)
    for _ in range(300):
        draw, tilt = rng.random(300), rng.choice([-0.15, 0.15], 12)[group]
        a, b = draw > 0.2 + tilt, draw < 0.8 + tilt
        shown += compare(a, b, group).shown
        by_picture += compare(a, b).shown
    assert shown / 300 <= 0.065 < 0.3 < by_picture / 300


def test_so_many_pictures_of_groups_are_needed() -> None:
    """Copies of each picture show no more: ten times as many pictures are needed."""
    a, b = answers(880, 20, 50, 50)
    alone, copies = compare(a, b), compare(a.repeat(10), b.repeat(10), np.arange(1000).repeat(10))
    assert alone.needed
    assert copies.needed == pytest.approx(10 * alone.needed, rel=0.15)
    assert copies.p_value == pytest.approx(alone.p_value, rel=1e-6)
