"""Processes that read give what threads give, end with their owner, and tell when one of them has died."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from genus.data import processes
from genus.data.augment import Views
from genus.data.loader import Batch, load_batches
from genus.data.processes import ReadingProcesses
from genus.errors import MachineError
from genus.types import HALF, AugmentName, Preprocess

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
    ],
)
def test_they_are_told_everything(strength: AugmentName, preprocess: Preprocess, paths: list[Path]) -> None:
    views = Views(paths, preprocess, strength, seed=5)
    assert processes._views_from(json.loads(json.dumps(processes._described(views)))) == views
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
    monkeypatch.setattr(processes, "PROGRAM", program)
    with (
        ReadingProcesses(Views(paths, Preprocess(32), "light", seed=0), 1) as readers,
        pytest.raises(MachineError, match="has died"),
    ):
        list(readers.load_batches(0, [0], 1))


SCRIPT = """
import sys
from pathlib import Path
from genus.data.processes import ReadingProcesses
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
