"""The pictures of a report: which test pictures it shows, small copies of them, and the few worth a closer look."""

import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from genus.bundle import Bundle
from genus.data.decode import open_rgb
from genus.data.loader import default_workers, in_threads
from genus.data.preprocess import fit
from genus.data.split import Member
from genus.errors import PictureError
from genus.probabilities import softmax
from genus.report.content import CloseUp, Neighbour, ShownPicture
from genus.types import DecodeRule
from genus.workflows.dataset import data_root
from genus.workflows.reporting.explanations import heat_of, laid_over
from genus.workflows.scoring import Scored

SMALL, LARGE = 112, 260  # pixels of the long side
SMALL_QUALITY, LARGE_QUALITY = 70, 80  # of the JPEGs
PICTURES = 1000  # at most, whatever the number of classes,
OF_MISTAKES, OF_RIGHT = 48, 12  # and of one cell of the confusion matrix
STUDIED = 6
TOP = 3

Numbers = NDArray[np.int64]


class Answers:
    """The answers of ``scored``, put in order."""

    def __init__(self, scored: Scored) -> None:
        self.scored = scored
        self.classes = scored.bundle.classes
        self.root = data_root(scored.bundle)
        self.probabilities = softmax(scored.logits / scored.bundle.temperature)
        self.predicted = scored.logits.argmax(axis=1)
        self.confidence = self.probabilities.max(axis=1)
        self.right = self.predicted == scored.subset.labels

    def worst(self) -> list[int]:
        """The mistakes that were made with the most confidence."""
        wrong = np.flatnonzero(~self.right)
        return wrong[np.argsort(-self.confidence[wrong], kind="stable")][:STUDIED].tolist()

    def least_certain(self) -> list[int]:
        """The pictures with the smallest lead of the first answer over the second."""
        second, first = np.sort(self.probabilities, axis=1)[:, -2:].T
        return np.argsort(first - second, kind="stable")[:STUDIED].tolist()

    def picture(self, place: int, thumbnail: bytes) -> ShownPicture:
        """The answer for picture number ``place``."""
        best = np.argsort(-self.probabilities[place], kind="stable")[:TOP].tolist()
        return ShownPicture(
            below(self.root, self.scored.subset.paths[place]),
            self.classes[self.scored.subset.labels[place]],
            tuple((self.classes[index], float(self.probabilities[place, index])) for index in best),
            None if self.scored.known is None else bool(self.scored.known[place]),
            thumbnail,
        )


def most_telling(labels: Numbers, predicted: Numbers, confidence: NDArray[np.floating]) -> list[int]:
    """Places of the pictures to show, cell by cell: of each cell the surest mistakes, or the least sure right answers.

    Where ``PICTURES`` are not enough for all cells, the first of every cell come before the second of any.
    """
    right = labels == predicted
    telling = np.where(right, -confidence, confidence)
    order = np.lexsort((-telling, predicted, labels))
    new_cell = (np.diff(labels[order], prepend=-1) != 0) | (np.diff(predicted[order], prepend=-1) != 0)
    starts = np.flatnonzero(new_cell)
    rank = np.arange(len(order)) - np.repeat(starts, np.diff(starts, append=len(order)))
    shown = np.flatnonzero(rank < np.where(right[order], OF_RIGHT, OF_MISTAKES))
    first = shown[np.argsort(rank[shown], kind="stable")][:PICTURES]
    return order[np.sort(first)].tolist()


def shown_pictures(answers: Answers) -> tuple[ShownPicture, ...]:
    """The pictures behind the cells of the confusion matrix; what can no longer be read is left out."""
    places = most_telling(answers.scored.subset.labels, answers.predicted, answers.confidence)
    small = thumbnails([answers.scored.subset.paths[place] for place in places])
    return tuple(answers.picture(place, one) for place, one in zip(places, small, strict=True) if one)


def close_ups(answers: Answers, places: Sequence[int], trained_on: Sequence[Member]) -> dict[int, CloseUp]:
    """A closer look at these test pictures, of which some may be gone: where the model looked, and which training
    pictures are near."""
    bundle = answers.scored.bundle
    at_least = max(LARGE, bundle.preprocess.scaled_side)
    rule = bundle.preprocess.decode
    found = [(place, _open(answers.scored.subset.paths[place], at_least, rule)) for place in places]
    there = [(place, picture) for place, picture in found if picture]
    if not there:
        return {}
    pixels = np.stack([fit(picture, bundle.preprocess) for _, picture in there])
    heat, features = heat_of(bundle, pixels, [int(answers.predicted[place]) for place, _ in there])
    near = _neighbours(bundle, features, answers.root, {member.sha256: member for member in trained_on})
    made = {}
    for (place, picture), map_, neighbours in zip(there, heat, near, strict=True):
        small = jpeg(picture, SMALL, SMALL_QUALITY)
        picture.thumbnail((LARGE, LARGE), reducing_gap=2)
        laid = Image.fromarray(laid_over(picture, map_, bundle))
        plain, hot = (jpeg(one, LARGE, LARGE_QUALITY) for one in (picture, laid))
        made[place] = CloseUp(answers.picture(place, small), plain, hot, neighbours)
    return made


def thumbnails(paths: Iterable[Path]) -> list[bytes]:
    """A small JPEG of each picture, empty where it cannot be read."""

    def small(path: Path) -> bytes:
        picture = _open(path, SMALL)
        return jpeg(picture, SMALL, SMALL_QUALITY) if picture else b""

    return list(in_threads(small, paths, default_workers()))


def below(root: Path, path: Path) -> str:
    """``path`` as seen from the data folder, where it lies in it."""
    whole = path.resolve()
    return str(whole.relative_to(root) if whole.is_relative_to(root) else path)


def jpeg(picture: Image.Image, long_side: int, quality: int) -> bytes:
    """A copy, no larger than ``long_side``, as a JPEG."""
    copy, out = picture.copy(), io.BytesIO()
    copy.thumbnail((long_side, long_side), reducing_gap=2)
    copy.save(out, format="JPEG", quality=quality)
    return out.getvalue()


def _neighbours(
    bundle: Bundle, features: NDArray[np.float32], root: Path, members: dict[str, Member]
) -> list[tuple[Neighbour, ...]]:
    """For each picture, given its features, the training pictures nearest to it whose files are still there."""
    if bundle.index is None:
        return [()] * len(features)
    distances, places = bundle.index.nearest(features, min(TOP, len(bundle.index)))
    near = [[members.get(bytes(bundle.index.pictures[place]).hex()) for place in row] for row in places]
    small = iter(thumbnails([member.path for row in near for member in row if member]))
    return [
        tuple(
            Neighbour(below(root, member.path), member.label, float(distance), thumbnail)
            for member, distance in zip(row, apart, strict=True)
            if member and (thumbnail := next(small))
        )
        for row, apart in zip(near, distances, strict=True)
    ]


def _open(path: Path, at_least: int, rule: DecodeRule = "full-range") -> Image.Image | None:
    try:
        return open_rgb(path, at_least, rule)
    except PictureError:
        return None
