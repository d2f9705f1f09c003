"""Memory: large pictures wait for one another, and none takes more than it was let in with."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from genus.data.decode import open_rgb
from genus.data.memory import MAX_BYTES, SMALL, Gate, require_room
from genus.errors import PictureError
from tests.corpus import encode, plain, turned
from tests.encoders import icc_rgb, png, tiff

MB = 2**20


def test_no_more_than_fit_come_in_at_the_same_time() -> None:
    gate, inside, most, lock = Gate(300 * MB), [0], [0], threading.Lock()

    def enter(needed: int) -> None:
        with gate.taking(needed):
            with lock:
                inside[0] += needed
                most[0] = max(most[0], inside[0])
            time.sleep(0.005)
            with lock:
                inside[0] -= needed

    threads = [threading.Thread(target=enter, args=((100 + 40 * (n % 2)) * MB,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not any(thread.is_alive() for thread in threads)
    assert 200 * MB <= most[0] <= 300 * MB


def test_one_that_is_too_large_comes_alone_and_small_ones_never_wait() -> None:
    gate = Gate(100 * MB)
    with gate.taking(1000 * MB), gate.taking(SMALL):
        other = threading.Thread(target=lambda: gate.taking(SMALL + 1).__enter__(), daemon=True)
        other.start()
        other.join(0.05)
        assert other.is_alive()
    other.join(20)
    assert not other.is_alive()


def test_an_error_leaves_room() -> None:
    gate = Gate(100 * MB)
    for _ in range(3):
        with pytest.raises(PictureError), gate.taking(100 * MB):
            raise PictureError("damaged")


def test_the_limits() -> None:
    require_room(1000, 1000, MAX_BYTES, 10**6)
    with pytest.raises(PictureError, match=r"of this kind need 1\.6 GB of memory, over the limit"):
        require_room(1000, 1000, MAX_BYTES + 10**7, 10**6)
    with pytest.raises(PictureError, match="1001 x 1000 pixels is over the limit of 1 megapixels"):
        require_room(1001, 1000, 1, 10**6)
    assert open_rgb(encode(plain("RGB", 0, (20, 20)), "PNG"), max_pixels=400).size == (20, 20)


MEASURE = r"""
import re, sys
from pathlib import Path
import torch.nn
from genus.data.decode import decode
from genus.data.readers import open_picture
from genus.types import Preprocess

def peak():
    return 1024 * int(re.search("VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1])

preprocess = Preprocess(32)
decode(Path(sys.argv[1]), preprocess)
files = [(path, path.read_bytes()) for path in map(Path, sys.argv[2:])]
needs = {path: open_picture(path.name.split("-")[0], data, 32, "full-range").needed for path, data in files}
before = peak()
for path, data in sorted(files, key=lambda file: needs[file[0]]):
    decode(data, preprocess)
    print(path.name, needs[path], peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_no_picture_takes_more_than_it_is_let_in_with(tmp_path: Path) -> None:
    """In a process of its own, the cheapest first; the peak of memory only ever rises."""
    side = 2600
    deep = np.zeros((side, side, 3), np.uint16)
    files = {
        "small": encode(plain("RGB", 0), "PNG"),
        "JPEG-progressive": encode(plain("RGB", 9, (side, side)), "JPEG", progressive=True),
        "PNG-turned": turned(plain("RGBA", (9, 9, 9, 99), (side, side)), 6, "PNG", icc_profile=icc_rgb("grb")),
        "PNG-deep": png(deep, 2),
        "TIFF-deep": tiff(deep, deflate=True, planes=True),
        "WebP-clear": encode(plain("RGBA", (9, 9, 9, 99), (side, side)), "WEBP", lossless=True, method=0),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    paths = [str(tmp_path / name) for name in files]
    measured = subprocess.run([sys.executable, "-c", MEASURE, *paths], check=True, capture_output=True, text=True)
    for line in measured.stdout.splitlines():
        name, needed, taken = line.split()
        assert int(taken) < int(needed) + 24 * MB, name
