"""The convolution against the matrix product."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genus.models.token_linear import TOKENS_PER_CHANNEL, TOKENS_PER_CHANNEL_LEARNING, TokenLinear

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
