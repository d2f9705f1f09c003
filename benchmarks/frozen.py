"""Frozen training, 100 epochs: the tutorial's loop, which runs the backbone in every epoch, against `genus train`.

The loop is a plain, faithful PyTorch one: torchvision's transforms, a DataLoader with two workers, timm's network in
fp32, AdamW on the head. One epoch is measured and multiplied. genus is measured as a user sees it: the whole command,
start-up, test and pictures included, with an empty cache, then once more with another head and seed. "Bare forward" is
one pass of genus's best engine over the same files, decoding included, the engine ready.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
import torch.nn.functional as F

from benchmarks.timing import import_timm, machine
from genus.data.decode import decode
from genus.data.folder import scan
from genus.data.loader import default_workers
from genus.engine.openvino_engine import OpenVinoEngine
from genus.engine.stream import stream
from genus.models import registry
from genus.models.backbone import WithoutHead, to_device
from genus.models.sources import fetch
from genus.models.weights import load_weights

MODEL, EPOCHS, REPEATS = "efficientnet_lite0", 100, 5


def tutorial_epoch(folder: Path) -> float:
    """Seconds of one epoch of the tutorial's loop over ``folder``/train."""
    timm, _kept = import_timm()
    from torchvision import datasets, transforms

    prepare = transforms.Compose(
        [
            transforms.RandomResizedCrop(224),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize([0.5] * 3, [0.5] * 3),
        ]
    )
    data = datasets.ImageFolder(str(folder / "train"), prepare)
    loader = torch.utils.data.DataLoader(data, batch_size=32, shuffle=True, num_workers=2)
    network = timm.create_model(MODEL, num_classes=len(data.classes))
    for name, parameter in network.named_parameters():
        parameter.requires_grad_("classifier" in name)
    optimizer = torch.optim.AdamW([p for p in network.parameters() if p.requires_grad], lr=1e-4)
    start = time.perf_counter()
    network.train()
    for images, labels in loader:
        optimizer.zero_grad()
        F.cross_entropy(network(images), labels).backward()
        optimizer.step()
    return time.perf_counter() - start


def bare_forward(folder: Path) -> float:
    """Seconds of one pass of the best engine over all files."""
    model, preprocess = registry.build(MODEL, 5), registry.preprocess_of(MODEL)
    load_weights(model, fetch(registry.entry(MODEL).pretrained, lambda event: None))
    to_device(model, torch.device("cpu"))
    paths = [picture.path for picture in scan(folder).pictures]
    engine = OpenVinoEngine(WithoutHead(model).eval(), preprocess, "bf16", default_workers())
    start = time.perf_counter()
    for _ in stream(range(len(paths)), lambda index: decode(paths[index], preprocess), engine, default_workers()):
        pass
    return time.perf_counter() - start


def genus_train(folder: Path, out: Path, cache: Path, *flags: str) -> float:
    """Seconds of the whole command."""
    command = [sys.executable, "-m", "genus", "train", str(folder), "--model", MODEL, "--out", str(out), *flags]
    environment = {**os.environ, "GENUS_CACHE": str(cache), "HF_HUB_OFFLINE": "1"}
    start = time.perf_counter()
    subprocess.run(command, check=True, env=environment, capture_output=True)
    return time.perf_counter() - start


def main(folder: Path) -> None:
    machine()
    seconds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as place_for_runs:
        root = Path(place_for_runs)
        for turn in range(REPEATS):
            cache = root / f"cache{turn}"
            turns = {
                "bare forward of the best engine": lambda: bare_forward(folder),
                "genus train, empty cache": lambda: genus_train(folder, root / f"cold{turn}", cache),
                "genus train --head linear --seed 1": lambda: genus_train(
                    folder, root / f"warm{turn}", cache, "--head", "linear", "--seed", "1"
                ),
            }
            for name, call in turns.items():
                seconds.setdefault(name, []).append(call())
        seconds[f"the tutorial's loop, one epoch x {EPOCHS}"] = [tutorial_epoch(folder) * EPOCHS]
    reference = statistics.median(seconds["genus train, empty cache"])
    print("\n| | min | median | max s | times genus |\n|---|---|---|---|---|")
    for name, values in seconds.items():
        numbers = " | ".join(f"{value:.2f}" for value in (min(values), statistics.median(values), max(values)))
        print(f"| {name} | {numbers} | {statistics.median(values) / reference:.3f} |")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
