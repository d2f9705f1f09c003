"""How many threads: on a processor, one computation on all cores beside the readers, or one computation a core; and
what many readers do to each other, and to a thread that hands out small pieces of work, as to a graphics card."""

import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

import torch

from benchmarks.timing import in_turns, machine, table
from genus.data.augment import Views
from genus.data.decode import decode
from genus.data.loader import Batch, ReadingProcesses, default_workers, load_batches
from genus.engine.stream import stream
from genus.engine.torch_engine import TorchEngine
from genus.models import registry
from genus.models.backbone import WithoutHead, to_device

IMAGES = 256
READERS, SECONDS, OPERATIONS = (1, 2, 4, 8, 16), 3.0, 100
BATCH = 32
CPU = torch.device("cpu")


def main(folder: Path) -> None:
    machine()
    paths = sorted(folder.rglob("*.jpg"))[:IMAGES]
    for name in ("efficientnet_lite0", "vit_tiny_patch16"):
        model, preprocess = registry.build(name, 5), registry.preprocess_of(name)
        to_device(model, CPU)
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
    """Print how fast ``READERS`` read together, alone and beside a thread that runs small operations."""
    views = Views(paths, registry.preprocess_of("vit_tiny_patch16"), "light", seed=0)
    print(f"\n**Readers of random views, {SECONDS:.0f} s each**\n")
    print("| readers | views/s | views/s beside | microseconds an operation |\n|---|---|---|---|")
    print(f"| 0 | | | {1e6 * _seconds_an_operation():.1f} |")
    for kind, reading in {"threads": in_threads, "processes": in_processes}.items():
        for readers in READERS:
            with reading(views, readers) as done:
                before = len(done)
                time.sleep(SECONDS)
                alone = (len(done) - before) / SECONDS
                before = len(done)
                operation = _seconds_an_operation()
                beside = (len(done) - before) / SECONDS
            print(f"| {readers} {kind} | {alone:.0f} | {beside:.0f} | {1e6 * operation:.1f} |")


def in_threads(views: Views, readers: int) -> AbstractContextManager[list[int]]:
    """Inside, as many threads read ``views``; what is given grows by one with each."""
    return _meanwhile(lambda: load_batches(_for_ever(len(views.paths)), partial(views, 0), BATCH, readers))


@contextmanager
def in_processes(views: Views, readers: int) -> Iterator[list[int]]:
    """The same with processes."""
    with (
        ReadingProcesses(views, readers) as processes,
        _meanwhile(lambda: processes.load_batches(0, _for_ever(len(views.paths)), BATCH)) as done,
    ):
        yield done


def _for_ever(pictures: int) -> list[int]:
    return list(range(pictures)) * 1000


@contextmanager
def _meanwhile(load: Callable[[], Iterator[Batch]]) -> Iterator[list[int]]:
    """Inside, a thread takes one batch after the other, as fast as they come; begins with the first."""
    done: list[int] = []
    begun, enough = threading.Event(), threading.Event()

    def take() -> None:
        for batch in load():
            done.extend(batch.indices)
            begun.set()
            if enough.is_set():
                return

    thread = threading.Thread(target=take)
    thread.start()
    begun.wait()
    try:
        yield done
    finally:
        enough.set()
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
