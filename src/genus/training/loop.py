"""Fine-tunes the whole network: one visible loop that yields an EpochResult after every epoch.

Between two epochs the caller may do what it likes (save, draw, stop): the ``State`` holds everything.
"""

import math
import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from genus.engine.device import autocast
from genus.engine.torch_engine import compiled
from genus.errors import DivergedError, MachineError, UsageError
from genus.models.backbone import Backbone
from genus.training.mixing import MIXINGS, mix
from genus.training.optim import average_of, cosine_schedule, parameter_groups
from genus.types import AugmentName, EpochResult, Precision, quality

OUT_OF_MEMORY = "out of memory|not enough memory|allocate memory|alloc_failed"
ONE_VALUE = "more than 1 value per channel"
KEPT_PER_WEIGHT = 3  # numbers that training holds besides weight and gradient: AdamW's two moments, the average


@dataclass(frozen=True, slots=True)
class FineTuneRecipe:
    """How to train all parameters. ``lr`` is the peak rate of the head and the last layers; every layer group towards
    the input learns at ``layer_decay`` times the rate of the one above it."""

    epochs: int = 100
    batch_size: int = 32
    lr: float = 1e-4
    lrf: float = 0.1
    layer_decay: float = 0.95
    weight_decay: float = 0.05
    warmup_epochs: float = 0.5
    clip: float = 1.0
    label_smoothing: float = 0.1
    ema: float = 0.998
    patience: int = 15
    augment: AugmentName = "light"
    class_weights: tuple[float, ...] | None = None
    seed: int = 0


class Validation(NamedTuple):
    """Mean cross-entropy (nats) and accuracy (0..1) on the validation pictures."""

    loss: float
    accuracy: float

    @staticmethod
    def of(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> "Validation":
        """Of these ``logits`` (N x classes) for the true class numbers ``labels`` (N)."""
        rows, truth = torch.from_numpy(logits), torch.from_numpy(labels)
        return Validation(F.cross_entropy(rows, truth).item(), (rows.argmax(1) == truth).double().mean().item())


class LabelledBatch(NamedTuple):
    """B x S x S x 3 uint8, or B x K float32 for the upper part of a network, and B int64."""

    pixels: NDArray[np.uint8] | NDArray[np.float32]
    labels: NDArray[np.int64]


@dataclass(slots=True)
class State:
    """All that a run remembers from one epoch to the next. ``average`` holds the moving average of the weights:
    it is what gets validated, kept and used. ``stale`` counts the epochs since it was last at its best."""

    model: nn.Module
    average: AveragedModel
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LambdaLR
    epoch: int = 0
    best_accuracy: float = -1.0
    best_loss: float = math.inf
    stale: int = 0

    @property
    def improved(self) -> bool:
        """Was the last epoch the best so far?"""
        return self.stale == 0


def begin(model: Backbone, network: nn.Module, recipe: FineTuneRecipe, steps_per_epoch: int) -> State:
    """The state before the first step of ``network``: ``model``, or a part of it. It already lies on its device."""
    optimizer = torch.optim.AdamW(
        parameter_groups(model, lr=recipe.lr, weight_decay=recipe.weight_decay, layer_decay=recipe.layer_decay),
        fused=True,
    )
    schedule = cosine_schedule(
        optimizer,
        total=steps_per_epoch * recipe.epochs,
        warmup=round(steps_per_epoch * recipe.warmup_epochs),
        lrf=recipe.lrf,
    )
    return State(network, average_of(network, recipe.ema), optimizer, schedule)


def fit(
    state: State,
    batches: Callable[[int], Iterable[LabelledBatch]],
    validate: Callable[[nn.Module], Validation | None],
    recipe: FineTuneRecipe,
    step: "Step",
) -> Iterator[EpochResult]:
    """Train from ``state.epoch`` on, at most to ``recipe.epochs``; stop early when validation no longer improves.

    ``batches(epoch)`` gives the training pictures of an epoch, ``validate`` what a model reaches (None without
    validation pictures: then the last epoch counts as the best). Raises DivergedError.
    """
    while state.epoch < recipe.epochs and state.stale < recipe.patience:
        start, epoch = time.monotonic(), state.epoch + 1
        torch.manual_seed(recipe.seed * 100_003 + epoch)  # dropout and stochastic depth; a resumed run draws the same
        generator = torch.Generator().manual_seed(recipe.seed * 100_003 + epoch)
        total, seen, lr = 0.0, 0, recipe.lr
        state.model.train()
        for batch in batches(epoch):
            loss = step(state.model, batch, generator)
            norm = float(nn.utils.clip_grad_norm_(state.model.parameters(), recipe.clip))
            if not math.isfinite(loss + norm):  # found before the step: no weight ever becomes NaN
                raise DivergedError(
                    f"The loss or its gradient is no finite number in epoch {epoch}. Try a smaller --lr than "
                    f"{recipe.lr:g}, or --precision fp32."
                )
            lr = float(state.schedule.get_last_lr()[-1])
            state.optimizer.step()
            state.optimizer.zero_grad()
            state.schedule.step()
            state.average.update_parameters(state.model)
            total, seen = total + loss * len(batch.labels), seen + len(batch.labels)
        validation = validate(state.average.module)
        state.epoch = epoch
        _update_best(state, validation)
        val_loss, val_accuracy = validation if validation else (None, None)
        yield EpochResult(epoch, recipe.epochs, lr, total / seen, val_loss, val_accuracy, time.monotonic() - start)


def _update_best(state: State, validation: Validation | None) -> None:
    best = quality(state.best_accuracy, state.best_loss)
    if validation is None or quality(validation.accuracy, validation.loss) > best:
        state.stale = 0
        if validation:
            state.best_accuracy, state.best_loss = validation.accuracy, validation.loss
    else:
        state.stale += 1


class Step:
    """Forward and backward over one batch, in as many pieces as the memory asks for."""

    def __init__(
        self,
        recipe: FineTuneRecipe,
        prepare: nn.Module,
        num_classes: int,
        device: torch.device,
        precision: Precision,
    ) -> None:
        self.recipe = recipe
        self.piece = recipe.batch_size
        self._prepare = prepare.to(device)
        self._num_classes = num_classes
        self._device = device
        self._precision = precision
        self._compiled: Callable[[Tensor], Tensor] | None = None
        self._weight = None if recipe.class_weights is None else torch.tensor(recipe.class_weights, device=device)

    def __call__(self, model: nn.Module, batch: LabelledBatch, generator: torch.Generator) -> float:
        """Add the gradients of the batch's mean loss to the parameters; return that loss."""
        pixels = torch.from_numpy(batch.pixels).to(self._device).float()
        targets = F.one_hot(torch.from_numpy(batch.labels), self._num_classes).float().to(self._device)
        pixels, targets = mix(pixels, targets, MIXINGS[self.recipe.augment], generator)
        total = 0.0
        for part, truth in zip(pixels.split(self.piece), targets.split(self.piece), strict=True):
            loss = self._loss(model, part, truth) * (len(part) / len(pixels))
            loss.backward()
            total += loss.item()
        return total

    def _loss(self, model: nn.Module, pixels: Tensor, targets: Tensor) -> Tensor:
        network = model if self._compiled is None else self._compiled
        try:
            with autocast(self._device, self._precision):
                logits = network(self._prepare(pixels))
        except ValueError as error:  # of torch's batch norm, which has nothing to compare a single value with
            if ONE_VALUE not in str(error):
                raise
            raise UsageError(
                "The batch norms of this model cannot learn from one picture at a time at this size: use a larger "
                "--batch-size or --image-size."
            ) from error
        return F.cross_entropy(logits.float(), targets, self._weight, label_smoothing=self.recipe.label_smoothing)

    def compile(self, model: nn.Module) -> None:
        """From now on run ``model``, the one that will be trained, compiled. The next call may raise anything."""
        self._compiled = compiled(model)

    def uncompile(self) -> None:
        """Undo ``compile``."""
        self._compiled = None

    def trial_step(self, model: nn.Module, batch: LabelledBatch) -> float:
        """A trial step that leaves the weights of ``model`` as they were; ``piece`` is halved until it fits.

        Returns its seconds. Raises MachineError when not even one picture fits into memory.
        """
        buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
        model.train()
        while True:
            start = time.monotonic()
            try:
                self._with_room(model, batch)
                return time.monotonic() - start
            except RuntimeError as error:  # torch.OutOfMemoryError is one; the CPU's allocator raises a plain one
                if not re.search(OUT_OF_MEMORY, str(error), re.IGNORECASE):
                    raise
                if self.piece == 1:
                    raise MachineError(
                        "Not even one picture fits into memory. Choose a smaller --model or --image-size."
                    ) from error
            finally:
                model.zero_grad()
                for name, buffer in model.named_buffers():
                    buffer.copy_(buffers[name])
            self.piece //= 2
            if self._device.type == "cuda":
                torch.cuda.empty_cache()

    def _with_room(self, model: nn.Module, batch: LabelledBatch) -> None:
        """One step while the memory that training takes later is already taken."""
        later = [torch.empty_like(weight) for weight in model.parameters() for _ in range(KEPT_PER_WEIGHT)]
        self(model, batch, torch.Generator().manual_seed(0))
        del later
