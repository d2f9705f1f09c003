"""What a run needs at its end only, imported while its pictures are read: a third of a second.

Beside other work of Python's own it would only be in the way.
"""

import contextlib
import threading
from importlib import import_module

LATE = ("matplotlib.figure", "matplotlib.font_manager", "matplotlib.style")


def import_ahead() -> None:
    """Begin. Whoever imports one of these meanwhile waits for it; one that fails will fail again where it is needed."""

    def load() -> None:
        for name in LATE:
            with contextlib.suppress(Exception):
                import_module(name)

    threading.Thread(target=load, name="genus-import").start()
