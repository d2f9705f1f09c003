"""How many threads read, where a graphics card computes."""

import time
from pathlib import Path

import pytest
import torch
from PIL import Image

from genus.config import TrainConfig
from genus.data.threads import default_workers
from genus.errors import PictureError
from genus.workflows import compute
from genus.workflows.compute import choose_compute


def workers(monkeypatch: pytest.MonkeyPatch, seconds: float, device: str = "cuda", **options: object) -> int:
    """Those chosen when reading a picture takes ``seconds`` and every third cannot be read."""
    asked: list[Path] = []

    def read(path: Path, at_least: int) -> Image.Image:
        asked.append(path)
        time.sleep(seconds if len(asked) > 1 else 0.2)  # Pillow loads its plugins first
        if len(asked) % 3 == 0:
            raise PictureError("broken")
        return Image.new("RGB", (1, 1))

    monkeypatch.setattr(compute, "open_rgb", read)
    monkeypatch.setattr(compute, "choose_device", lambda name: torch.device(device))
    monkeypatch.setattr(compute, "default_workers", lambda: 16)
    chosen = choose_compute(TrainConfig(precision="fp32", **options), [Path(f"{n}.jpg") for n in range(1000)])
    assert len(asked) <= 8
    return chosen.workers


def test_readers_of_small_pictures_would_wait_for_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    assert workers(monkeypatch, 0.02) == 16
    assert workers(monkeypatch, 0.0005) < 8


def test_on_a_processor_and_when_told_nothing_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    assert workers(monkeypatch, 0, "cpu") == 16
    assert workers(monkeypatch, 0, workers=5) == 5
    monkeypatch.undo()
    assert choose_compute(TrainConfig(device="cpu"), []).workers == default_workers()
