"""The pictures of a finished run, with features of its network as it was pretrained.

A fine-tuned network has seen the labels, and can tell nothing about them.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from genus.bundle import load_bundle
from genus.config import CONFIG, TrainConfig, compose
from genus.data.folds import assign_folds
from genus.errors import DataError, ModelError, UsageError
from genus.run import Run
from genus.types import OnEvent, Part
from genus.workflows.dataset import require_split
from genus.workflows.tasks.compute import choose_compute
from genus.workflows.tasks.features import open_features
from genus.workflows.tasks.out_of_fold import FeatureSet, feature_set
from genus.workflows.tasks.starting_point import prepare_model, run_of_weights

FOLDS = 5


@dataclass(frozen=True, slots=True, eq=False)
class StudiedRun:
    """The pictures of a run with pretrained features, and the options by which a head is fitted on them."""

    data: FeatureSet
    classes: tuple[str, ...]
    config: TrainConfig

    def fold_of(self) -> np.ndarray:
        """N: which fold each picture is in."""
        return assign_folds(self.data.labels, self.data.groups, FOLDS, self.config.seed)


@contextlib.contextmanager
def open_study(run: Run, parts: tuple[Part, ...], device: str, on_event: OnEvent) -> Iterator[StudiedRun]:
    """The pictures of these ``parts`` of ``run``. Raises ModelError, DataError, MachineError, UsageError."""
    bundle = load_bundle(run.folder)
    split = require_split(run, bundle)
    members = [member for part in parts for member in split.members(part)]
    config = replace(_pretrained_config(run), device=device, freeze_until=None, fit=bundle.preprocess.fit)
    if config.weights == "none":
        raise UsageError(
            f"{run.folder} started from random weights: there are no pretrained features to study its pictures by."
        )
    compute = choose_compute(config, [member.path for member in members])
    start = prepare_model(config, bundle.architecture.name, bundle.classes, on_event)
    with open_features(start, compute, len(members), on_event) as sources:
        data = feature_set(sources.learning.rows, members, bundle.classes)
        if len(set(data.groups)) < FOLDS:
            raise DataError(f"{run.folder} has only {len(set(data.groups))} pictures, too few for {FOLDS} folds.")
        yield StudiedRun(data, bundle.classes, config)


def _pretrained_config(run: Run) -> TrainConfig:
    """The options of the run; of one that goes on from others, with the weights and input size of the first of them."""
    if not run.config():
        raise ModelError(f"{run.folder} has no sound {CONFIG}, so its pretrained weights are not known.")
    try:
        config = compose({}, file=run / CONFIG)
    except UsageError as error:
        raise ModelError(
            f"{run.folder} has no sound {CONFIG}, so its pretrained weights are not known: {error}"
        ) from error
    parent = Run(config.from_run) if config.from_run else config.weights and run_of_weights(Path(config.weights))
    if not parent:
        return config
    first = _pretrained_config(parent)
    return replace(config, from_run=None, weights=first.weights, image_size=first.image_size)
