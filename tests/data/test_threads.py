"""Work in threads: order, bounds, and an end without hanging."""

import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genus.data.loader import in_threads, useful_readers


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
