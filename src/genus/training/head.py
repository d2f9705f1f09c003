"""Fits the head on features of a frozen backbone: the whole training when the backbone does not move.

Both ways work on scaled features and give back a plain linear layer for the features as they are: mean and scale are
folded into its weights.
"""

import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from genus.errors import DivergedError
from genus.training.optim import cosine_schedule
from genus.types import EpochResult

Floats = NDArray[np.float32]
C_GRID = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 1.0)  # inverse strength of the L2 penalty
C_WITHOUT_VALIDATION = 1e-2


@dataclass(frozen=True, slots=True)
class Examples:
    """``features`` N x D float32 and the class number of each, ``labels`` N int64."""

    features: Floats
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)


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

    ``head`` fits unscaled features once the iteration is finished. Raises DivergedError.
    """
    scaler = Scaler.of(train.features)
    inputs, labels = scaler(train.features), torch.from_numpy(train.labels)
    weight = None if recipe.class_weights is None else torch.tensor(recipe.class_weights)
    steps = -(-len(train) // recipe.batch_size)
    optimizer = torch.optim.AdamW(head.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay, fused=True)
    schedule = cosine_schedule(optimizer, total=steps * recipe.epochs, warmup=0, lrf=recipe.lrf)
    generator = torch.Generator().manual_seed(recipe.seed)
    for epoch in range(1, recipe.epochs + 1):
        start, total, lr = time.monotonic(), 0.0, recipe.lr
        for batch in torch.randperm(len(train), generator=generator).split(recipe.batch_size):
            loss = F.cross_entropy(head(inputs[batch]), labels[batch], weight)
            optimizer.zero_grad()
            loss.backward()
            lr = optimizer.param_groups[0]["lr"]
            optimizer.step()
            schedule.step()
            total += loss.item() * len(batch)
        if not np.isfinite(total):
            raise DivergedError(f"The loss is no finite number in epoch {epoch}. Try a smaller --lr than {recipe.lr}.")
        val_loss, val_accuracy = _measure(head, scaler(val.features), val.labels) if val else (None, None)
        seconds = time.monotonic() - start
        yield EpochResult(epoch, recipe.epochs, lr, total / len(train), val_loss, val_accuracy, seconds)
    scaler.fold_into(head)


def fit_linear(
    head: nn.Linear, train: Examples, val: Examples | None, class_weights: tuple[float, ...] | None = None
) -> Iterator[Trial]:
    """Logistic regression: the strength with the lowest validation loss, refitted on train + val, put into ``head``.

    One Trial a strength; ``head`` is ready once the iteration is finished. Raises DivergedError for features that
    are no finite numbers.
    """
    weights = None if class_weights is None else dict(enumerate(class_weights))
    best: Trial | None = None
    if val:
        scaler = Scaler.of(train.features)
        inputs, val_inputs = scaler(train.features), scaler(val.features)
        for c in C_GRID:
            _solve(head, inputs, train.labels, c, weights)
            trial = Trial(c, *_measure(head, val_inputs, val.labels))
            yield trial
            if best is None or trial.val_loss < best.val_loss:
                best = trial
        train = Examples(np.concatenate([train.features, val.features]), np.concatenate([train.labels, val.labels]))
    scaler = Scaler.of(train.features)
    _solve(head, scaler(train.features), train.labels, best.c if best else C_WITHOUT_VALIDATION, weights)
    scaler.fold_into(head)


def _solve(
    head: nn.Linear, inputs: Tensor, labels: NDArray[np.int64], c: float, weights: dict[int, float] | None
) -> None:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    solver = LogisticRegression(C=c, max_iter=300, tol=1e-4, class_weight=weights)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # after 300 steps the predictions no longer change
        solver.fit(inputs.numpy(), labels)
    rows, offsets = solver.coef_, solver.intercept_
    if len(solver.classes_) == 2:  # scikit-learn gives one row for two classes: the logit of the second
        rows, offsets = np.concatenate([-rows / 2, rows / 2]), np.concatenate([-offsets / 2, offsets / 2])
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(rows))
        head.bias.copy_(torch.from_numpy(offsets))


def _measure(head: nn.Linear, inputs: Tensor, labels: NDArray[np.int64]) -> tuple[float, float]:
    """Mean cross-entropy (nats) and accuracy."""
    truth = torch.from_numpy(labels)
    with torch.no_grad():
        logits = head(inputs)
        return F.cross_entropy(logits, truth).item(), (logits.argmax(1) == truth).float().mean().item()


@dataclass(frozen=True, slots=True)
class Scaler:
    """Centres features and brings their spreads half way together: (x - mean) / √(std · typical std).

    Full standardisation would give a feature that hardly ever fires the weight of all others; none at all would let a
    few loud ones rule. Half way was best or equal in 5-fold cross-validation (docs/results.md, "Scaling").
    """

    mean: Tensor
    scale: Tensor

    @staticmethod
    def of(features: Floats) -> "Scaler":
        """Mean and scale of the training pictures' features (N x D); a feature that never changes becomes 0.

        Raises DivergedError for NaN or infinity.
        """
        if not np.isfinite(features).all():
            raise DivergedError("The network's features are no finite numbers. Try --precision fp32 or other weights.")
        mean, std = features.mean(axis=0, dtype=np.float64), features.std(axis=0, dtype=np.float64)
        typical = float(np.sqrt(np.mean(std**2))) or 1.0
        std[std < 1e-6 * typical] = typical
        return Scaler(torch.from_numpy(mean).float(), torch.from_numpy(np.sqrt(std * typical)).float())

    def __call__(self, features: Floats) -> Tensor:
        return torch.from_numpy(features).sub(self.mean).div_(self.scale)

    def fold_into(self, head: nn.Linear) -> None:
        """Make ``head``, trained on scaled features, right for the features as they are."""
        with torch.no_grad():
            head.weight.div_(self.scale)
            head.bias.sub_(head.weight @ self.mean)


def balanced_class_weights(labels: NDArray[np.int64], num_classes: int) -> tuple[float, ...]:
    """n / (classes * n of the class): rare classes count as much as common ones."""
    counts = np.bincount(labels, minlength=num_classes)
    return tuple(float(weight) for weight in len(labels) / (num_classes * np.maximum(counts, 1)))
