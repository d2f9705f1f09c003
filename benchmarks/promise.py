"""Does `known` keep its promise? usage: promise FOLDER [HEAD [MAX_ERROR]]

For 20 seeds and sizes from 40 to 3,000 pictures drawn from all of FOLDER, a head is split, fitted and calibrated as
`genus train` does it; all pictures that were not drawn are fresh. Counted: the sets in which more than MAX_ERROR of the
known answers to fresh pictures are wrong, and those in which nothing could be promised.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import nn

from benchmarks.timing import machine
from genus.config import TrainConfig
from genus.data.folder import scan
from genus.data.inspect import Inspected, inspect
from genus.data.split import Member, split
from genus.predictor import head_logits
from genus.probabilities import softmax
from genus.training.head import Examples, fit_adamw, fit_linear
from genus.types import Part, ignore_events
from genus.workflows.dataset import Dataset
from genus.workflows.tasks.calibrate import calibrate
from genus.workflows.tasks.compute import choose_compute
from genus.workflows.tasks.features import open_features
from genus.workflows.tasks.head import chosen_strength, fit_like, head_recipe
from genus.workflows.tasks.starting_point import prepare_model

SIZES, SEEDS = (40, 120, 200, 400, 1200, 3000), 20
MODEL = "efficientnet_lite0"


class Drawn:
    """Features by picture, in memory."""

    def __init__(self, features: NDArray[np.float32], place: dict[str, int]) -> None:
        self._features, self._place = features, place

    def __call__(self, members: Sequence[Member], task: str) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        return self._features[[self._place[member.sha256] for member in members]], np.arange(len(members))


def main(folder: Path, head: str = "adamw", max_error: float = 0.05) -> None:
    machine()
    config = TrainConfig(data=folder, model=MODEL, head=head, max_error=max_error)  # type: ignore[arg-type]
    catalog = scan(folder)
    compute = choose_compute(config, [])
    start = prepare_model(config, MODEL, catalog.classes, ignore_events)
    with open_features(start, compute, len(catalog.pictures), ignore_events) as sources:
        found = inspect(catalog, start.preprocess, compute.workers, ignore_events, sources.learning).good
        sources.learning.finish()
        members = [Member(one.picture.path, one.picture.label, one.sha256, Part.TRAIN) for one in found]
        features = sources.reference.rows(members, "features")[0][:]
    unique = {one.sha256: one for one in found}
    drawn = Drawn(features, {member.sha256: place for place, member in enumerate(members)})
    print(f"\n{MODEL}, head {head}, --max-error {max_error:g}, {SEEDS} seeds, {len(unique)} pictures\n")
    print("| pictures | promise broken | nothing promised | known, median | error among them, median | accuracy |")
    print("|---|---|---|---|---|---|", flush=True)
    for size in SIZES:
        results = [one_set(list(unique.values()), size, seed, config, catalog.classes, drawn) for seed in range(SEEDS)]
        share, error, accuracy = (np.array(column) for column in zip(*results, strict=True))
        promised = ~np.isnan(error)
        broken = int((error[promised] > max_error).sum())
        medians = (np.median(share), np.median(error[promised]) if promised.any() else np.nan, np.median(accuracy))
        print(f"| {size} | {broken} of {SEEDS} | {int((~promised).sum())} | "
              + " | ".join(f"{value:.3f}" for value in medians) + " |", flush=True)  # fmt: skip


def one_set(
    found: list[Inspected], size: int, seed: int, config: TrainConfig, classes: tuple[str, ...], drawn: Drawn
) -> tuple[float, float, float]:
    """Of the fresh pictures: the share that is known, the share of errors among these (NaN without), the accuracy."""
    rng = np.random.default_rng(seed)
    chosen = set(rng.choice(len(found), size, replace=False).tolist())
    dataset = Dataset(Path(), classes, split([found[i] for i in sorted(chosen)], seed), ())
    train, val = (
        Examples(drawn(dataset.members(part), "")[0], dataset.labels(dataset.members(part)))
        for part in (Part.TRAIN, Part.VAL)
    )
    layer, trials = nn.Linear(train.features[:1].shape[1], len(classes)), []
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    if config.head == "linear":
        trials = list(fit_linear(layer, train, val))
    else:
        list(fit_adamw(layer, train, val, head_recipe(config, None)))
    fit = fit_like(config, len(classes), chosen_strength(trials))
    calibration = calibrate(
        drawn, layer, dataset.members(Part.TRAIN), dataset, config.max_error, ignore_events, fit, seed
    )
    fresh = [found[i] for i in range(len(found)) if i not in chosen]
    members = [Member(one.picture.path, one.picture.label, one.sha256, Part.TEST) for one in fresh]
    rows, _ = drawn(members, "")
    probabilities = softmax(head_logits(layer, rows) / calibration.temperature)
    right = probabilities.argmax(axis=1) == dataset.labels(members)
    assert calibration.index
    assert calibration.known_rule
    distances = calibration.index.distances(rows)
    known = np.array([calibration.known_rule.holds(*one) for one in zip(probabilities.max(1), distances, strict=True)])
    return float(known.mean()), float(1 - right[known].mean()) if known.any() else np.nan, float(right.mean())


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:3], *map(float, sys.argv[3:4]))
