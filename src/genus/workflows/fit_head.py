"""Head-only training: one pass of the frozen backbone over each picture, then the head is fitted on its features."""

import time
from collections.abc import Iterator

import numpy as np
from torch import nn

from genus.config import TrainConfig
from genus.engine import TorchEngine
from genus.errors import DataError
from genus.models.backbone import place
from genus.training.features import run_over
from genus.training.head import Examples, HeadRecipe, Trial, balanced_class_weights, fit_adamw, fit_linear
from genus.types import Caution, EpochResult, Note, OnEvent, Part
from genus.workflows.choose_model import Start
from genus.workflows.compute import Compute
from genus.workflows.pictures import Pictures, Side

FEATURE_BATCH = 32
SHARE_FOR_FEATURES = 0.6  # of --minutes; the rest is for the head, the test and the pictures


def fit_head(
    start: Start, pictures: Pictures, config: TrainConfig, compute: Compute, on_event: OnEvent
) -> Iterator[EpochResult | Trial]:
    """Fit ``start.model.head`` in place; one result an epoch (adamw) or a regularisation strength (linear)."""
    model = start.model
    place(model, compute.device).eval()
    engine = TorchEngine(
        lambda images: model.pool(model.features(images)), start.preprocess, compute.device, compute.precision
    )
    train, val = pictures.side(Part.TRAIN), pictures.side(Part.VAL)
    if config.minutes:
        train = _within(config.minutes, train, val, engine, start, compute, on_event)
    train_examples = _examples(train, engine, start, compute, "features of train", on_event)
    val_examples = _examples(val, engine, start, compute, "features of val", on_event) if len(val) else None
    if train_examples is None:
        raise DataError("No training picture could be read any more. Are the files still there?")
    weights = balanced_class_weights(train.labels, len(pictures.classes)) if config.class_weights else None
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
    model.head = head.to(compute.device)


def _examples(
    side: Side, engine: TorchEngine, start: Start, compute: Compute, task: str, on_event: OnEvent
) -> Examples | None:
    seen = run_over(
        side.paths,
        engine,
        start.preprocess,
        batch_size=FEATURE_BATCH,
        workers=compute.workers,
        task=task,
        on_event=on_event,
    )
    if seen.failures:
        on_event(Caution(f"{len(seen.failures)} pictures could no longer be read; first: {seen.failures[0][1]}."))
    return Examples(seen.rows, side.labels[seen.indices]) if len(seen.indices) else None


def _within(
    minutes: float, train: Side, val: Side, engine: TorchEngine, start: Start, compute: Compute, on_event: OnEvent
) -> Side:
    """As many training pictures as ``--minutes`` allows, measured on three batches; the order is the split's."""
    sample = train.take(range(min(len(train), 3 * FEATURE_BATCH)))
    begun = time.monotonic()
    _examples(sample, engine, start, compute, "measuring", on_event)
    rate = len(sample) / (time.monotonic() - begun)
    allowed = int(rate * minutes * 60 * SHARE_FOR_FEATURES) - len(val)
    if allowed >= len(train):
        on_event(Note(f"--minutes {minutes:g}: {rate:.0f} pictures a second, everything fits."))
        return train
    chosen = spread(train.labels, max(allowed, 2 * len(np.unique(train.labels))))
    on_event(
        Caution(f"--minutes {minutes:g}: at {rate:.1f} pictures a second, {len(chosen)} of {len(train)} are used.")
    )
    return train.take(chosen)


def spread(labels: np.ndarray, count: int) -> list[int]:
    """About ``count`` places, the same share of every class (at least one of each), in the given order."""
    share = count / len(labels)
    places: list[int] = []
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        places.extend(members[: max(1, int(len(members) * share))].tolist())
    return sorted(places)
