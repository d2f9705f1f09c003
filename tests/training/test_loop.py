"""The fine-tuning loop on tiny models and random pixels."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from genus.errors import DivergedError, MachineError, UsageError
from genus.models.backbone import module
from genus.training.loop import FineTuneRecipe, LabelledBatch, State, Step, Validation, begin, fit
from genus.training.optim import average_of
from tests.training.runs import RECIPE, differing, network, pictures, shuffled, start, step_for, validation

ONE_BATCH = pictures(8)


def constant(loss: float) -> Step:
    """A step whose every gradient is 1 and whose loss is ``loss``."""

    def step(model: nn.Module, batch: LabelledBatch, generator: torch.Generator) -> float:
        for parameter in model.parameters():
            parameter.grad = torch.ones_like(parameter)
        return loss

    return step  # type: ignore[return-value]


def test_a_short_run_learns_and_the_average_of_the_weights_is_what_is_judged() -> None:
    """Nine steps: an average with a constant decay of 0.998 would still be the weights of the first."""
    data, judged = pictures(24), []
    recipe = replace(RECIPE, epochs=3, lr=3e-3, warmup_epochs=0)
    state = start(recipe, data)

    def validate(model: nn.Module) -> Validation:
        judged.append(model)
        return validation(pictures(24, seed=1))(model)

    results = list(fit(state, shuffled(data, recipe), validate, recipe, step_for(recipe)))
    assert all(model is state.average.module for model in judged)
    assert state.average.module is not state.model
    losses = [result.train_loss for result in results]
    assert losses == sorted(losses, reverse=True)
    assert results[-1].val_accuracy == 1
    assert validation(data)(state.average.module).loss < losses[0]
    assert [result.epoch for result in results] == [1, 2, 3] == list(range(1, state.epoch + 1))
    assert recipe.lr > results[0].lr > results[-1].lr > recipe.lr * recipe.lrf
    assert state.schedule.get_last_lr()[-1] == recipe.lr * recipe.lrf


def test_the_average_follows_its_formula() -> None:
    model = nn.Sequential(nn.Linear(1, 1), nn.BatchNorm1d(1))
    model.register_buffer("index", torch.arange(300))
    average, expected = average_of(model, 0.9), None
    for n in range(120):
        with torch.no_grad():
            model[0].weight.fill_(float(n))
            model[1].running_var.fill_(2.0 * n)
        average.update_parameters(model)
        decay = min(0.9, (1 + n) / (10 + n))
        expected = float(n) if expected is None else decay * expected + (1 - decay) * n
        assert average.module[0].weight.item() == pytest.approx(expected, rel=1e-4)
        assert average.module[1].running_var.item() == pytest.approx(2 * expected, rel=1e-4)
    assert torch.equal(average.module.index, model.index)  # 0.9 * 3 + 0.1 * 3 is 2 in whole numbers
    assert not any(parameter.requires_grad and parameter.grad_fn for parameter in average.parameters())


def test_stops_when_validation_no_longer_improves_and_remembers_the_best() -> None:
    """Higher accuracy wins; among equals the lower loss."""
    verdicts = [(1.0, 0.5), (0.9, 0.5), (2.0, 0.6), (0.1, 0.5), (2.0, 0.6), (3.0, 0.1), (0.0, 1.0)]
    told = iter(Validation(*verdict) for verdict in verdicts)
    recipe = replace(RECIPE, epochs=7, patience=3)
    state = start(recipe, ONE_BATCH)
    improved = [
        (state.improved, result.val_accuracy)
        for result in fit(state, lambda _: iter([ONE_BATCH]), lambda _: next(told), recipe, constant(1.0))
    ]
    assert improved == [(True, 0.5), (True, 0.5), (True, 0.6), (False, 0.5), (False, 0.6), (False, 0.1)]
    assert (state.best_accuracy, state.best_loss, state.epoch, state.stale) == (0.6, 2.0, 6, 3)
    assert not list(fit(state, lambda _: iter([ONE_BATCH]), lambda _: next(told), recipe, constant(1.0)))


def test_without_validation_the_last_epoch_counts() -> None:
    recipe = replace(RECIPE, epochs=3, patience=1)
    state = start(recipe, ONE_BATCH)
    results = []
    for result in fit(state, lambda _: iter([ONE_BATCH]), lambda _: None, recipe, constant(0.5)):
        assert state.improved
        results.append((result.val_loss, result.val_accuracy, result.train_loss))
    assert results == [(None, None, 0.5)] * 3


def test_the_training_loss_is_the_mean_over_pictures() -> None:
    losses = iter([1.0, 4.0])
    recipe = replace(RECIPE, epochs=1)
    one = constant(0)
    (result,) = fit(
        start(recipe, ONE_BATCH),
        lambda _: iter([pictures(6), pictures(2)]),
        lambda _: None,
        recipe,
        lambda *arguments: one(*arguments) + next(losses),  # type: ignore[arg-type]
    )
    assert result.train_loss == (6 * 1 + 2 * 4) / 8


@pytest.mark.parametrize("kind", ["loss", "gradient"])
def test_divergence_is_found_before_it_reaches_the_weights(kind: str) -> None:
    def step(model: nn.Module, batch: LabelledBatch, generator: torch.Generator) -> float:
        constant(1.0)(model, batch, generator)
        if kind == "gradient":
            next(model.parameters()).grad.fill_(math.inf)  # type: ignore[union-attr]
        return math.nan if kind == "loss" else 1.0

    state, before = start(RECIPE, ONE_BATCH), start(RECIPE, ONE_BATCH)
    with pytest.raises(DivergedError, match=r"epoch 1.*smaller --lr than 0.001"):
        list(fit(state, lambda _: iter([ONE_BATCH]), lambda _: None, RECIPE, step))  # type: ignore[arg-type]
    assert differing(state, before) == []


def test_gradients_are_clipped() -> None:
    recipe = replace(RECIPE, epochs=1, clip=0.5)
    state, norms = start(recipe, ONE_BATCH), []

    def look(*_: object) -> None:
        gradients = [parameter.grad for parameter in state.model.parameters()]
        norms.append(torch.stack([gradient.norm() for gradient in gradients if gradient is not None]).norm().item())

    state.optimizer.register_step_pre_hook(look)
    list(fit(state, lambda _: iter([ONE_BATCH]), lambda _: None, recipe, constant(1.0)))
    assert norms == [pytest.approx(0.5, rel=1e-3)]


@pytest.mark.parametrize("augment", ["none", "strong"])
@pytest.mark.parametrize("piece", [1, 3])
def test_pieces_add_up_to_the_gradient_of_the_whole_batch(augment: str, piece: int) -> None:
    recipe = replace(RECIPE, augment=augment, class_weights=(0.2, 1.0, 5.0))  # type: ignore[arg-type]
    found = []
    for size in (8, piece):
        step, model = step_for(recipe), module(network())
        step.piece = size
        loss = step(model, ONE_BATCH, torch.Generator().manual_seed(3))
        found.append((loss, {name: parameter.grad for name, parameter in model.named_parameters()}))
    (whole, expected), (total, gradients) = found
    assert total == pytest.approx(whole, rel=1e-5)
    scale = max(gradient.abs().max() for gradient in expected.values())  # type: ignore[union-attr]
    for name, gradient in gradients.items():
        assert (gradient - expected[name]).abs().max() <= 1e-5 * scale, name  # type: ignore[operator]


def test_the_loss_is_smoothed_weighted_cross_entropy() -> None:
    recipe = replace(RECIPE, label_smoothing=0.2, class_weights=(0.5, 1.0, 3.0))
    model = module(network()).eval()
    loss = step_for(recipe)(model, ONE_BATCH, torch.Generator())
    with torch.no_grad():
        logits = model((torch.from_numpy(ONE_BATCH.pixels).permute(0, 3, 1, 2) / 255 - 0.5) / 0.5).double().numpy()
    log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    targets = 0.8 * np.eye(3)[ONE_BATCH.labels] + 0.2 / 3
    assert loss == pytest.approx(-(targets * log_p * [0.5, 1.0, 3.0]).sum(1).mean(), rel=1e-5)


@pytest.mark.parametrize("name", ["efficientnet_lite0", "swin_tiny"])
def test_a_rehearsal_leaves_the_model_as_it_was(name: str) -> None:
    model, twin = module(network(name)), module(network(name))
    assert step_for(RECIPE).trial_step(model, ONE_BATCH) > 0
    for (key, tensor), other in zip(model.state_dict().items(), twin.state_dict().values(), strict=True):
        assert torch.equal(tensor, other), key
    assert all(parameter.grad is None for parameter in model.parameters())


def memory_for(fitting: int, message: str, monkeypatch: pytest.MonkeyPatch) -> nn.Module:
    """A model with batch norm that fails on more than ``fitting`` pictures, half of the work done."""
    model = network("vgg11", batch_norm=True, dropout=0.0)
    pool = model.pool

    def limited(features: torch.Tensor) -> torch.Tensor:
        if len(features) > fitting:
            raise RuntimeError(message)
        return pool(features)

    monkeypatch.setattr(model, "pool", limited)
    return module(model)


@pytest.mark.parametrize(
    "message",
    ["CUDA out of memory. Tried to allocate 2.00 GiB", "[enforce fail at alloc_cpu.cpp] not enough memory: you tried"],
)
def test_a_batch_that_does_not_fit_is_halved_until_it_does(message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, twin = memory_for(2, message, monkeypatch), module(network("vgg11", batch_norm=True))
    step = step_for(RECIPE)
    step.trial_step(model, ONE_BATCH)
    assert step.piece == 2
    assert all(map(torch.equal, model.state_dict().values(), twin.state_dict().values()))
    assert all(parameter.grad is None for parameter in model.parameters())
    step(model, ONE_BATCH, torch.Generator())


def test_not_even_one_picture_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MachineError, match="Not even one picture"):
        step_for(RECIPE).trial_step(memory_for(0, "out of memory", monkeypatch), ONE_BATCH)


def test_other_failures_are_not_taken_for_a_lack_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    step = step_for(RECIPE)
    with pytest.raises(RuntimeError, match="illegal"):
        step.trial_step(memory_for(2, "CUDA error: an illegal memory access", monkeypatch), ONE_BATCH)
    assert step.piece == RECIPE.batch_size


def test_a_rehearsal_leaves_room_for_what_training_keeps(monkeypatch: pytest.MonkeyPatch) -> None:
    """The two moments of AdamW and the average come after it, and have to fit as well."""
    model, sizes = module(network()), []
    empty_like = torch.empty_like
    monkeypatch.setattr(torch, "empty_like", lambda tensor: sizes.append(tensor.numel()) or empty_like(tensor))
    step_for(RECIPE).trial_step(model, ONE_BATCH)
    assert sum(sizes) == 3 * sum(parameter.numel() for parameter in model.parameters())


def test_same_seed_same_bits() -> None:
    """Order, mixing, dropout and stochastic depth all hang on the seed; what was drawn before does not matter."""
    data = pictures(20)

    def run(recipe: FineTuneRecipe, drawn_before: int) -> tuple[State, list[object]]:
        model = network(drop_path=0.3)
        state = begin(model, module(model), recipe, 3)
        torch.rand(drawn_before)
        results = fit(state, shuffled(data, recipe), validation(data), recipe, step_for(recipe))
        return state, [replace(result, seconds=0) for result in results]

    recipe = replace(RECIPE, epochs=2, augment="strong", seed=5)
    (one, losses), (two, again), (_, others) = run(recipe, 0), run(recipe, 7), run(replace(recipe, seed=6), 0)
    assert differing(one, two) == []
    assert losses == again != others


def test_a_batch_of_one_is_refused_where_batch_norm_cannot_learn_from_it() -> None:
    recipe = replace(RECIPE, batch_size=1)
    network_of_one = network("efficientnet_lite0")
    with pytest.raises(UsageError, match="larger --batch-size or --image-size"):
        step_for(recipe).trial_step(module(network_of_one), pictures(1))
