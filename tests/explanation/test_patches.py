import pytest
import torch
from sklearn.metrics.pairwise import cosine_similarity

from genus.explanation.patches import attention_by_head, patch_similarity, position_similarity
from genus.models.vit import ViT
from tests.models.closeness import randomise


@pytest.fixture
def vit() -> ViT:
    model = ViT(image_size=64, patch_size=16, dim=24, depth=3, num_heads=2, num_classes=3).eval()
    randomise(model)
    return model


def test_positions_are_compared_by_the_cosine_of_their_vectors(vit: ViT) -> None:
    found = position_similarity(vit).numpy()
    assert found.shape == (4, 4, 4, 4)
    expected = cosine_similarity(vit.embed.pos_embed[0, 1:].detach().numpy())
    assert found.reshape(16, 16) == pytest.approx(expected, abs=1e-5)


def test_patches_that_look_alike_are_alike(vit: ViT) -> None:
    """Without positions, equal patches are equal to the last block."""
    with torch.no_grad():
        vit.embed.pos_embed.zero_()
    image = torch.randn(1, 3, 64, 64)
    image[..., :16, :16] = image[..., 48:, 32:48]
    similarity = patch_similarity(vit, image)
    assert similarity.shape == (4, 4, 4, 4)
    assert similarity[0, 0, 3, 2] == pytest.approx(1, abs=1e-5)
    others = similarity[0, 0].clone()
    others[0, 0] = others[3, 2] = -1
    assert others.max() < 0.999


def test_attention_is_what_the_model_computes_with(vit: ViT) -> None:
    """Put together by hand from q, k, v of the last block, it gives what the block's attention gives."""
    image = torch.randn(1, 3, 64, 80)
    taken = attention_by_head(vit, image)
    assert taken.shape == (3, 2, 4, 5)
    shares = taken.sum(dim=(2, 3))
    assert ((shares > 0) & (shares < 1)).all()
    with torch.no_grad():
        tokens = vit.embed(image)
        for block in vit.blocks[:-1]:
            tokens = block(tokens)
        last = vit.blocks[-1]
        _, _, value = last.attn.split_heads(last.norm1(tokens))
        own = 1 - shares[-1]
        mixed = torch.einsum("hp,hpd->hd", taken[-1].flatten(1), value[0, :, 1:]) + own[:, None] * value[0, :, 0]
        expected = last.attn(last.norm1(tokens))[0, 0]
        assert last.attn.proj(mixed.flatten()).numpy() == pytest.approx(expected.numpy(), abs=1e-5)
