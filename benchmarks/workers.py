"""How many threads: on a processor, one computation on all cores beside the readers, or one computation a core; and
what many readers do to each other, and to a thread that hands out small pieces of work, as to a graphics card."""

import statistics
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from benchmarks.timing import in_turns, machine, table
from genus.data.augment import random_view
from genus.data.decode import decode, open_rgb
from genus.data.loader import load_batches
from genus.data.threads import default_workers
from genus.engine.stream import stream
from genus.engine.torch_engine import TorchEngine
from genus.models import registry
from genus.models.backbone import WithoutHead, place

IMAGES = 256
READERS, SECONDS, OPERATIONS = (1, 2, 4, 8, 16), 3.0, 100
CPU = torch.device("cpu")


def main(folder: Path) -> None:
    machine()
    paths = sorted(folder.rglob("*.jpg"))[:IMAGES]
    for name in ("efficientnet_lite0", "vit_tiny_patch16"):
        model, preprocess = registry.build(name, 5), registry.preprocess_of(name)
        place(model, CPU)
        engine = TorchEngine(WithoutHead(model).eval(), preprocess, CPU, "bf16")

        def read(index: int, preprocess=preprocess) -> object:
            return decode(paths[index], preprocess)

        def on_all_cores(read=read, engine=engine) -> None:
            for batch in load_batches(range(len(paths)), read, 32, default_workers()):
                engine(batch.pixels)

        def one_a_core(read=read, engine=engine) -> None:
            list(stream(range(len(paths)), read, engine, default_workers()))

        competitors = {
            "readers beside one computation on all cores": on_all_cores,
            "one computation a core": one_a_core,
        }
        title = f"{name}, bf16, {len(paths)} photos"
        table(title, in_turns(competitors, 5), "readers beside one computation on all cores", len(paths))
    crowd(paths)


def crowd(paths: list[Path]) -> None:
    """Print how fast ``READERS`` threads read together, alone and beside a thread that runs small operations."""
    preprocess = registry.preprocess_of("vit_tiny_patch16")
    print(f"\n**Readers of random views, {SECONDS:.0f} s each**\n")
    print("| readers | views/s | views/s beside | microseconds an operation |\n|---|---|---|---|")
    print(f"| 0 | | | {1e6 * _seconds_an_operation():.1f} |")
    for readers in READERS:
        with reading(paths, preprocess, readers) as views:
            time.sleep(SECONDS)
            alone = len(views) / SECONDS
        with reading(paths, preprocess, readers) as views:
            operation = _seconds_an_operation()
            beside = len(views) / SECONDS
        print(f"| {readers} | {alone:.0f} | {beside:.0f} | {1e6 * operation:.1f} |")


@contextmanager
def reading(paths: list[Path], preprocess: object, readers: int) -> Iterator[list[int]]:
    """Inside, ``readers`` threads read random views; what is given grows by one with each."""
    done: list[int] = []
    enough = threading.Event()

    def read(start: int) -> None:
        number = start
        while not enough.is_set():
            path = paths[number % len(paths)]
            random_view(open_rgb(path, 300), preprocess, "light", np.random.default_rng(number))
            done.append(number)
            number += 1

    threads = [threading.Thread(target=read, args=(IMAGES // readers * index,)) for index in range(readers)]
    for thread in threads:
        thread.start()
    try:
        yield done
    finally:
        enough.set()
        for thread in threads:
            thread.join()


def _seconds_an_operation() -> float:
    """The mean of what a small operation takes, over ``SECONDS``."""
    numbers, seconds, end = torch.ones(8), [], time.perf_counter() + SECONDS
    while (start := time.perf_counter()) < end:
        for _ in range(OPERATIONS):
            numbers.add_(0.0)
        seconds.append((time.perf_counter() - start) / OPERATIONS)
    return statistics.mean(seconds)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
