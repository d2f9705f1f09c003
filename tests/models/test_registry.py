"""One contract, one table, one test over every entry."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from genus.errors import UsageError
from genus.models.backbone import Backbone, count_parameters, module, replace_head
from genus.models.layers import StochasticDepth
from genus.models.registry import MODELS, build, entry
from tests.models.closeness import assert_equal

SMALLEST = ("swin_tiny", "vit_tiny_patch16", "efficientnet_lite0", "vgg11")  # one of each family
TINY = {
    "swin_tiny": {"dim": 12, "depths": (1, 2), "num_heads": (1, 2), "window": 4},
    "vit_tiny_patch16": {"dim": 24, "depth": 2, "num_heads": 2, "image_size": 64},
    "efficientnet_lite0": {},
    "vgg11": {"widths": (4, 4, 8, 8, 8), "hidden": 16},
}

SHALLOW: dict[str, dict[str, float]] = {"efficientnet_lite0": {"depth": 0.3}}
"""Arguments for tests whose time grows with the number of layers."""


def tiny(name: str, **arguments: object) -> Backbone:
    """A member of the family of ``name``, small enough to run in milliseconds."""
    return build(name, num_classes=3, **{**TINY[name], **arguments})


@pytest.mark.parametrize("name", MODELS)
def test_parameters_and_gmacs_are_those_of_the_table(name: str) -> None:
    with torch.device("meta"):
        model = build(name, num_classes=1000)
        side = MODELS[name].preprocess.size
        images = torch.empty(1, 3, side, side)
    assert isinstance(model, Backbone)
    assert count_parameters(model) == MODELS[name].parameters
    module(model).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        assert model(images).shape == (1, 1000)
    assert counter.get_total_flops() / 2e9 == pytest.approx(MODELS[name].gmacs, rel=0.005)


@pytest.mark.parametrize(
    ("name", "millions", "gmacs"),
    [  # as published
        ("swin_tiny", 28.3, 4.5),
        ("swin_small", 49.6, 8.7),
        ("swin_base", 87.8, 15.4),
        ("vit_base_patch16", 86.6, 17.6),
        ("vgg16", 138.4, 15.5),
        ("efficientnet_lite0", 4.65, 0.385),
    ],
)
def test_table_agrees_with_the_papers(name: str, millions: float, gmacs: float) -> None:
    assert MODELS[name].parameters / 1e6 == pytest.approx(millions, abs=0.05)
    assert MODELS[name].gmacs == pytest.approx(gmacs, abs=0.05 if gmacs > 1 else 0.0005)


@pytest.mark.parametrize("name", MODELS)
def test_layer_groups_cover_every_parameter_exactly_once(name: str) -> None:
    with torch.device("meta"):
        model = build(name, num_classes=7)
    grouped = [parameter for group in model.layer_groups() for parameter in group]
    assert len(grouped) == len({id(parameter) for parameter in grouped})
    assert {id(parameter) for parameter in grouped} == {id(parameter) for parameter in module(model).parameters()}
    assert {id(parameter) for parameter in model.layer_groups()[-1]} == {id(p) for p in model.head.parameters()}


@pytest.mark.parametrize("name", MODELS)
def test_stages_hold_everything_below_the_pooling(name: str) -> None:
    with torch.device("meta"):
        model = build(name, num_classes=7)
    staged = sum(parameter.numel() for stage in model.stages for parameter in stage.parameters())
    above = sum(parameter.numel() for parameter in model.head.parameters())
    hidden = count_parameters(model) - staged - above
    assert hidden == (0 if not name.startswith("vgg") else 4096 * (512 * 49 + 1) + 4096 * 4097)


@pytest.mark.parametrize("name", SMALLEST)
@pytest.mark.parametrize("size", [(64, 64), (70, 97)])
def test_contract(name: str, size: tuple[int, int]) -> None:
    """Shapes, composition, batch of one, odd sizes, gradients, a new head, bf16."""
    model = tiny(name)
    images = torch.randn(2, 3, *size)
    module(model).eval()
    features = model.features(images)
    pooled = model.pool(features)
    assert features.ndim == 4
    assert pooled.shape == (2, model.num_features)
    assert_equal(model.head(pooled), model(images))
    assert_equal(model(images[:1]), model(images)[:1], what="batch of one")

    module(model).train()
    model(images).square().sum().backward()
    for parameter_name, parameter in module(model).named_parameters():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.abs().sum() > 0, parameter_name

    replace_head(model, 11)
    module(model).eval()
    assert model(images).shape == (2, 11)
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        low = model(images)
    assert low.isfinite().all()
    with torch.no_grad():
        assert_equal(low.float(), model(images), 0.05, "bf16")


@pytest.mark.parametrize("name", SMALLEST)
def test_an_export_takes_batches_of_any_size(name: str) -> None:
    model = module(tiny(name, **SHALLOW.get(name, {}))).eval()
    dynamic = ({0: torch.export.Dim("batch")},)
    exported = torch.export.export(model, (torch.randn(2, 3, 64, 64),), dynamic_shapes=dynamic).module()
    for batch in (1, 3):
        images = torch.randn(batch, 3, 64, 64)
        assert_equal(exported(images), model(images), what=f"a batch of {batch}")


@pytest.mark.parametrize("name", SMALLEST)
def test_compiling_changes_no_number(name: str) -> None:
    """What our code does differently under a compiler; the kernels are torch's own part, and take minutes."""
    model, images = module(tiny(name, **SHALLOW.get(name, {}))).eval(), torch.randn(2, 3, 64, 64)
    expected = model(images)
    with torch.no_grad():
        assert_equal(torch.compile(model, backend="eager", fullgraph=True)(images), expected)


@pytest.mark.parametrize("name", ["vit_tiny_patch16", "swin_tiny", "efficientnet_lite0"])
def test_drop_path_acts_in_training_only(name: str) -> None:
    model = module(tiny(name, drop_path=0.5))
    images = torch.randn(8, 3, 64, 64)
    model.eval()
    assert torch.equal(model(images), model(images))
    model.train()
    assert not torch.equal(model(images), model(images))


@pytest.mark.parametrize(("name", "rate"), [("swin_tiny", 0.1), ("swin_small", 0.2), ("swin_base_384", 0.2)])
def test_swin_is_fine_tuned_with_the_stochastic_depth_of_its_authors(name: str, rate: float) -> None:
    with torch.device("meta"):
        model = module(build(name, num_classes=2))
    rates = [part.rate for part in model.modules() if isinstance(part, StochasticDepth)]
    assert rates == pytest.approx([rate * block / (len(rates) - 1) for block in range(len(rates))])


def test_unknown_name_offers_the_nearest() -> None:
    with pytest.raises(UsageError, match="Did you mean 'swin_tiny'"):
        entry("swin_tinny")
