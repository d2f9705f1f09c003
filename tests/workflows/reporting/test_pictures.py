import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from genus.workflows.reporting import findings
from genus.workflows.reporting import pictures as report_pictures
from genus.workflows.reporting.pictures import (
    LARGE,
    LARGE_QUALITY,
    OF_MISTAKES,
    OF_RIGHT,
    PICTURES,
    SMALL,
    SMALL_QUALITY,
    STUDIED,
    TOP,
    jpeg,
    most_telling,
)
from genus.workflows.reporting.report import LABEL_ISSUES


def drawn(seed: int, n: int, classes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(classes, size=n), rng.integers(classes, size=n), rng.random(n)


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 400), classes=st.integers(1, 4))
def test_cells_show_their_surest_mistakes_and_least_sure_right_answers(seed: int, n: int, classes: int) -> None:
    labels, predicted, confidence = drawn(seed, n, classes)
    shown = most_telling(labels, predicted, confidence)
    assert len(set(shown)) == len(shown)
    for truth in range(classes):
        for answer in range(classes):
            cell = np.flatnonzero((labels == truth) & (predicted == answer))
            surest = cell[np.argsort(-confidence[cell])]
            best = surest[::-1][:OF_RIGHT] if truth == answer else surest[:OF_MISTAKES]
            assert [place for place in shown if place in set(cell.tolist())] == best.tolist()


def test_every_cell_has_a_picture_before_any_has_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_pictures, "PICTURES", 20)
    labels, predicted, confidence = drawn(0, 2000, 4)
    shown = most_telling(labels, predicted, confidence)
    cells = np.bincount(4 * labels[shown] + predicted[shown], minlength=16)
    assert len(shown) == 20
    assert cells.min() == 1
    assert cells.max() == 2


def test_the_largest_pictures_there_can_be_leave_room_for_the_rest() -> None:
    """Noise makes the largest JPEGs; base64 takes 4/3 of them. Without pictures, 100 classes need less than 2 MB."""
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (LARGE, LARGE, 3)).astype(np.uint8))
    small, large = len(jpeg(noise, SMALL, SMALL_QUALITY)), len(jpeg(noise, LARGE, LARGE_QUALITY))
    studied = 2 * STUDIED * (2 * large + (1 + TOP) * small)
    assert ((PICTURES + findings.PICTURES + LABEL_ISSUES) * small + studied) * 4 / 3 < 13_000_000
