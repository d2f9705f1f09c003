"""Shortcuts: can a class be told without looking at the object?

A network learns whatever tells the classes apart. Where one class was taken by another camera or saved in another way,
it may learn that, which is of no use elsewhere (Geirhos et al., "Shortcut learning in deep neural networks", 2020). So
plain numbers of the pictures go to a small classifier: naive Bayes over bins, one class against all others,
cross-validated by groups (Hastie, Tibshirani and Friedman, "The Elements of Statistical Learning", 2009, 6.6.3, 7.10).

How well it does is the area under its ROC curve: of a picture of the class and another one, how often does the first
score higher? Half the time for guessing, however rare the class is. The 95 % interval counts groups, but not that other
pictures would train another classifier: Newcombe, "Confidence intervals for an effect size measure based on the
Mann-Whitney statistic, part 2", 2006, method 5, with the variance of Hanley and McNeil, "The meaning and use of the
area under a receiver operating characteristic curve", 1982.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from genus.data.checks.finding import Examined, Finding
from genus.data.facts import Facts
from genus.data.folds import assign_folds
from genus.errors import listing

CLEAR, SLIGHT = 0.75, 0.6
"""Least lower end of the interval for an alarm, and for a note. That photos of trousers are upright more often than
those of other clothes, 0.68, is no alarm."""
FEWEST = 10  # groups of a class, and of all others: fewer prove nothing
FOLDS = 5
QUANTILES = 10
SHRINKAGE = 5  # so many further pictures in each bin, with the class as frequent as among all
MOST_CAUSES = 3

Values = NDArray[Any]
Bools = NDArray[np.bool_]
Examples = tuple[tuple[Path, Path], ...]
Numbers = Mapping[str, Callable[[Facts], Values]]
"""How a number reads, and how it follows from the facts; what is unknown is NaN or NaT."""

OF_FILES: Numbers = {
    "format {}": lambda facts: facts["format"],
    "JPEG quality {}": lambda facts: np.where(facts["quality"] > 0, facts["quality"], np.nan),
    "a border of {} % on all sides": lambda facts: _percent(facts["margins"].min(axis=1)),
    "a border of {} % on one side": lambda facts: _percent(facts["margins"].max(axis=1)),
    "width {}": lambda facts: facts["width"],
    "height {}": lambda facts: facts["height"],
    "width / height {}": lambda facts: np.round(facts["width"] / facts["height"], 2),
    "{} bits a channel": lambda facts: facts["bits"],
    "{} colours": lambda facts: facts["colour"],
    "transparency: {}": lambda facts: np.where(facts["alpha"], b"yes", b"no"),
    "frames: {}": lambda facts: facts["frames"],
    "EXIF orientation {}": lambda facts: facts["orientation"],
    "camera {}": lambda facts: np.where(facts["camera"] == b"", b"unknown", facts["camera"]),
    "date {}": lambda facts: facts["taken"].astype("M8[D]"),
}
OF_ALL: Numbers = {
    **OF_FILES,
    "red {} %": lambda facts: _percent(facts["mean"][:, 0]),
    "green {} %": lambda facts: _percent(facts["mean"][:, 1]),
    "blue {} %": lambda facts: _percent(facts["mean"][:, 2]),
    "saturation {} %": lambda facts: _percent(facts["saturation"]),
    "brightness {} %": lambda facts: _percent(facts["brightness"]),
    "contrast {} %": lambda facts: _percent(facts["contrast"]),
    "sharpness {} %": lambda facts: _percent(facts["sharpness"]),
    "{} bytes a pixel": lambda facts: np.round(facts["bytes"] / facts["width"] / facts["height"], 2),
}


class Told(NamedTuple):
    """How well a class is told from the others: the area, and its interval."""

    area: float
    lower: float
    upper: float
    name: str

    def __str__(self) -> str:
        area, lower, upper = (f"{100 * value:.0f}" for value in (self.area, self.lower, self.upper))
        return (
            f"Of one of its pictures and one other, the right one is found in {area} of 100 cases ({lower} to {upper}; "
            "50 by guessing)."
        )


class Cause(NamedTuple):
    """Values that are more frequent in a class, in words, with a picture of it that has them, and one of the others
    that does not."""

    words: str
    example: int
    other: int


def shortcuts(data: Examined) -> Iterator[Finding]:
    """A class that is told by properties of its files; or else, how well one is told when colours and the like help."""
    places, groups = _one_of_each_group(data)
    labels, facts = data.labels[places], data.inspection.facts[places]
    folds = assign_folds(np.unique(labels, return_inverse=True)[1], groups, FOLDS, seed=0)
    paths = [data.inspection.good[place].picture.path for place in places]
    for numbers, least, finding in ((OF_FILES, CLEAR, _alarm), (OF_ALL, SLIGHT, _note)):
        values = {number: of(facts) for number, of in numbers.items()}
        told = [one for one in _told([*values.values()], labels, folds) if one.lower > least]
        if told:
            causes = _causes(values, labels == told[0].name)
            because = "; ".join(f"{cause.words} ({data.name(paths[cause.example])} for one)" for cause in causes)
            yield finding(told, because, tuple((paths[cause.example], paths[cause.other]) for cause in causes))
            return


def _alarm(told: Sequence[Told], because: str, examples: Examples) -> Finding:
    best, *others = told
    return Finding(
        "shortcut",
        "serious",
        f"'{best.name}' can be told from the other classes without looking at the object, by its files alone: "
        f"{because}. {best}" + (f" So can {listing(other.name for other in others)}." if others else ""),
        "Take and save the pictures of all classes in the same way: a model may learn the difference instead of the "
        "object, and will then fail on other pictures.",
        examples,
    )


def _note(told: Sequence[Told], because: str, examples: Examples) -> Finding:
    best = told[0]
    sentence = f"Plain numbers such as colours tell '{best.name}' best from the other classes: {because}. {best}"
    return Finding("plain numbers", "note", sentence, members=examples)


def _one_of_each_group(data: Examined) -> tuple[list[int], list[str]]:
    """Which pictures are the first of a group in a class, and of which group: others of it would say nothing new."""
    units = {member.sha256: member.unit for member in data.members}
    first: dict[tuple[str, str], int] = {}
    for place, (item, label) in enumerate(zip(data.inspection.good, data.labels.tolist(), strict=True)):
        first.setdefault((units.get(item.sha256, item.sha256), label), place)
    return list(first.values()), [group for group, _ in first]


def _told(values: Sequence[Values], labels: NDArray[np.str_], folds: NDArray[np.int64]) -> list[Told]:
    """How well each class is told by all the ``values`` of the pictures together, the best first: of two classes one,
    and none that is too small."""
    names, classes, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    large = np.flatnonzero(np.minimum(sizes, len(labels) - sizes) >= FEWEST)
    if not len(large):
        return []
    bins = np.stack([_bins(some) for some in values])
    ends = np.cumsum(bins.max(axis=1) + 1)
    cells = folds * ends[-1] + np.append(0, ends[:-1])[:, None] + bins

    def in_other_folds(some: Bools) -> NDArray[np.int64]:
        counts = np.bincount(cells[:, some].ravel(), minlength=FOLDS * ends[-1]).reshape(FOLDS, -1)
        return counts.sum(axis=0) - counts

    everywhere = in_other_folds(classes >= 0)
    told = []
    for label in large[: 1 if len(names) == 2 else None]:
        own = classes == label
        here = in_other_folds(own)
        share = (here.sum(axis=1, keepdims=True) + 1) / (everywhere.sum(axis=1, keepdims=True) + 2)
        odds = (here + SHRINKAGE * share) / (everywhere - here + SHRINKAGE * (1 - share))
        scores = np.log(odds / share * (1 - share)).ravel()[cells].sum(axis=0)
        area = _area(scores[own], scores[~own])
        told.append(Told(area, *_interval(area, sizes[label], len(labels) - sizes[label]), str(names[label])))
    return sorted(told, reverse=True)


def _bins(values: Values) -> NDArray[np.intp]:
    """Where each value lies: between two quantiles, or on one, as a value does that many share. The unknown come last,
    as everywhere in numpy."""
    known = np.sort(values[values == values])  # NaN and NaT are not
    if len(known):
        known = np.unique(known[np.linspace(0, len(known) - 1, QUANTILES + 1).astype(int)])
    return np.searchsorted(known, values) + np.searchsorted(known, values, "right")


def _area(scores: NDArray[np.float64], others: NDArray[np.float64]) -> float:
    """Of one of the ``scores`` and one of the ``others``, how often is the first higher? Equals count half."""
    others = np.sort(others)
    below = np.searchsorted(others, scores) + np.searchsorted(others, scores, "right")
    return float(below.mean() / (2 * len(others)))


def _interval(area: float, ours: int, others: int) -> tuple[float, float]:
    """The lowest and the highest area that is at most 1.96 of its standard errors away from the one that was found."""
    areas = np.append(np.linspace(0, 1, 1001), area)
    two_of_ours, two_others = areas / (2 - areas) - areas**2, 2 * areas**2 / (1 + areas) - areas**2
    variances = (areas * (1 - areas) + (ours - 1) * two_of_ours + (others - 1) * two_others) / (ours * others)
    near = areas[(areas - area) ** 2 <= 1.96**2 * variances]
    return float(near.min()), float(near.max())


def _causes(values: Mapping[str, Values], own: Bools) -> list[Cause]:
    """The numbers that tell the pictures ``own`` best, each by itself, if at least half as well as the first."""

    def gain(pictures: Bools) -> float:
        return float(pictures[own].mean() - pictures[~own].mean())

    found = [(number, _frequent(some, own)) for number, some in values.items()]
    best = sorted(found, key=lambda pair: -gain(pair[1]))[:MOST_CAUSES]
    return [
        Cause(
            f"{number.format(_words(values[number][own & pictures]))} in {100 * pictures[own].mean():.0f} % of its "
            f"pictures and {100 * pictures[~own].mean():.0f} % of the others",
            int((own & pictures).argmax()),
            int((own | pictures).argmin()),
        )
        for number, pictures in best
        if gain(pictures) > gain(best[0][1]) / 2
    ]


def _frequent(values: Values, own: Bools) -> Bools:
    """The pictures with the stretch of values that is most frequent in ``own`` beyond the others (as in the statistic
    of Kuiper, 1960)."""
    order = np.unique(values, return_inverse=True)[1]
    here, elsewhere = (np.bincount(order[some], minlength=order.max() + 1) / some.sum() for some in (own, ~own))
    climb = np.cumsum(np.append(0, here - elsewhere))
    last = (climb - np.minimum.accumulate(climb)).argmax()
    return (order >= climb[: last + 1].argmin()) & (order < last)


def _words(values: Values) -> str:
    """The least and the greatest."""
    return " to ".join(dict.fromkeys(map(_word, np.sort(values)[[0, -1]])))


def _word(value: Any) -> str:
    if value != value:
        return "unknown"
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return f"{value:g}" if isinstance(value, np.floating) else str(value)


def _percent(shares: Values) -> Values:
    return np.round(100 * shares, 1)
