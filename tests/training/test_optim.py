"""Parameter groups of every family, and the rate over a run."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from genus.models.backbone import module
from genus.training.optim import cosine_factor, cosine_schedule, parameter_groups
from tests.models.test_registry import SMALLEST, tiny

NORMS = (nn.LayerNorm, nn.BatchNorm2d)
LR, DECAY = 1e-3, 0.05
GROUPS = {"lr": LR, "weight_decay": DECAY, "layer_decay": 0.8}
CASES = [
    *((name, {}) for name in SMALLEST),
    ("vit_tiny_patch16", {"layer_scale": 1e-5}),
    ("vgg11", {"batch_norm": True}),
]


@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_every_parameter_once_and_decay_where_it_belongs(name: str, arguments: dict[str, object]) -> None:
    network = module(model := tiny(name, **arguments))
    decay_of = {
        parameter: group["weight_decay"] for group in parameter_groups(model, **GROUPS) for parameter in group["params"]
    }
    assert sum(len(group["params"]) for group in parameter_groups(model, **GROUPS)) == len(decay_of)
    assert decay_of.keys() == set(network.parameters())
    spared = {parameter for part in network.modules() if isinstance(part, NORMS) for parameter in part.parameters()}
    for parameter_name, parameter in network.named_parameters():
        last = parameter_name.split(".")[-1]
        if last in ("bias", "pos_embed", "cls_token", "relative_bias", "gamma"):
            spared.add(parameter)
    for parameter_name, parameter in network.named_parameters():
        assert decay_of[parameter] == (0.0 if parameter in spared else DECAY), parameter_name
    assert DECAY in decay_of.values()


@pytest.mark.parametrize("name", SMALLEST)
def test_rates_fall_towards_the_input(name: str) -> None:
    model = tiny(name)
    rate_of = {parameter: group["lr"] for group in parameter_groups(model, **GROUPS) for parameter in group["params"]}
    *body, head = model.layer_groups()
    assert {rate_of[parameter] for parameter in head} == {LR}
    for below, group in enumerate(reversed(body)):
        for parameter in group:
            assert rate_of[parameter] == pytest.approx(LR * 0.8**below)
    assert len(body) > 3


def test_what_is_frozen_takes_no_part() -> None:
    model = tiny("vit_tiny_patch16")
    for group in model.layer_groups()[:-1]:
        for parameter in group:
            parameter.requires_grad_(False)
    groups = parameter_groups(model, **GROUPS)
    assert {parameter for group in groups for parameter in group["params"]} == set(model.head.parameters())


def test_the_factor_at_the_corners() -> None:
    def factor(step: int) -> float:
        return cosine_factor(step, total=110, warmup=10, lrf=0.1)

    assert factor(0) == pytest.approx(1 / 11)
    assert factor(9) == pytest.approx(10 / 11)
    assert factor(10) == 1
    assert factor(60) == pytest.approx((1 + 0.1) / 2)
    assert factor(110) == factor(500) == 0.1
    assert cosine_factor(0, total=100, warmup=0, lrf=0.01) == 1


@given(total=st.integers(1, 300), warmup=st.integers(0, 40), lrf=st.floats(0, 1), steps=st.integers(0, 400))
def test_the_factor_climbs_then_falls_and_never_leaves_its_range(
    total: int, warmup: int, lrf: float, steps: int
) -> None:
    here, later = (cosine_factor(step, total=total, warmup=warmup, lrf=lrf) for step in (steps, steps + 1))
    assert 0 < here <= 1 or (lrf == 0 and here == 0)
    if steps < warmup:
        assert later > here
    else:
        assert lrf <= later <= here


def test_the_schedule_moves_every_group_on_its_own_rate() -> None:
    optimizer = torch.optim.AdamW(parameter_groups(tiny("vit_tiny_patch16"), **GROUPS))
    peaks = [group["lr"] for group in optimizer.param_groups]
    schedule = cosine_schedule(optimizer, total=20, warmup=4, lrf=0.05)
    for step in range(20):
        factor = (step + 1) / 5 if step < 4 else 0.05 + 0.95 * (1 + math.cos(math.pi * (step - 4) / 16)) / 2
        assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([peak * factor for peak in peaks])
        optimizer.step()
        schedule.step()
    assert [group["lr"] for group in optimizer.param_groups] == [peak * 0.05 for peak in peaks]
