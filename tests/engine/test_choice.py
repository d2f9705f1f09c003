"""The engine that finishes first, and says what the others say."""

import re
from collections.abc import Callable

import numpy as np
import pytest
import torch

from genus.engine import choice, openvino_engine
from genus.engine.choice import build_engine, choose_engine, engine_names, require_engine
from genus.engine.openvino_engine import OpenVinoEngine
from genus.errors import UsageError, install_hint
from genus.types import Event, Note, Preprocess
from tests.engine.test_openvino_engine import network

CPU = torch.device("cpu")


class Fake:
    """An engine that claims to take ``seconds`` a call, and gives ``rows``."""

    batch_size = 8

    def __init__(self, name: str, seconds: float, rows: Callable[[int], np.ndarray]) -> None:
        self.name, self.seconds, self.rows = name, seconds, rows

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        return self.rows(len(pixels))

    def enter_thread(self) -> None:
        pass

    def compile(self) -> None:
        self.name += " compiled"

    def uncompile(self) -> None:
        self.name = self.name.removesuffix(" compiled")


def ones(n: int) -> np.ndarray:
    return np.ones((n, 4), np.float32)


def opposite(n: int) -> np.ndarray:
    return -np.ones((n, 4), np.float32)


def chosen(
    monkeypatch: pytest.MonkeyPatch, torch_seconds: float, openvino: Fake | None, pictures: int
) -> tuple[str, list[str]]:
    monkeypatch.setattr(choice, "TorchEngine", lambda *_: Fake("torch", torch_seconds, ones))
    monkeypatch.setattr(choice, "OpenVinoEngine", lambda *_: openvino)
    monkeypatch.setattr(openvino_engine, "installed", lambda: openvino is not None)
    monkeypatch.setattr(choice, "_measure", lambda engine, pixels: (engine(pixels), engine.seconds))
    events: list[Event] = []
    engine = choose_engine(
        "auto",
        torch.nn.Identity(),
        Preprocess(8),
        CPU,
        "fp32",
        workers=2,
        pictures=pictures,
        on_event=events.append,
    )
    return engine.name, [event.text for event in events if isinstance(event, Note)]


def test_auto_takes_the_faster_one_where_the_work_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    fast, slow = Fake("openvino 1", 0.05, ones), Fake("openvino 1", 0.2, ones)
    assert chosen(monkeypatch, 0.1, fast, pictures=100) == ("torch", [])
    assert chosen(monkeypatch, 0.1, fast, pictures=4000) == (
        "openvino 1",
        ["Engine: openvino 1, measured 2.0 times as fast as torch here."],
    )
    assert chosen(monkeypatch, 0.1, slow, pictures=4000) == ("torch", [])


def test_an_engine_that_says_something_else_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    assert chosen(monkeypatch, 0.1, Fake("openvino 1", 0.05, opposite), pictures=4000) == ("torch", [])


def test_compiling_has_to_pay_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    assert chosen(monkeypatch, 0.1, None, pictures=40_000)[0] == "torch"
    name, told = chosen(monkeypatch, 0.1, None, pictures=100_000)
    assert name == "torch compiled"
    assert told == ["Engine: torch, compiling the network first, because this would take 10 minutes."]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch importing its own compiler
def test_engines_by_name() -> None:
    whole = network("efficientnet_lite0")
    for name in engine_names("auto", CPU):
        engine = build_engine(name, whole, Preprocess(48), CPU, "fp32", 1)
        assert engine.name == name
    assert isinstance(engine, OpenVinoEngine)
    assert engine_names("torch", CPU) == [f"torch {torch.__version__}"]
    assert engine_names("auto", torch.device("cuda")) == [
        f"torch {torch.__version__}{end}" for end in ("", " compiled")
    ]


def test_wrong_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"no engine 'onnx'\. Choose one of auto, torch, openvino"):
        require_engine("onnx", CPU)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"not on cuda\. Add --device cpu"):
        require_engine("openvino", torch.device("cuda"))
    monkeypatch.setattr(openvino_engine, "installed", lambda: False)
    with pytest.raises(UsageError, match=re.escape(install_hint("fast"))):
        require_engine("openvino", CPU)
    require_engine("auto", CPU)
