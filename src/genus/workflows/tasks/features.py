"""The features of the pictures of a run, wherever its training tasks need them."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genus.data.split import Member
from genus.engine.choice import choose_engine
from genus.engine.stream import run_over
from genus.errors import DataError
from genus.features.extractor import FeatureExtractor, FrozenNetwork, open_extractor
from genus.models.backbone import WithoutHead, to_device
from genus.training.head import Examples
from genus.training.scaling import Features
from genus.types import OnEvent
from genus.workflows.dataset import Dataset
from genus.workflows.tasks.compute import Compute
from genus.workflows.tasks.starting_point import StartingPoint

FeaturesOf = Callable[[Sequence[Member], str], tuple[Features, NDArray[np.int64]]]
"""Members, and what for -> the features of those that can be read (in fp32, as prediction computes them), and which
these are."""


@dataclass(frozen=True, slots=True)
class FeatureSources:
    """The features that the head learns from, in the run's precision, and those of pictures that decide or test: in
    fp32, as prediction computes them. Often these are the same."""

    learning: FeatureExtractor
    reference: FeatureExtractor


@contextlib.contextmanager
def open_features(start: StartingPoint, compute: Compute, pictures: int, on_event: OnEvent) -> Iterator[FeatureSources]:
    """The pooled features of ``start`` for about so many ``pictures``."""
    identity = {"model": start.architecture.name, "arguments": dict(start.architecture.arguments)}
    with contextlib.ExitStack() as stack:
        learning, *reference = (
            stack.enter_context(
                open_extractor(
                    FrozenNetwork.pooled(start.model, identity, start.preprocess, compute.device, precision),
                    engine=compute.engine, pictures=pictures, workers=compute.workers, on_event=on_event,
                )
            )
            for precision in dict.fromkeys((compute.precision, "fp32"))
        )  # fmt: skip
        yield FeatureSources(learning, reference[0] if reference else learning)


def examples_of(
    extractor: FeatureExtractor, members: Sequence[Member], dataset: Dataset, task: str, views: int = 0
) -> Examples:
    """Features and labels of ``members``. Raises DataError when none can be read any more."""
    rows, kept = extractor.rows(members, task, views)
    return Examples(rows, dataset.labels(members)[kept])


def features_by(start: StartingPoint, compute: Compute, on_event: OnEvent) -> FeaturesOf:
    """The features that the network of ``start`` gives now, after it has learnt; nothing is kept."""

    def features_of(members: Sequence[Member], task: str) -> tuple[Features, NDArray[np.int64]]:
        paths = [member.path for member in members]
        to_device(start.model, compute.device).eval()
        engine = choose_engine(
            compute.engine, WithoutHead(start.model), start.preprocess, compute.device, "fp32",
            workers=compute.workers, pictures=len(paths), on_event=on_event,
        )  # fmt: skip
        found = run_over(paths, engine, start.preprocess, workers=compute.workers, task=task, on_event=on_event)
        if paths and not len(found.indices):
            raise DataError.none_readable(task, paths[0])
        return found.rows, found.indices

    return features_of
