"""Swin against transformers, an independent implementation, on the same random weights."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from genus.models.layouts import LAYOUTS
from genus.models.swin import (
    Swin,
    WindowAttention,
    from_windows,
    pad_to_multiple,
    partition_windows,
    relative_position_index,
    resize_relative_bias,
    shifted_window_mask,
    to_windows,
)
from tests.models.closeness import assert_equal, outputs_of, randomise

TRANSFORMERS = next(layout for layout in LAYOUTS["Swin"] if layout.name == "transformers")


def pair(window: int) -> tuple[Swin, nn.Module]:
    from transformers import SwinConfig, SwinForImageClassification  # seconds, for which not every process has to wait

    config = SwinConfig(
        num_labels=5,
        embed_dim=12,
        depths=[2, 2, 2, 2],
        num_heads=[1, 2, 3, 4],
        window_size=window,
        image_size=224,
    )
    theirs = SwinForImageClassification(config).eval()
    randomise(theirs)
    ours = Swin(dim=12, depths=(2, 2, 2, 2), num_heads=(1, 2, 3, 4), window=window, num_classes=5).eval()
    ours.load_state_dict(TRANSFORMERS.convert(theirs.state_dict()))
    return ours, theirs


# 224 fits windows of 7 everywhere; 256 has to pad in every stage; 250 is odd after the patches, too
@pytest.mark.parametrize(("window", "size"), [(7, 224), (7, 256), (7, 250), (12, 384)])
def test_every_stage_logits_and_gradients_equal_transformers(window: int, size: int) -> None:
    ours, theirs = pair(window)
    images = torch.randn(1, 3, size, size)
    our_stages, our_logits = outputs_of([ours.embed, *ours.layers, ours.norm], ours, images)
    # transformers returns a stage's tokens after its merging, ours before: compare what the merging is given
    their_parts = [theirs.swin.embeddings, *[layer.blocks[-1] for layer in theirs.swin.encoder.layers]]
    their_stages, output = outputs_of([*their_parts, theirs.swin.layernorm], theirs, images)
    for index, (our_stage, their_stage) in enumerate(zip(our_stages, their_stages, strict=True)):
        assert_equal(our_stage.flatten(1, 2), their_stage, what=f"stage {index}")
    assert_equal(our_logits, output.logits)

    our_logits.square().sum().backward()
    output.logits.square().sum().backward()
    gradients = TRANSFORMERS.convert({name: value.grad for name, value in theirs.named_parameters()})
    for name, parameter in ours.named_parameters():
        assert_equal(parameter.grad, gradients[name], 1e-4, name)


CPU = torch.device("cpu")


@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 8), st.booleans())
def test_windows_hold_neighbours_and_are_put_back(height: int, width: int, window: int, shifted: bool) -> None:
    """Told by brute force: place (r, c) of window (i, j) is token (i·M + r + shift, j·M + c + shift), wrapped round."""
    shift = window // 2 if shifted else 0
    tokens = pad_to_multiple(torch.randn(2, height, width, 3), window)
    down, across = tokens.shape[1:3]
    windows = to_windows(tokens, window, shift)
    for number in range(windows.shape[1]):
        top, left = (window * start + shift for start in divmod(number, across // window))
        rows, columns = (torch.arange(top, top + window) % down, torch.arange(left, left + window) % across)
        assert torch.equal(windows[:, number], tokens[:, rows][:, :, columns].flatten(1, 2))
    assert torch.equal(from_windows(windows, window, shift, down, across), tokens)


@given(st.integers(2, 6), st.integers(1, 4), st.integers(1, 4))
def test_shifted_windows_join_only_true_neighbours(window: int, rows: int, columns: int) -> None:
    """The mask, told by brute force: after the shift two tokens of one window may look at each other exactly when
    the picture had them in one unwrapped window."""
    height, width, shift = rows * window, columns * window, window // 2
    places = torch.stack(torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij"), dim=-1)
    rolled = torch.roll(places, (-shift, -shift), dims=(0, 1))
    windows = partition_windows(rolled[None], window)[0]
    unwrapped = (windows - shift) % torch.tensor([height, width]) // window  # window each token belongs to
    wrapped = windows < shift  # came round the edge
    same = (unwrapped[:, :, None] == unwrapped[:, None]).all(-1) & (wrapped[:, :, None] == wrapped[:, None]).all(-1)
    mask = shifted_window_mask(height, width, window, shift, CPU, torch.float32)
    assert torch.equal(mask == 0, same)


def test_relative_position_index_counts_offsets() -> None:
    index = relative_position_index(3)
    assert index.shape == (9, 9)
    assert index.unique().numel() == 25
    assert index[0, 0] == index[4, 4] == 12  # the middle row of the table is "no offset"
    assert index[0, 1] == index[3, 4]  # one step to the left, wherever it starts
    assert index[0, 1] != index[1, 0]


def test_windows_shows_the_attention_that_forward_uses() -> None:
    attention = WindowAttention(8, 2, window=4, shift=2)
    tokens = torch.randn(1, 8, 8, 8)
    windows, bias = attention.windows(tokens)
    weights = attention.msa.weights(windows, bias)
    assert weights.shape == (1, 4, 2, 16, 16)
    assert weights[0, -1, :, 0, -1].max() < 1e-20  # opposite corners of the last window are far apart


def test_bias_table_resizes_smoothly() -> None:
    table = torch.randn(169, 3)
    assert resize_relative_bias(table, 7) is table
    larger = resize_relative_bias(table, 12)
    assert larger.shape == (529, 3)
    assert_equal(larger[264], table[84], 1e-6, "the row of no offset stays")


def test_compiled_attention_takes_pictures_of_any_size() -> None:
    """For the compiler, a side that differs from call to call is a symbol, which not every function of Python takes."""
    torch.compiler.reset()
    attention = WindowAttention(dim=8, num_heads=2, window=4, shift=2).eval()
    compiled = torch.compile(attention, backend="eager", fullgraph=True)
    with torch.no_grad():
        for side in (12, 16):
            tokens = torch.randn(2, side, side, 8)
            assert_equal(compiled(tokens), attention(tokens), what=f"{side} x {side} tokens")
