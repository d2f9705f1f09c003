"""ViT against transformers, an independent implementation, on the same random weights."""

import pytest
import torch
from torch import nn

from genus.models.layouts import LAYOUTS
from genus.models.vit import ViT, resize_position_table
from tests.models.closeness import assert_equal, outputs_of, randomise

TRANSFORMERS = next(layout for layout in LAYOUTS["ViT"] if layout.name == "transformers")
SMALL = {"num_hidden_layers": 3, "num_attention_heads": 2, "hidden_size": 32, "num_labels": 5}


def pair(image_size: int) -> tuple[ViT, nn.Module]:
    from transformers import ViTConfig, ViTForImageClassification  # seconds, for which not every process has to wait

    config = ViTConfig(**SMALL, image_size=image_size, patch_size=8, intermediate_size=128, layer_norm_eps=1e-6)
    theirs = ViTForImageClassification(config).eval()
    randomise(theirs)
    ours = ViT(image_size=image_size, patch_size=8, dim=32, depth=3, num_heads=2, num_classes=5).eval()
    ours.load_state_dict(TRANSFORMERS.convert(theirs.state_dict()))
    return ours, theirs


@pytest.mark.parametrize("size", [32, 56])
def test_every_stage_logits_and_gradients_equal_transformers(size: int) -> None:
    ours, theirs = pair(size)
    images = torch.randn(2, 3, size, size)
    our_stages, our_logits = outputs_of(ours.stages, ours, images)
    their_parts = [theirs.vit.embeddings, *theirs.vit.layers, theirs.vit.layernorm]
    their_stages, output = outputs_of(their_parts, theirs, images)
    for index, (our_stage, their_stage) in enumerate(zip(our_stages, their_stages, strict=True)):
        assert_equal(our_stage, their_stage, what=f"stage {index}")
    assert_equal(our_logits, output.logits)

    our_logits.square().sum().backward()
    output.logits.square().sum().backward()
    gradients = TRANSFORMERS.convert({name: value.grad for name, value in theirs.named_parameters()})
    for name, parameter in ours.named_parameters():
        assert_equal(parameter.grad, gradients[name], 1e-4, name)


@pytest.mark.parametrize("size", [28, 42])
def test_dinov2_with_layer_scale_and_both_poolings_equals_transformers(size: int) -> None:
    from transformers import Dinov2Config, Dinov2ForImageClassification

    config = Dinov2Config(**SMALL, image_size=size, patch_size=14, mlp_ratio=4)
    theirs = Dinov2ForImageClassification(config).eval()
    randomise(theirs)
    ours = ViT(
        image_size=size,
        patch_size=14,
        dim=32,
        depth=3,
        num_heads=2,
        num_classes=5,
        pool="token+mean",
        layer_scale=1.0,
    ).eval()
    ours.load_state_dict(TRANSFORMERS.convert(theirs.state_dict()))
    images = torch.randn(2, 3, size, size)
    assert_equal(ours(images), theirs(images).logits)


def test_position_table_of_another_size_equals_one_resized_beforehand() -> None:
    small = ViT(image_size=32, patch_size=8, dim=32, depth=1, num_heads=2).eval()
    large = ViT(image_size=56, patch_size=8, dim=32, depth=1, num_heads=2).eval()
    state = small.state_dict()
    state["embed.pos_embed"] = resize_position_table(state["embed.pos_embed"], (4, 4), (7, 7))
    large.load_state_dict(state)
    images = torch.randn(1, 3, 56, 56)
    assert_equal(small(images), large(images))


def test_resizing_keeps_the_class_token_and_the_order_of_rows_and_columns() -> None:
    table = torch.cat([torch.full((1, 1, 2), 9.0), torch.arange(12.0).view(1, 12, 1).expand(1, 12, 2)], dim=1)
    resized = resize_position_table(table, (3, 4), (6, 8))
    assert resized.shape == (1, 49, 2)
    assert resized[0, 0].tolist() == [9.0, 9.0]
    grid = resized[0, 1:, 0].view(6, 8)
    assert (grid[1:] > grid[:-1]).all()
    assert (grid[:, 1:] > grid[:, :-1]).all()


def test_pooling_reads_the_map_that_features_makes() -> None:
    model = ViT(image_size=32, patch_size=8, dim=32, depth=1, num_heads=2, pool="token+mean").eval()
    images = torch.randn(2, 3, 32, 32)
    tokens = outputs_of([model.norm], model, images)[0][0]
    pooled = model.pool(model.features(images))
    assert_equal(pooled[:, :32], tokens[:, 0])
    assert_equal(pooled[:, 32:], tokens[:, 1:].mean(1))
