"""Whether folders are classes, or the parts of a split, by their names: train, ``Testing``, ``seg_pred``."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from genus.errors import DataError, listing
from genus.types import Part

PARTS = {"train": Part.TRAIN, "val": Part.VAL, "valid": Part.VAL, "validation": Part.VAL, "test": Part.TEST}
"""What the parts are called in plain words, in any case."""

Role = Part | Literal["evaluation", "unlabelled"]
_WORDS: dict[str, Role] = {
    **PARTS,
    **dict.fromkeys(("training", "trn"), Part.TRAIN),
    **dict.fromkeys(("validate", "validating", "dev"), Part.VAL),
    **dict.fromkeys(("testing", "tst", "holdout"), Part.TEST),
    **dict.fromkeys(("eval", "evaluation"), "evaluation"),  # the test part, or beside another one validation
    **dict.fromkeys(("pred", "predict", "prediction", "predictions", "unlabeled", "unlabelled"), "unlabelled"),
}
_FILLER = "datasets?|data|sets?|images?|imgs?|pictures?|pics?|photos?|folder|dir|split|samples?|subset|part|files?"
_WORD = re.compile(f"(?:{_FILLER})?({'|'.join(sorted(_WORDS, key=len, reverse=True))})(?:{_FILLER})?")


@dataclass(frozen=True, slots=True)
class Parts:
    """``of`` gives each folder name its part: None for one that holds pictures without labels. Empty: the folders are
    classes; ``doubtful`` are then those whose names are also names of parts."""

    of: Mapping[str, Part | None]
    doubtful: tuple[str, ...] = ()


def parts_of(root: Path, names: Sequence[str], *, for_training: bool = True) -> Parts:
    """What the folders ``names`` of ``root`` are: parts of a split, or classes.

    They are parts where a name for the training part stands beside one for another part, and both are the same but for
    this word (``train`` and ``test``, ``seg_train`` and ``seg_test``), or where there is nothing but the training part.
    A single ``train`` among other names is a class: a data set of vehicles. Raises DataError where they look like
    parts, but not of one split.
    """
    roles = {name: found for name in names if (found := _role(name))}
    splits = _splits(roles)
    if len(splits) == 1:
        return Parts(_assign(root, splits[0]))
    plain = {name: role for name, (role, rest) in roles.items() if not rest}
    if names and len(plain) == len(names):
        if Part.TRAIN in plain.values() or not for_training:
            return Parts(_assign(root, plain))
        raise DataError(f"{root} has {listing(names)} but no 'train'. Add it; if these are classes, rename them.")
    among = {role for role, _ in roles.values()} if len(roles) == len(names) else set(plain.values())
    if splits or len(among - {"unlabelled"}) > 1:
        raise DataError(
            f"The folders of {root} look like parts of the data, not like classes: {listing(roles)}. "
            f"Expected: {root}/train/<class>/<image>, and the same in 'val' and 'test'. Sort or rename them so."
        )
    return Parts({}, tuple(plain))


def is_split(names: Sequence[str]) -> bool:
    """Is there a training part among folders of these names, and another one that goes with it?"""
    return bool(_splits({name: found for name in names if (found := _role(name))}))


def part_named(word: str) -> Part | None:
    """The part that a cell of a table names, or None."""
    role, rest = _role(word) or (None, ())
    if rest:
        return None
    return Part.TEST if role == "evaluation" else None if role == "unlabelled" else role


def is_plain(name: str) -> bool:
    """Does a folder name say nothing but that it holds data, as ``images`` does?"""
    words = _words(name)
    return bool(words) and all(re.fullmatch(_FILLER, word) for word in words)


def _splits(roles: Mapping[str, tuple[Role, tuple[str, ...]]]) -> list[dict[str, Role]]:
    """Names of a training part and at least one other that are the same but for the word of the part."""
    alike: defaultdict[tuple[str, ...], dict[str, Role]] = defaultdict(dict)
    for name, (role, rest) in roles.items():
        alike[rest][name] = role
    return [found for found in alike.values() if Part.TRAIN in found.values() and len(set(found.values())) > 1]


def _assign(root: Path, roles: Mapping[str, Role]) -> dict[str, Part | None]:
    """Folder name -> part."""
    evaluation = Part.VAL if Part.TEST in roles.values() else Part.TEST
    parts: dict[str, Part | None] = {}
    for name, role in roles.items():
        parts[name] = None if role == "unlabelled" else evaluation if role == "evaluation" else role
    labelled = [part for part in parts.values() if part]
    if len(set(labelled)) < len(labelled):
        several = listing(name for name, part in parts.items() if labelled.count(part or Part.TRAIN) > 1 and part)
        raise DataError(f"{root} has several folders for one part of the data: {several}. Keep one of each.")
    return parts


def _role(name: str) -> tuple[Role, tuple[str, ...]] | None:
    """The role that a folder of this name has in a split, if any, and the other words of the name."""
    found: list[Role] = []
    rest: list[str] = []
    for word in _words(unicodedata.normalize("NFKC", name)):
        match = _WORD.fullmatch(word)
        if match:
            found.append(_WORDS[match[1]])
        elif not re.fullmatch(_FILLER, word):
            rest.append(word)
    return (found[0], tuple(sorted(rest))) if len(found) == 1 else None


def _words(name: str) -> list[str]:
    """The words of ``name`` in lower case, without digits and signs; ``SegTrain`` is two, ``TRAIN`` one."""
    words = []
    for run in re.findall(r"[^\W\d_]+", name):
        known = _WORD.fullmatch(run.lower()) or re.fullmatch(_FILLER, run.lower())
        words += [run] if known else re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[^A-Z]+", run)
    return [word.lower() for word in words]
