"""Reading ahead in threads: order, failures, bounds, an end without hanging; and processes, which give the same."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from genus.data import loader
from genus.data.augment import Views
from genus.data.loader import Batch, Pixels, ReadingProcesses, default_workers, in_threads, load_batches, useful_readers
from genus.errors import MachineError, PictureError
from genus.types import HALF, AugmentName, Preprocess


def picture(index: int) -> Pixels:
    return np.full((2, 2, 3), index % 256, np.uint8)


@settings(max_examples=60, deadline=None)
@given(
    order=st.lists(st.integers(0, 30), max_size=40),
    bad=st.sets(st.integers(0, 30)),
    batch_size=st.integers(1, 9),
    workers=st.integers(1, 4),
)
def test_everything_comes_once_and_in_order(order: list[int], bad: set[int], batch_size: int, workers: int) -> None:
    """Also an index that the order names twice, as balanced sampling does."""

    def read(index: int) -> Pixels:
        if index in bad:
            raise PictureError(f"bad {index}")
        return picture(index)

    batches = list(load_batches(order, read, batch_size, workers))
    chunks = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    assert len(batches) == len(chunks)
    for batch, chunk in zip(batches, chunks, strict=True):
        assert list(batch.indices) == [index for index in chunk if index not in bad]
        assert batch.pixels.shape[0] == len(batch.indices)
        assert batch.pixels.dtype == np.uint8
        assert [int(pixels.max()) for pixels in batch.pixels] == list(batch.indices)
        assert [(n, str(error)) for n, error in batch.failures] == [(n, f"bad {n}") for n in chunk if n in bad]


@pytest.mark.parametrize("workers", [1, 4])
def test_slow_pictures_keep_their_place(workers: int) -> None:
    def read(index: int) -> Pixels:
        time.sleep(0.004 * (index % 3))
        return picture(index)

    batches = load_batches(range(20), read, 6, workers)
    assert [index for batch in batches for index in batch.indices] == list(range(20))


def test_the_reading_ahead_is_bounded() -> None:
    """However slow the consumer: never more than two batches a worker beyond the ones that it has taken."""
    begun: list[int] = []

    def read(index: int) -> Pixels:
        begun.append(index)
        return picture(index)

    most = 0
    for number, _ in enumerate(load_batches(range(200), read, 5, 4), start=1):
        time.sleep(0.002)
        most = max(most, len(begun) - 5 * number)
        assert len(begun) <= 5 * (number + 2 * 4)
    assert most >= 5 * 4  # and it does read ahead
    assert len(begun) == 200


def test_as_many_threads_as_asked() -> None:
    meeting = threading.Barrier(3, timeout=20)

    def read(index: int) -> Pixels:
        meeting.wait()  # passes only when three read at the same time
        return picture(index)

    assert sum(len(batch.indices) for batch in load_batches(range(12), read, 2, 3)) == 12
    assert 1 <= default_workers() <= 16


@pytest.mark.parametrize("error", [ValueError("a bug"), KeyboardInterrupt()])
def test_other_errors_end_it(error: BaseException) -> None:
    reads: list[int] = []

    def read(index: int) -> Pixels:
        reads.append(index)
        if index == 7:
            raise error
        return picture(index)

    batches = load_batches(range(1000), read, 5, 2)
    assert next(batches).indices == (0, 1, 2, 3, 4)
    with pytest.raises(type(error)):
        next(batches)
    assert len(reads) < 50
    assert_no_readers()


@pytest.mark.parametrize("taken", [0, 1, 3])
def test_closing_early_stops_the_threads(taken: int) -> None:
    reads: list[int] = []

    def read(index: int) -> Pixels:
        reads.append(index)
        time.sleep(0.02)
        return picture(index)

    batches = load_batches(range(1000), read, 5, 2)
    for _ in range(taken):
        next(batches)
    batches.close()  # type: ignore[attr-defined]
    assert len(reads) <= 5 * (taken + 3)  # what was waiting is not read any more
    assert_no_readers()


def assert_no_readers() -> None:
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("genus-worker")]


def test_a_batch_of_failures_and_an_empty_order() -> None:
    def read(index: int) -> Pixels:
        raise PictureError("gone")

    assert list(load_batches([], picture, 5, 2)) == []
    (batch,) = load_batches([3], read, 5, 2)
    assert (batch.indices, batch.pixels.shape, len(batch.failures)) == ((), (0, 0, 0, 3), 1)


def test_two_passes_at_a_time() -> None:
    results: dict[int, list[Batch]] = {}

    def go(number: int) -> Callable[[], None]:
        return lambda: results.update({number: list(load_batches(range(number, number + 40), picture, 7, 2))})

    threads = [threading.Thread(target=go(number)) for number in (0, 100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in (0, 100):
        assert [index for batch in results[number] for index in batch.indices] == list(range(number, number + 40))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 5), max_size=40), st.integers(1, 5))
def test_results_keep_the_order_of_the_items(delays: list[int], workers: int) -> None:
    def work(item: tuple[int, int]) -> int:
        time.sleep(item[1] * 1e-4)
        return item[0]

    assert list(in_threads(work, enumerate(delays), workers)) == list(range(len(delays)))


def test_few_results_are_held_at_a_time() -> None:
    """Whoever takes the results may be slow: the pool must not run ahead of it without end."""
    begun: list[int] = []
    results = in_threads(begun.append, range(500), workers=3)
    next(results)
    time.sleep(0.05)
    assert len(begun) <= 7
    assert 1 + sum(1 for _ in results) == 500


def test_every_thread_enters_once_and_first() -> None:
    entered: list[int] = []
    meeting = threading.Barrier(3, timeout=20)

    def work(item: int) -> bool:
        meeting.wait()  # passes only when three work at the same time
        return threading.get_ident() in entered

    assert all(in_threads(work, range(9), 3, lambda: entered.append(threading.get_ident())))
    assert len(entered) == len(set(entered)) == 3


def test_an_error_ends_it_and_the_threads() -> None:
    def work(item: int) -> int:
        if item == 5:
            raise ValueError("a bug")
        return item

    results = in_threads(work, range(1000), 2)
    with pytest.raises(ValueError, match="a bug"):
        list(results)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("genus-worker")]


def test_as_many_readers_as_python_lets_read_side_by_side() -> None:
    assert useful_readers(16, 0.8e-3) == 3  # a small JPEG
    assert useful_readers(16, 30e-3) == 16  # 12 megapixels
    assert useful_readers(2, 30e-3) == 2
    assert useful_readers(16, 0) == 1


NAMES = ("plain.jpg", "花 \udce9.png", "line\nend.jpg", "broken.jpg", "empty.png", "gone.jpg", "last.jpg")


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for number, name in enumerate(NAMES):
        pixels = rng.integers(0, 256, (70 + 9 * number, 64, 3), np.uint8)
        with (folder / name).open("wb") as file:
            Image.fromarray(pixels).save(file, "PNG" if name.endswith("png") else "JPEG")
    (folder / "broken.jpg").write_bytes((folder / "broken.jpg").read_bytes()[:100])
    (folder / "empty.png").write_bytes(b"")
    (folder / "gone.jpg").unlink()
    return [folder / name for name in NAMES]


def told(batches: list[Batch]) -> list[object]:
    return [
        (batch.indices, batch.pixels.shape, batch.pixels.tobytes(), [(n, str(error)) for n, error in batch.failures])
        for batch in batches
    ]


@pytest.mark.parametrize(
    ("strength", "preprocess"),
    [
        ("none", Preprocess(32)),
        ("light", Preprocess(48, HALF, HALF, "bilinear", 0.9, "draft")),
        ("strong", Preprocess(40)),
        ("light", Preprocess(40, fit="pad")),
    ],
)
def test_they_are_told_everything(strength: AugmentName, preprocess: Preprocess, paths: list[Path]) -> None:
    views = Views(paths, preprocess, strength, seed=5)
    assert loader._views_from(json.loads(json.dumps(loader._described(views)))) == views
    assert np.array_equal(views(0, 0), views(3, 0)) == (strength == "none")
    twice = Views(paths[:1] * 2, preprocess, strength, seed=5)
    assert np.array_equal(twice(0, 0), twice(0, 1)) == (strength == "none")


def test_the_same_batches_as_from_threads(paths: list[Path]) -> None:
    """Also after a reading that was broken off. In the end the processes end, too."""
    views = Views(paths, Preprocess(48, HALF, HALF, "bilinear", 0.9, "draft"), "strong", seed=5)
    order = [6, 0, 1, 3, 2, 4, 5, 0, 3, 4]
    with ReadingProcesses(views, 2) as readers:
        begun = readers._processes
        for epoch in (0, 3):
            found = list(readers.load_batches(epoch, order, 3))
            assert told(found) == told(list(load_batches(order, partial(views, epoch), 3, 2)))
            assert sum(len(batch.failures) for batch in found) == 5
            broken_off = readers.load_batches(0, [0, 1, 2, 6] * 10, 2)
            next(broken_off)
            broken_off.close()  # type: ignore[attr-defined]
    assert [process.returncode for process in begun] == [0, 0]


@pytest.mark.parametrize("when", ["before it is asked", "while it is asked"])
def test_one_that_has_died_is_told(when: str, paths: list[Path]) -> None:
    with ReadingProcesses(Views(paths, Preprocess(32), "light", seed=0), 1) as readers:
        if when == "while it is asked":
            list(readers.load_batches(0, [0], 1))
        readers._processes[0].kill()
        with pytest.raises(MachineError, match=r"has died.*--workers.*--resume"):
            list(readers.load_batches(0, [0, 1], 1))


def test_one_that_dies_in_the_middle_of_a_picture_is_told(paths: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    answer = b'{"indices": [0], "failures": [], "shape": [1, 32, 32, 3]}\n'
    program = f"import sys; hear = sys.stdin.readline; hear(); hear(); sys.stdout.buffer.write({answer!r} + b'pixels')"
    monkeypatch.setattr(loader, "PROGRAM", program)
    with (
        ReadingProcesses(Views(paths, Preprocess(32), "light", seed=0), 1) as readers,
        pytest.raises(MachineError, match="has died"),
    ):
        list(readers.load_batches(0, [0], 1))


SCRIPT = """
import sys
from pathlib import Path
from genus.data.loader import ReadingProcesses
from genus.data.augment import Views
from genus.types import Preprocess
print("the script runs", flush=True)
readers = ReadingProcesses(Views([Path(sys.argv[1])], Preprocess(32), "light", 0), 1)
list(readers.load_batches(0, [0] * 4, 1))
print(*[process.pid for process in readers._processes], flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_a_script_without_a_guard_runs_once_and_leaves_nothing_behind(
    end: signal.Signals, paths: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    process = subprocess.Popen(
        [sys.executable, tmp_path / "script.py", paths[0]],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stdout
    assert process.stdout.readline() == "the script runs\n"
    readers = [int(pid) for pid in process.stdout.readline().split()]
    assert len(readers) == 1
    if end == signal.SIGINT:  # as Ctrl-C in a terminal, which everybody hears
        os.killpg(process.pid, end)
    else:
        process.kill()
    said, wrong = process.communicate(timeout=20)
    assert said == ""
    assert wrong.count("Traceback") == (end == signal.SIGINT)  # the script's own
    assert until(lambda: not any(map(alive, readers)))


def until(condition: Callable[[], bool]) -> bool:
    for _ in range(200):
        if condition():
            return True
        time.sleep(0.05)
    return False


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
