"""How many copies of test pictures are found, and what else is taken for one? usage: leaks FLOWERS [PICTURES]

PICTURES (300) of the test part are altered, each in ten ways, and laid among all photos of FLOWERS, one way at a time:
how many are found beside their original? The last line counts the pairs among the photos themselves; those of genus are
listed, to be looked at. Its thresholds were chosen on other test pictures, and on pairs of another set of photos.

Beside genus: its candidates by the hash alone; a cosine of the same features alone, at the default of FiftyOne
(distance 0.2); cleanvision and imagededup (perceptual hash) at their defaults. These two have an environment of their
own, made by benchmarks/setup-copies, and named in GENUS_COPIES if it is not .venv-copies.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.timing import machine
from genus.data.checks.alignment import Likeness
from genus.data.checks.candidates import Pairs, pairs_by_features, pairs_by_hash
from genus.data.checks.near_copies import compared
from genus.data.decode import open_rgb
from genus.data.facts import difference_hash
from genus.data.loader import default_workers
from genus.engine.choice import choose_engine
from genus.engine.stream import Engine, run_over
from genus.models.backbone import WithoutHead
from genus.models.registry import build, entry
from genus.models.sources import fetch
from genus.models.weights import load_weights
from genus.types import ignore_events
from tests.alterations import ALTERATIONS, altered

MODEL = "efficientnet_lite0"
CHOSEN_ON = {0: 100, 5: 50}  # seeds: test pictures
LEAST_COSINE = 0.8
PYTHON = Path(os.environ.get("GENUS_COPIES", Path(__file__).parents[1] / ".venv-copies"), "bin", "python")

Found = set[tuple[int, int]]
"""Pairs of numbers of pictures, the lower one first."""


class Pictures:
    """Photos, and copies behind them, with what is known of each."""

    def __init__(self, paths: list[Path], engine: Engine) -> None:
        self.paths = paths
        preprocess = entry(MODEL).preprocess
        done = run_over(paths, engine, preprocess, workers=default_workers(), task="features", on_event=ignore_events)
        self.features = done.rows
        self.hashes = np.array([difference_hash(open_rgb(path)) for path in paths], np.uint64)

    def with_copies(self, copies: "Pictures") -> "Pictures":
        both = object.__new__(Pictures)
        both.paths = self.paths + copies.paths
        both.features = np.concatenate((self.features, copies.features))
        both.hashes = np.concatenate((self.hashes, copies.hashes))
        return both

    def by_genus(self) -> Found:
        both = np.concatenate((pairs_by_hash(self.hashes), pairs_by_features(self.features)))
        candidates = np.unique(both, axis=0)
        likeness = list(compared(candidates, lambda number: open_rgb(self.paths[number]), default_workers()))
        return as_found(candidates[np.array(likeness) == Likeness.PHOTO])

    def by_hash(self) -> Found:
        return as_found(pairs_by_hash(self.hashes))

    def by_cosine(self) -> Found:
        rows = self.features / np.linalg.norm(self.features, axis=1, keepdims=True)
        found: Found = set()
        for start in range(0, len(rows), 1024):
            first, second = np.nonzero(rows[start : start + 1024] @ rows.T >= LEAST_COSINE)
            found |= as_found(np.stack((first + start, second), axis=1)[first + start < second])
        return found


WAYS = {
    "genus": Pictures.by_genus,
    "its hash alone": Pictures.by_hash,
    f"cosine of {LEAST_COSINE} alone": Pictures.by_cosine,
}


def as_found(pairs: Pairs) -> Found:
    return {(first, second) for first, second in pairs.tolist()}


def main(folder: Path, count: int = 300) -> None:
    machine()
    network = build(MODEL, num_classes=1000)
    load_weights(network, fetch(entry(MODEL).pretrained))
    frozen = WithoutHead(network).eval()
    paths = sorted(folder.rglob("*.jpg"))
    cpu, workers = torch.device("cpu"), default_workers()
    engine = choose_engine("auto", frozen, entry(MODEL).preprocess, cpu, "fp32",
                           workers=workers, pictures=len(paths), on_event=ignore_events)  # fmt: skip
    photos = Pictures(paths, engine)
    start = time.perf_counter()
    among_photos = {name: find(photos) for name, find in WAYS.items()}
    seconds = time.perf_counter() - start
    planted = choose(paths, count)
    with tempfile.TemporaryDirectory() as place:
        copies = {how: plant(paths, planted, how, Path(place, f"{n}")) for n, how in enumerate(ALTERATIONS)}
        peers = by_peers(paths + [path for some in copies.values() for path in some], Path(place))
        print(f"\nOf {count} copies of test pictures among {len(paths)} photos, those found beside their original:\n")
        print(f"| | {' | '.join((*WAYS, *peers))} |\n|---|{'---|' * (len(WAYS) + len(peers))}")
        for number, (how, altered_paths) in enumerate(copies.items()):
            both = photos.with_copies(Pictures(altered_paths, engine))
            first = len(paths)
            wanted = {(original, first + n) for n, original in enumerate(planted)}
            among_all = {(original, first + number * count + n) for n, original in enumerate(planted)}
            found = [len(wanted & find(both)) for find in WAYS.values()]
            found += [len(among_all & pairs) for pairs in peers.values()]
            print(f"| {how} | {' | '.join(f'{some / count:.3f}' for some in found)} |", flush=True)
    others = [{pair for pair in pairs if pair[1] < len(paths)} for pairs in peers.values()]
    numbers = [str(len(pairs)) for pairs in (*among_photos.values(), *others)]
    print(f"| pairs among the photos | {' | '.join(numbers)} |")
    print(f"\nCandidates and verdicts for the photos, all ways: {seconds:.1f} s. The pairs that genus found:\n")
    for one, other in sorted(among_photos["genus"]):
        print(f"{paths[one].relative_to(folder)} {paths[other].relative_to(folder)}")


def choose(paths: list[Path], count: int) -> list[int]:
    """Numbers of test pictures, without those on which thresholds were chosen."""
    tests = [number for number, path in enumerate(paths) if path.parents[1].name == "test"]
    chosen_on = {*tests[::50]}  # those of the unit tests
    for seed, number in CHOSEN_ON.items():
        chosen_on |= {*np.random.default_rng(seed).choice(tests, number, replace=False).tolist()}
    left = sorted({*tests} - chosen_on)
    return sorted(np.random.default_rng(1).choice(left, count, replace=False).tolist())


def plant(paths: list[Path], planted: list[int], how: str, folder: Path) -> list[Path]:
    """The altered pictures as files in ``folder``."""
    folder.mkdir()
    rng = np.random.default_rng(2)
    copies = []
    for number in planted:
        copies.append(folder / f"{number}.jpg")
        altered(Image.open(paths[number]).convert("RGB"), how, rng).save(copies[-1], quality=92)
    return copies


def by_peers(paths: list[Path], place: Path) -> dict[str, Found]:
    """What the peers find among all ``paths`` at once; their pairs do not depend on what else is there."""
    if not PYTHON.exists():
        return {}
    (place / "paths.json").write_text(json.dumps([str(path) for path in paths]))
    command = [PYTHON, "-m", "benchmarks.leaks_peers", place / "paths.json", place / "pairs.json"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    found = json.loads((place / "pairs.json").read_text())
    return {name: {(first, second) for first, second in pairs} for name, pairs in found.items()}


if __name__ == "__main__":
    main(Path(sys.argv[1]), *(int(count) for count in sys.argv[2:]))
