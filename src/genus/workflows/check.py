"""``genus check``: everything wrong with a folder, before anything is trained on it; nothing in it is changed."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genus.config import TrainConfig
from genus.data.catalog import Catalog, grouped
from genus.data.checks.finding import Examined, Finding, Verdict, to_json, verdict
from genus.data.checks.plan import plan
from genus.data.checks.table import examine
from genus.data.folder import scan
from genus.data.inspect import require_usable
from genus.data.split import as_members, split
from genus.errors import DataError
from genus.types import Note, OnEvent, Preprocess, ignore_events
from genus.workflows.examine import Looked, look_at_files
from genus.workflows.tasks.compute import choose_compute
from genus.workflows.tasks.features import open_features
from genus.workflows.tasks.starting_point import name_at_hand, prepare_model

SIZE = 224  # pixels of the input, where no network says it


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What is wrong with the pictures of ``data``: the ``findings``, the gravest first. ``content`` is that of
    ``check.json``, ``plan`` the rows of proposals (see ``data.checks.plan``)."""

    data: Path
    findings: tuple[Finding, ...]
    content: dict[str, Any]
    plan: tuple[tuple[str, ...], ...]

    @property
    def verdict(self) -> Verdict:
        """The findings in one word."""
        return verdict(self.findings)


def check_folder(data: Path, group: str | None = None, on_event: OnEvent = ignore_events) -> CheckResult:
    """Look at every file of ``data``. ``group`` is a regular expression on paths (see ``grouped``).

    A pretrained network at hand is asked which pictures look alike; its features are kept for the training. Raises
    DataError where there is nothing to look at, UsageError for a ``group`` that matches nothing.
    """
    fatal: list[Finding] = []
    with _collected(fatal):
        catalog = scan(data)
    if fatal:
        catalog = scan(data, for_training=False)
    if group:
        catalog = grouped(catalog, group)
    looked = _look(catalog, data, on_event)
    pictures = looked.inspection.good
    members = as_members(pictures, looked.links)
    if not fatal:
        with _collected(fatal):
            require_usable(looked.inspection, catalog.classes)
            parts = split(pictures, 0, links=looked.links)
            members = [*parts.pictures, *parts.left_out]
    seen = Examined(catalog, looked.inspection, looked.links, tuple(members), looked.preprocess)
    findings = (*fatal, *examine(seen))
    return CheckResult(data, findings, to_json(catalog, looked.inspection, findings), tuple(plan(seen, findings)))


@contextlib.contextmanager
def _collected(found: list[Finding]) -> Iterator[None]:
    """What makes training impossible is one more finding."""
    try:
        yield
    except DataError as error:
        found.append(Finding("cannot train", "fatal", str(error)))


def _look(catalog: Catalog, data: Path, on_event: OnEvent) -> Looked:
    """With the network that is at hand; a training with it will find its features."""
    name = name_at_hand()
    config = TrainConfig(data=data, model=name or "auto")
    compute = choose_compute(config, [picture.path for picture in catalog.pictures])
    if name is None:
        on_event(Note("No pretrained network is at hand: cropped, turned and written-on copies are not found."))
        return look_at_files(catalog, Preprocess(SIZE), None, None, compute.workers, on_event)
    start = prepare_model(config, name, catalog.classes, ignore_events)
    with open_features(start, compute, len(catalog.pictures), on_event) as sources:
        network = sources.learning
        return look_at_files(catalog, start.preprocess, network, network, compute.workers, on_event)
