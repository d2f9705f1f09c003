import numpy as np
import pytest

from genus.evaluation.intervals import wilson
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
    assert curve.points[2].accuracy == wilson(int(right[2].sum()), 6000)
    assert curve.points[2].recall == (
        wilson(int(right[2, :3000].sum()), 3000),
        wilson(int(right[2, 3000:].sum()), 3000),
        None,
    )
    assert curve.gains[0].low <= 0.04 <= curve.gains[0].high
    assert curve.gains[0].value == pytest.approx(0.04, abs=0.01)
    assert curve.gains[1].value == pytest.approx(0, abs=1e-12)
    assert curve.gains[2] is None
    assert curve.gain.value == pytest.approx((curve.gains[0].value + curve.gains[1].value) / 2)
    assert curve.next_class == 0


def test_chance_alone_recommends_no_class_too_often() -> None:
    """A curve that is flat but for luck: at most a few of many such data sets name a class to photograph next."""
    labels, rng = np.repeat([0, 1, 2], 60), np.random.default_rng(0)
    named = 0
    for _ in range(60):
        right = rng.random((len(SHARES), len(labels))) < 0.8
        named += learning_curve(right, range(6), labels, 3, np.arange(len(labels))).next_class is not None
    assert named <= 60 * 0.17  # three classes, each with 2.5 %, and room for luck
