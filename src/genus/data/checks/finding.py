"""What a check says, and what it looks at."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from genus.data.catalog import Catalog
from genus.data.groups import Link
from genus.data.inspect import Inspection
from genus.data.split import Member
from genus.types import Preprocess

Severity = Literal["fatal", "serious", "warning", "note"]
"""``fatal``: training is not possible. ``serious``: a number will be wrong, or will not hold elsewhere. ``warning``:
look at it. ``note``: good to know."""

Verdict = Literal["clean", "warnings", "cannot train"]
SEVERITIES: tuple[Severity, ...] = ("fatal", "serious", "warning", "note")


@dataclass(frozen=True, slots=True)
class Finding:
    """``kind`` is its name in ``check.json``. ``sentence`` says what was found and how often, with an example;
    ``advice`` what to do about it. ``members`` are the pictures concerned: those that belong side by side together."""

    kind: str
    severity: Severity
    sentence: str
    advice: str = ""
    members: tuple[tuple[Path, ...], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Examined:
    """What all checks look at: what the scan found, what the pass over all files found, which of the good pictures
    belong together, all of them with their groups and parts, and how a model will see them."""

    catalog: Catalog
    inspection: Inspection
    links: tuple[Link, ...]
    members: tuple[Member, ...]
    preprocess: Preprocess
    labels: NDArray[np.str_] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", np.array([item.picture.label for item in self.inspection.good], np.str_))

    def name(self, path: Path) -> str:
        """``path`` as it is told: relative to the data folder where it lies in it."""
        return told(path, self.catalog.root)

    def paths(self, chosen: NDArray[np.bool_] | Sequence[int]) -> tuple[tuple[Path, ...], ...]:
        """The paths of some of the good pictures, each alone."""
        places = np.flatnonzero(chosen) if isinstance(chosen, np.ndarray) and chosen.dtype == bool else chosen
        return tuple((self.inspection.good[place].picture.path,) for place in places)


def to_json(catalog: Catalog, inspection: Inspection, findings: Sequence[Finding]) -> dict[str, Any]:
    """The content of ``check.json`` (docs/check.md). Paths below the root are relative to it."""
    labels = {item.picture.path: item.picture.label for item in inspection.good}
    labels |= {file.path: file.label for file in inspection.bad}

    def member(path: Path) -> dict[str, str]:
        return {"path": told(path, catalog.root), "label": labels[path]}

    return {
        "schema": 1,
        "data": str(catalog.root.resolve()),
        "pictures": len(inspection.good),
        "classes": Counter(item.picture.label for item in inspection.good),
        "verdict": verdict(findings),
        "findings": [
            {**asdict(one), "members": [[member(path) for path in together] for together in one.members]}
            for one in findings
        ],
    }


def told(path: Path, root: Path) -> str:
    """``path`` with ``/``, relative to ``root`` where it lies there."""
    return (path.relative_to(root) if path.is_relative_to(root) else path).as_posix()


def verdict(findings: Sequence[Finding]) -> Verdict:
    """The findings in one word."""
    found = {finding.severity for finding in findings}
    return "cannot train" if "fatal" in found else "warnings" if found & {"serious", "warning"} else "clean"
