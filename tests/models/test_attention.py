import pytest
import torch
from torch import nn

from genus.models.attention import (
    MultiHeadSelfAttention,
    attention_scores,
    attention_weights,
    bias_of_every_window,
    fast_attention,
    scaled_dot_product_attention,
)
from tests.card import DEVICES
from tests.models.closeness import assert_equal


def test_worked_example_of_the_tutorial() -> None:
    query, keys = torch.tensor([[1.0, 2.0]]), torch.tensor([[1.0, 1.0], [0.0, 1.0]])
    assert attention_scores(query, keys)[0].tolist() == pytest.approx([3 / 2**0.5, 2 / 2**0.5])
    assert [round(score, 2) for score in attention_scores(query, keys)[0].tolist()] == [2.12, 1.41]
    weights = attention_weights(query, keys)
    assert weights.sum().item() == pytest.approx(1)
    assert weights[0, 0].item() == pytest.approx(0.6698, abs=1e-4)


def test_written_out_attention_equals_torch() -> None:
    query, key, value = torch.randn(3, 2, 4, 7, 8).unbind(0)
    bias = torch.randn(4, 7, 7)
    expected = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=bias)
    assert_equal(scaled_dot_product_attention(query, key, value, bias), expected)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("windows", [(), (5,)])
@pytest.mark.parametrize("bias_shape", [None, (2, 6, 6), (1, 2, 6, 6), (5, 2, 6, 6)])
@pytest.mark.parametrize("learns", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_fast_attention_is_the_formula_whichever_code_it_takes(
    windows: tuple[int, ...], bias_shape: tuple[int, ...] | None, learns: bool, dtype: torch.dtype, device: str
) -> None:
    if not windows and bias_shape and len(bias_shape) == 4:
        pytest.skip("a bias for each window needs windows")
    tokens = torch.randn(3, 3, *windows, 2, 6, 8, device=device).to(dtype).requires_grad_(learns)
    query, key, value = tokens.unbind(0)
    bias = None if bias_shape is None else torch.randn(bias_shape, device=device).to(dtype).requires_grad_(learns)
    wide = None if bias is None else bias.detach().double().requires_grad_(learns)
    exact = scaled_dot_product_attention(query.double(), key.double(), value.double(), wide)
    found = fast_attention(query, key, value, bias)
    assert found.dtype == dtype
    tolerance = 1e-5 if dtype == torch.float32 else 3e-2
    assert_equal(found.double(), exact, tolerance)
    if bias is not None and wide is not None and learns:
        for answer in (found, exact):
            answer.square().sum().backward()
        assert bias.grad is not None
        assert wide.grad is not None
        assert_equal(bias.grad.double(), wide.grad, tolerance)


@pytest.mark.parametrize("shape", [(2, 6, 6), (1, 2, 6, 6), (5, 2, 6, 6)])
def test_rows_of_a_bias_are_aligned_for_a_graphics_card(shape: tuple[int, ...]) -> None:
    """Seen from its strides alone, without a card."""
    spread = bias_of_every_window(torch.empty(shape, device="meta"), 3)
    assert spread.shape == ((15, 2, 6, 6) if shape[0] == 5 else shape)
    assert spread.stride(-2) == 8


def test_multi_head_attention_equals_torch() -> None:
    ours = MultiHeadSelfAttention(24, 4)
    theirs = nn.MultiheadAttention(24, 4, batch_first=True)
    theirs.load_state_dict(
        {
            "in_proj_weight": ours.qkv.weight,
            "in_proj_bias": ours.qkv.bias,
            "out_proj.weight": ours.proj.weight,
            "out_proj.bias": ours.proj.bias,
        }
    )
    tokens = torch.randn(2, 5, 24)
    expected, weights = theirs(tokens, tokens, tokens, average_attn_weights=False)
    assert_equal(ours(tokens), expected)
    assert_equal(ours.weights(tokens), weights)


def test_windows_are_attended_to_one_by_one() -> None:
    """A bias of its own for each window, and no look from one window into another."""
    attention = MultiHeadSelfAttention(8, 2)
    windows, bias = torch.randn(3, 4, 6, 8), torch.randn(4, 2, 6, 6)
    together = attention(windows, bias)
    for index in range(4):
        assert_equal(together[:, index], attention(windows[:, index], bias[index]), what=f"window {index}")


def test_weights_and_output_tell_the_same_story() -> None:
    attention = MultiHeadSelfAttention(8, 2)
    windows, bias = torch.randn(3, 4, 6, 8), torch.randn(1, 2, 6, 6)
    _, _, value = attention.split_heads(windows)
    by_hand = attention.proj((attention.weights(windows, bias) @ value).transpose(-3, -2).flatten(-2))
    assert_equal(attention(windows, bias), by_hand)
