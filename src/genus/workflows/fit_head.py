"""Head-only training: the frozen backbone looks at each picture once, then the head is fitted on its features."""

import time
from collections.abc import Generator, Sequence

import numpy as np
from torch import nn

from genus.config import TrainConfig
from genus.data.split import Member
from genus.errors import DataError
from genus.models.backbone import Backbone, module
from genus.training.head import (
    Examples,
    HeadRecipe,
    Trial,
    balanced_class_weights,
    best_of,
    fit_adamw,
    fit_linear,
    refit_linear,
)
from genus.types import Caution, EpochResult, Note, OnEvent, Part
from genus.workflows.frozen import FrozenPart
from genus.workflows.pictures import Pictures, labels_of

SHARE_FOR_FEATURES = 0.6  # of --minutes; the rest is for the head, the test and the pictures
SAMPLE = 96  # pictures on which --minutes measures


def fit_head(
    model: Backbone, frozen: FrozenPart, pictures: Pictures, config: TrainConfig, on_event: OnEvent
) -> Generator[EpochResult | Trial, None, None]:
    """Fit ``model.head`` in place; one result an epoch (adamw) or a regularisation strength (linear)."""
    train: Sequence[Member] = pictures.split.members(Part.TRAIN)
    val = pictures.split.members(Part.VAL)
    if config.minutes:
        train = _within(config.minutes, train, len(val), pictures.classes, frozen, on_event)
    train_examples = examples(frozen, train, pictures.classes, "features of train", config.views)
    if train_examples is None:
        raise DataError("No training picture could be read any more. Are the files still there?")
    val_examples = examples(frozen, val, pictures.classes, "features of val")
    weights = _class_weights(train_examples, pictures, config)
    head = nn.Linear(model.num_features, len(pictures.classes))
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    if config.head == "linear":
        yield from fit_linear(head, train_examples, val_examples, weights)
    else:
        recipe = HeadRecipe(
            config.epochs, config.batch_size, config.lr, config.lrf, class_weights=weights, seed=config.seed
        )
        yield from fit_adamw(head, train_examples, val_examples, recipe)
    model.head = head.to(next(module(model).parameters()).device)


def learn_validation_too(
    model: Backbone,
    frozen: FrozenPart,
    pictures: Pictures,
    config: TrainConfig,
    trials: Sequence[EpochResult | Trial],
) -> None:
    """Refit a linear ``model.head`` of the best of ``trials`` on train and val: all decisions have been made."""
    strengths = [trial for trial in trials if isinstance(trial, Trial)]
    if not strengths:
        return
    train = examples(
        frozen, seen_members(frozen, pictures, config), pictures.classes, "features of train", config.views
    )
    val = examples(frozen, pictures.split.members(Part.VAL), pictures.classes, "features of val")
    if train and val:
        refit_linear(model.head, train, val, best_of(strengths).c, _class_weights(train, pictures, config))


def seen_members(frozen: FrozenPart, pictures: Pictures, config: TrainConfig) -> Sequence[Member]:
    """The training pictures; under ``--minutes`` those of them that were looked at."""
    train = pictures.split.members(Part.TRAIN)
    if not config.minutes:
        return train
    return [member for member in train if not frozen.wants(bytes.fromhex(member.sha256))]


def _class_weights(train: Examples, pictures: Pictures, config: TrainConfig) -> tuple[float, ...] | None:
    return balanced_class_weights(train.labels, len(pictures.classes)) if config.class_weights else None


def examples(
    frozen: FrozenPart, members: Sequence[Member], classes: Sequence[str], task: str, views: int = 0
) -> Examples | None:
    """Features and labels of ``members``; None where there are none."""
    rows, kept = frozen.rows(members, task, views)
    return Examples(rows, labels_of(members, classes)[kept]) if len(kept) else None


def _within(
    minutes: float, train: Sequence[Member], val: int, classes: Sequence[str], frozen: FrozenPart, on_event: OnEvent
) -> Sequence[Member]:
    """As many training pictures as ``--minutes`` allows, measured on a few of them; the order is the split's."""
    sample = train[:SAMPLE]
    begun = time.monotonic()
    frozen.rows(sample, "measuring")
    rate = len(sample) / (time.monotonic() - begun)
    allowed = int(rate * minutes * 60 * SHARE_FOR_FEATURES) - val
    if allowed >= len(train):
        on_event(Note(f"--minutes {minutes:g}: {rate:.0f} pictures a second, everything fits."))
        return train
    labels = labels_of(train, classes)
    chosen = spread(labels, max(allowed, 2 * len(np.unique(labels))))
    on_event(
        Caution(f"--minutes {minutes:g}: at {rate:.1f} pictures a second, {len(chosen)} of {len(train)} are used.")
    )
    return [train[index] for index in chosen]


def spread(labels: np.ndarray, count: int) -> list[int]:
    """About ``count`` places, the same share of every class (at least one of each), in the given order."""
    share = count / len(labels)
    places: list[int] = []
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        places.extend(members[: max(1, int(len(members) * share))].tolist())
    return sorted(places)
