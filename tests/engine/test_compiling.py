"""A compiled network computes what it computed before, and failing to compile loses nothing."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from genus.engine.torch_engine import TorchEngine, compile_or_leave
from genus.models.backbone import to_device
from genus.types import Event, Note, Preprocess
from tests.engine.test_openvino_engine import network
from tests.models.test_registry import tiny
from tests.training.runs import RECIPE, pictures, step_for

CPU = torch.device("cpu")
PIXELS = np.random.default_rng(0).integers(0, 256, (8, 48, 48, 3), dtype=np.uint8)
BATCH = pictures(8)

compiling = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch importing its own compiler


def compile_by(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels take a minute to make the first time, and are torch's own part: "aot_eager" does all but these."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=backend))


def small() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )


@compiling
@pytest.mark.parametrize(
    ("make", "backend"),
    [
        (partial(network, "efficientnet_lite0"), "aot_eager"),
        (partial(network, "swin_tiny"), "aot_eager"),
        (small, "inductor"),
    ],
    ids=["efficientnet_lite0", "swin_tiny", "kernels"],
)
def test_the_compiled_network_says_the_same(
    make: Callable[[], nn.Module], backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    compile_by(backend, monkeypatch)
    engine = TorchEngine(make().eval(), Preprocess(48), CPU)
    expected = engine(PIXELS)
    engine.compile()
    assert engine.name.endswith("compiled")
    for length in (8, 3):  # the last batch of a pass is seldom full
        found = engine(PIXELS[:length])
        assert np.abs(found - expected[:length]).max() <= 1e-4 * np.abs(expected).max()


@compiling
def test_batches_of_every_length_are_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths: list[int] = []

    def fake(network: nn.Module, dynamic: bool) -> Callable[[Tensor], Tensor]:
        def call(images: Tensor) -> Tensor:
            lengths.append(len(images))
            return network(images)

        return call

    monkeypatch.setattr(torch, "compile", fake)
    engine = TorchEngine(network("vgg11"), Preprocess(48), CPU)
    engine.compile()
    for length in range(1, 9):
        assert len(engine(PIXELS[:length])) == length
    assert set(lengths) == {8}


@compiling
def test_a_compiled_step_has_the_same_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    compile_by("aot_eager", monkeypatch)
    model = tiny("swin_tiny", drop_path=0.0)  # what stochastic depth leaves out differs from step to step
    to_device(model, CPU)
    step = step_for(RECIPE)

    def gradients() -> tuple[float, list[Tensor]]:
        model.zero_grad()
        loss = step(model, BATCH, torch.Generator().manual_seed(0))
        return loss, [weight.grad.clone() for weight in model.parameters() if weight.grad is not None]

    loss, expected = gradients()
    step.compile(model)
    compiled_loss, found = gradients()
    assert compiled_loss == pytest.approx(loss, rel=1e-4)
    assert len(found) == len(expected) > 0
    for one, other in zip(found, expected, strict=True):
        assert (one - other).norm() <= 1e-3 * other.norm() + 1e-7


def test_without_a_compiler_it_goes_on_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> Callable[..., object]:
        def call(*_: object) -> object:
            raise RuntimeError("no compiler")

        return call

    monkeypatch.setattr(torch, "compile", fail)
    engine, events = TorchEngine(network("vgg11"), Preprocess(48), CPU), list[Event]()
    expected = engine(PIXELS)
    compile_or_leave(engine.compile, engine.uncompile, partial(engine, PIXELS), events.append)
    assert events == [Note("Compiling failed (RuntimeError); going on without.")]
    assert np.array_equal(engine(PIXELS), expected)
    assert not engine.name.endswith("compiled")
