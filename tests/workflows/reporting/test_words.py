"""The first sentence of a report, and its further results: nothing is rounded to certainty."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from genus.evaluation.intervals import share
from genus.evaluation.metrics import Evaluation, evaluate
from genus.run import Run
from genus.workflows import scoring
from genus.workflows.reporting.words import cross_validation, headline, matrix_title, numbers
from genus.workflows.scoring import Provenance


def answers(n: int, wrong: int, known: int = 0, temperature: float = 1.0) -> Evaluation:
    """Of ``n`` pictures the first ``wrong`` are named wrongly, and the last ``known`` count as known."""
    labels = np.arange(n) % 2
    logits = np.where(np.arange(2) == labels[:, None], 3.0, 0.0)
    logits[:wrong] = logits[:wrong, ::-1]
    counts = np.arange(n) >= n - known
    return evaluate(logits, labels, ("a", "b"), temperature=temperature, known=counts, max_error=0.05)


@pytest.mark.parametrize(
    ("n", "wrong", "expected"),
    [
        (250, 1, "more than 99 are named right; the test shows it to be at least 98."),
        (3000, 1, "more than 99 are named right; the test shows it to be more than 99."),
        (3000, 2999, "fewer than 1 are named right; the test shows it to be fewer than 1."),
        (100, 6, "about 94 are named right; the test shows it to be between 87 and 98."),
        (100, 0, "about 100 are named right; the test shows it to be between 96 and 100."),
    ],
)
def test_one_mistake_is_never_rounded_away(n: int, wrong: int, expected: str) -> None:
    assert headline(answers(n, wrong), Provenance()) == f"Of 100 new pictures like these, {expected}"


def test_what_is_known_is_no_more_certain_than_it_is() -> None:
    few = headline(answers(30, 2, known=3), Provenance()).replace("\u00a0", " ")
    assert "It answers 10 of 100 with confidence, and of these 0.0 % (0.0–70.8 %) are wrong." in few
    assert "It answers fewer than 1 of 100 with" in headline(answers(3000, 200, known=10), Provenance())
    assert "It answers more than 99 of 100 with" in headline(answers(3000, 1, known=2999), Provenance())


def test_no_number_of_a_test_is_rounded_to_certainty() -> None:
    test = answers(6000, 2, known=5999)
    told = [headline(test, Provenance()), matrix_title(test, Provenance()), scoring.test_sentence(test, Provenance())]
    told += [text for name, text in numbers(test) if "%" in text]
    for text in told:
        assert not any(wrong in text for wrong in ("100.0", " 1.000 ", "1.0000", " 0.0")), text
    assert matrix_title(test, Provenance()).startswith(">99.9")


@pytest.mark.parametrize("provenance", [Provenance(took_part=80), Provenance(checked=False)])
def test_pictures_that_took_part_are_no_new_pictures(provenance: Provenance) -> None:
    test = answers(100, 6)
    for text in (headline(test, provenance), matrix_title(test, provenance)):
        assert text.replace("\u00a0", " ").startswith(f"Of 100 pictures{provenance.claim}, 94.0 % are ")
    assert "new pictures like these" not in headline(test, provenance)
    assert matrix_title(test, Provenance(left_out=80)).endswith("of 100 test pictures are right")


def test_a_cross_validation_without_a_mistake_is_not_certain(tmp_path: Path) -> None:
    accuracy = share(np.ones(60, bool))
    run = Run(tmp_path)
    run.write_json("cross_validation.json", {"pictures": 60, "accuracy": asdict(accuracy), "accuracies": [1.0, 1.0]})
    (told,) = dict(cross_validation(run)).values()
    assert told.replace("\u00a0", " ") == "100.0 % (94.0–100.0 %), folds 100.0–100.0 %"
    run.write_json("cross_validation.json", {"pictures": 60, "accuracies": [0.8, 1.0]})  # of an earlier version
    (told,) = dict(cross_validation(run)).values()
    assert told.replace("\u00a0", " ") == "90.0 %, folds 80.0–100.0 %"


@pytest.mark.parametrize(("temperature", "effect"), [(1.0, "not calibrated"), (0.5, "made surer"), (2, "less sure")])
def test_what_the_temperature_does(temperature: float, effect: str) -> None:
    told = dict(numbers(answers(100, 6, temperature=temperature)))["Temperature"]
    assert told.startswith(f"{temperature:.3f}: ")
    assert [word for word in ("not calibrated", "made surer", "less sure") if word in told] == [effect]
