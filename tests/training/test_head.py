"""The head on features, held against a plain PyTorch loop and against scikit-learn."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.utils.class_weight import compute_class_weight
from torch import nn

from genus.errors import DivergedError
from genus.training.head import (
    STRONGER,
    TYPICAL_C,
    WEAKER,
    Examples,
    HeadRecipe,
    balanced_class_weights,
    fit_adamw,
    fit_linear,
    refit_linear,
)
from genus.training.scaling import Scaler
from genus.training.softmax_regression import LinearClassifier


class HalfScaler(TransformerMixin, BaseEstimator):
    """Half-way standardisation, written a second time: whiten by the square root of each feature's spread."""

    def fit(self, x: np.ndarray, y: object = None) -> "HalfScaler":
        self.mean_, spread = x.mean(0), x.std(0, dtype=np.float64)
        typical = (spread**2).mean() ** 0.5
        self.scale_ = np.where(spread > 1e-6 * typical, spread, typical) ** 0.5 * typical**0.5
        return self

    def transform(self, x: np.ndarray) -> np.ndarray:
        return (x - self.mean_) / self.scale_


def examples(n: int, classes: int, seed: int, spread: float = 1.0) -> Examples:
    """Clouds around one centre a class, in features of very different scale; the last feature never changes."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(classes, 6))
    labels = np.concatenate([np.arange(classes), rng.integers(classes, size=n - classes)])
    clouds = centres[labels] + spread * rng.normal(size=(n, 6))
    features = clouds * [1, 10, 0.1, 3, 1, 1] + [0, 100, 0, -5, 0, 0]
    return Examples(np.c_[features, np.full(n, 7.0)].astype(np.float32), labels.astype(np.int64))


def new_head(examples: Examples, classes: int) -> nn.Linear:
    torch.manual_seed(1)
    return nn.Linear(examples.features.shape[1], classes)


def logits(head: nn.Linear, examples: Examples) -> torch.Tensor:
    with torch.no_grad():
        return head(torch.from_numpy(examples.features))


def accuracy(head: nn.Linear, examples: Examples) -> float:
    return (logits(head, examples).argmax(1).numpy() == examples.labels).mean()


@pytest.mark.parametrize("weights", [None, (0.5, 1.0, 2.0)])
def test_adamw_is_the_plain_loop(weights: tuple[float, ...] | None) -> None:
    """The same recipe written out once more: scale, shuffle, cosine by hand; 50 pictures, batches of 16."""
    train, val = examples(50, 3, seed=0), examples(20, 3, seed=1)
    recipe = HeadRecipe(epochs=5, batch_size=16, lr=0.03, lrf=0.2, class_weights=weights, seed=4)
    head = new_head(train, 3)
    results = list(fit_adamw(head, train, val, recipe))

    scaler = HalfScaler().fit(train.features)
    inputs = torch.from_numpy(scaler.transform(train.features)).float()
    val_inputs = torch.from_numpy(scaler.transform(val.features)).float()
    labels, val_labels = torch.from_numpy(train.labels), torch.from_numpy(val.labels)
    plain = new_head(train, 3)
    optimizer = torch.optim.AdamW(plain.parameters(), weight_decay=recipe.weight_decay)
    rng, step, steps = np.random.default_rng(4), 0, 4 * 5
    for result in results:
        losses, rates = [], []
        order = torch.from_numpy(rng.permutation(50))
        for start in range(0, 50, 16):
            batch = order[start : start + 16]
            rates.append(0.03 * (0.2 + 0.8 * (1 + math.cos(math.pi * step / steps)) / 2))
            optimizer.param_groups[0]["lr"] = rates[-1]
            loss = F.cross_entropy(plain(inputs[batch]), labels[batch], weights and torch.tensor(weights))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses += [loss.item()] * len(batch)
            step += 1
        with torch.no_grad():
            val_logits = plain(val_inputs)
        assert result.lr == pytest.approx(rates[-1])
        assert result.train_loss == pytest.approx(np.mean(losses), rel=1e-5)
        assert result.val_loss == pytest.approx(F.cross_entropy(val_logits, val_labels).item(), rel=1e-5)
        assert result.val_accuracy == pytest.approx((val_logits.argmax(1) == val_labels).float().mean().item())
    assert [(result.epoch, result.epochs) for result in results] == [(n, 5) for n in range(1, 6)]
    assert torch.allclose(logits(head, val), val_logits, atol=1e-4)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(1e-3, 1e3), shift=st.floats(-10, 10))
def test_folding_changes_no_answer(seed: int, scale: float, shift: float) -> None:
    rng = np.random.default_rng(seed)
    features = ((rng.normal(size=(20, 5)) + shift) * scale).astype(np.float32)
    features[:, 2] = shift * scale  # a dead feature
    classifier = LinearClassifier(rng.normal(size=3 * 5 + 3).astype(np.float32), classes=3)
    scaler = Scaler.of(features)
    before = classifier.logits(scaler(features))
    scaler.fold_into(classifier)
    assert classifier.logits(features) == pytest.approx(before, abs=1e-4 * (1 + abs(shift)))


@pytest.mark.parametrize("classes", [2, 5])
def test_both_heads_learn_what_can_be_separated(classes: int) -> None:
    train, val = examples(120, classes, seed=0, spread=0.1), examples(60, classes, seed=1, spread=0.1)
    adamw, linear = new_head(train, classes), new_head(train, classes)
    results = list(fit_adamw(adamw, train, val, HeadRecipe(epochs=20, lr=0.01)))
    assert results[-1].train_loss < results[0].train_loss / 2
    assert results[-1].val_accuracy == accuracy(adamw, val) == 1
    list(fit_linear(linear, train, val))
    assert accuracy(linear, val) == 1


def test_class_weights_lift_the_rare_class() -> None:
    rng = np.random.default_rng(0)
    labels = np.array([0] * 190 + [1] * 10)
    data = Examples((rng.normal(size=(200, 4)) + labels[:, None]).astype(np.float32), labels)
    balanced = balanced_class_weights(labels, 2)
    assert balanced == pytest.approx(compute_class_weight("balanced", classes=np.array([0, 1]), y=labels))
    found = {}
    for weights in (None, balanced):
        adamw, linear = new_head(data, 2), new_head(data, 2)
        list(fit_adamw(adamw, data, None, HeadRecipe(epochs=30, lr=0.03, class_weights=weights)))
        list(fit_linear(linear, data, None, weights))
        found[weights] = [logits(head, data).argmax(1)[-10:].float().mean().item() for head in (adamw, linear)]
    assert all(after > before + 0.2 for before, after in zip(found[None], found[balanced], strict=True))


def test_balanced_weights_of_a_class_without_pictures_are_finite() -> None:
    assert balanced_class_weights(np.array([0, 0, 2]), 3) == pytest.approx((0.5, 1.0, 1.0))


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("weighted", [False, True])
def test_linear_is_the_logistic_regression_of_scikit_learn(classes: int, weighted: bool) -> None:
    """Strength by validation loss, then one more fit on train + val: the same probabilities."""
    train, val, new = (examples(n, classes, seed) for seed, n in enumerate((80, 40, 50)))
    weights = balanced_class_weights(train.labels, classes) if weighted else None
    head = new_head(train, classes)
    trials = list(fit_linear(head, train, val, weights))

    def fitted(c: float, x: np.ndarray, y: np.ndarray) -> LogisticRegression:
        solver = LogisticRegression(C=c, max_iter=1000, tol=1e-6, class_weight=weights and dict(enumerate(weights)))
        return make_pipeline(HalfScaler(), solver).fit(x.astype(np.float64), y)

    for trial in trials:
        reference = fitted(trial.c, train.features, train.labels)
        assert trial.val_loss == pytest.approx(log_loss(val.labels, reference.predict_proba(val.features)), rel=0.01)
        one = 1 / len(val)  # a picture on the very border may fall to either side
        assert trial.val_accuracy == pytest.approx(reference.score(val.features, val.labels), abs=1.01 * one)
    best = min(trials, key=lambda trial: trial.val_loss)
    assert [trial.c for trial in trials] == [TYPICAL_C, *WEAKER][: trials.index(best) + 2]  # one more, that did worse
    assert best.c > TYPICAL_C  # the choice is not the beginning of the path, whichever way it is made
    both = np.concatenate([train.features, val.features]), np.concatenate([train.labels, val.labels])
    expected = fitted(best.c, train.features, train.labels).predict_proba(new.features)
    assert torch.softmax(logits(head, new), 1).numpy() == pytest.approx(expected, abs=2e-3)
    refit_linear(head, train, val, best.c, weights)
    expected = fitted(best.c, *both).predict_proba(new.features)
    assert torch.softmax(logits(head, new), 1).numpy() == pytest.approx(expected, abs=2e-3)


def test_the_strength_is_looked_for_on_both_sides() -> None:
    """Labels that mean nothing want the strongest penalty."""
    train, val = examples(80, 3, seed=0), examples(40, 3, seed=1)
    noise = Examples(train.features, np.random.default_rng(0).permutation(train.labels))
    head = new_head(noise, 3)
    trials = list(fit_linear(head, noise, val))
    assert [trial.c for trial in trials] == [TYPICAL_C, WEAKER[0], *STRONGER]
    assert min(trials, key=lambda trial: trial.val_loss).c == STRONGER[-1]
    solver = LogisticRegression(C=STRONGER[-1], max_iter=1000, tol=1e-6)
    reference = make_pipeline(HalfScaler(), solver).fit(noise.features, noise.labels)
    found = torch.softmax(logits(head, val), 1).numpy()
    assert found == pytest.approx(reference.predict_proba(val.features), abs=2e-3)


def test_without_validation() -> None:
    train = examples(60, 3, seed=0)
    adamw, linear = new_head(train, 3), new_head(train, 3)
    nobody = Examples(np.empty((0, 7), np.float32), np.empty(0, np.int64))
    for val in (None, nobody):
        results = list(fit_adamw(adamw, train, val, HeadRecipe(epochs=2)))
        assert [(result.val_loss, result.val_accuracy) for result in results] == [(None, None)] * 2
        assert list(fit_linear(linear, train, val)) == []
    reference = make_pipeline(HalfScaler(), LogisticRegression(C=TYPICAL_C))
    expected = reference.fit(train.features, train.labels).predict_proba(train.features)
    assert torch.softmax(logits(linear, train), 1).numpy() == pytest.approx(expected, abs=2e-3)


def test_a_rate_that_is_too_large_is_found_at_the_end_of_its_epoch() -> None:
    train = examples(40, 3, seed=0)
    with pytest.raises(DivergedError, match=r"epoch \d.*smaller --lr than 1e\+38"):
        list(fit_adamw(new_head(train, 3), train, None, HeadRecipe(lr=1e38)))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_features_that_are_no_numbers(value: float) -> None:
    train = examples(40, 3, seed=0)
    train.features[3, 2] = value
    with pytest.raises(DivergedError, match="features are no finite numbers"):
        list(fit_adamw(new_head(train, 3), train, None, HeadRecipe()))
    with pytest.raises(DivergedError, match="features are no finite numbers"):
        list(fit_linear(new_head(train, 3), train, None))


def test_same_seed_same_bits() -> None:
    train = examples(50, 3, seed=0)
    heads = [new_head(train, 3) for _ in range(3)]
    for head, seed in zip(heads, (0, 0, 1), strict=True):
        list(fit_adamw(head, train, None, HeadRecipe(epochs=2, seed=seed)))
    assert torch.equal(heads[0].weight, heads[1].weight)
    assert not torch.equal(heads[0].weight, heads[2].weight)
    for head in heads[:2]:
        list(fit_linear(head, train, train))
    assert torch.equal(heads[0].weight, heads[1].weight)
