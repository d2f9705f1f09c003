"""Views read by other processes, for a training on a graphics card.

Threads share Python's lock. A training step hands a thousand small operations to the card; each gives the lock away
and waits until a reader lets go of it again, which takes ten times as long as the operation (docs/benchmarks.md,
"Workers").

Why not ``concurrent.futures``: its processes import the user's script once more, which fails in a script without
``if __name__ == "__main__"``, and a batch passes through two pickles, which takes four times as long and holds this
process's lock. These are plain programs instead. A request is a line of JSON; the answer is another, and raw pixels.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Any

import numpy as np
import torch

from genus.data.augment import Views
from genus.data.loader import Batch, chunks, in_threads, read_batch
from genus.errors import MachineError, PictureError
from genus.types import Preprocess

PROGRAM = "from genus.data.processes import serve; serve()"


class ReadingProcesses:
    """``count`` processes that read ``views``; they begin at once. A context manager, whose end is theirs."""

    def __init__(self, views: Views, count: int) -> None:
        self._processes = [_begin() for _ in range(count)]
        self._idle: SimpleQueue[subprocess.Popen[bytes]] = SimpleQueue()
        described = _described(views)
        for process in self._processes:
            with contextlib.suppress(OSError):  # of one that has died; the first question will show it
                _tell(_stdin(process), described)
            self._idle.put(process)

    def load_batches(self, epoch: int, order: Sequence[int], batch_size: int) -> Iterator[Batch]:
        """What ``loader.load_batches`` gives for the views of ``epoch``. MachineError when a process has died."""
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
