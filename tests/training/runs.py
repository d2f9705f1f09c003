"""Small fine-tunings on random pixels, for the tests of the loop and of resuming."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from genus.engine.torch_engine import Normalise
from genus.models.backbone import Backbone, module, to_device
from genus.training.loop import FineTuneRecipe, LabelledBatch, State, Step, Validation, begin
from genus.types import HALF, Preprocess
from tests.models.test_registry import tiny

CPU = torch.device("cpu")
PREPROCESS = Preprocess(size=32, mean=HALF, std=HALF)
RECIPE = FineTuneRecipe(epochs=4, batch_size=8, lr=1e-3, augment="none")

Batches = Callable[[int], Iterator[LabelledBatch]]


def network(name: str = "vit_tiny_patch16", seed: int = 0, **arguments: object) -> Backbone:
    """A tiny model for 32 x 32 pixels and three classes, laid out in memory as training does."""
    torch.manual_seed(seed)
    if name == "vit_tiny_patch16":
        arguments = {"image_size": 32, **arguments}
    model = tiny(name, **arguments)
    to_device(model, CPU)
    return model


def pictures(n: int, size: int = 32, seed: int = 0) -> LabelledBatch:
    """Noise, with one colour channel brighter by class."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    pixels = rng.integers(0, 120, (n, size, size, 3), dtype=np.uint8)
    pixels[np.arange(n), :, :, labels] += 100
    return LabelledBatch(pixels, labels)


def shuffled(data: LabelledBatch, recipe: FineTuneRecipe) -> Batches:
    """The batches of an epoch, in an order that depends on seed and epoch alone."""

    def batches(epoch: int) -> Iterator[LabelledBatch]:
        order = np.random.default_rng((recipe.seed, epoch)).permutation(len(data.labels))
        for start in range(0, len(order), recipe.batch_size):
            chosen = order[start : start + recipe.batch_size]
            yield LabelledBatch(data.pixels[chosen], data.labels[chosen])

    return batches


def step_for(recipe: FineTuneRecipe) -> Step:
    return Step(recipe, Normalise(PREPROCESS), 3, CPU, "fp32")


def start(recipe: FineTuneRecipe, data: LabelledBatch, name: str = "vit_tiny_patch16", **arguments: object) -> State:
    model = network(name, **arguments)
    return begin(model, module(model), recipe, -(-len(data.labels) // recipe.batch_size))


def validation(data: LabelledBatch) -> Callable[[nn.Module], Validation]:
    def validate(model: nn.Module) -> Validation:
        with torch.no_grad():
            logits = model.eval()(Normalise(PREPROCESS)(torch.from_numpy(data.pixels)))
        truth = torch.from_numpy(data.labels)
        return Validation(F.cross_entropy(logits, truth).item(), (logits.argmax(1) == truth).float().mean().item())

    return validate


def everything(state: State) -> dict[str, torch.Tensor]:
    """All numbers of a state that decide how it goes on."""
    tensors = {f"model.{key}": tensor for key, tensor in state.model.state_dict().items()}
    tensors |= {f"average.{key}": tensor for key, tensor in state.average.state_dict().items()}
    tensors |= {f"buffer.{key}": tensor for key, tensor in state.average.module.named_buffers()}
    optimizer = state.optimizer.state_dict()
    for index, moments in optimizer["state"].items():
        tensors |= {f"optimizer.{index}.{key}": tensor for key, tensor in moments.items()}
    scalars = [state.epoch, state.best_accuracy, state.best_loss, state.stale, state.schedule.last_epoch]
    rates = [group[key] for group in optimizer["param_groups"] for key in ("lr", "initial_lr", "weight_decay")]
    tensors["scalars"] = torch.tensor([*scalars, *rates, *state.schedule.get_last_lr()], dtype=torch.float64)
    return {key: tensor.clone() for key, tensor in tensors.items()}


def differing(state: State, other: State) -> list[str]:
    """Names of what is not equal bit for bit."""
    one, two = everything(state), everything(other)
    assert one.keys() == two.keys()
    return [key for key in one if not torch.equal(one[key], two[key])]
