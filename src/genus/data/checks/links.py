"""Which pictures belong together: copies by pixels, near copies by two steps, series by names, times and looks."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from genus.data.checks.alignment import SIDE, Likeness
from genus.data.checks.candidates import Pairs, pairs_by_features, pairs_by_hash
from genus.data.checks.near_copies import compared
from genus.data.checks.series import series_links
from genus.data.decode import open_rgb
from genus.data.groups import Link, Relation
from genus.data.inspect import Inspection
from genus.errors import PictureError
from genus.types import OnEvent, Progress

TASK = "Comparing look-alikes"
_EQUAL = 3  # a verdict above those of ``Likeness``
_RELATIONS = {Likeness.SCENE: Relation.SERIES, Likeness.PHOTO: Relation.NEAR_COPY, _EQUAL: Relation.COPY}
_EVENTS = 100


class PairMemory(Protocol):
    """What earlier comparisons have found; pictures are called by their sha256 (32 bytes)."""

    def verdicts(self, pairs: Sequence[tuple[bytes, bytes]]) -> list[int | None]:
        """What was found of each pair, where it was compared; else None."""

    def keep_verdicts(self, pairs: Sequence[tuple[bytes, bytes]], verdicts: Sequence[int]) -> None:
        """What was found of these pairs, a number below 256 each."""


def find_links(
    inspection: Inspection, features: NDArray[np.float32] | None, memory: PairMemory, workers: int, on_event: OnEvent
) -> list[Link]:
    """The copies, near copies and series among the good pictures. ``features`` (n x D) are what a pretrained network
    says of them, None where there is none: then near copies are missed that were cropped, turned, framed or written on.

    Reads the files of likely near copies again, once; later calls have it from ``memory``. Memory and time grow with
    the pictures, but for comparing all features with all.
    """
    facts = inspection.facts
    _, first, kind_of = np.unique(facts["pixels"], return_index=True, return_inverse=True)
    standing_for = first[kind_of]
    copies = np.flatnonzero(standing_for != np.arange(len(facts)))
    links = [Link(int(standing_for[copy]), int(copy), Relation.COPY) for copy in copies]
    originals = np.unique(first)
    candidates = [pairs_by_hash(facts["difference_hash"][originals])]
    if features is not None:
        candidates.append(pairs_by_features(features[originals]))
    pairs = originals[np.unique(np.concatenate(candidates), axis=0)] if len(originals) else np.empty((0, 2), np.int64)
    for (one, other), verdict in zip(
        pairs.tolist(), _verdicts(inspection, pairs, memory, workers, on_event), strict=True
    ):
        if verdict != Likeness.NONE:
            links.append(Link(one, other, _RELATIONS[verdict]))
    return [*links, *series_links([item.picture for item in inspection.good], facts)]


def _verdicts(inspection: Inspection, pairs: Pairs, memory: PairMemory, workers: int, on_event: OnEvent) -> list[int]:
    contents = [bytes.fromhex(item.sha256) for item in inspection.good]
    named = [(contents[one], contents[other]) for one, other in pairs.tolist()]
    verdicts = memory.verdicts(named)
    unknown = np.flatnonzero([verdict is None for verdict in verdicts])

    def load(number: int) -> Image.Image:
        return open_rgb(inspection.good[number].picture.path, SIDE)

    found = compared(pairs[unknown], load, workers)
    for done, (place, likeness) in enumerate(zip(unknown.tolist(), found, strict=True), 1):
        is_equal = likeness == Likeness.PHOTO and _equal_pixels(inspection, *pairs[place])
        verdicts[place] = _EQUAL if is_equal else likeness
        if done % _EVENTS == 0 or done == len(unknown):
            on_event(Progress(TASK, done, len(unknown)))
    known = [verdict or Likeness.NONE for verdict in verdicts]
    if len(unknown):
        memory.keep_verdicts([named[place] for place in unknown], [known[place] for place in unknown])
    return known


def _equal_pixels(inspection: Inspection, one: int, other: int) -> bool:
    """Are two pictures that show the same photo equal at full size? JPEGs have been compared by ``facts`` at less."""
    sizes = inspection.facts[["width", "height"]]
    if sizes[one] != sizes[other]:
        return False
    try:
        first, second = (np.asarray(open_rgb(inspection.good[number].picture.path)) for number in (one, other))
    except PictureError:  # gone since they were compared
        return False
    return np.array_equal(first, second)
