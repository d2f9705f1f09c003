"""The linear layer against the plain one, stochastic depth against its definition: a mask over all pictures."""

from collections import Counter

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genus.models.layers import TOKENS_PER_CHANNEL, TOKENS_PER_CHANNEL_LEARNING, StochasticDepth, TokenLinear

SHAPES = [((2, 64, 49), 6, 18), ((3, 8, 8), 12, 3), ((200,), 4, 4), ((2, 5), 24, 6), ((0,), 4, 4)]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 1e-2)])
@pytest.mark.parametrize(("leading", "inputs", "outputs"), SHAPES)
def test_values_and_gradients_are_those_of_a_linear_layer(
    leading: tuple[int, ...], inputs: int, outputs: int, dtype: torch.dtype, tolerance: float, bias: bool
) -> None:
    mine = TokenLinear(inputs, outputs, bias=bias, dtype=dtype)
    reference = nn.Linear(inputs, outputs, bias=bias, dtype=torch.float64)
    reference.load_state_dict(mine.state_dict())
    tokens = torch.randn(*leading, inputs, dtype=dtype)
    arriving = torch.randn(*leading, outputs, dtype=dtype)

    def everything(layer: nn.Linear, dtype: torch.dtype) -> list[Tensor]:
        given = tokens.detach().to(dtype).requires_grad_()
        result = layer(given)
        return [result, *torch.autograd.grad(result, [given, *layer.parameters()], arriving.to(dtype))]

    for found, expected in zip(everything(mine, dtype), everything(reference, torch.float64), strict=True):
        assert found.dtype == dtype
        assert found.shape == expected.shape
        assert found.is_contiguous()
        assert (found - expected).norm() <= tolerance * expected.norm()


@pytest.mark.parametrize(
    ("learning", "per_channel"), [(True, TOKENS_PER_CHANNEL_LEARNING), (False, TOKENS_PER_CHANNEL)]
)
def test_many_tokens_are_a_convolution_and_few_a_matrix_product(
    learning: bool, per_channel: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[torch.Size] = []
    convolution = F.conv2d

    def spy(maps: Tensor, *rest: Tensor) -> Tensor:
        calls.append(maps.shape)
        return convolution(maps, *rest)

    monkeypatch.setattr(F, "conv2d", spy)
    layer, many = TokenLinear(16, 6), 6 * per_channel
    with torch.set_grad_enabled(learning):
        layer(torch.randn(1, many, 16))
        layer(torch.randn(1, many - 1, 16))
    assert calls == [(1, 16, many, 1)]


def test_tokens_may_lie_anyhow_in_memory() -> None:
    layer = TokenLinear(4, 3)
    tokens = torch.randn(4, 9, 20).transpose(0, 2)[::2]
    torch.testing.assert_close(layer(tokens), F.linear(tokens, layer.weight, layer.bias))


def test_autocast_reaches_the_convolution() -> None:
    layer, tokens = TokenLinear(4, 3), torch.randn(100, 4)
    with torch.autocast("cpu", torch.bfloat16):
        found, expected = layer(tokens), F.linear(tokens, layer.weight, layer.bias)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found, expected, rtol=0.01, atol=0.01)  # one is summed in another order, then rounded


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
