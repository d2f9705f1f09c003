"""``genus compare``: two runs on the same sealed pictures."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from genus.bundle import Bundle, load_bundle
from genus.data.split import Member
from genus.errors import DataError, ModelError
from genus.evaluation.comparison import Comparison, compare
from genus.evaluation.intervals import Estimate, share
from genus.evidence import SplitHashes
from genus.predictor import Predictor
from genus.run import SPLIT, Run
from genus.types import Caution, OnEvent, Part, ignore_events
from genus.workflows.dataset import (
    data_root,
    files_now,
    groups_of,
    left_out_cautions,
    split_hashes_in,
    split_hashes_of,
    subset_of,
)
from genus.workflows.scoring import labels_named


@dataclass(frozen=True, slots=True)
class CompareResult:
    """``a`` and ``b`` are the accuracies on the pictures that both runs had sealed; ``cautions`` say which of these are
    left out, and why."""

    run_a: Path
    run_b: Path
    a: Estimate
    b: Estimate
    comparison: Comparison
    cautions: tuple[str, ...] = ()


def compare_runs(run_a: Path, run_b: Path, *, device: str = "auto", on_event: OnEvent = ignore_events) -> CompareResult:
    """Hold two runs against each other on the test pictures that they share; both note that these were looked at.

    A picture is known by its bytes: it has to be sealed in both runs and must not have taken part in either. Which
    pictures are compared does not depend on the order of the runs. Of one run, the bundle alone is enough.

    Raises ModelError (no sound run), DataError (no shared picture, none that can be read).
    """
    runs = [Run(run_a, on_event), Run(run_b, on_event)]
    bundles = [load_bundle(run.folder) for run in runs]
    members, cautions = _shared_pictures(runs, bundles)
    for caution in cautions:
        on_event(Caution(caution))
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
    return CompareResult(run_a, run_b, a, b, compare(right_a, right_b, groups), cautions)


@dataclass(frozen=True, slots=True)
class _TestPart:
    """Who tested a run: ``hashes`` say who took part in the run or in one that it descends from, ``members`` which
    files tested it, by their sha256; None where only the bundle is there."""

    hashes: SplitHashes
    members: Mapping[str, Sequence[Member]] | None

    def __len__(self) -> int:
        return len(self.hashes.test if self.members is None else self.members)

    def has(self, sha256: str) -> bool:
        """Did the picture with these bytes test the run, and did it decide nothing?"""
        return self.hashes.part_of(sha256) == Part.TEST and (self.members is None or sha256 in self.members)


def _test_part(run: Run, bundle: Bundle) -> _TestPart:
    split = run.split(data_root(bundle))
    hashes = split_hashes_of(run, bundle) or (split_hashes_in(split) if split else None)
    if hashes is None:
        raise ModelError(f"{run.folder} has no sound {SPLIT}, so its test part is not known. Restore a copy.")
    if split is None:
        return _TestPart(hashes, None)
    members = defaultdict(list)
    for member in split.members(Part.TEST):
        members[member.sha256].append(member)
    return _TestPart(hashes, members)


def _shared_pictures(runs: Sequence[Run], bundles: Sequence[Bundle]) -> tuple[list[Member], tuple[str, ...]]:
    """A member for each picture on which both runs can be held against each other, and cautions on what is left out.

    Raises ModelError where neither run knows its test files, DataError where no picture is left.
    """
    tests = [_test_part(run, bundle) for run, bundle in zip(runs, bundles, strict=True)]
    a, b = (run.folder for run in runs)
    splits = [run / SPLIT for run, test in zip(runs, tests, strict=True) if test.members is not None]
    if not splits:
        raise ModelError(
            f"Neither {a} nor {b} has a sound {SPLIT}, so it is not known where their test pictures lie. "
            "Restore a copy of one of them."
        )
    shared = _shared_places(tests)
    if not shared:
        raise DataError(
            f"{a} and {b} have no test picture in common, so they cannot be compared. "
            f"Train one on the split of the other: genus train ... --split {splits[0]}."
        )
    cautions = []
    if len(shared) < max(map(len, tests)):
        cautions.append(f"{len(shared)} test pictures are shared; the runs had {len(tests[0])} and {len(tests[1])}.")
    classes = set(bundles[0].classes) & set(bundles[1].classes)
    torn: list[list[Member]] = []
    strange: list[list[Member]] = []
    agreed: list[list[Member]] = []
    for places in shared:
        labels = {member.label for member in places}
        (torn if len(labels) > 1 else agreed if labels <= classes else strange).append(places)
    now = files_now(agreed)
    cautions += [
        *left_out_cautions([places[0] for places in torn], "its label is not the same in both runs"),
        *left_out_cautions([places[0] for places in strange], "its class is not one of both models"),
        *now.cautions(),
    ]
    if not now.same:
        raise DataError(" ".join([f"No test picture is left to compare {a} and {b} on.", *cautions]))
    return list(now.same), tuple(cautions)


def _shared_places(tests: Sequence[_TestPart]) -> list[list[Member]]:
    """The places of each picture that tested both runs, in an order that does not depend on theirs."""
    shared: defaultdict[str, list[Member]] = defaultdict(list)
    for test in tests:
        for sha256, members in (test.members or {}).items():
            if all(other.has(sha256) for other in tests):
                shared[sha256] += members
    return [_in_one_group(shared[sha256]) for sha256 in sorted(shared)]


def _in_one_group(places: Sequence[Member]) -> list[Member]:
    """All with the group that one of them has: only one of the runs may have been told about groups."""
    group = min((member.group for member in places if member.group), default=None)
    return [replace(member, group=group) for member in places]
