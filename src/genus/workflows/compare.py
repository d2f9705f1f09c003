"""``genus compare``: two runs on the same sealed pictures."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genus.bundle import Bundle, load_bundle
from genus.data.split import Member
from genus.errors import DataError
from genus.evaluation.comparison import Comparison, compare
from genus.evaluation.intervals import Estimate, share
from genus.predictor import Predictor
from genus.run import SPLIT, Run
from genus.types import Caution, OnEvent, Part, ignore_events
from genus.workflows.dataset import groups_of, require_split, subset_of
from genus.workflows.scoring import labels_named


@dataclass(frozen=True, slots=True)
class CompareResult:
    """``a`` and ``b`` are the accuracies on the pictures that both runs had sealed."""

    run_a: Path
    run_b: Path
    a: Estimate
    b: Estimate
    comparison: Comparison


def compare_runs(run_a: Path, run_b: Path, *, device: str = "auto", on_event: OnEvent = ignore_events) -> CompareResult:
    """Hold two runs against each other on the test pictures that they share; both note that these were looked at.

    Raises ModelError (no sound run), DataError (no shared picture, none that can be read).
    """
    runs = [Run(run_a, on_event), Run(run_b, on_event)]
    bundles = [load_bundle(run.folder) for run in runs]
    members = _shared(runs, bundles, on_event)
    rights = []
    for run, bundle in zip(runs, bundles, strict=True):
        subset = subset_of(members, bundle.classes)
        named = labels_named(Predictor(bundle, device=device), subset, on_event, f"Testing {run.folder.name}")
        rights.append({place: label == subset.labels[place] for place, label in named.items()})
    read = [place for place in range(len(members)) if all(place in right for right in rights)]
    if not read:
        raise DataError("None of the shared test pictures can be read.")
    right_a, right_b = (np.array([right[place] for place in read]) for right in rights)
    groups = groups_of([members[place] for place in read])
    a, b = (share(right, groups) for right in (right_a, right_b))
    for run, accuracy in zip(runs, (a, b), strict=True):
        run.log_opening("compare", len(read), accuracy.value)
    return CompareResult(run_a, run_b, a, b, compare(right_a, right_b, groups))


def _shared(runs: list[Run], bundles: list[Bundle], on_event: OnEvent) -> list[Member]:
    """Pictures, known by their bytes, that are in the test part of both and have a label that both know."""
    splits = [require_split(run, bundle) for run, bundle in zip(runs, bundles, strict=True)]
    in_b = {member.sha256 for member in splits[1].members(Part.TEST)}
    shared = [
        member
        for member in splits[0].members(Part.TEST)
        if member.sha256 in in_b and all(member.label in bundle.classes for bundle in bundles)
    ]
    sizes = [len(split.members(Part.TEST)) for split in splits]
    a, b = (run.folder for run in runs)
    if not shared:
        raise DataError(
            f"{a} and {b} have no test picture in common, so they cannot be compared. "
            f"Train the second on the split of the first: genus train ... --split {a / SPLIT}."
        )
    if len(shared) < max(sizes):
        on_event(Caution(f"{len(shared)} test pictures are shared; the runs had {sizes[0]} and {sizes[1]}."))
    return shared
