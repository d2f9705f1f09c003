"""Series: pictures taken at one go, such as a burst or the frames of a video.

Their names count on, or one camera took them within seconds; and they look more alike than pictures of their class do
that are far from each other.
"""

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from genus.data.catalog import Picture
from genus.data.facts import Facts
from genus.data.groups import Link, Relation

LARGEST_STEP = 100  # between the numbers of a class that is counted through; ids of a web site lie further apart
SECONDS = 10  # between two pictures of a burst
LEAST_ALIKE = 0.8  # correlation of thumbnails
UNUSUAL = 0.99  # a pair of a series is more alike than this share of other pairs of its class
SAMPLE = 1000  # of other pairs
FEWEST = 30  # pictures of a class that tell what is usual; of fewer, which may all be alike, none is a series for that
FAR = 3  # pictures are far from each other with a third of their class between them
_NUMBERED = re.compile(r"(.*?)(\d{1,18})(\D*)", re.DOTALL)


def series_links(pictures: Sequence[Picture], facts: Facts) -> list[Link]:
    """Neighbours by number, or by camera and time, that look alike; ``facts`` are those of the ``pictures``."""
    counted = [_counted(picture) for picture in pictures]
    neighbours = {*_by_number(counted), *_by_time(facts)}
    if not neighbours:
        return []
    pairs = np.array(sorted(neighbours))
    thumbnails = _normalised(facts["thumbnail"])
    alike = (thumbnails[pairs[:, 0]] * thumbnails[pairs[:, 1]]).sum(axis=1)
    labels = np.unique([picture.label for picture in pictures], return_inverse=True)[1]
    in_order = np.array(sorted(range(len(pictures)), key=counted.__getitem__))
    usual = [_usually_alike(thumbnails[in_order[labels[in_order] == label]]) for label in range(labels.max() + 1)]
    found = pairs[alike >= np.maximum(np.array(usual)[labels[pairs]].max(axis=1), LEAST_ALIKE)]
    return [Link(first, second, Relation.SERIES) for first, second in found.tolist()]


def _counted(picture: Picture) -> tuple[tuple[str, str, str], int]:
    """Folder and name without the first number of the name, and this number; -1 without any."""
    folder, stem = str(picture.path.parent), picture.path.stem
    match = _NUMBERED.fullmatch(stem)
    return ((folder, match[1], match[3]), int(match[2])) if match else ((folder, stem, ""), -1)


def _by_number(counted: Sequence[tuple[tuple[str, str, str], int]]) -> Iterator[tuple[int, int]]:
    """Pairs whose names are the same but for a number, and follow each other as closely as is usual there."""
    sequences: defaultdict[tuple[str, str, str], list[tuple[int, int]]] = defaultdict(list)
    for place, (name, number) in enumerate(counted):
        if number >= 0:
            sequences[name].append((number, place))
    for members in sequences.values():
        numbers, places = np.array(sorted(members)).T
        steps = np.diff(numbers)
        usual = np.median(steps) if len(steps) else 0
        if usual <= LARGEST_STEP:
            for nth in np.flatnonzero(steps <= 2 * max(usual, 1)):
                yield _in_order(places[nth], places[nth + 1])


def _by_time(facts: Facts) -> Iterator[tuple[int, int]]:
    """Pairs that follow each other within seconds in one camera."""
    timed = np.flatnonzero(~np.isnat(facts["taken"]) & (facts["camera"] != b""))
    order = timed[np.lexsort((facts["taken"][timed], facts["camera"][timed]))]
    camera, taken = facts["camera"][order], facts["taken"][order]
    close = (camera[1:] == camera[:-1]) & (np.diff(taken) <= np.timedelta64(SECONDS, "s"))
    for place in np.flatnonzero(close):
        yield _in_order(order[place], order[place + 1])


def _in_order(one: np.integer, other: np.integer) -> tuple[int, int]:
    return min(int(one), int(other)), max(int(one), int(other))


def _normalised(thumbnails: NDArray[np.uint8]) -> NDArray[np.float32]:
    """n x 8 x 8 x 3 -> n x 192: the products of two rows are the correlation of the pictures; zeros for an even one."""
    rows = thumbnails.astype(np.float32) - thumbnails.mean(axis=(1, 2), keepdims=True, dtype=np.float32)
    rows = rows.reshape(len(rows), -1)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(min=1)


def _usually_alike(thumbnails: NDArray[np.float32]) -> float:
    """What few pairs of pictures of one class exceed that are far from each other in its order."""
    count, far = len(thumbnails), len(thumbnails) // FAR
    if count < FEWEST:
        return math.inf
    rng = np.random.default_rng(0)
    first = rng.integers(count, size=SAMPLE)
    second = (first + rng.integers(far, count - far + 1, size=SAMPLE)) % count
    return float(np.quantile((thumbnails[first] * thumbnails[second]).sum(axis=1), UNUSUAL))
