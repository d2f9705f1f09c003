import numpy as np

from genus.evaluation.label_errors import LabelError, label_errors
from genus.probabilities import softmax


def test_the_rule_by_hand() -> None:
    """Mean probability of class 0 among those labelled 0: (0.9 + 0.7 + 0.2) / 3 = 0.6; of class 1: (0.8 + 0.6) / 2."""
    probabilities = np.array([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8], [0.2, 0.8], [0.4, 0.6]])
    assert label_errors(probabilities, np.array([0, 0, 0, 1, 1])) == [LabelError(2, 0, 1, 0.2, 0.8, confident=True)]


def test_a_class_that_is_always_unsure_needs_less() -> None:
    """0.45 is confident for class 1, whose pictures hardly ever get more, and not for class 0."""
    probabilities = np.array([[0.95, 0.03, 0.02], [0.35, 0.4, 0.25], [0.35, 0.2, 0.45], [0.33, 0.45, 0.22]])
    issues = label_errors(probabilities, np.array([0, 1, 2, 2]))
    assert [(one.picture, one.suggested) for one in issues] == [(3, 1)]


def test_planted_errors_are_found_and_come_first() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(4, size=1000)
    probabilities = softmax(8 * np.eye(4)[truth] + rng.normal(size=(1000, 4)))
    labels, planted = truth.copy(), rng.choice(1000, 50, replace=False)
    labels[planted] = (truth[planted] + rng.integers(1, 4, size=50)) % 4
    issues = label_errors(probabilities, labels)
    assert set(planted) <= {one.picture for one in issues}
    found = [one.picture for one in issues if one.confident]
    assert len(set(found) & set(planted)) >= 48
    assert len(found) <= 60
    assert set(found[:40]) <= set(planted)
    assert all(one.suggested == truth[one.picture] for one in issues[:40])
    assert [one.label_probability - one.suggested_probability for one in issues] == sorted(
        one.label_probability - one.suggested_probability for one in issues
    )


def test_a_class_without_pictures_is_never_confidently_suggested() -> None:
    probabilities = np.array([[0.15, 0.05, 0.8], [0.05, 0.15, 0.8]])
    assert [one.confident for one in label_errors(probabilities, np.array([0, 1]))] == [False, False]
