"""On a graphics card: every way of training, and the same names there as on the processor."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import genus
from genus.engine.device import choose_device
from genus.engine.torch_engine import TorchEngine
from genus.models.backbone import to_device
from genus.types import EpochResult, Event, Note, Preprocess
from tests.card import needs_card
from tests.engine.test_openvino_engine import network, noise
from tests.models.test_registry import SMALLEST

pytestmark = needs_card
CPU = torch.device("cpu")
LITE0 = {"model": "efficientnet_lite0", "image_size": 64, "lr": 1e-3}
SWIN = {"model": "swin_tiny", "weights": "none", "image_size": 64, "freeze_layers": False, "batch_size": 16}


@pytest.mark.parametrize("name", SMALLEST)
def test_fp32_is_equal_and_bf16_is_near(name: str) -> None:
    whole, preprocess, card = network(name), Preprocess(48), choose_device("cuda")
    reference = TorchEngine(whole, preprocess, CPU)(noise(19))
    to_device(whole.model, card)  # type: ignore[arg-type]
    exact, near = (TorchEngine(whole, preprocess, card, precision)(noise(19)) for precision in ("fp32", "bf16"))
    assert np.abs(exact - reference).max() <= 1e-4 * np.abs(reference).max()
    cosine = (near * reference).sum(1) / np.linalg.norm(near, axis=1) / np.linalg.norm(reference, axis=1)
    assert cosine.min() > 0.999


@pytest.mark.parametrize(
    "options",
    [
        {**LITE0, "epochs": 30},
        {**LITE0, "head": "linear", "views": 1},
        {**LITE0, "freeze_layers": False, "epochs": 2, "augment": "strong"},
        {**LITE0, "freeze_until": 7, "epochs": 2},
        {**SWIN, "epochs": 2},
        {**SWIN, "epochs": 2, "precision": "fp32"},
    ],
    ids=lambda options: ", ".join(f"{key} {value}" for key, value in options.items()),
)
def test_a_model_from_the_card_names_alike_on_the_processor(
    options: dict[str, object], drawn: Path, tmp_path: Path
) -> None:
    result = genus.train(drawn, out=tmp_path / "run", device="cuda", on_event=lambda event: None, **options)
    assert json.loads((result.run / "genus.json").read_text())["hardware"]["device"] == "cuda"
    pictures = sorted(drawn.rglob("*.jpg"))[::9]
    here, there = (genus.load(result.run, device=device).predict_all(pictures) for device in ("cpu", "cuda"))
    for one, other in zip(here, there, strict=True):
        assert dict(one.top) == pytest.approx(dict(other.top), abs=1e-3)
        assert one.known == other.known
    again = genus.evaluate(result.run, device="cuda", on_event=lambda event: None).test
    assert again.accuracy.value == pytest.approx(result.test.accuracy.value, abs=0.06)  # one picture of 18


def test_training_compiles_where_it_is_long(drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("genus.workflows.tasks.fine_tune.WORTH_COMPILING", 0.0)
    events: list[Event] = []
    result = genus.train(drawn, out=tmp_path / "run", device="cuda", epochs=2, on_event=events.append, **SWIN)
    told = [event.text for event in events if isinstance(event, Note)]
    assert any(text.startswith("Compiling the network first") for text in told)
    assert not any("failed" in text for text in told)
    assert len(result.history) == 2


def test_stopped_training_goes_on(drawn: Path, tmp_path: Path) -> None:
    def stop(event: Event) -> None:
        if isinstance(event, EpochResult) and event.epoch == 2:
            raise KeyboardInterrupt

    options = {**SWIN, "out": tmp_path / "run", "device": "cuda", "epochs": 3}
    with pytest.raises(KeyboardInterrupt):
        genus.train(drawn, on_event=stop, **options)
    result = genus.train(drawn, resume=True, on_event=lambda event: None, **options)
    assert [epoch.epoch for epoch in result.history if isinstance(epoch, EpochResult)] == [1, 2, 3]


def test_explanations(drawn: Path, tmp_path: Path) -> None:
    result = genus.train(drawn, out=tmp_path / "run", device="cuda", on_event=lambda event: None, **LITE0)
    picture = next(drawn.rglob("*.jpg"))
    genus.explain(result.run, [picture], tmp_path / "seen", device="cuda", on_event=lambda event: None)
    assert list((tmp_path / "seen").glob("*.png"))
