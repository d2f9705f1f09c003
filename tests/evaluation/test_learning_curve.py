from dataclasses import astuple

import numpy as np
import pytest

from genus.evaluation.intervals import share
from genus.evaluation.learning_curve import SHARES, learning_curve


def curve_of(chances: np.ndarray, labels: np.ndarray, seed: int = 0) -> np.ndarray:
    """S x N: rightly named with the chance of share and class (S x K); what is right stays so with more pictures."""
    luck = np.random.default_rng(seed).random(len(labels))
    return luck < chances[:, labels]


def test_points_gains_and_the_next_class() -> None:
    """Class 0 gains four points with every doubling, class 1 stands still, class 2 has no pictures."""
    labels = np.repeat([0, 1], 3000)
    doublings = np.log2(SHARES)
    chances = np.stack([0.8 + 0.04 * doublings, np.full(len(SHARES), 0.9), np.zeros(len(SHARES))], axis=1)
    right = curve_of(chances, labels)
    curve = learning_curve(right, range(len(SHARES)), labels, 3, np.arange(len(labels)))
    assert [point.share for point in curve.points] == list(SHARES)
    assert curve.points[2].accuracy == share(right[2])
    assert curve.points[2].recall[2] is None
    for recall, here in zip(curve.points[2].recall, (right[2, :3000], right[2, 3000:]), strict=False):
        assert astuple(recall) == pytest.approx(astuple(share(here)))
    low, high = curve.gains[0].interval
    assert low <= 0.04 <= high
    assert curve.gains[0].value == pytest.approx(0.04, abs=0.01)
    assert curve.gains[1].value == pytest.approx(0, abs=1e-12)
    assert curve.gains[2] is None
    assert curve.gain.value == pytest.approx((curve.gains[0].value + curve.gains[1].value) / 2)
    assert curve.next_class == 0


@pytest.mark.parametrize("gain", [0.0, 0.02, 0.06])
def test_gains_hold_the_truth(gain: float) -> None:
    """Each class is an experiment. Chance alone seldom says that a class would gain."""
    labels, rng = np.arange(400).repeat(80), np.random.default_rng(0)
    right = rng.random((len(SHARES), len(labels))) < (0.9 + gain * np.log2(SHARES))[:, None]
    for groups in (None, np.arange(len(labels)) // 4):
        gains = learning_curve(right, range(6), labels, 400, groups).gains
        intervals = [one.interval or (1, 0) for one in gains if one]
        assert np.mean([low <= gain <= high for low, high in intervals]) >= 0.93
        if gain == 0:
            assert np.mean([low > 0 for low, _ in intervals]) <= 0.04


def test_a_curve_without_errors_is_not_certainly_flat() -> None:
    """Every picture is named rightly by every model: a gain of half a point is still possible, one of 10 is not."""
    labels = np.arange(200) % 4
    curve = learning_curve(np.ones((len(SHARES), 200), bool), range(6), labels, 4)
    low, high = curve.gain.interval or (0, 0)
    assert low < -0.003 < 0.003 < high < 0.03
    assert curve.next_class is None


def test_few_groups_say_nothing() -> None:
    labels, right = np.arange(200) % 2, np.zeros((len(SHARES), 200), bool)
    right[-1] = True
    curve = learning_curve(right, range(6), labels, 2, np.arange(200) % 4)
    assert (curve.gain.interval, curve.points[0].accuracy.interval, curve.next_class) == (None, None, None)
    assert learning_curve(right, range(6), labels, 2).next_class is not None
