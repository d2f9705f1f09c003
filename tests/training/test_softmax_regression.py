"""The classifier against autograd, its optimisers against torch's and SciPy's."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import logsumexp, softmax

from genus.training.softmax_regression import AdamW, Curvature, LinearClassifier, minimise


@given(seed=st.integers(0, 2**32 - 1), classes=st.integers(2, 7), far=st.sampled_from([1, 1e4]))
def test_loss_and_gradient_are_those_of_autograd(seed: int, classes: int, far: float) -> None:
    """Also far out, where an exponential that is not guarded overflows.

    Logits of 1e4 are rounded to 1e-3 in fp32, and a probability between two of them by as much, times the input.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    head = torch.nn.Linear(4, classes)
    inputs = (far * rng.normal(size=(9, 4))).astype(np.float32)
    labels, shares = rng.integers(classes, size=9), rng.random(9).astype(np.float32)
    loss, gradient = LinearClassifier.of(head).loss_and_gradient(inputs, labels, shares)
    losses = F.cross_entropy(head(torch.from_numpy(inputs)), torch.from_numpy(labels), reduction="none")
    expected = losses @ torch.from_numpy(shares)
    expected.backward()
    assert loss == pytest.approx(expected.item(), rel=1e-4, abs=1e-5 + 1e-6 * far)
    slopes = torch.cat([head.weight.grad.flatten(), head.bias.grad]).numpy()
    np.testing.assert_allclose(gradient, slopes, atol=1e-4 + 1e-7 * far**2)


def test_there_and_back() -> None:
    head, other = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
    classifier = LinearClassifier.of(head)
    classifier.copy_to(other)
    assert torch.equal(head.weight, other.weight)
    assert torch.equal(head.bias, other.bias)
    classifier.values[:] = 0
    assert head.weight.any(), "the layer itself has not moved"


@given(seed=st.integers(0, 2**32 - 1), size=st.integers(1, 30), stretch=st.floats(1, 1e3))
def test_the_minimum_of_a_bowl(seed: int, size: int, stretch: float) -> None:
    """A quadratic function whose axes are up to ``stretch`` times as steep as each other."""
    rng = np.random.default_rng(seed)
    turn, _ = np.linalg.qr(rng.normal(size=(size, size)))
    bowl, bottom = turn @ np.diag(np.linspace(1, stretch, size)) @ turn.T, rng.normal(size=size)
    found = minimise(
        lambda x: (float((x - bottom) @ bowl @ (x - bottom)) / 2, bowl @ (x - bottom)),
        np.zeros(size), steps=1000, tolerance=1e-9,
    )  # fmt: skip
    np.testing.assert_allclose(found, bottom, atol=2e-3)


@given(seed=st.integers(0, 2**32 - 1))
def test_it_finds_what_scipy_finds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    planes, offsets = rng.normal(size=(20, 5)), rng.normal(size=20)

    def rounded_polyhedron(x: np.ndarray) -> tuple[float, np.ndarray]:
        heights = planes @ x + offsets
        return float(logsumexp(heights) + x @ x / 20), softmax(heights) @ planes + x / 10

    found = minimise(rounded_polyhedron, np.full(5, 3.0), steps=200, tolerance=1e-8)
    reference = minimize(rounded_polyhedron, np.full(5, 3.0), jac=True, method="L-BFGS-B")
    assert rounded_polyhedron(found)[0] == pytest.approx(reference.fun, abs=1e-7)


def test_it_stops_where_it_is_told_to() -> None:
    calls = []

    def bowl(x: np.ndarray) -> tuple[float, np.ndarray]:
        calls.append(x)
        return float(x @ x), 2 * x

    minimise(bowl, np.zeros(3), steps=50, tolerance=1e-6)
    assert len(calls) == 1, "there already"
    found = minimise(bowl, np.full(3, 100.0), steps=1, tolerance=1e-6)
    assert len(calls) == 3
    assert 0 < np.linalg.norm(found) < np.linalg.norm(np.full(3, 100.0))


def test_what_is_known_of_the_curvature_serves_a_stiffer_function() -> None:
    """With as many steps as there are axes a bowl is known whole: the next minimum, springs added, is one step away."""
    rng = np.random.default_rng(0)
    bowl, springs = np.diag([1.0, 10.0, 100.0]), np.array([0.0, 3.0, 50.0])

    def calls_to_the_bottom(curvature: Curvature, stiffness: np.ndarray, bottom: np.ndarray) -> int:
        calls = []

        def function(x: np.ndarray) -> tuple[float, np.ndarray]:
            calls.append(x)
            return float((x - bottom) @ stiffness @ (x - bottom)) / 2, stiffness @ (x - bottom)

        found = minimise(function, np.zeros(3), steps=1000, tolerance=1e-9, curvature=curvature)
        np.testing.assert_allclose(found, bottom, atol=1e-6)
        return len(calls)

    known = Curvature()
    calls_to_the_bottom(known, bowl, rng.normal(size=3))
    known.add_quadratic(springs)
    stiffer, elsewhere = bowl + np.diag(springs), rng.normal(size=3)
    assert calls_to_the_bottom(known, stiffer, elsewhere) <= 4 < calls_to_the_bottom(Curvature(), stiffer, elsewhere)


def test_it_is_the_adamw_of_torch() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=24).astype(np.float32)
    theirs = torch.nn.Parameter(torch.from_numpy(values.copy()))
    ours, reference = AdamW(values, weight_decay=0.3), torch.optim.AdamW([theirs], weight_decay=0.3)
    for step in range(50):
        gradient, lr = rng.normal(size=24).astype(np.float32), 0.1 / (1 + step)
        reference.param_groups[0]["lr"] = lr
        theirs.grad = torch.from_numpy(gradient)
        ours.step(gradient, lr)
        reference.step()
    assert ours.steps == 50
    np.testing.assert_allclose(values, theirs.detach().numpy(), atol=1e-5)
