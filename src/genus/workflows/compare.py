"""``genus compare``: two runs on the same sealed pictures."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genus.bundle import load_bundle
from genus.data.split import Member
from genus.errors import DataError
from genus.evaluation.comparison import Comparison, compare
from genus.evaluation.intervals import Estimate, share
from genus.types import Caution, OnEvent, Part, Progress, ignore_events
from genus.workflows.evaluate import as_trained
from genus.workflows.pictures import groups_of, own_split
from genus.workflows.run_folder import log_opening


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
    members = _shared(run_a, run_b, on_event)
    named = [_labels(run, members, device, on_event) for run in (run_a, run_b)]
    read = [place for place in range(len(members)) if all(place in labels for labels in named)]
    if not read:
        raise DataError("None of the shared test pictures can be read.")
    right_a, right_b = (np.array([labels[place] == members[place].label for place in read]) for labels in named)
    groups = groups_of([members[place] for place in read])
    a, b = (share(right, groups) for right in (right_a, right_b))
    for run, accuracy in ((run_a, a), (run_b, b)):
        log_opening(run, "compare", len(read), accuracy.value)
    return CompareResult(run_a, run_b, a, b, compare(right_a, right_b, groups))


def _shared(run_a: Path, run_b: Path, on_event: OnEvent) -> list[Member]:
    """Pictures, known by their bytes, that are in the test part of both and have a label that both know."""
    bundles = [load_bundle(run) for run in (run_a, run_b)]
    splits = [own_split(run, bundle) for run, bundle in zip((run_a, run_b), bundles, strict=True)]
    in_b = {member.sha256 for member in splits[1].members(Part.TEST)}
    shared = [
        member
        for member in splits[0].members(Part.TEST)
        if member.sha256 in in_b and all(member.label in bundle.classes for bundle in bundles)
    ]
    sizes = [len(split.members(Part.TEST)) for split in splits]
    if not shared:
        raise DataError(
            f"{run_a} and {run_b} have no test picture in common, so they cannot be compared. "
            f"Train the second on the split of the first: genus train ... --split {run_a / 'split.json'}."
        )
    if len(shared) < max(sizes):
        on_event(Caution(f"{len(shared)} test pictures are shared; the runs had {sizes[0]} and {sizes[1]}."))
    return shared


def _labels(run: Path, members: list[Member], device: str, on_event: OnEvent) -> dict[int, str]:
    """What ``run`` calls each picture that can be read."""
    predictor = as_trained(load_bundle(run), device)
    labels = {}
    for answer in predictor.answers([member.path for member in members]):
        if answer.logits is not None:
            labels[answer.index] = predictor.classes[int(answer.logits.argmax())]
        on_event(Progress(f"Testing {run.name}", answer.index + 1, len(members)))
    return labels
