"""Where each second of `genus train` goes, and whether the processor ever waits for pictures.

Each run is a process of its own, from the start of the interpreter to the last picture drawn: the frozen network with
an empty cache, a second run with another head and seed, and one epoch of full training. usage: seconds FOLDER
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

BEGUN = "GENUS_BENCHMARK_BEGUN"
RUNS: dict[str, dict[str, Any]] = {
    "frozen, empty cache": {},
    "frozen, second run, `--head linear --seed 1`": {"head": "linear", "seed": 1},
    "all layers, one epoch": {"freeze_layers": False, "epochs": 1, "seed": 2},
}


def main(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as place:
        environment = {**os.environ, "GENUS_CACHE": f"{place}/cache", "HF_HUB_OFFLINE": "1"}
        for number, (title, options) in enumerate(RUNS.items()):
            print(f"\n**{title}**\n", flush=True)
            command = [
                sys.executable,
                "-m",
                "benchmarks.seconds",
                str(folder),
                f"{place}/{number}",
                json.dumps(options),
            ]
            subprocess.run(command, check=True, env={**environment, BEGUN: str(time.time())})


def measured(folder: Path, out: Path, options: dict[str, Any]) -> None:
    """One run, in this process; prints its table."""
    from genus import api
    from genus.types import EpochResult, Progress

    marks = {"interpreter, torch, genus": time.time()}
    reading = Busy()
    spent = watch()

    def listen(event: object) -> None:
        now = time.time()
        if isinstance(event, Progress) and event.task == "Reading pictures":
            if "folder, model, weights, engine" not in marks:
                marks["folder, model, weights, engine"] = now
                reading.start()
            marks["reading, hashing, decoding, features"] = now
            reading.stop()
        elif isinstance(event, EpochResult) or hasattr(event, "c"):
            marks["split, training, validation"] = now

    api.train(folder, model="efficientnet_lite0", out=out, on_event=listen, **options)
    marks["bundle, test, pictures"] = time.time()
    last = float(os.environ[BEGUN])
    print("| | s |\n|---|---|")
    for name, mark in marks.items():
        print(f"| {name} | {mark - last:.2f} |")
        last = mark
    print(f"| together | {last - float(os.environ[BEGUN]):.2f} |")
    print(f"\nWhile the pictures were read, {reading.cores:.2f} of {os.cpu_count()} cores computed.")
    print("Seconds of all threads together: " + ", ".join(f"{name} {value:.2f}" for name, value in spent.items()) + ".")


class Busy:
    """Cores that this process keeps busy between ``start`` and the last ``stop``."""

    def start(self) -> None:
        self._begun = time.time(), time.process_time()

    def stop(self) -> None:
        self.cores = (time.process_time() - self._begun[1]) / max(time.time() - self._begun[0], 1e-9)


def watch() -> dict[str, float]:
    """Clocks around the parts of the pass over the pictures and around the wait for a training batch."""
    from genus.data import inspect
    from genus.features.extractor import FeatureExtractor
    from genus.workflows.tasks import full

    spent: dict[str, float] = {}

    def clocked(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            start = time.perf_counter()
            result = function(*arguments)
            spent[name] = spent.get(name, 0.0) + time.perf_counter() - start
            return result

        return call

    def batches(*arguments: Any) -> Iterator[Any]:
        source = iter(load_batches(*arguments))
        following = clocked("waiting for the next batch", lambda: next(source, None))
        while (batch := following()) is not None:
            start = time.perf_counter()
            yield batch
            spent["training on batches"] = spent.get("training on batches", 0.0) + time.perf_counter() - start

    load_batches = full.load_batches
    inspect.read = clocked("reading", inspect.read)
    inspect.decode = clocked("decoding", inspect.decode)
    FeatureExtractor.take = clocked("features", FeatureExtractor.take)
    full.load_batches = batches
    return spent


if __name__ == "__main__":
    if len(sys.argv) > 2:
        measured(Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3]))
    else:
        main(Path(sys.argv[1]))
