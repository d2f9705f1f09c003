"""The folds of a cross-validation, and the random order of the pictures of a class; groups stay whole."""

import hashlib
from collections.abc import Sequence
from itertools import count

import numpy as np
from numpy.typing import NDArray


def rank_key(group: str, seed: int) -> bytes:
    """The keyed hash by which groups are ranked: 8 bytes that compare as they are."""
    key = hashlib.blake2b(str(seed).encode(), digest_size=32).digest()
    return hashlib.blake2b(group.encode("utf-8", "surrogatepass"), key=key, digest_size=8).digest()


def assign_folds(labels: NDArray[np.integer], groups: Sequence[str], folds: int, seed: int) -> NDArray[np.int64]:
    """The fold (0..folds - 1) of each picture. Groups stay whole, and every class is spread evenly over the folds.

    A group whose pictures have different labels counts for the class of its first picture.
    """
    label_of: dict[str, int] = {}
    for group, label in zip(groups, labels.tolist(), strict=True):
        label_of.setdefault(group, label)
    order = sorted(label_of, key=lambda group: (label_of[group], rank_key(group, seed)))
    turn = count()  # goes on from class to class, so that all folds become equally large
    fold_of = {group: next(turn) % folds for group in order}
    return np.array([fold_of[group] for group in groups], np.int64)


def rank_in_class(labels: NDArray[np.integer], groups: Sequence[str], seed: int) -> NDArray[np.float64]:
    """A place from 0 (first) to below 1 for each picture within its class, in random order, whole groups together.

    The pictures below a share are that share of each class, and are among those below any larger share.
    """
    ranks = np.zeros(len(labels))
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label).tolist()
        names = sorted({groups[member] for member in members}, key=lambda group: rank_key(group, seed))
        place = {name: number / len(names) for number, name in enumerate(names)}
        ranks[members] = [place[groups[member]] for member in members]
    return ranks
