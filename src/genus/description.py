"""``genus.json``: what a bundle says about itself. Written here, and read here, strictly.

From format 3 on the text is sealed: its ``sha256`` is that of everything else in it, so that no bit of a class name
or a threshold can change unnoticed. The seal finds damage, not forgery, which is why every value is checked besides,
before anything is built from it or answered with it.

    format 1   no index, no rule for what is known
    format 2   index_sha256, known_rule; a min_probability of 0 meant that no threshold could be shown
    format 3   sha256, evidence_sha256; min_probability is null there, with the reason
    format 4   preprocess says the fit; before, it was "crop"
"""

import hashlib
import json
import re
import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_args, get_type_hints

import torch

from genus.errors import ModelError
from genus.files import json_text, write_json
from genus.models import registry
from genus.models.backbone import Backbone
from genus.models.registry import TIMM_PREFIX
from genus.types import KnownRule, Preprocess

FORMAT = 4
SEALED_FROM = 3
DESCRIPTION = "genus.json"
SEAL = "sha256"
DIGESTS = ("tensors_sha256", "index_sha256", "evidence_sha256")
PARTS = ("format", "genus", "architecture", "classes", "preprocess", "temperature", "known_rule", *DIGESTS, SEAL)
"""The keys that mean something to a reader; all others are the record of the training."""

MAX_BYTES = 16_000_000
MAX_DEPTH = 20  # of lists and objects in one another
MAX_CLASSES = 100_000
MAX_SIZE = 4096  # pixels of the input's side
MAX_REASON = 1000  # characters
NOT_SHOWN = "An older genus wrote this model and could show no threshold: train again with more validation pictures."

LARGEST: Mapping[str, float] = {  # a number, or the sum of a list of numbers; none is below 0
    "image_size": 2048,
    "patch_size": 1024,
    "window": 32,  # each block has a table of window⁴ entries
    "dim": 16_384,
    "depth": 64,
    "depths": 64,
    "num_heads": 1024,
    "width": 100,
    "widths": 65_536,
    "hidden": 65_536,
    "layer_scale": 100,
    "drop_path": 1,
    "dropout": 1,
    "pool": 0,
    "batch_norm": 0,
}
MOST_NUMBERS = 8  # of a list, one a stage
NAME = re.compile(rf"(?:{TIMM_PREFIX})?[A-Za-z0-9_.-]{{1,100}}")  # no "/" and ":", by which timm would ask a hub


@dataclass(frozen=True, slots=True)
class Architecture:
    """``name`` as in the registry, and the ``arguments`` of its constructor besides the class count.

    These may come from a file that anybody could have written, and what is built from them costs memory and time. So
    they are checked first: no name that a hub would be asked for, no argument that is not known here, no number that a
    network for pictures does not need. Raises ValueError for arguments that no network of ours takes, or for numbers
    outside of ``LARGEST``.
    """

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not (isinstance(self.name, str) and NAME.fullmatch(self.name)):
            raise ValueError(f"{self.name!r:.100} is no name of a model")
        if not isinstance(self.arguments, Mapping):
            raise ValueError("the arguments of the model have to be names and values")
        for name, value in self.arguments.items():
            if name not in (["image_size"] if self.is_timm else LARGEST):
                raise ValueError(f"a model has no argument {name!r:.100} that could be stored")
            if not _within(value, LARGEST[name]):
                raise ValueError(f"{name} cannot be {value!r:.100}")

    @property
    def is_timm(self) -> bool:
        return self.name.startswith(TIMM_PREFIX)

    def build(self, num_classes: int) -> Backbone:
        """The model with random weights."""
        return registry.build(self.name, num_classes, **self.arguments)

    def skeleton(self, num_classes: int) -> Backbone:
        """The model on torch's ``meta`` device: every tensor has its shape, but no memory and no values.

        Quick to build whatever its size. A model of our own becomes whole by the weights of a file; a timm model may
        keep tables outside of its weights and has to be built once more.
        """
        with torch.device("meta"):
            return self.build(num_classes)


def _within(value: Any, largest: float) -> bool:
    """A number from 0 to ``largest``, a few with such a sum, a word, a truth value or nothing."""
    if isinstance(value, list | tuple):
        return (
            len(value) <= MOST_NUMBERS and all(type(one) is int and one >= 0 for one in value) and sum(value) <= largest
        )
    if type(value) in (int, float):
        return 0 <= value <= largest
    return value is None or type(value) is bool or (type(value) is str and len(value) <= 100)


@dataclass(frozen=True, slots=True)
class Description:
    """``genus.json``, checked. ``digests``: the sha256 (hexadecimal) of the files beside it, by the keys ``DIGESTS``.

    Raises ValueError when a value cannot be followed.
    """

    architecture: Architecture
    classes: tuple[str, ...]
    preprocess: Preprocess
    temperature: float = 1.0
    known_rule: KnownRule | None = None
    digests: Mapping[str, str] = field(default_factory=dict)
    record: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_classes(self.classes)
        _check_preprocess(self.preprocess)
        if not (_is_number(self.temperature) and 1e-3 <= self.temperature <= 1e3):
            raise ValueError(f"'temperature' cannot be {self.temperature!r:.100}")
        if self.known_rule:
            _check_known_rule(self.known_rule)
        if taken := self.record.keys() & set(PARTS):
            raise ValueError(f"the record has keys of the description itself: {', '.join(sorted(taken))}")

    @staticmethod
    def read(folder: Path) -> "Description":
        """What ``folder`` says. Raises ModelError."""
        stored = read_description(folder)
        try:
            return _checked(stored)
        except Exception as error:  # a text that anybody may have written can raise anything
            reason = error if isinstance(error, ValueError) else repr(error)
            raise ModelError(
                f"{folder / DESCRIPTION} describes no model: {reason}. Train again or restore a copy."
            ) from error

    def write(self, folder: Path) -> None:
        """Write it into ``folder``. Raises MachineError."""
        content = {
            "format": FORMAT,
            "genus": version("genus"),
            "architecture": {"name": self.architecture.name, "arguments": dict(self.architecture.arguments)},
            "classes": list(self.classes),
            "preprocess": asdict(self.preprocess),
            "temperature": self.temperature,
            "known_rule": asdict(self.known_rule) if self.known_rule else None,
            **self.digests,
            **self.record,
        }
        write_description(folder, content)


def read_description(folder: Path) -> dict[str, Any]:
    """All that ``genus.json`` says, under the keys of its format, the seal proven and left out.

    Raises ModelError when the folder is no run, or the file is damaged or of a newer genus.
    """
    path = folder / DESCRIPTION
    try:
        content = _read(path)
        described = json.loads(content.decode("utf-8"), object_pairs_hook=_without_repetition)
        number = described.get("format") if isinstance(described, dict) else None
        if type(number) is not int or number < 1:
            raise ModelError(f"{path} is no description of a genus model: it has no format number.")
        if number > FORMAT:
            raise ModelError(
                f"{path} has format {number}, written by genus {described.get('genus')!r:.40}; this is genus "
                f"{version('genus')}, which reads up to format {FORMAT}. Upgrade: pip install -U genus."
            )
        seal = described.pop(SEAL, None)
        digest = _digest(described)
    except (ValueError, OSError, RecursionError) as error:
        raise ModelError(f"{path} cannot be read: {error}. Train again or restore a copy.") from error
    if seal != (digest if number >= SEALED_FROM else None):
        raise ModelError(f"{path} is damaged: its checksum is not that of its content. Restore a copy.")
    return described


def write_description(folder: Path, content: Mapping[str, Any]) -> None:
    """Write ``content`` as ``genus.json``, sealed if its format has a seal. Raises MachineError."""
    as_read = json.loads(json_text(content))
    seal = {SEAL: _digest(as_read)} if as_read["format"] >= SEALED_FROM else {}
    write_json(folder / DESCRIPTION, {**as_read, **seal})


def _read(path: Path) -> bytes:
    """The bytes of a regular file of at most ``MAX_BYTES``; a pipe would let its reader wait for ever."""
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        status = None
    if status is None or not stat.S_ISREG(status.st_mode):
        raise ModelError(
            f"{path.parent} is no finished run: it has no {DESCRIPTION}. Name the folder that `train` wrote."
        )
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ModelError(f"{path} is larger than {MAX_BYTES // 10**6} MB: no description of a model.")
    return content


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("it says something twice")
    return found


def _digest(content: Mapping[str, Any]) -> str:
    """The sha256 of ``content`` as JSON in one line, its keys sorted, in UTF-8.

    Raises ValueError for what no writer of ours writes: numbers that are not finite, nesting without end, halves of
    surrogate pairs; only those that stand for bytes of a file name (U+DC80 to U+DCFF) are hashed, as their escapes.
    """
    if _depth(content) > MAX_DEPTH:
        raise ValueError("its lists and objects are nested too deep")
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    text.encode("utf-8", "surrogateescape")
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()


def _depth(value: Any) -> int:
    if isinstance(value, dict):
        value = list(value.values())
    return 1 + max(map(_depth, value), default=0) if isinstance(value, list) else 0


def _checked(stored: dict[str, Any]) -> Description:
    """The description by the keys of its format. Raises anything."""
    preprocess, rule = stored["preprocess"], stored.get("known_rule")
    known_rule = None if rule is None else KnownRule(**rule)
    if known_rule and stored["format"] < 3 and known_rule.min_probability == 0:
        known_rule = replace(known_rule, min_probability=None, reason=NOT_SHOWN)
    return Description(
        Architecture(**stored["architecture"]),
        tuple(stored["classes"]) if type(stored["classes"]) is list else stored["classes"],
        Preprocess(**{**preprocess, "mean": tuple(preprocess["mean"]), "std": tuple(preprocess["std"])}),
        stored.get("temperature", 1.0),
        known_rule,
        {key: stored[key] for key in DIGESTS if key in stored},
        {key: value for key, value in stored.items() if key not in PARTS},
    )


def _check_classes(names: tuple[str, ...]) -> None:
    if not (isinstance(names, tuple) and 0 < len(names) <= MAX_CLASSES and all(type(name) is str for name in names)):
        raise ValueError(f"'classes' has to be a list of 1 to {MAX_CLASSES} names")
    if len(set(names)) != len(names):
        raise ValueError("'classes' has a name twice")


def _check_preprocess(stated: Preprocess) -> None:
    hints = get_type_hints(Preprocess)
    sound = (
        type(stated.size) is int
        and 0 < stated.size <= MAX_SIZE
        and len(stated.mean) == len(stated.std) == 3
        and all(map(_is_number, (stated.crop, *stated.mean, *stated.std)))
        and 0.1 <= stated.crop <= 1
        and all(-10 <= value <= 10 for value in stated.mean)
        and all(1e-3 <= value <= 10 for value in stated.std)
        and stated.resample in get_args(hints["resample"])
        and stated.decode in get_args(hints["decode"])
        and stated.fit in get_args(hints["fit"])
    )
    if not sound:
        raise ValueError(f"{stated!r:.300} cannot be followed")


def _check_known_rule(rule: KnownRule) -> None:
    at_least = rule.min_probability
    sound = (
        all(map(_is_number, (rule.max_error, rule.max_distance, 0.0 if at_least is None else at_least)))
        and 0 < rule.max_error < 1
        and 0 <= rule.max_distance <= 2
        and (at_least is None or 0 <= at_least <= 1)
        and type(rule.reason) is str
        and len(rule.reason) <= MAX_REASON
        and (at_least is None) == bool(rule.reason)
    )
    if not sound:
        raise ValueError(f"{rule!r:.300} cannot be followed")


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)
