"""Stochastic depth against its definition: a mask over the branches of all pictures."""

from collections import Counter

import pytest
import torch
from torch import Tensor, nn

from genus.models.stochastic_depth import StochasticDepth


class Spy(nn.Module):
    """A branch that remembers how many pictures it saw."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 3)
        self.seen: list[int] = []

    def forward(self, data: Tensor) -> Tensor:
        self.seen.append(len(data))
        return self.linear(data)


def stayed(before: Tensor, after: Tensor) -> list[int]:
    """The pictures to which something was added."""
    return [k for k in range(len(before)) if not torch.equal(before[k], after[k])]


def test_pictures_left_out_stay_as_they_are_and_the_branch_never_sees_them() -> None:
    depth, branch, data = StochasticDepth(0.25), Spy(), torch.randn(8, 5, 3)
    after = depth(data, branch)
    kept = stayed(data, after)
    assert len(kept) == 6
    assert branch.seen == [6]
    torch.testing.assert_close(after[kept], (data + branch.linear(data) * 8 / 6)[kept])


def test_gradients_are_those_of_a_mask() -> None:
    depth, branch = StochasticDepth(0.4), Spy()
    data, arriving = torch.randn(5, 3, requires_grad=True), torch.randn(5, 3)
    after = depth(data, branch)
    mask = torch.zeros(5, 1)
    mask[stayed(data, after)] = 5 / 3
    inputs = [data, *branch.parameters()]
    found = torch.autograd.grad(after, inputs, arriving)
    expected = torch.autograd.grad(data + branch.linear(data) * mask, inputs, arriving)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize(("pictures", "rate"), [(3, 0.1), (6, 0.25), (2, 0.4)])
def test_every_picture_is_left_out_at_the_rate_whatever_the_batch(pictures: int, rate: float) -> None:
    torch.manual_seed(0)
    depth, data, steps = StochasticDepth(rate), torch.zeros(pictures, 1), 4000
    left_out, total, numbers = torch.zeros(pictures), torch.zeros(pictures), Counter[int]()
    for _ in range(steps):
        added = depth(data, torch.ones_like)[:, 0]
        left_out, total = left_out + (added == 0), total + added
        numbers[int((added == 0).sum())] += 1
    assert set(numbers) == {int(rate * pictures), int(rate * pictures) + 1}
    assert torch.allclose(left_out / steps, torch.full((pictures,), rate), atol=0.03)  # four standard errors
    assert torch.allclose(total / steps, torch.ones(pictures), atol=0.05)  # in the mean, nothing is lost


def test_a_single_picture_always_stays() -> None:
    depth, data = StochasticDepth(0.9), torch.zeros(1, 1)
    assert all(depth(data, torch.ones_like).item() == 1 for _ in range(50))


@pytest.mark.parametrize("training", [True, False])
def test_without_a_rate_or_training_nothing_is_left_out(training: bool) -> None:
    depth, data = StochasticDepth(0.0 if training else 0.9).train(training), torch.randn(4, 3)
    before = torch.get_rng_state()
    assert torch.equal(depth(data, torch.ones_like), data + 1)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(("mine", "branchs"), [(torch.float32, torch.bfloat16), (torch.bfloat16, torch.float32)])
def test_a_branch_may_compute_in_another_precision(mine: torch.dtype, branchs: torch.dtype) -> None:
    after = StochasticDepth(0.5)(torch.zeros(4, 2, dtype=mine), lambda data: torch.ones_like(data, dtype=branchs))
    assert after.dtype == mine
    assert sorted(after[:, 0].tolist()) == [0, 0, 2, 2]


def test_compiled_the_number_is_always_the_same() -> None:
    depth, numbers = StochasticDepth(0.3), set()
    compiled = torch.compile(lambda data: depth(data, torch.ones_like), backend="eager", dynamic=False, fullgraph=True)
    for _ in range(20):
        numbers.add(int((compiled(torch.zeros(5, 1)) == 0).sum()))
    assert numbers == {2}
