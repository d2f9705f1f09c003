"""Which distance tells something else from a known picture? usage: distance FOLDER [MODEL [WEIGHTS]]

On features of the pretrained, frozen network. Each class of FOLDER is left out of the training pictures in turn, and
its test pictures are held against those of the classes that stayed; then, with all classes, the test pictures are held
against the same drawn flowers and photos as in ``unknown``. AUROC: how often a picture of something else has the larger
distance.
"""

import hashlib
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import LedoitWolf
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

from benchmarks.timing import machine
from benchmarks.unknown import auroc, draw_others
from genus.config import TrainConfig
from genus.data.folder import scan
from genus.data.split import Member
from genus.evidence import Index
from genus.features.extractor import FeatureExtractor
from genus.run import Run
from genus.types import Part, ignore_events
from genus.workflows.dataset import prepare_dataset
from genus.workflows.tasks.compute import choose_compute
from genus.workflows.tasks.features import open_features
from genus.workflows.tasks.out_of_fold import FeatureSet, feature_set
from genus.workflows.tasks.starting_point import prepare_model

Features = NDArray[np.float32]
Labels = NDArray[np.int64]
Distances = NDArray[np.floating]
Distance = Callable[[Features, Labels, Features], Distances]
"""Training features (n x D), their classes (n), new features (N x D) -> the distance of each new one (N)."""


def main(folder: Path, model: str = "efficientnet_lite0", weights: str | None = None) -> None:
    machine()
    config = TrainConfig(data=folder, model=model, weights=weights)
    catalog = scan(folder)
    start = prepare_model(config, model, catalog.classes, ignore_events)
    compute = choose_compute(config, [])
    with (
        tempfile.TemporaryDirectory() as name,
        open_features(start, compute, len(catalog.pictures), ignore_events) as sources,
    ):
        place, extractor = Path(name), sources.reference
        split = prepare_dataset(
            catalog, config, start.preprocess, Run(place), ignore_events, compute.workers, extractor
        ).split
        extractor.finish()
        train = feature_set(extractor.rows, split.members(Part.TRAIN), catalog.classes)
        test = feature_set(extractor.rows, split.members(Part.TEST), catalog.classes)
        others = {title: features_of(extractor, paths) for title, paths in draw_others(place / "drawn").items()}
    print(f"\n| {model} | classes left out, mean | {' | '.join(others)} |")
    print(f"|---|---|{'---|' * len(others)}", flush=True)
    for title, distance in DISTANCES.items():
        left_out = [leave_out(number, train, test, distance) for number in range(len(catalog.classes))]
        known = distance(train.features[:], train.labels, test.features[:])
        unrelated = [auroc(distance(train.features[:], train.labels, other), known) for other in others.values()]
        numbers = " | ".join(f"{number:.3f}" for number in (np.mean(left_out), *unrelated))
        print(f"| {title} | {numbers} |", flush=True)


def features_of(extractor: FeatureExtractor, paths: list[Path]) -> Features:
    members = [Member(path, "", hashlib.sha256(path.read_bytes()).hexdigest(), Part.TEST) for path in paths]
    return extractor.rows(members, "features")[0][:]


def leave_out(number: int, train: FeatureSet, test: FeatureSet, distance: Distance) -> float:
    """AUROC of class ``number`` where the training pictures hold none of it."""
    stayed = train.labels != number
    distances = distance(train.features[stayed], train.labels[stayed], test.features[:])
    return auroc(distances[test.labels == number], distances[test.labels != number])


def neighbour(k: int) -> Distance:
    def distance(train: Features, labels: Labels, new: Features) -> Distances:
        return Index.of(train, ["00" * 32] * len(train)).nearest(new, k)[0][:, -1]

    return distance


def nearest_scaled(train: Features, labels: Labels, new: Features) -> Distances:
    """Euclidean, every feature scaled to mean 0 and standard deviation 1."""
    scaler = StandardScaler().fit(train)
    neighbours = NearestNeighbors(n_neighbors=1).fit(scaler.transform(train))
    return neighbours.kneighbors(scaler.transform(new))[0][:, 0]


def mahalanobis(train: Features, labels: Labels, new: Features) -> Distances:
    """To the nearest class mean; one covariance for all classes, shrunk by Ledoit and Wolf."""
    classes, numbers = np.unique(labels, return_inverse=True)
    means = np.stack([train[labels == number].mean(axis=0) for number in classes])
    covariance = LedoitWolf(assume_centered=True).fit(train - means[numbers])
    return np.min([covariance.mahalanobis(new - mean) for mean in means], axis=0)


DISTANCES: dict[str, Distance] = {
    "nearest neighbour, cosine": neighbour(1),
    "5th neighbour, cosine": neighbour(5),
    "10th neighbour, cosine": neighbour(10),
    "50th neighbour, cosine": neighbour(50),
    "nearest neighbour, Euclidean, scaled features": nearest_scaled,
    "Mahalanobis": mahalanobis,
}


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
