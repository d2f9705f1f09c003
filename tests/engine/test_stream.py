"""One pass of an engine over pictures on disk."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from genus.data.decode import decode
from genus.engine.stream import Pass, run_over
from genus.types import Event, Preprocess, Progress
from tests import corpus

SMALL = Preprocess(size=8)


class MeanColour:
    """An engine: B x 8 x 8 x 3 -> B x 3."""

    name = "mean colour"
    batch_size = 4

    def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        assert pixels.shape[1:] == (8, 8, 3)
        return pixels.mean(axis=(1, 2), dtype=np.float32)

    def enter_thread(self) -> None:
        pass


def run(paths: list[Path], events: list[Event], workers: int = 2) -> Pass:
    return run_over(paths, MeanColour(), SMALL, workers=workers, task="x", on_event=events.append)


@pytest.mark.parametrize("workers", [1, 3])
def test_rows_in_order_and_failures_by_number(tmp_path: Path, workers: int) -> None:
    root = corpus.write_folder(tmp_path / "photos", {"any": 15})
    paths = sorted(root.rglob("*.jpg"))
    bad = [3, 8, 9, 10, 11, 14]  # one whole batch among them
    for index in bad[1:]:
        paths[index].write_bytes(b"")
    paths[3].unlink()
    events: list[Event] = []
    seen = run(paths, events, workers)
    good = [index for index in range(15) if index not in bad]
    assert seen.indices.tolist() == good
    assert [index for index, _ in seen.failures] == bad
    assert [str(error) for _, error in seen.failures[:2]] == ["cannot read: no such file or directory", "empty file"]
    expected = np.stack([decode(paths[index], SMALL).mean(axis=(0, 1)) for index in good])
    assert seen.rows == pytest.approx(expected, abs=1e-3)
    assert seen.rows.dtype == np.float32
    assert events == [Progress("x", done, 15) for done in (4, 8, 12, 15)]


def test_no_picture_and_no_good_picture(tmp_path: Path) -> None:
    for paths in ([], [tmp_path / "missing.jpg"]):
        events: list[Event] = []
        seen = run(paths, events)
        assert (len(seen.indices), len(seen.rows), len(seen.failures)) == (0, 0, len(paths))
