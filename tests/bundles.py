"""Bundles to save and to damage, and how to sign what was changed, as somebody who knows the format would."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from genus.bundle import EVIDENCE, INDEX, TENSORS, Bundle
from genus.description import DESCRIPTION, FORMAT, Architecture
from genus.evidence import Evidence, Index, SplitHashes
from genus.models.backbone import module
from genus.types import HALF, KnownRule, Preprocess
from tests.models.closeness import randomise
from tests.models.test_registry import TINY

GOLDEN = Path(__file__).parent / "golden"
CLASSES = ("a", "Löwenzahn 花", "new\nline", '<b>"\x1b[31m', "latin\udce9")
KEYS = {TENSORS: "tensors_sha256", INDEX: "index_sha256", EVIDENCE: "evidence_sha256"}


def sha256s(start: int, end: int) -> list[str]:
    """Made-up checksums of pictures, spread over all numbers."""
    return [hashlib.sha256(str(number).encode()).hexdigest() for number in range(start, end)]


def new_bundle(name: str = "vit_tiny_patch16", classes: tuple[str, ...] = CLASSES, **arguments: object) -> Bundle:
    architecture = Architecture(name, {**TINY[name], **arguments})
    torch.manual_seed(0)
    model = architecture.build(len(classes))
    randomise(module(model))
    draw = np.random.default_rng(0)
    features = draw.normal(size=(6, model.num_features)).astype(np.float32)
    confidence, distances = draw.random((2, 7), np.float32)
    return Bundle(
        model,
        architecture,
        classes,
        Preprocess(64, HALF, HALF, "bilinear", 0.9, fit="pad"),
        {"metrics": {"test": 0.5}},
        1.25,
        KnownRule(0.05, 0.4, 1.5),
        Index.of(features, sha256s(0, 6)),
        Evidence(confidence, confidence > 0.3, np.arange(7) // 2, distances),
        SplitHashes.of(sha256s(0, 6), sha256s(6, 13), sha256s(13, 15)),
    )


def small() -> Bundle:
    return new_bundle(image_size=32, dim=8, depth=1, num_heads=1)


def write(folder: Path, description: dict[str, Any]) -> None:
    """Write ``description`` with the checksum that docs/bundle.md describes, where its format has one."""
    description.pop("sha256", None)
    if description.get("format") in range(3, FORMAT + 1):
        text = json.dumps(description, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        description["sha256"] = hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()
    (folder / DESCRIPTION).write_text(json.dumps(description))


def rewrite(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the description; it stays valid JSON and signed."""
    description = json.loads((folder / DESCRIPTION).read_bytes())
    change(description)
    write(folder, description)


def sign(folder: Path, file: str) -> None:
    """Let the description vouch for what ``file`` holds now."""
    digest = hashlib.sha256((folder / file).read_bytes()).hexdigest()
    rewrite(folder, lambda description: description.update({KEYS[file]: digest}))


def put(*keys: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """A change for ``rewrite``: ``value`` under ``keys``."""

    def change(description: dict[str, Any]) -> None:
        for key in keys[:-1]:
            description = description[key]
        description[keys[-1]] = value

    return change
