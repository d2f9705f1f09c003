"""The evidence for what is known stands for the head that the bundle gets."""

from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from torch import nn

from genus.data.split import Member, Split
from genus.training.head import Examples
from genus.types import Part, ignore_events
from genus.workflows.dataset import Dataset
from genus.workflows.tasks.calibrate import FOLDS, out_of_fold_answers

CLASSES = ("a", "b")


def members(part: Part, count: int) -> list[Member]:
    return [
        Member(Path(f"{part}{number}"), CLASSES[number % 2], sha256(f"{part}{number}".encode()).hexdigest(), part)
        for number in range(count)
    ]


@pytest.mark.parametrize(("train", "val", "expected"), [(140, 30, 136), (20, 180, 20), (100, 100, 100)])
def test_no_head_behind_the_evidence_learns_from_more_than_the_models_own(train: int, val: int, expected: int) -> None:
    """Else it is right more often, and its distances are smaller, than those of the model that is used."""
    there = [*members(Part.TRAIN, train), *members(Part.VAL, val)]
    rows = np.random.default_rng(0).normal(size=(len(there), 4)).astype(np.float32)
    learnt: list[int] = []

    def fit(head: nn.Linear, examples: Examples) -> None:
        learnt.append(len(examples.labels))

    answers = out_of_fold_answers(
        lambda of, task: (rows, np.arange(len(of))), there[:train], there[train:],
        Dataset(Path(), CLASSES, Split(tuple(there), 0), ()), fit, 0, 1e9, ignore_events,
    )  # fmt: skip
    assert answers
    assert len(answers.labels) == len(there)
    assert len(learnt) == FOLDS
    assert np.mean(learnt) == pytest.approx(expected, abs=2)
