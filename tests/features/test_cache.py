"""Rows on disk: found by what a picture is, never lost to a neighbour, never believed when damaged."""

import resource
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genus.errors import MachineError
from genus.features.cache import KEY, FeatureCache, cache_root, clear, tables

ABOUT = {"model": "x"}
WIDTH = 4


def digest(number: int) -> bytes:
    """32 bytes that look like a sha256; the first eight are those of many others."""
    return (number % 3).to_bytes(8) + number.to_bytes(24)


def row(number: int) -> np.ndarray:
    return np.arange(WIDTH, dtype=np.float32) + 10 * number


def filled(root: Path, numbers: list[int], view: int = 0) -> FeatureCache:
    with FeatureCache(root, ABOUT, WIDTH) as cache:
        cache.append([digest(number) for number in numbers], np.stack([row(number) for number in numbers]), view)
    return FeatureCache(root, ABOUT, WIDTH)


def value(cache: FeatureCache, number: int, view: int = 0) -> float | None:
    """The first number of the row that is found, or None."""
    (place,) = cache.find([digest(number)], view)
    return None if place is None else float(cache.rows([place])[:][0, 0])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.lists(st.integers(0, 12), min_size=1, max_size=5), st.integers(0, 2), st.booleans()), max_size=12
    )
)
def test_it_is_a_dictionary(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[list[int], int, bool]]) -> None:
    """Whatever is appended, by however many writers: what was written is found, as it was, and nothing else."""
    root = tmp_path_factory.mktemp("root")
    cache, written = FeatureCache(root, ABOUT, WIDTH), set()
    for numbers, view, reopened in steps:
        if reopened:
            cache.close()
            cache = FeatureCache(root, ABOUT, WIDTH)
        cache.append([digest(number) for number in numbers], np.stack([row(n + 100 * view) for n in numbers]), view)
        written |= {(number, view) for number in numbers}
    cache.close()
    cache.refresh()
    for number in range(13):
        for view in range(3):
            expected = 10 * (number + 100 * view) if (number, view) in written else None
            assert value(cache, number, view) == expected


def test_rows_are_found_by_picture_and_view(tmp_path: Path) -> None:
    filled(tmp_path, [1, 2, 3])
    cache = filled(tmp_path, [4, 1], view=7)
    assert len(cache) == 5
    assert [value(cache, number) for number in (1, 2, 3, 4, 5)] == [10, 20, 30, None, None]
    assert [value(cache, number, 7) for number in (1, 2, 4)] == [10, None, 40]
    places = cache.find([digest(number) for number in (3, 1)])
    assert None not in places
    rows = cache.rows(places)  # type: ignore[arg-type]
    assert (len(rows), rows.nbytes) == (2, 2 * WIDTH * 4)
    assert np.array_equal(rows[:], np.stack([row(3), row(1)]))
    assert np.array_equal(rows[np.array([1, 1, 0])], np.stack([row(1), row(1), row(3)]))


def test_places_stay_what_they_are_while_others_write(tmp_path: Path) -> None:
    """Whatever the names of the files: rows may be found, more written by anybody, and then read."""
    for _ in range(10):
        cache = filled(tmp_path, [1, 2, 3])
        places = cache.find([digest(number) for number in (1, 2, 3)])
        rows = cache.rows(places)  # type: ignore[arg-type]
        with cache:
            filled(tmp_path, [4, 5])
            cache.append([digest(6)], row(6)[None])
        cache.refresh()
        assert np.array_equal(rows[:], np.stack([row(1), row(2), row(3)]))
        assert [value(cache, number) for number in (1, 4, 5, 6)] == [10, 40, 50, 60]


def test_another_about_is_another_table(tmp_path: Path) -> None:
    filled(tmp_path, [1])
    assert value(FeatureCache(tmp_path, ABOUT, WIDTH), 1) == 10
    assert value(FeatureCache(tmp_path, {"model": "y"}, WIDTH), 1) is None
    assert value(FeatureCache(tmp_path, ABOUT, WIDTH, "<f2"), 1) is None


def test_opening_writes_nothing(tmp_path: Path) -> None:
    FeatureCache(tmp_path, ABOUT, WIDTH)
    assert not list(tmp_path.iterdir())


def test_damaged_rows_count_as_missing_and_can_be_written_again(tmp_path: Path) -> None:
    cache = filled(tmp_path, [1, 2, 3])
    (rows,) = cache.folder.glob("*.rows")
    content = bytearray(rows.read_bytes())
    for position in range(WIDTH * 4, 2 * WIDTH * 4):  # each byte of the row of picture 2
        damaged = content.copy()
        damaged[position] ^= 1
        rows.write_bytes(damaged)
        cache = FeatureCache(tmp_path, ABOUT, WIDTH)
        assert [value(cache, number) for number in (1, 2, 3)] == [10, None, 30]
    with cache:
        cache.append([digest(2)], row(2)[None])
    cache.refresh()
    assert [value(cache, number) for number in (1, 2, 3)] == [10, 20, 30]


@pytest.mark.parametrize("which", ["rows", "keys"])
def test_files_that_break_off_anywhere(which: str, tmp_path: Path) -> None:
    cache = filled(tmp_path, [1, 2, 3])
    (path,) = cache.folder.glob(f"*.{which}")
    content, each = path.read_bytes(), WIDTH * 4 if which == "rows" else KEY.itemsize
    for length in range(len(content) + 1):
        path.write_bytes(content[:length])
        cut = FeatureCache(tmp_path, ABOUT, WIDTH)
        assert [value(cut, number) for number in (1, 2, 3)] == [
            10 * number if number * each <= length else None for number in (1, 2, 3)
        ]


def test_many_threads_append_to_one_table(tmp_path: Path) -> None:
    with FeatureCache(tmp_path, ABOUT, WIDTH) as cache:

        def write(start: int) -> None:
            for number in range(start, start + 50):
                cache.append([digest(number)], row(number)[None])

        threads = [threading.Thread(target=write, args=(start,)) for start in range(0, 200, 50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    cache.refresh()
    assert [value(cache, number) for number in range(200)] == [10 * number for number in range(200)]


WRITER = textwrap.dedent("""
    import sys
    import numpy as np
    from pathlib import Path
    from genus.features.cache import FeatureCache
    root, start = Path(sys.argv[1]), int(sys.argv[2])
    cache = FeatureCache(root, {"model": "x"}, 4)
    for number in range(start, start + 100_000):
        picture = (number % 3).to_bytes(8) + number.to_bytes(24)
        cache.append([picture], np.arange(4, dtype=np.float32)[None] + 10 * number)
        print(number, flush=True)
""")


def test_two_processes_share_a_table_and_a_kill_loses_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    processes = [subprocess.Popen([*command, str(start)], stdout=subprocess.PIPE) for start in (0, 1_000_000)]
    written = []
    for process in processes:
        assert process.stdout
        written += [int(process.stdout.readline()) for _ in range(100)]
    for process in processes:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    cache = FeatureCache(tmp_path, ABOUT, WIDTH)
    assert len(written) == 200
    assert [value(cache, number) for number in written] == [10 * number for number in written]


def test_full_disk_is_told_and_loses_nothing(tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk; a row that was cut off is not built upon."""
    cache = filled(tmp_path, [1])

    def fill() -> None:
        for number in range(2, 1000):
            cache.append([digest(number)], row(number)[None])

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2048, hard))
        with cache, pytest.raises(MachineError, match=r"Cannot write the feature cache .*genus cache --clear"):
            fill()
        with cache:
            cache.append([digest(5000)], row(5000)[None])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    cache.refresh()
    assert [value(cache, number) for number in (1, 2, 20, 5000)] == [10, 20, 200, 50000]


def test_tables_are_listed_and_cleared(tmp_path: Path) -> None:
    filled(tmp_path, [1, 2, 3])
    with FeatureCache(tmp_path, {"model": "y"}, 400) as cache:
        cache.append([digest(1)], np.zeros((1, 400)))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("not a table")
    found = tables(tmp_path)
    assert [(table.about["model"], table.rows) for table in found] == [("y", 1), ("x", 3)]
    assert sum(table.size for table in found) == clear(tmp_path) > 1600
    assert tables(tmp_path) == []
    assert (tmp_path / "mine" / "notes.txt").exists()


def test_the_place_of_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GENUS_CACHE", str(tmp_path))
    assert cache_root() == tmp_path / "features"
    monkeypatch.delenv("GENUS_CACHE")
    assert cache_root().parts[-2:] == ("genus", "features")


def test_clearing_beside_a_running_training_harms_nothing(tmp_path: Path) -> None:
    """What was seen, and what is written afterwards, is found until the training ends; a later run starts anew."""
    filled(tmp_path, [1, 2])
    cache = FeatureCache(tmp_path, ABOUT, WIDTH)
    cache.append([digest(3)], row(3)[None])
    assert clear(tmp_path) > 0
    cache.append([digest(4)], row(4)[None])
    cache.refresh()
    assert [value(cache, number) for number in (1, 2, 3, 4)] == [10, 20, 30, 40]
    cache.close()
    later = FeatureCache(tmp_path, ABOUT, WIDTH)
    assert value(later, 1) is None
    later.append([digest(1)], row(1)[None])
    later.refresh()
    assert value(later, 1) == 10
    later.close()
