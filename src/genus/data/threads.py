"""Work spread over threads, results in order: the one pool of the program.

Threads, not processes: Pillow and torch release the interpreter's lock while they work, nothing has to be copied
between processes, and macOS and Windows behave as Linux does. The exception is in ``processes.py``.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


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
