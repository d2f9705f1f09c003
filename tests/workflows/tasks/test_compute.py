"""How many threads and processes read, where a graphics card computes."""

import time
from pathlib import Path

import pytest
import torch
from PIL import Image

from genus.config import TrainConfig
from genus.data.loader import default_workers
from genus.errors import PictureError
from genus.workflows.tasks import compute
from genus.workflows.tasks.compute import choose_compute


def chosen(monkeypatch: pytest.MonkeyPatch, seconds: float, device: str = "cuda", **options: object) -> tuple[int, int]:
    """Threads and processes: those chosen when reading a picture takes ``seconds`` and every third cannot be read."""
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
    found = choose_compute(TrainConfig(precision="fp32", **options), [Path(f"{n}.jpg") for n in range(1000)])
    assert len(asked) <= 8
    return found.workers, found.processes


def test_readers_of_small_pictures_would_wait_for_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    assert chosen(monkeypatch, 0.02) == (16, 8)
    threads, processes = chosen(monkeypatch, 0.0005)
    assert threads < processes == 8


def test_on_a_processor_and_when_told_nothing_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    assert chosen(monkeypatch, 0, "cpu") == (16, 0)
    assert chosen(monkeypatch, 0, "cpu", workers=5) == (5, 0)
    assert chosen(monkeypatch, 0, workers=5) == (5, 5)
    monkeypatch.undo()
    assert choose_compute(TrainConfig(device="cpu"), []).workers == default_workers()
