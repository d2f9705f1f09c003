import itertools
from dataclasses import astuple

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from sklearn.metrics import brier_score_loss, log_loss

from genus.evaluation.calibration import ECE_BINS, calibration, fit_temperature, reliability
from genus.evaluation.intervals import share
from genus.probabilities import softmax


def drawn(n: int, classes: int, sharpness: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits whose softmax is the true chance of each class once they are divided by ``sharpness``."""
    rng = np.random.default_rng(seed)
    honest = 2 * rng.normal(size=(n, classes))
    labels = np.array([rng.choice(classes, p=row) for row in softmax(honest)])
    return honest * sharpness, labels


@pytest.mark.parametrize("sharpness", [0.3, 1.0, 4.0])
def test_the_temperature_brings_the_truth_back(sharpness: float) -> None:
    logits, labels = drawn(4000, 4, sharpness)
    temperature = fit_temperature(logits, labels)
    assert temperature == pytest.approx(sharpness, rel=0.1)
    assert calibration(logits / temperature, labels).ece < 0.02
    if sharpness != 1.0:
        assert calibration(logits, labels).ece > 0.1


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(5, 60), scale=st.floats(0.1, 10))
def test_the_temperature_is_the_lowest_smoothed_log_loss(seed: int, n: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    logits, labels = scale * rng.normal(size=(n, 3)), rng.integers(3, size=n)

    def loss(log_temperature: float) -> float:
        return cross_entropy(log_softmax(logits / np.exp(log_temperature), axis=1), labels)

    best = minimize_scalar(loss, bounds=np.log((0.05, 20)), method="bounded", options={"xatol": 1e-6})
    assert loss(np.log(fit_temperature(logits, labels))) == pytest.approx(best.fun, abs=1e-6)


def cross_entropy(log_probabilities: np.ndarray, labels: np.ndarray) -> float:
    """With Platt's targets: each of n labels is true with (n + 1) / (n + 2)."""
    n, classes = log_probabilities.shape
    targets = np.full((n, classes), 1 / (n + 2) / (classes - 1))
    targets[np.arange(n), labels] = (n + 1) / (n + 2)
    return float(-(targets * log_probabilities).sum(axis=1).mean())


@pytest.mark.parametrize("n", [3, 30, 300])
def test_answers_that_are_all_right_are_not_made_too_sure(n: int) -> None:
    labels = np.arange(n) % 3
    logits = 2 * np.eye(3)[labels]
    surest = softmax(logits / fit_temperature(logits, labels)).max(axis=1)
    assert surest == pytest.approx(np.full(n, (n + 1) / (n + 2)))


def test_the_temperature_stays_finite() -> None:
    """Where every answer is wrong, no finite temperature is the best."""
    assert fit_temperature(np.eye(3), np.array([1, 2, 0])) == pytest.approx(20, rel=1e-3)


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), classes=st.integers(2, 5))
def test_scores_are_those_of_others(seed: int, classes: int) -> None:
    rng = np.random.default_rng(seed)
    logits, labels = 3 * rng.normal(size=(40, classes)), rng.integers(classes, size=40)
    found, probabilities = calibration(logits, labels), softmax(logits)
    assert found.log_loss == pytest.approx(log_loss(labels, probabilities, labels=range(classes)))
    assert found.log_loss == pytest.approx(F.cross_entropy(torch.tensor(logits), torch.tensor(labels)).item())
    ours = brier_score_loss(labels, probabilities, labels=range(classes), scale_by_half=False)
    assert found.brier == pytest.approx(ours)
    confidence, right = probabilities.max(1), probabilities.argmax(1) == labels
    edges = np.linspace(0, 1, ECE_BINS + 1)
    inside = [(low <= confidence) & (confidence < high) for low, high in itertools.pairwise(edges)]
    ece = sum(abs(confidence[one].sum() - right[one].sum()) for one in inside) / 40
    assert found.ece == pytest.approx(ece, abs=1e-9)


def test_bins_hold_all_answers_in_equal_numbers() -> None:
    logits, labels = drawn(260, 3, 1.0)
    bins, confidence = reliability(logits, labels), softmax(logits).max(axis=1)
    right = softmax(logits).argmax(axis=1) == labels
    order, first = np.argsort(confidence), 0
    assert len(bins) == 10
    for one in bins:
        here = order[first : first + one.n]
        assert one.confidence == pytest.approx(confidence[here].mean())
        assert astuple(one.accuracy) == pytest.approx(astuple(share(right[here])))
        first += one.n
    assert (first, {one.n for one in bins}) == (260, {26})
    by_group = reliability(logits, labels, np.arange(260) // 2)
    assert [one.accuracy.value for one in by_group] == [one.accuracy.value for one in bins]


@pytest.mark.parametrize(("n", "bins"), [(1, 0), (24, 0), (25, 1), (99, 3), (251, 10), (3000, 10)])
def test_few_pictures_make_few_bins(n: int, bins: int) -> None:
    found = reliability(*drawn(n, 3, 1.0))
    assert len(found) == bins
    assert sum(one.n for one in found) == (n if bins else 0)
    assert all(one.n >= 25 for one in found)


def test_an_honest_model_is_inside_its_error_bars() -> None:
    inside = [
        low <= one.confidence <= high
        for seed in range(20)
        for one in reliability(*drawn(300, 3, 1.0, seed))
        for low, high in [one.accuracy.interval or (1, 0)]
    ]
    assert np.mean(inside) >= 0.93
