"""A competitor in a process of its own: what it does to memory and threads stays with it."""

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any


class Apart:
    """Calling it makes the other process call ``make(*arguments)``'s result once, and waits."""

    def __init__(self, make: Callable[..., Callable[[], object]], *arguments: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, end = context.Pipe()
        context.Process(target=_serve, args=(end, make, arguments), daemon=True).start()
        end.close()

    def __call__(self) -> None:
        self._pipe.send(True)
        self._pipe.recv()

    def close(self) -> None:
        """End the process."""
        self._pipe.close()


def _serve(pipe: Connection, make: Callable[..., Callable[[], object]], arguments: tuple[Any, ...]) -> None:
    call = make(*arguments)
    try:
        while pipe.recv():
            call()
            pipe.send(True)
    except EOFError:
        return
