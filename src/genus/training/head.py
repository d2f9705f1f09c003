"""Fits the head on features of a frozen backbone: the whole training when the backbone does not move.

Both ways work on scaled features and give back a plain linear layer for the features as they are: mean and scale are
folded into its weights.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from torch import nn

from genus.errors import DivergedError
from genus.probabilities import log_softmax
from genus.training.optim import cosine_factor
from genus.training.scaling import Concatenated, Features, Scaled, Scaler
from genus.training.softmax_regression import COARSE, AdamW, Labels, LinearClassifier, LogisticRegression
from genus.types import EpochResult

TYPICAL_C = 1e-2  # inverse strength of the L2 penalty
WEAKER, STRONGER = (3e-2, 1e-1, 1.0), (3e-3, 1e-3, 3e-4, 1e-4)


@dataclass(frozen=True, slots=True)
class Examples:
    """``labels`` N int64, and ``features`` of as many pictures: N x D, or one view of all pictures behind the other,
    (views · N) x D."""

    features: Features
    labels: Labels

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def views(self) -> int:
        """How many views there are of each picture."""
        return len(self.features) // len(self.labels)


@dataclass(frozen=True, slots=True)
class HeadRecipe:
    """The tutorial's recipe for a frozen backbone. ``class_weights``: one factor a class in the loss, or None."""

    epochs: int = 100
    batch_size: int = 32
    lr: float = 1e-4
    lrf: float = 0.1
    weight_decay: float = 0.05
    class_weights: tuple[float, ...] | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Trial:
    """One regularisation strength and how it did on validation."""

    c: float
    val_loss: float
    val_accuracy: float


def fit_adamw(head: nn.Linear, train: Examples, val: Examples | None, recipe: HeadRecipe) -> Iterator[EpochResult]:
    """Train ``head`` in place with AdamW, cosine from lr to lr * lrf; one EpochResult an epoch.

    An epoch sees each picture once, in one of its views, drawn anew. ``head`` fits unscaled features once the
    iteration is finished. Raises DivergedError.
    """
    scaler = Scaler.of(train.features)
    inputs, val_inputs = Scaled(train.features, scaler), Scaled(val.features, scaler) if val else None
    classifier = LinearClassifier.of(head)
    weights = np.ones(len(train), np.float32)
    if recipe.class_weights is not None:
        weights = np.array(recipe.class_weights, np.float32)[train.labels]
    batches = -(-len(train) // recipe.batch_size)
    optimizer = AdamW(classifier.values, recipe.weight_decay)
    rng = np.random.default_rng(recipe.seed)
    for epoch in range(1, recipe.epochs + 1):
        start, total, lr = time.monotonic(), 0.0, recipe.lr
        order = rng.permutation(len(train))
        with np.errstate(over="ignore", invalid="ignore"):  # told below
            for batch in np.split(order, range(recipe.batch_size, len(train), recipe.batch_size)):
                shares = weights[batch] / weights[batch].sum()
                rows = inputs[_any_view(batch, train, rng)]
                loss, gradient = classifier.loss_and_gradient(rows, train.labels[batch], shares)
                lr = recipe.lr * cosine_factor(optimizer.steps, total=batches * recipe.epochs, warmup=0, lrf=recipe.lrf)
                optimizer.step(gradient, lr)
                total += loss * len(batch)
        if not np.isfinite(total):
            raise DivergedError(f"The loss is no finite number in epoch {epoch}. Try a smaller --lr than {recipe.lr}.")
        val_loss, val_accuracy = _measure(classifier, val_inputs, val.labels) if val and val_inputs else (None, None)
        seconds = time.monotonic() - start
        yield EpochResult(epoch, recipe.epochs, lr, total / len(train), val_loss, val_accuracy, seconds)
    scaler.fold_into(classifier)
    classifier.copy_to(head)


def fit_linear(
    head: nn.Linear,
    train: Examples,
    val: Examples | None,
    class_weights: tuple[float, ...] | None = None,
    c: float = TYPICAL_C,
) -> Iterator[Trial]:
    """Logistic regression: the strength with the lowest validation loss, put into ``head``; one Trial a strength.
    Without validation the strength is ``c``.

    From ``TYPICAL_C`` the penalty becomes weaker as long as that helps, or, where it does not, stronger. The strengths
    are compared by coarse solutions (validation losses within 1 % of the exact ones' up to C = 0.03, a few percent
    beyond); then the best is solved exactly.

    ``head`` is ready once the iteration is finished. Every view of a picture is an example. Raises DivergedError for
    features that are no finite numbers.
    """
    scaler = Scaler.of(train.features)
    classifier = LinearClassifier.of(head)
    classifier.values[:] = 0
    regression = LogisticRegression(classifier, Scaled(train.features, scaler), _repeated(train), class_weights)
    trials: list[Trial] = []
    if val:
        val_inputs, values = Scaled(val.features, scaler), classifier.values.copy()
        for c in _strengths(trials):
            classifier.values[:] = values  # those of the best so far
            regression.solve(c, COARSE)
            trials.append(Trial(c, *_measure(classifier, val_inputs, val.labels)))
            yield trials[-1]
            if best_of(trials) is trials[-1]:
                values = classifier.values.copy()
        classifier.values[:] = values
    regression.solve(best_of(trials).c if trials else c)
    scaler.fold_into(classifier)
    classifier.copy_to(head)


def best_of(trials: Sequence[Trial]) -> Trial:
    """The one with the lowest validation loss, the first of equals."""
    return min(trials, key=lambda trial: trial.val_loss)


def refit_linear(
    head: nn.Linear, train: Examples, val: Examples, c: float, class_weights: tuple[float, ...] | None = None
) -> None:
    """Logistic regression of strength ``c`` on both parts, once validation has nothing more to decide.

    It starts from ``head``, which is near already.
    """
    both = Concatenated(train.features, val.features)
    scaler = Scaler.of(both)
    classifier = LinearClassifier.of(head)
    scaler.fold_out_of(classifier)
    labels = np.concatenate([_repeated(train), val.labels])
    LogisticRegression(classifier, Scaled(both, scaler), labels, class_weights).solve(c)
    scaler.fold_into(classifier)
    classifier.copy_to(head)


def _strengths(trials: Sequence[Trial]) -> Iterator[float]:
    """What to try next, as long as it may be better; ``trials`` grows meanwhile. Along either path the validation loss
    falls, then rises."""
    yield TYPICAL_C
    for path in WEAKER, STRONGER:
        for c in path:
            yield c
            if best_of(trials) is not trials[-1]:
                break
        if best_of(trials).c != TYPICAL_C:
            return


def _any_view(batch: Labels, examples: Examples, rng: np.random.Generator) -> Labels:
    if examples.views == 1:
        return batch
    return batch + len(examples) * rng.integers(examples.views, size=len(batch))


def _repeated(examples: Examples) -> Labels:
    """The label of every row."""
    return np.tile(examples.labels, examples.views)


def _measure(classifier: LinearClassifier, inputs: Scaled, labels: Labels) -> tuple[float, float]:
    """Mean cross-entropy (nats) and accuracy."""
    logits = np.concatenate([classifier.logits(piece) for piece in inputs.pieces()])
    own = log_softmax(logits)[np.arange(len(labels)), labels]
    return -float(own.mean()), float((logits.argmax(axis=1) == labels).mean())


def balanced_class_weights(labels: Labels, num_classes: int) -> tuple[float, ...]:
    """n / (classes * n of the class): rare classes count as much as common ones."""
    counts = np.bincount(labels, minlength=num_classes)
    return tuple(float(weight) for weight in len(labels) / (num_classes * np.maximum(counts, 1)))
