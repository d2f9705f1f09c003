"""Work in threads, results in order; above all pictures to batches, read ahead while the processor computes.

Threads, not processes: Pillow and torch release the interpreter's lock while they work, nothing has to be copied
between processes, and macOS and Windows behave as Linux does. The exception is full training on a graphics card,
``ReadingProcesses``. A training step hands a thousand small operations to the card; each gives Python's lock away and
waits until a reader lets go of it again, which takes ten times as long as the operation (docs/benchmarks.md,
"Workers").
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from genus.data.augment import Views
from genus.errors import MachineError, PictureError
from genus.types import Preprocess

Pixels = NDArray[np.uint8]
Read = Callable[[int], Pixels]
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Batch:
    """``pixels`` (n x S x S x 3, uint8) of the pictures number ``indices``; ``failures`` could not be read."""

    indices: tuple[int, ...]
    pixels: Pixels
    failures: tuple[tuple[int, PictureError], ...]


def load_batches(order: Sequence[int], read: Read, batch_size: int, workers: int) -> Iterator[Batch]:
    """Batches of ``batch_size`` pictures in the given order; each is read by one of ``workers`` threads.

    A PictureError of ``read`` is collected in its batch (whose ``pixels`` are then fewer, or none); any other error
    ends the iteration. Memory holds at most ``2 * workers`` batches, however many pictures there are.
    """
    return in_threads(lambda chunk: read_batch(chunk, read), chunks(order, batch_size), workers)


def fill(pixels: Pixels, pictures: int) -> Pixels:
    """``pixels``, and black ones behind, until there are so many ``pictures``."""
    missing = pictures - len(pixels)
    return np.pad(pixels, ((0, missing), (0, 0), (0, 0), (0, 0))) if missing else np.ascontiguousarray(pixels)


def chunks(order: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    """``order`` cut into pieces of ``size``; the last one may be shorter."""
    return (order[start : start + size] for start in range(0, len(order), size))


def read_batch(chunk: Sequence[int], read: Read) -> Batch:
    """The pictures of ``chunk`` that can be read, and the errors of those that cannot."""
    indices: list[int] = []
    pictures: list[Pixels] = []
    failures: list[tuple[int, PictureError]] = []
    for index in chunk:
        try:
            pictures.append(read(index))
            indices.append(index)
        except PictureError as error:
            failures.append((index, error))
    pixels = np.stack(pictures) if pictures else np.empty((0, 0, 0, 3), np.uint8)
    return Batch(tuple(indices), pixels, tuple(failures))


def in_threads(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    workers: int,
    enter: Callable[[], None] = lambda: None,
) -> Iterator[Result]:
    """``function`` of every item, in the order of ``items``, in ``workers`` threads; each thread first calls ``enter``.

    At most ``2 * workers`` items are under way or finished and not yet taken, however many there are. An error of
    ``function`` ends the iteration.
    """
    waiting: deque[Future[Result]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="genus-worker", initializer=enter)
    try:
        for item in items:
            if len(waiting) == 2 * workers:
                yield waiting.popleft().result()
            waiting.append(pool.submit(function, item))
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


SERIAL = 0.25e-3
"""Seconds of reading a picture in which no other thread can run Python (docs/benchmarks.md, "Workers")."""


def useful_readers(workers: int, seconds: float) -> int:
    """Of ``workers`` threads, as many as can read pictures side by side when each picture takes ``seconds``.

    More would only wait for Python's lock, and whoever hands work to a graphics card would wait with them.
    """
    return max(1, min(workers, round(seconds / SERIAL)))


def default_workers() -> int:
    """Threads, unless the user says: one for each processor that this process may use, at most 16."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(usable, 16)


PROGRAM = "from genus.data.loader import serve; serve()"


class ReadingProcesses:
    """``count`` processes that read ``views``; they begin at once. A context manager, whose end is theirs.

    Why not ``concurrent.futures``: its processes import the user's script once more, which fails in a script without
    ``if __name__ == "__main__"``, and a batch passes through two pickles, which takes four times as long and holds this
    process's lock. These are plain programs instead. A request is a line of JSON; the answer is another, and raw
    pixels.
    """

    def __init__(self, views: Views, count: int) -> None:
        self._processes = [_begin() for _ in range(count)]
        self._idle: SimpleQueue[subprocess.Popen[bytes]] = SimpleQueue()
        described = _described(views)
        for process in self._processes:
            with contextlib.suppress(OSError):  # of one that has died; the first question will show it
                _tell(_stdin(process), described)
            self._idle.put(process)

    def load_batches(self, epoch: int, order: Sequence[int], batch_size: int) -> Iterator[Batch]:
        """What the function ``load_batches`` gives for the views of ``epoch``. MachineError when a process has died."""
        return in_threads(partial(self._read, epoch), chunks(order, batch_size), len(self._processes))

    def _read(self, epoch: int, chunk: Sequence[int]) -> Batch:
        process = self._idle.get()
        try:
            return _ask(process, epoch, chunk)
        except (OSError, ValueError) as error:
            raise MachineError(
                "A process that reads pictures has died; perhaps the memory is used up. --workers says how many there "
                "are, --resume goes on after the last epoch."
            ) from error
        finally:
            self._idle.put(process)

    def __enter__(self) -> "ReadingProcesses":
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            with contextlib.suppress(OSError):
                _stdin(process).close()  # asked no more, it ends
        for process in self._processes:
            _stdout(process).close()
            process.wait()


def serve() -> None:
    """The other side: answer until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the training, which then asks no more
    torch.set_num_threads(1)
    questions, answers, sys.stdout = sys.stdin.buffer, sys.stdout.buffer, sys.stderr
    views = _views_from(json.loads(questions.readline()))
    with contextlib.suppress(BrokenPipeError):
        for line in questions:
            _answer(views, json.loads(line), answers)


def _begin() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )


def _described(views: Views) -> dict[str, Any]:
    return {**asdict(replace(views, paths=())), "paths": [str(path) for path in views.paths]}


def _views_from(described: dict[str, Any]) -> Views:
    preprocess = described["preprocess"]
    preprocess |= {name: tuple(preprocess[name]) for name in ("mean", "std")}
    paths = [Path(path) for path in described["paths"]]
    return Views(**{**described, "paths": paths, "preprocess": Preprocess(**preprocess)})


def _ask(process: subprocess.Popen[bytes], epoch: int, chunk: Sequence[int]) -> Batch:
    _tell(_stdin(process), {"epoch": epoch, "chunk": list(chunk)})
    answer = json.loads(_stdout(process).readline())
    pixels = np.empty(answer["shape"], np.uint8)
    if _stdout(process).readinto(pixels.reshape(-1).data) < pixels.size:  # type: ignore[attr-defined]
        raise ValueError("The pixels end too early.")
    failures = tuple((index, PictureError(message)) for index, message in answer["failures"])
    return Batch(tuple(answer["indices"]), pixels, failures)


def _answer(views: Views, question: dict[str, Any], answers: IO[bytes]) -> None:
    batch = read_batch(question["chunk"], partial(views, question["epoch"]))
    failures = [(index, str(error)) for index, error in batch.failures]
    _tell(answers, {"indices": batch.indices, "failures": failures, "shape": batch.pixels.shape})
    answers.write(batch.pixels.data)
    answers.flush()


def _tell(listener: IO[bytes], what: dict[str, Any]) -> None:
    listener.write(json.dumps(what).encode() + b"\n")
    listener.flush()


def _stdin(process: subprocess.Popen[bytes]) -> IO[bytes]:
    assert process.stdin
    return process.stdin


def _stdout(process: subprocess.Popen[bytes]) -> IO[bytes]:
    assert process.stdout
    return process.stdout
