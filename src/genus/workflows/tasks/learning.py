"""How the network of a run learns: its head alone, its upper stages, or everything."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from genus.config import TrainConfig
from genus.run import Result, Run
from genus.types import OnEvent, Part
from genus.workflows.dataset import Dataset
from genus.workflows.examine import Look, Network, look_at_files
from genus.workflows.tasks.calibrate import Calibration, calibrate
from genus.workflows.tasks.compute import Compute
from genus.workflows.tasks.cross_validation import careless_claim, cross_validate
from genus.workflows.tasks.features import FeaturesOf, FeatureSources, features_by, open_features
from genus.workflows.tasks.fine_tune import fine_tune, recipe_of
from genus.workflows.tasks.full import full_task
from genus.workflows.tasks.head import chosen_strength, fit_head, fit_like, learn_validation_too, members_in_time
from genus.workflows.tasks.partial import open_activations, partial_task
from genus.workflows.tasks.starting_point import StartingPoint


@dataclass(frozen=True, slots=True)
class Learnt:
    """What came of a training, besides the weights: its ``history``, what validation decided, the ``engine`` that
    computed features, and ``features_of`` pictures by a frozen network, None where the network itself has changed.
    ``careless`` is what a careless split would have claimed, where that was looked at."""

    history: tuple[Result, ...]
    calibration: Calibration
    engine: str
    features_of: FeaturesOf | None
    careless: dict[str, Any] | None = None


class Learner:
    """The three ways of learning behind one call. ``sources`` are the pooled features of a pretrained network,
    ``activations`` what its lower stages give where these are frozen."""

    def __init__(
        self, start: StartingPoint, config: TrainConfig, compute: Compute, on_event: OnEvent,
        sources: FeatureSources | None, activations: Network | None,
    ) -> None:  # fmt: skip
        self._start, self._config, self._compute, self._on_event = start, config, compute, on_event
        self._sources, self._activations = sources, activations

    @property
    def consumer(self) -> Network | None:
        """Who wants the pixels of every picture while the files are looked at; nobody where time is short."""
        if self._config.minutes:
            return None
        return self._activations or (self._sources.learning if self._sources else None)

    @property
    def look(self) -> Look:
        """Looks at every file before anything is learnt."""
        pretrained = self._sources.learning if self._sources else None
        compute = self._compute
        return partial(
            look_at_files,
            preprocess=self._start.preprocess, consumer=self.consumer, pretrained=pretrained, workers=compute.workers,
            on_event=self._on_event,
        )  # fmt: skip

    def learn(self, dataset: Dataset, run: Run) -> Learnt:
        """Train ``start.model`` in place; cross-validate first, where that is asked for."""
        if extractor := self.consumer:
            run.update_config(engine=extractor.engine_kind)
        if self._config.cv and self._sources:
            cross_validate(self._sources.reference.rows, dataset, self._config, run, self._on_event)
        if self._config.head_only and self._sources:
            return self._learn_head(self._sources, dataset, run)
        return self._learn_layers(dataset, run)

    def _learn_head(self, sources: FeatureSources, dataset: Dataset, run: Run) -> Learnt:
        model, config, on_event = self._start.model, self._config, self._on_event
        train = members_in_time(sources.learning, dataset, config, on_event)
        history, extractor = run.log_training(fit_head(model, sources, train, dataset, config, on_event), on_event)
        unseen_by_network = not self._start.trained_below_head
        fit = fit_like(config, len(dataset.classes), chosen_strength(history)) if unseen_by_network else None
        calibration = calibrate(
            sources.reference.rows, model.head, train, dataset, config.max_error, on_event, fit, config.seed
        )
        learn_validation_too(model, extractor, train, dataset, config, history)
        careless = None
        if fit and not dataset.given:
            careless = careless_claim(sources.reference.rows, dataset, config, on_event)
        return Learnt(history, calibration, extractor.engine_kind, sources.reference.rows, careless)

    def _learn_layers(self, dataset: Dataset, run: Run) -> Learnt:
        start, config, compute, on_event = self._start, self._config, self._compute, self._on_event
        recipe = recipe_of(config, dataset)
        if self._activations and config.freeze_until:
            task = partial_task(
                start, self._activations, dataset, recipe, compute, on_event,
                stages=config.freeze_until, views=config.views,
            )  # fmt: skip
        else:
            task = full_task(start, self._sources, dataset, recipe, compute, on_event)
        history, _ = run.log_training(fine_tune(start, task, recipe, dataset, config, compute, run, on_event), on_event)
        features_of = features_by(start, compute, on_event)
        train = dataset.members(Part.TRAIN)
        calibration = calibrate(features_of, start.model.head, train, dataset, config.max_error, on_event)
        return Learnt(history, calibration, "torch", None)


@contextlib.contextmanager
def open_learner(
    start: StartingPoint, config: TrainConfig, compute: Compute, pictures: int, on_event: OnEvent
) -> Iterator[Learner]:
    """A learner for about so many ``pictures``, whose features are kept on disk meanwhile and for later runs."""
    with contextlib.ExitStack() as stack:
        sources = activations = None
        if config.freeze_until:
            activations = stack.enter_context(
                open_activations(start, compute, config.freeze_until, config.views, pictures, on_event)
            )
        if config.weights != "none" and (not config.freeze_until or config.cv):
            sources = stack.enter_context(open_features(start, compute, pictures, on_event))
        yield Learner(start, config, compute, on_event, sources, activations)
