"""The small print of a report: the data, how the run came about, and the model card."""

import contextlib
import csv
import json
import shlex
from collections.abc import Iterator
from pathlib import Path

from genus.bundle import Bundle, read_record
from genus.config import TrainConfig, compose
from genus.data.split import Split
from genus.errors import UsageError, plural
from genus.models.backbone import count_parameters
from genus.models.registry import MODELS
from genus.types import Part
from genus.workflows.run_folder import BAD_FILES, CONFIG, TEST_LOG

Facts = Iterator[tuple[str, str]]
"""Headings and their texts."""

NAMED = 20  # classes of the card


def data_facts(run: Path, bundle: Bundle, split: Split) -> Facts:
    """Which pictures the run had."""
    yield "Folder", str(bundle.record.get("data", {}).get("root", "not recorded"))
    if split.pictures:
        yield "Pictures", f"{len(split.pictures):,} in {len(bundle.classes)} classes"
        yield "Parts", ", ".join(f"{len(split.members(part)):,} {part}" for part in Part)
        copies = len(split.pictures) - len({member.sha256 for member in split.pictures})
        if copies:
            yield "Copies of other pictures", f"{copies:,}"
    if (run / BAD_FILES).exists():
        with (run / BAD_FILES).open(encoding="utf-8", newline="") as file:
            yield "Files left out", f"{sum(1 for _ in csv.DictReader(file))}, see {BAD_FILES}"


def run_facts(run: Path) -> Facts:
    """How to repeat the run, and where and when it was made."""
    record = read_record(run)
    with contextlib.suppress(UsageError):  # a file that is gone, or has options that are no longer allowed together
        config = compose({}, file=run / CONFIG)
        yield "Command", _command(config)
        yield "Seed", str(config.seed)
    yield "Run folder", str(run)
    yield "Weights at the start", str(record.get("weights", "not recorded"))
    yield "Versions", ", ".join(f"{name} {version}" for name, version in record.get("versions", {}).items())
    yield "Hardware", ", ".join(str(value) for value in record.get("hardware", {}).values())
    if "seconds" in record:
        yield "Time", f"{record['seconds']:.0f} s from the first file to the test"
    yield "Split", str(record.get("split", "not recorded"))
    if (run / TEST_LOG).exists():
        lines = [json.loads(line) for line in (run / TEST_LOG).read_text(encoding="utf-8").splitlines()]
        yield "Test pictures looked at", f"{plural(len(lines), 'time')}, first {lines[0]['time']}"


def _command(config: TrainConfig) -> str:
    """What to type for the same run."""
    default = TrainConfig().to_dict()
    words = ["genus", "train", str(config.data)]
    for key, value in config.to_dict().items():
        if key not in ("data", "out", "resume") and value != default[key]:
            flag = "--from" if key == "from_run" else f"--{key.replace('_', '-')}"
            words += [flag] if value is True and key != "freeze_layers" else [flag, str(value)]
    return shlex.join(words)


def model_card(bundle: Bundle) -> Facts:
    """What the model is, what it is good for, and the licence of the weights it started from."""
    name, preprocess = bundle.architecture.name, bundle.preprocess
    yield "Model", f"{name}, {count_parameters(bundle.model) / 1e6:.1f} million parameters"
    yield "Input", f"the central square, {preprocess.size} x {preprocess.size} pixels, {preprocess.resample}"
    others = len(bundle.classes) - NAMED
    yield "Classes", ", ".join(bundle.classes[:NAMED]) + (f" and {others} more" if others > 0 else "")
    yield "Licence of the pretrained weights", _licence(name, str(bundle.record.get("weights", "")))
    rule = bundle.known_rule
    yield (
        "Unknown",
        "An answer counts when its probability is at least "
        f"{rule.min_probability:.3f} and the picture's distance from the nearest training picture at most "
        f"{rule.max_distance:.3f}; everything else is called unknown."
        if rule
        else "This model has no rule for what it does not know.",
    )
    yield (
        "Good for",
        "Pictures like those it was trained and tested on. Other cameras, places and subjects were not tested.",
    )


def _licence(model: str, origin: str) -> str:
    pretrained = MODELS[model].pretrained if model in MODELS else None
    if origin == "random":
        return "none were used: the training started from random numbers"
    if pretrained and origin == pretrained.repo:
        return f"{pretrained.licence} ({origin})"
    return f"genus does not know it: the weights came from {origin or 'a place that is not recorded'}"
