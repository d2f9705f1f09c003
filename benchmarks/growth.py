"""Growth: scan, hash and decode, recognise, split, cache look-up and head fit from 1,000 to 1,000,000 pictures.

The pictures are distinct files of a few hundred bytes (a class folder holds a hundredth of them), the features are
random rows. Printed for each step, bytes a picture: by how much the peak of resident memory grew, which counts pages of
the cache's files that the system may take back at any time, and by how much the memory that is the process's own grew.
Each number of pictures is a process of its own. usage: growth [LARGEST]      default 1,000,000
"""

import hashlib
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from benchmarks.timing import machine
from genus.data.checks.links import find_links
from genus.data.folder import scan
from genus.data.inspect import FactsOnly, Inspection, inspect
from genus.data.loader import default_workers
from genus.data.split import split
from genus.features.cache import FeatureCache
from genus.features.memory import SETTLED_AFTER, PictureMemory
from genus.training.head import Examples, HeadRecipe, fit_adamw
from genus.types import Part, Preprocess, ignore_events

WIDTH, CLASSES = 1280, 10  # EfficientNet-Lite0 has so many features
DISK_A_FILE = 4096 + 4 * WIDTH + 40 + 72


def draw(folder: Path, count: int) -> None:
    """``count`` distinct pictures of 8 x 8 pixels."""
    rng = np.random.default_rng(0)
    for number in range(count):
        place = folder / f"class{number % CLASSES}"
        if number < CLASSES:
            place.mkdir(parents=True)
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(
            place / f"{number:07d}.png", compress_level=0
        )


def main(largest: int) -> None:
    machine()
    print(f"Needs {largest * DISK_A_FILE / 1e9:.1f} GB of disk below {tempfile.gettempdir()}.")
    print("\n| pictures | step | µs a picture | bytes a picture: peak | own |\n|---|---|---|---|---|", flush=True)
    count = 1000
    while count <= largest:
        with tempfile.TemporaryDirectory() as folder:
            if shutil.disk_usage(folder).free < 2 * count * DISK_A_FILE:
                raise SystemExit(f"Not enough disk for {count} pictures.")
            draw(Path(folder) / "photos", count)
            subprocess.run([sys.executable, "-m", "benchmarks.growth", folder, str(count)], check=True)
        count *= 10


def measure(folder: Path, count: int) -> None:
    """One row a step."""
    preprocess = Preprocess(8)

    def timed(step: str, call: Callable[[], Any]) -> Any:
        before, own_before, start = peak(), own(), time.perf_counter()
        result = call()
        seconds = time.perf_counter() - start
        growth = f"{(peak() - before) / count:.0f} | {(own() - own_before) / count:.0f}"
        print(f"| {count:,} | {step} | {seconds / count * 1e6:.1f} | {growth} |", flush=True)
        return result

    def look() -> Inspection:
        with PictureMemory(folder / "seen", preprocess) as memory:
            return inspect(catalog, preprocess, default_workers(), ignore_events, memory, FactsOnly())

    time.sleep(SETTLED_AFTER)
    catalog = timed("scan", lambda: scan(folder / "photos"))
    seen = timed("read, hash, decode, facts", look)
    assert timed("recognise", look).good == seen.good
    with PictureMemory(folder / "seen", preprocess) as memory:
        timed("copies, series", lambda: find_links(seen, None, memory, default_workers(), ignore_events))
    parts = timed("split", lambda: split(seen.good, 0))
    train = parts.members(Part.TRAIN)
    pictures = [bytes.fromhex(member.sha256) for member in train]
    rng = np.random.default_rng(0)

    def fill() -> None:
        with FeatureCache(folder / "cache", {"model": "random"}, WIDTH) as cache:
            for start in range(0, len(pictures), 8):
                some = pictures[start : start + 8]
                cache.append(some, rng.standard_normal((len(some), WIDTH), np.float32))

    timed("cache, write", fill)
    cache = timed("cache, open", lambda: FeatureCache(folder / "cache", {"model": "random"}, WIDTH))
    places = timed("cache, look up", lambda: cache.find(pictures))
    labels = np.array([int(hashlib.md5(picture).hexdigest(), 16) % CLASSES for picture in pictures])
    head, examples = nn.Linear(WIDTH, CLASSES), Examples(cache.rows(places), labels)
    timed("head, one epoch", lambda: list(fit_adamw(head, examples, None, HeadRecipe(epochs=1))))


def peak() -> int:
    """Bytes of resident memory that this process has had at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def own() -> int:
    """Bytes of memory that belong to this process alone and now."""
    return int(re.findall(r"RssAnon:\s+(\d+) kB", Path("/proc/self/status").read_text())[0]) * 1024


if __name__ == "__main__":
    torch.manual_seed(0)
    if len(sys.argv) > 2:
        measure(Path(sys.argv[1]), int(sys.argv[2]))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
