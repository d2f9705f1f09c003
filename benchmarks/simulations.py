"""How often intervals hold the truth, thresholds keep their promise and a shift is reported. usage: simulations

Seed 0 throughout. The data are those of the tests in tests/evaluation, in more cases and larger numbers.
"""

import itertools

import numpy as np

from genus.evaluation.distribution_shift import distribution_shift
from genus.evaluation.intervals import shares
from genus.evaluation.metrics import averages
from genus.evaluation.selective import min_probability
from tests.evaluation.test_distribution_shift import distances
from tests.evaluation.test_intervals import grouped, held, joint_chances, true_averages
from tests.evaluation.test_selective import exceeded

ACCURACIES = (0.5, 0.9, 0.97, 0.995)


def shares_of_groups(experiments: int = 1000) -> None:
    print("Shares by group: lowest coverage over 3 and 30 pictures a group, equal and unequal, correlation 0.1 to 0.5")
    for groups, accuracy in itertools.product((5, 7, 10, 20, 50), ACCURACIES):
        coverage, perfect = [], []
        for size, uneven, rho in itertools.product((3, 30), (False, True), (0.1, 0.3, 0.5)):
            right, row, group = grouped(np.random.default_rng(0), experiments, groups, size, uneven, accuracy, rho)
            estimates = shares(right, row, experiments, group)
            coverage.append(held(estimates, accuracy))
            perfect.append(np.mean([one.value == 1 for one in estimates if one]))
        print(
            f"{groups:>3} groups, accuracy {accuracy:<5}: {min(coverage):.3f}  ({np.mean(perfect):.0%} without errors)"
        )


def averages_over_classes(experiments: int = 500) -> None:
    print("Averages: coverage of macro precision, recall, F1, weighted precision, recall, F1")
    cases = [(60, 3, [0.999], False), (60, 3, [1.0, 1.0, 0.95], True), (200, 10, [0.995], True)]
    cases += [(200, 5, [0.9, 0.99, 0.6], True), (400, 40, [0.8], False), (1000, 60, [0.6], True)]
    for n, classes, skill, uneven in cases:
        joint, rng, found, perfect = joint_chances(classes, skill, uneven), np.random.default_rng(0), [], 0
        while len(found) < experiments:
            cells = rng.choice(classes**2, size=n, p=joint.ravel() / joint.sum())
            labels, answers = cells // classes, cells % classes
            if len(np.unique(labels)) == classes:
                both = averages(labels, answers, classes)
                found.append([score for one in both for score in (one.precision, one.recall, one.f1)])
                perfect += bool((labels == answers).all())
        coverage = [held(one, truth) for one, truth in zip(zip(*found, strict=True), true_averages(joint), strict=True)]
        numbers = " ".join(f"{value:.3f}" for value in coverage)
        print(
            f"{n:>5} pictures, {classes:>2} classes, {skill}: {numbers}  ({perfect / experiments:.0%} without errors)"
        )


def thresholds(sets: int = 400) -> None:
    print("min_probability for 0.05: share of sets that exceed it on fresh pictures / mean share answered")
    sizes = (30, 60, 100, 200, 600, 4000)
    print(f"{'':24}" + "".join(f"{n:>12}" for n in sizes))
    kinds = [("calibrated", accuracy) for accuracy in (0.5, 0.8, 0.9, 0.95, 0.99)]
    kinds += [("too sure", 0.8), ("too sure", 0.95), ("trap", 0.9), ("trap", 0.97)]
    kinds += [("without meaning", accuracy) for accuracy in (0.9, 0.949, 0.97, 0.99)]
    for kind, accuracy in kinds:
        cells = [exceeded(kind, accuracy, n, 0.05, sets) for n in sizes]
        print(f"{kind:>16} {accuracy:<7}" + "".join(f"{broken:>7.3f}/{answered:.2f}" for broken, answered in cells))


def thresholds_of_groups(sets: int = 300) -> None:
    print("min_probability by group, where no threshold is right by 2 %: share of sets that get one, rho 0.1, 0.3, 0.5")
    for groups, size, accuracy in itertools.product((8, 20, 60), (5, 20), (0.5, 0.9, 0.97)):
        rng, group, given = np.random.default_rng(0), np.arange(groups).repeat(size), []
        for rho in (0.1, 0.3, 0.5):
            shapes, found = np.array([accuracy, 1 - accuracy]) * (1 - rho) / rho, 0
            for _ in range(sets):
                right = rng.random(len(group)) < rng.beta(*shapes, groups)[group]
                found += min_probability(rng.random(len(group)), right, (1 - accuracy) / 1.02, group) is not None
            given.append(found / sets)
        print(f"{groups:>3} groups of {size:>2}, accuracy {accuracy:<4}: " + " ".join(f"{one:.3f}" for one in given))


def shifts(runs: int = 400) -> None:
    print("Test set called from elsewhere, log distances shifted by 0, 0.2, 0.8, 1.5, 2.5 (standard deviation 1.4)")
    for n, size in ((5, 1), (20, 1), (60, 1), (200, 1), (1000, 1), (5000, 1), (8, 30), (25, 10)):
        rng, group, called = np.random.default_rng(0), np.arange(n).repeat(size), []
        for shift in (0.0, 0.2, 0.8, 1.5, 2.5):
            pairs = ((distances(rng, n, size), distances(rng, n, size, shift)) for _ in range(runs))
            called.append(np.mean([distribution_shift(*pair, group, group).from_elsewhere for pair in pairs]))
        print(f"{n:>5} groups of {size:>2}: " + " ".join(f"{one:.3f}" for one in called))


if __name__ == "__main__":
    for table in (shares_of_groups, averages_over_classes, thresholds, thresholds_of_groups, shifts):
        table()
        print(flush=True)
