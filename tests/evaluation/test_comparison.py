import math

import numpy as np
import pytest
from hypothesis import given
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
    assert found.difference.low <= found.difference.value <= found.difference.high
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


@pytest.mark.parametrize(("only_a", "only_b", "n"), [(0.02, 0.05, 800), (0.1, 0.1, 200), (0.01, 0.02, 400)])
def test_the_interval_holds_the_truth(only_a: float, only_b: float, n: int) -> None:
    rng = np.random.default_rng(0)
    draws = rng.multinomial(n, [0.7, only_a, only_b, 0.3 - only_a - only_b], size=1500)
    held = [
        found.difference.low <= only_b - only_a <= found.difference.high
        for found in (compare(*answers(*counts)) for counts in draws)
    ]
    assert 0.93 <= np.mean(held) <= 0.975


def test_so_many_pictures_are_enough_in_four_of_five_cases() -> None:
    shares = [0.88, 0.02, 0.05, 0.05]
    needed = compare(*answers(880, 20, 50, 50)).needed
    assert needed
    draws = np.random.default_rng(0).multinomial(needed, shares, size=800)
    assert np.mean([compare(*answers(*counts)).shown for counts in draws]) == pytest.approx(0.8, abs=0.05)
