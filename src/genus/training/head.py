"""Fits the head on features of a frozen backbone: the whole training when the backbone does not move.

Both ways work on scaled features and give back a plain linear layer for the features as they are: mean and scale are
folded into its weights.
"""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from genus.errors import DivergedError
from genus.training.adamw import AdamW
from genus.training.logistic import logistic_regression
from genus.training.optim import cosine_factor
from genus.training.scaling import Both, Scaled, Scaler, Table
from genus.types import EpochResult

C_GRID = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 1.0)  # inverse strength of the L2 penalty
C_WITHOUT_VALIDATION = 1e-2
SMALL = 2**26  # bytes of features


@dataclass(frozen=True, slots=True)
class Examples:
    """``labels`` N int64, and ``features`` of as many pictures: N x D, or one view of all pictures behind the other,
    (views · N) x D."""

    features: Table
    labels: NDArray[np.int64]

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
    inputs, labels = Scaled(train.features, scaler), torch.from_numpy(train.labels)
    val_inputs = Scaled(val.features, scaler) if val else None
    weight = None if recipe.class_weights is None else torch.tensor(recipe.class_weights)
    steps = -(-len(train) // recipe.batch_size)
    optimizer = AdamW([head.weight, head.bias], recipe.weight_decay)
    generator = torch.Generator().manual_seed(recipe.seed)
    for epoch in range(1, recipe.epochs + 1):
        start, total, lr = time.monotonic(), 0.0, recipe.lr
        with one_thread():
            for batch in torch.randperm(len(train), generator=generator).split(recipe.batch_size):
                loss = _loss_and_gradient(head, inputs[_any_view(batch, train, generator)], labels[batch], weight)
                lr = recipe.lr * cosine_factor(optimizer.steps, total=steps * recipe.epochs, warmup=0, lrf=recipe.lrf)
                optimizer.step(lr)
                total += loss * len(batch)
        if not np.isfinite(total):
            raise DivergedError(f"The loss is no finite number in epoch {epoch}. Try a smaller --lr than {recipe.lr}.")
        val_loss, val_accuracy = _measure(head, val_inputs, val.labels) if val and val_inputs else (None, None)
        seconds = time.monotonic() - start
        yield EpochResult(epoch, recipe.epochs, lr, total / len(train), val_loss, val_accuracy, seconds)
    scaler.fold_into(head)


def fit_linear(
    head: nn.Linear, train: Examples, val: Examples | None, class_weights: tuple[float, ...] | None = None
) -> Iterator[Trial]:
    """Logistic regression: the strength with the lowest validation loss, refitted on train + val, put into ``head``.

    One Trial a strength; ``head`` is ready once the iteration is finished. Every view of a picture is an example.
    Raises DivergedError for features that are no finite numbers.
    """
    best: Trial | None = None
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    if val:
        scaler = Scaler.of(train.features)
        inputs, val_inputs = Scaled(train.features, scaler), Scaled(val.features, scaler)
        for c in C_GRID:  # from the simplest to the most supple head, each starting where the last one ended
            _regress(head, inputs, _repeated(train), c, class_weights)
            trial = Trial(c, *_measure(head, val_inputs, val.labels))
            yield trial
            if best and trial.val_loss >= best.val_loss:
                break  # along the path of strengths the loss falls, then rises
            best = trial
        train = Examples(Both(train.features, val.features), np.concatenate([_repeated(train), val.labels]))
    scaler = Scaler.of(train.features)
    c = best.c if best else C_WITHOUT_VALIDATION
    _regress(head, Scaled(train.features, scaler), _repeated(train), c, class_weights)
    scaler.fold_into(head)


def _regress(
    head: nn.Linear, inputs: Scaled, labels: NDArray[np.int64], c: float, class_weights: tuple[float, ...] | None
) -> None:
    """One logistic regression; on a small table in one thread, for SciPy's threads and torch's get into each other's
    way after every step (four times as slow on two cores)."""
    with one_thread() if inputs.nbytes < SMALL else contextlib.nullcontext():
        logistic_regression(head, inputs, labels, c, class_weights)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """For steps so short that sharing them out among cores would take longer than taking them."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@torch.no_grad()
def _loss_and_gradient(head: nn.Linear, inputs: Tensor, labels: Tensor, weight: Tensor | None) -> float:
    """Weighted mean cross-entropy; its gradient, (softmax - truth)ᵀ inputs, is put into ``head``.

    Written out, for autograd takes as long as all the rest of so small a step.
    """
    log_probabilities = torch.log_softmax(torch.addmm(head.bias, inputs, head.weight.T), 1)
    loss = F.nll_loss(log_probabilities, labels, weight).item()
    errors = log_probabilities.exp_()
    rows = labels[:, None]
    errors.scatter_add_(1, rows, errors.new_full(rows.shape, -1.0))
    if weight is None:
        errors /= len(labels)
    else:
        errors *= (weight[labels] / weight[labels].sum())[:, None]
    head.weight.grad, head.bias.grad = errors.T @ inputs, errors.sum(0)
    return loss


def _any_view(batch: Tensor, examples: Examples, generator: torch.Generator) -> Tensor:
    if examples.views == 1:
        return batch
    return batch + len(examples) * torch.randint(examples.views, batch.shape, generator=generator)


def _repeated(examples: Examples) -> NDArray[np.int64]:
    """The label of every row."""
    return np.tile(examples.labels, examples.views)


def _measure(head: nn.Linear, inputs: Scaled, labels: NDArray[np.int64]) -> tuple[float, float]:
    """Mean cross-entropy (nats) and accuracy."""
    truth = torch.from_numpy(labels)
    with torch.no_grad():
        logits = torch.cat([head(piece) for piece in inputs.pieces()])
        return F.cross_entropy(logits, truth).item(), (logits.argmax(1) == truth).float().mean().item()


def balanced_class_weights(labels: NDArray[np.int64], num_classes: int) -> tuple[float, ...]:
    """n / (classes * n of the class): rare classes count as much as common ones."""
    counts = np.bincount(labels, minlength=num_classes)
    return tuple(float(weight) for weight in len(labels) / (num_classes * np.maximum(counts, 1)))
