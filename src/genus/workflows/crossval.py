"""Every picture named by a head that has not seen it: cross-validation on features of a pretrained, frozen network.

Never on those of a fine-tuned one: that has seen the labels, also of the pictures that a fold leaves out.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import nn

from genus.config import TrainConfig
from genus.data.split import Member, deal
from genus.errors import DataError
from genus.files import write_json, write_text
from genus.predictor import head_logits
from genus.probabilities import softmax
from genus.tables import csv_text
from genus.training.head import Examples, HeadRecipe, balanced_class_weights, fit_adamw, fit_linear
from genus.training.scaling import CHUNK, IN_MEMORY, Some, Table
from genus.types import Note, OnEvent, Part, Progress
from genus.workflows.choose_model import Start
from genus.workflows.compute import Compute
from genus.workflows.frozen import FrozenPart, open_frozen_part
from genus.workflows.pictures import Pictures, labels_of
from genus.workflows.run_folder import CROSS_VALIDATION, OUT_OF_FOLD

Fit = Callable[[nn.Linear, Examples], None]


@dataclass(frozen=True, slots=True)
class CrossValidation:
    """Accuracy in each fold (0..1), on ``pictures`` in all."""

    pictures: int
    accuracies: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Of the folds."""
        return float(np.mean(self.accuracies))

    @property
    def range(self) -> tuple[float, float]:
        """The worst and the best fold."""
        return min(self.accuracies), max(self.accuracies)


@dataclass(frozen=True, slots=True, eq=False)
class Looked:
    """Pictures that could be read, with their features."""

    members: tuple[Member, ...]
    features: Table
    labels: NDArray[np.int64]

    @property
    def groups(self) -> list[str]:
        """Names of what stands and falls together."""
        return [member.unit for member in self.members]


def look(frozen: FrozenPart, members: Sequence[Member], classes: Sequence[str]) -> Looked:
    """Features of ``members``; loaded where they fit into memory. Raises DataError when none can be read."""
    rows, kept = frozen.rows(members, "features")
    if not len(kept):
        raise DataError("None of the pictures can be read any more. Are the files still there?")
    there = tuple(members[place] for place in kept)
    return Looked(there, rows[:] if rows.nbytes <= IN_MEMORY else rows, labels_of(there, classes))


@contextlib.contextmanager
def pooled(
    start: Start,
    compute: Compute,
    frozen: FrozenPart | None,
    pictures: Pictures,
    config: TrainConfig,
    on_event: OnEvent,
) -> Iterator[FrozenPart]:
    """A part that gives pooled features: ``frozen``, or a new one where that gives the activations of some stages."""
    if frozen and not config.freeze_until:
        yield frozen
    else:
        with open_frozen_part(start, compute, len(pictures.split.pictures), on_event) as part:
            yield part


def cross_validate(
    frozen: FrozenPart, pictures: Pictures, config: TrainConfig, folder: Path, on_event: OnEvent
) -> CrossValidation:
    """``config.cv`` folds of the training and validation pictures, with the head of ``config``.

    Writes cross_validation.json and out_of_fold.csv. The sealed test part stays out of it. Raises DataError.
    """
    assert config.cv
    members = [member for part in (Part.TRAIN, Part.VAL) for member in pictures.split.members(part)]
    looked = look(frozen, members, pictures.classes)
    if len(set(looked.groups)) < config.cv:
        raise DataError(f"--cv {config.cv} needs at least {config.cv} pictures; there are {len(set(looked.groups))}.")
    fold_of = deal(looked.labels, looked.groups, config.cv, config.seed)
    logits = out_of_fold(looked, fold_of, len(pictures.classes), fit_of(config, len(pictures.classes)), on_event)
    right = logits.argmax(axis=1) == looked.labels
    found = CrossValidation(len(right), tuple(float(right[fold_of == fold].mean()) for fold in range(config.cv)))
    write_json(
        folder / CROSS_VALIDATION,
        {
            "schema": 1,
            **asdict(found),
            "mean": found.mean,
            "head": config.head,
            "features": "of the pretrained network, never fine-tuned",
        },
    )
    write_text(folder / OUT_OF_FOLD, _csv(looked, fold_of, softmax(logits), pictures.classes))
    low, high = found.range
    on_event(
        Note(
            f"Cross-validation, {config.cv} folds of {found.pictures} pictures, head on pretrained features: "
            f"{found.mean:.4f} ({low:.4f} to {high:.4f})."
        )
    )
    return found


def out_of_fold(
    looked: Looked,
    fold_of: NDArray[np.int64],
    classes: int,
    fit: Fit,
    on_event: OnEvent,
    taking_part: NDArray[np.bool_] | None = None,
    task: str = "cross-validation",
) -> NDArray[np.float32]:
    """Logits of every picture (N x classes) by a head fitted on the other folds; of these, on those ``taking_part``."""
    logits = np.zeros((len(looked.labels), classes), np.float32)
    folds = int(fold_of.max()) + 1
    for fold in range(folds):
        inside = fold_of != fold if taking_part is None else (fold_of != fold) & taking_part
        chosen, left_out = np.flatnonzero(inside), np.flatnonzero(fold_of == fold)
        head = nn.Linear(looked.features[:1].shape[1], classes)
        nn.init.zeros_(head.weight)
        nn.init.zeros_(head.bias)
        fit(head, Examples(Some(looked.features, chosen), looked.labels[chosen]))
        for start in range(0, len(left_out), CHUNK):
            piece = left_out[start : start + CHUNK]
            logits[piece] = head_logits(head, looked.features[piece])
        on_event(Progress(task, fold + 1, folds))
    return logits


def fit_of(config: TrainConfig, classes: int) -> Fit:
    """How ``config`` fits a head; the strength of a linear one is the default, for no validation part is set aside."""

    def fit(head: nn.Linear, train: Examples) -> None:
        weights = balanced_class_weights(train.labels, classes) if config.class_weights else None
        if config.head == "linear":
            list(fit_linear(head, train, None, weights))
        else:
            recipe = HeadRecipe(
                config.epochs, config.batch_size, config.lr, config.lrf, class_weights=weights, seed=config.seed
            )
            list(fit_adamw(head, train, None, recipe))

    return fit


def _csv(looked: Looked, fold_of: NDArray[np.int64], probabilities: NDArray[np.float64], classes: Sequence[str]) -> str:
    rows = zip(looked.members, fold_of.tolist(), probabilities, strict=True)
    return csv_text(
        [
            ("path", "label", "fold", *classes),
            *((str(member.path), member.label, fold, *(f"{value:.6f}" for value in row)) for member, fold, row in rows),
        ]
    )
