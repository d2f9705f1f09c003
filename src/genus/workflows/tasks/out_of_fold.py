"""Every picture named by a head that has not seen it, on features of a frozen network."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn

from genus.data.split import Member
from genus.predictor import head_logits
from genus.training.head import Examples
from genus.training.scaling import CHUNK, IN_MEMORY, Features, Selected
from genus.types import OnEvent, Progress
from genus.workflows.dataset import labels_of
from genus.workflows.tasks.features import FeaturesOf
from genus.workflows.tasks.head import Fit


@dataclass(frozen=True, slots=True, eq=False)
class FeatureSet:
    """N pictures that can be read, their ``features`` (N x D) and class numbers."""

    members: tuple[Member, ...]
    features: Features
    labels: NDArray[np.int64]

    @property
    def groups(self) -> list[str]:
        """Names of what stays together in a fold."""
        return [member.unit for member in self.members]


def feature_set(features_of: FeaturesOf, members: Sequence[Member], classes: Sequence[str]) -> FeatureSet:
    """Features of ``members``; loaded where they fit into memory. Raises DataError when none can be read."""
    rows, kept = features_of(members, "features")
    there = tuple(members[place] for place in kept)
    return FeatureSet(there, rows[:] if rows.nbytes <= IN_MEMORY else rows, labels_of(there, classes))


def out_of_fold(
    data: FeatureSet,
    fold_of: NDArray[np.int64],
    classes: int,
    fit: Fit,
    on_event: OnEvent,
    taking_part: NDArray[np.bool_] | None = None,
    task: str = "cross-validation",
    folds: int | None = None,
) -> NDArray[np.float32]:
    """Logits of every picture (N x classes) by a head fitted on the other folds; of these, on those ``taking_part``.

    With ``folds``, only the pictures of the first so many are named; the others keep zeros.
    """
    logits = np.zeros((len(data.labels), classes), np.float32)
    folds = folds or int(fold_of.max()) + 1
    for fold in range(folds):
        inside = fold_of != fold if taking_part is None else (fold_of != fold) & taking_part
        chosen, left_out = np.flatnonzero(inside), np.flatnonzero(fold_of == fold)
        head = nn.Linear(data.features[:1].shape[1], classes)
        nn.init.zeros_(head.weight)
        nn.init.zeros_(head.bias)
        fit(head, Examples(Selected(data.features, chosen), data.labels[chosen]))
        for start in range(0, len(left_out), CHUNK):
            piece = left_out[start : start + CHUNK]
            logits[piece] = head_logits(head, data.features[piece])
        on_event(Progress(task, fold + 1, folds))
    return logits
