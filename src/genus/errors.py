"""Every error that genus raises on purpose, and the exit code that the command line gives it.

    GenusError
    ├── UsageError      2   an option, a key of a config file, a name
    ├── DataError       3   the pictures or their folder
    │   └── PictureError    one picture (collected and listed; ends a run only when too many fail)
    ├── MachineError    4   disk, rights, memory, network, GPU
    ├── ModelError      5   a weights file, a run folder, a checkpoint
    └── DivergedError   7   the loss is no longer a finite number

A message says what, which file or key, why, and what to do next.
"""

import json
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path


class GenusError(Exception):
    exit_code = 1


class UsageError(GenusError):
    exit_code = 2


class DataError(GenusError):
    exit_code = 3

    @classmethod
    def none_readable(cls, what: str, first: Path) -> "DataError":
        """Of several pictures, all of which could be read earlier, none can be read now."""
        return cls(
            f"None of the pictures ({what}) can be read any more; the first: {first}. Are the files still there?"
        )


class PictureError(DataError):
    """One picture that cannot be used. The message gives the reason alone; whoever lists it adds the path."""


class MachineError(GenusError):
    exit_code = 4


class ModelError(GenusError):
    exit_code = 5


class DivergedError(GenusError):
    exit_code = 7


def nearest(word: str, known: Iterable[str]) -> str:
    """``' Did you mean 'swin_tiny'?'``, or an empty string when nothing known is close to ``word``."""
    matches = get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f" Did you mean '{matches[0]}'?" if matches else ""


def listing(names: Iterable[str], most: int = 5) -> str:
    """``'a', 'b' and 3 more``: the first of ``names``, quoted, for a message."""
    names = list(names)
    shown = ", ".join(f"'{name}'" for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def plural(number: int, noun: str) -> str:
    """``1 link``, ``2,000 links``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def install_hint(extra: str) -> str:
    """The command that adds ``extra`` to this installation of genus: from a folder, from a repository, or by name.

    Where a folder was installed, pip's own record says which, and whether the installation is editable.
    """
    from importlib.metadata import PackageNotFoundError, distribution  # all three are slow to import
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    try:
        origin = json.loads(distribution("genus").read_text("direct_url.json") or "{}")
    except (PackageNotFoundError, ValueError):
        origin = {}
    if "vcs_info" in origin:
        return f'pip install "genus[{extra}] @ {origin["vcs_info"]["vcs"]}+{origin["url"]}"'
    folder = Path(url2pathname(urlsplit(origin.get("url", "")).path))
    if "dir_info" not in origin or not (folder / "constraints.txt").is_file():
        return f'pip install "genus[{extra}]"'
    editable = "-e " if origin["dir_info"].get("editable") else ""
    folder = Path() if folder.samefile(Path()) else folder
    constraints = str(folder / "constraints.txt")
    quoted = f'"{constraints}"' if " " in constraints else constraints
    return f'pip install -c {quoted} {editable}"{folder}[{extra}]"'
