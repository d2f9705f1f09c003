import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from genus.training.linear import LinearClassifier


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
