"""Which pictures a run, or a run that it descends from, was trained on or decided by. These can test nothing of it."""

from pathlib import Path

from genus.bundle import Bundle, read_record
from genus.data.split import Split
from genus.errors import ModelError
from genus.evidence import Members
from genus.run import Run
from genus.types import Part

GENERATIONS = 100  # of runs that each started from another: more is a circle


def members_of(run: Run, bundle: Bundle) -> Members | None:
    """Who took part in ``run`` and in all runs that it descends from; None where that is not known any more.

    A bundle of today knows it. For those of formats 1 and 2 it is put together from the ``split.json`` of the run and
    of each ancestor.
    """
    if bundle.members:
        return bundle.members
    found: Members | None = None
    folder: Path | None = run.folder
    for _ in range(GENERATIONS):
        if folder is None:
            return found
        try:
            record = read_record(folder)
        except ModelError:
            return None
        split = Run(folder).split(Path(record.get("data", {}).get("root", ".")))
        if split is None:
            return None
        found = members_in(split).union(found) if found else members_in(split)
        parent = record.get("training", {}).get("from_run")
        folder = Path(parent) if parent else None
    return None


def members_in(split: Split) -> Members:
    """The pictures of ``split`` by their sides."""
    return Members.of(*([member.sha256 for member in split.members(part)] for part in Part))
