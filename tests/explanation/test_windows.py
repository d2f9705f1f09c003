import pytest
import torch

from genus.explanation.windows import windows
from genus.models.swin import Swin
from tests.models.closeness import randomise


@pytest.fixture
def swin() -> Swin:
    model = Swin(dim=8, depths=(2, 1, 2), num_heads=(1, 2, 2), window=4, num_classes=3).eval()
    randomise(model)
    return model


def test_a_token_takes_from_its_own_window_only(swin: Swin) -> None:
    stages = windows(swin, torch.randn(1, 3, 64, 64), (0.4, 0.6))
    assert [(plain.grid, plain.reduction) for plain, _ in stages] == [
        ((16, 16), 4),
        ((4, 4), 16),
    ]  # the one-block stage has no pair
    plain, shifted = stages[0]
    assert (plain.window, plain.shift, shifted.shift) == (4, 0, 2)
    assert plain.asker == shifted.asker == (6, 9)
    for one, rows, columns in ((plain, slice(4, 8), slice(8, 12)), (shifted, slice(6, 10), slice(6, 10))):
        assert one.attention.sum() == pytest.approx(1, abs=1e-5)
        assert (one.attention[rows, columns] > 0).all()
        assert one.attention[rows, columns].sum() == pytest.approx(1, abs=1e-5)
    assert stages[1][1].shift == 0  # one window: nothing to shift


def test_the_shift_does_not_join_opposite_edges(swin: Swin) -> None:
    """The cyclic shift brings the picture's corners into one window; the mask keeps them apart."""
    _, shifted = windows(swin, torch.randn(1, 3, 64, 64), (0.0, 0.0))[0]
    assert shifted.attention[:2, :2].sum() == pytest.approx(1, abs=1e-5)
    assert shifted.attention[14:, 14:].max() < 1e-6


def test_attention_follows_a_change_inside_the_window_only(swin: Swin) -> None:
    image = torch.randn(1, 3, 64, 64)
    before = windows(swin, image, (0.1, 0.1))[0][0].attention
    image[..., 32:, 32:] = 0
    assert torch.equal(windows(swin, image, (0.1, 0.1))[0][0].attention, before)
    image[..., :4, :4] = 5
    assert not torch.allclose(windows(swin, image, (0.1, 0.1))[0][0].attention, before)


def test_padded_sides(swin: Swin) -> None:
    plain, shifted = windows(swin, torch.randn(1, 3, 50, 70), (1.0, 1.0))[0]
    assert plain.grid == shifted.grid == (13, 18)
    assert plain.asker == (12, 17)
    assert plain.attention.shape == (13, 18)
    assert 0 < plain.attention.sum() <= 1 + 1e-5  # the rest goes to the padding
