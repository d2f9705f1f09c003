"""Freezing the lower stages: cut anywhere, nothing is lost; what is frozen stays; what is kept is bf16."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from genus.features.extractor import from_bf16, to_bf16
from genus.models.backbone import Lower, Upper, module, shape_behind
from tests.models.closeness import assert_equal, randomise
from tests.models.test_registry import SMALLEST, tiny


@pytest.mark.parametrize("name", SMALLEST)
def test_lower_and_upper_part_together_are_the_network(name: str) -> None:
    model = tiny(name)
    randomise(module(model))
    module(model).eval()
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        expected = model(images)
        for stages in range(1, len(model.stages)):
            upper = Upper(model, stages, shape_behind(model, stages, 64)).eval()
            assert_equal(upper(Lower(model, stages)(images)), expected, 1e-5, f"cut behind stage {stages}")


@given(st.lists(st.floats(width=32, allow_nan=False), min_size=1))
def test_bf16_survives_being_kept(values: list[float]) -> None:
    rows = np.array([values], np.float32)
    once = from_bf16(to_bf16(rows))
    assert np.array_equal(once, torch.from_numpy(rows).bfloat16().float().numpy())
    assert np.array_equal(from_bf16(to_bf16(once)), once)
