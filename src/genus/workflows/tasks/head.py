"""Head-only training: the frozen backbone looks at each picture once, then the head is fitted on its features."""

import time
from collections.abc import Callable, Generator, Iterator, Sequence

import numpy as np
from torch import nn

from genus.config import TrainConfig
from genus.data.split import Member
from genus.features.extractor import FeatureExtractor
from genus.models.backbone import Backbone, module
from genus.predictor import head_logits
from genus.training.head import (
    TYPICAL_C,
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
from genus.workflows.dataset import Dataset, stratified_sample
from genus.workflows.tasks.features import FeatureSources, examples_of

SHARE_FOR_FEATURES = 0.6  # of --minutes; the rest is for the head, the test and the pictures
SAMPLE = 96  # pictures on which --minutes measures
CHANGED_LABELS = 0.005  # share of validation pictures that a cheaper precision may name otherwise

Fit = Callable[[nn.Linear, Examples], None]


def fit_head(
    model: Backbone, sources: FeatureSources, train: Sequence[Member], dataset: Dataset, config: TrainConfig,
    on_event: OnEvent,
) -> Generator[EpochResult | Trial, None, FeatureExtractor]:  # fmt: skip
    """Fit ``model.head`` in place to ``train``; one result an epoch (adamw) or a strength of the penalty (linear).

    Returns the extractor whose features it learnt from: where the cheaper precision changes what validation pictures
    are called, the head learns once more, from fp32.
    """
    yield from _fit_on(sources.learning, model, sources, train, dataset, config)
    changed = _changed_labels(model, sources, dataset)
    if changed <= CHANGED_LABELS:
        return sources.learning
    on_event(
        Note(f"The cheaper precision names {changed:.1%} of the validation pictures otherwise: learning again in fp32.")
    )
    yield from _fit_on(sources.reference, model, sources, train, dataset, config)
    return sources.reference


def _fit_on(
    extractor: FeatureExtractor, model: Backbone, sources: FeatureSources, train: Sequence[Member], dataset: Dataset,
    config: TrainConfig,
) -> Iterator[EpochResult | Trial]:  # fmt: skip
    val = dataset.members(Part.VAL)
    examples = examples_of(extractor, train, dataset, "features of train", config.views)
    val_examples = examples_of(sources.reference, val, dataset, "features of val") if val else None
    head = nn.Linear(model.num_features, len(dataset.classes))
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    weights = class_weights_of(examples, config, len(dataset.classes))
    if config.head == "linear":
        yield from fit_linear(head, examples, val_examples, weights)
    else:
        yield from fit_adamw(head, examples, val_examples, head_recipe(config, weights))
    model.head = head.to(next(module(model).parameters()).device)


def _changed_labels(model: Backbone, sources: FeatureSources, dataset: Dataset) -> float:
    """The share of the validation pictures that the head names otherwise by features of the learning precision."""
    val = dataset.members(Part.VAL)
    if sources.learning is sources.reference or not val:
        return 0.0
    cheap, fine = (
        head_logits(model.head, extractor.rows(val, "comparing precisions")[0][:]).argmax(axis=1)
        for extractor in (sources.learning, sources.reference)
    )
    return float((cheap != fine).mean())


def fit_like(config: TrainConfig, classes: int, c: float = TYPICAL_C) -> Fit:
    """How ``config`` fits a head where no pictures are set aside to decide; ``c``: the strength of a linear one."""

    def fit(head: nn.Linear, train: Examples) -> None:
        weights = class_weights_of(train, config, classes)
        steps = (
            fit_linear(head, train, None, weights, c)
            if config.head == "linear"
            else fit_adamw(head, train, None, head_recipe(config, weights))
        )
        for _ in steps:
            pass

    return fit


def chosen_strength(history: Sequence[EpochResult | Trial]) -> float:
    """The strength of a linear head that validation chose; the typical one where it had no say."""
    trials = [result for result in history if isinstance(result, Trial)]
    return best_of(trials).c if trials else TYPICAL_C


def learn_validation_too(
    model: Backbone, extractor: FeatureExtractor, train: Sequence[Member], dataset: Dataset, config: TrainConfig,
    history: Sequence[EpochResult | Trial],
) -> None:  # fmt: skip
    """Refit a linear ``model.head`` of the best strength on ``train`` and val: all decisions have been made."""
    val = dataset.members(Part.VAL)
    if not val or not any(isinstance(result, Trial) for result in history):
        return
    examples = examples_of(extractor, train, dataset, "features of train", config.views)
    weights, c = class_weights_of(examples, config, len(dataset.classes)), chosen_strength(history)
    refit_linear(model.head, examples, examples_of(extractor, val, dataset, "features of val"), c, weights)


def class_weights_of(examples: Examples, config: TrainConfig, classes: int) -> tuple[float, ...] | None:
    """One factor a class in the loss, where ``config`` asks for it."""
    return balanced_class_weights(examples.labels, classes) if config.class_weights else None


def head_recipe(config: TrainConfig, weights: tuple[float, ...] | None) -> HeadRecipe:
    """The user's options as the recipe of the head."""
    return HeadRecipe(config.epochs, config.batch_size, config.lr, config.lrf, class_weights=weights, seed=config.seed)


def members_in_time(
    extractor: FeatureExtractor, dataset: Dataset, config: TrainConfig, on_event: OnEvent
) -> Sequence[Member]:
    """The training pictures; under ``--minutes`` as many of them as there is time for, those with features first.

    The time is measured on a few pictures whose features are still to be computed.
    """
    train: Sequence[Member] = dataset.members(Part.TRAIN)
    if config.minutes is None:
        return train

    def is_missing(member: Member) -> bool:
        return extractor.wants([bytes.fromhex(member.sha256)])[0]

    begun, sample = time.monotonic(), list(filter(is_missing, train))[:SAMPLE]
    extractor.rows(sample, "measuring")
    rate = len(sample) / (time.monotonic() - begun)
    train = sorted(train, key=is_missing)
    missing, val = sum(map(is_missing, train)), sum(map(is_missing, dataset.members(Part.VAL)))
    fit = int((rate * config.minutes * 60 * SHARE_FOR_FEATURES - val) / (1 + config.views))
    told = f"--minutes {config.minutes:g}"
    if fit >= missing or not missing:
        on_event(Note(f"{told}: everything fits."))
        return train
    allowed = len(train) - missing + fit
    labels = dataset.labels(train)
    least = 2 * len(np.unique(labels))
    chosen = stratified_sample(labels, max(allowed, least))
    longer = (val + len(chosen) * (1 + config.views)) / rate / SHARE_FOR_FEATURES / 60
    unkept = f" That takes about {longer:.1f} minutes: fewer pictures teach nothing." if allowed < least else ""
    on_event(Caution(f"{told}: at {rate:.1f} pictures a second, {len(chosen)} of {len(train)} are used.{unkept}"))
    return [train[index] for index in chosen]
