"""Time to equal accuracy, frozen network: fastai's `vision_learner` against `genus train`, as their users call them.

Both start from the same weights, train on FOLDER/train and are held against FOLDER/test (which decides nothing in
either). fastai: its default head, `fit_one_cycle`, pictures resized to 224 px; the clock is read after each epoch and
leaves the validation out. genus: the whole command with an empty cache, start-up, test and pictures included.
usage: accuracy FOLDER [EPOCHS]
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path

import torch

from benchmarks.frozen import MODEL, genus_train
from benchmarks.timing import import_timm, machine
from genus.models import registry
from genus.models.backbone import module
from genus.models.layouts import LAYOUTS
from genus.models.sources import fetch
from genus.models.weights import load_weights


def copy_weights(peer: torch.nn.Module) -> None:
    """Fill timm's network with the weights from which genus starts."""
    model = registry.build(MODEL, 1000)
    load_weights(model, fetch(registry.entry(MODEL).pretrained, lambda event: None))
    ours = module(model).state_dict()
    layout = next(layout for layout in LAYOUTS["EfficientNetLite"] if layout.name == "timm")
    for name, tensor in layout.convert(peer.state_dict()).items():  # views of timm's own tensors
        tensor.copy_(ours[name])


def fastai_epochs(folder: Path, epochs: int) -> list[tuple[float, float]]:
    """Seconds of training so far and test accuracy, after each epoch."""
    _timm, _kept = import_timm()
    from fastai.vision import all as fastai

    class Clock(fastai.Callback):
        spent, points = 0.0, []

        def before_train(self) -> None:
            self.start = time.perf_counter()

        def after_train(self) -> None:
            self.spent += time.perf_counter() - self.start

        def after_epoch(self) -> None:
            self.points.append((self.spent, float(self.recorder.metrics[0].value)))

    data = fastai.ImageDataLoaders.from_folder(
        folder,
        train="train",
        valid="test",
        item_tfms=fastai.Resize(224),
        batch_tfms=fastai.Normalize.from_stats(*[[0.5] * 3] * 2, cuda=False),
        bs=32,
        num_workers=2,
    )
    learner = fastai.vision_learner(data, f"tf_{MODEL}", pretrained=False, normalize=False, metrics=fastai.accuracy)
    copy_weights(learner.model[0].model)
    learner.freeze()
    clock = Clock()
    with learner.no_bar(), learner.no_logging():
        learner.fit_one_cycle(epochs, cbs=clock)
    return clock.points


def main(folder: Path, epochs: int) -> None:
    machine()
    print("\n| | seconds | test accuracy | times genus |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as place:
        run = Path(place) / "run"
        spent = genus_train(folder, run, Path(place) / "cache")
        accuracy = json.loads((run / "metrics.json").read_text())["test"]["accuracy"]["value"]
        print(f"| `genus train`, 100 epochs | {spent:.1f} | {accuracy:.3f} | 1.0 |", flush=True)
    os.environ["FASTAI_HOME"] = tempfile.mkdtemp()
    for epoch, (seconds, reached) in enumerate(fastai_epochs(folder, epochs), 1):
        print(f"| fastai, epoch {epoch} of {epochs} | {seconds:.1f} | {reached:.3f} | {seconds / spent:.1f} |")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 3)
