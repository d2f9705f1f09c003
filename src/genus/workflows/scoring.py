"""The answers of a run's Predictor to labelled pictures, held against the truth: the only way to a reported number."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from genus.bundle import Bundle
from genus.data.leaks import find_leaks
from genus.data.split import Split
from genus.errors import DataError
from genus.evaluation.distribution_shift import DistributionShift, distribution_shift
from genus.evaluation.intervals import Estimate, share
from genus.evaluation.metrics import Evaluation, evaluate
from genus.predictor import Predictor
from genus.probabilities import softmax
from genus.report.text import decimal, of_hundred
from genus.types import Caution, OnEvent, Part, Progress
from genus.workflows.dataset import Subset


@dataclass(frozen=True, slots=True)
class Provenance:
    """What is known of the pictures behind a number: how many of them ``took_part`` in the training or the decisions of
    the run or of one that it descends from, how many such pictures were ``left_out``, and how many are of the run's
    ``sealed`` test part. A picture is known by its bytes, and counts where it could be read and is of a class of the
    model. Not ``checked``: nobody knows any more."""

    left_out: int = 0
    took_part: int = 0
    sealed: int = 0
    checked: bool = True

    @property
    def of_new_pictures(self) -> bool:
        """Does the number say how new pictures would be named?"""
        return self.checked and not self.took_part

    @property
    def claim(self) -> str:
        """What may be said of the pictures, to be put behind "N pictures"."""
        if not self.checked:
            return ", of which nobody knows any more whether the model was trained on them"
        if self.took_part:
            return f", {self.took_part} of which the model was trained on or decided by"
        return " that took part in no decision"


def test_sentence(test: Evaluation | None, provenance: Provenance) -> str:
    """The accuracy, how sure it is, and on which pictures."""
    if test is None:
        return "There is no test picture: the accuracy of this model is not known."
    return f"Test accuracy {in_words(test.accuracy)} on {test.n} pictures{provenance.claim}."


def in_words(accuracy: Estimate) -> str:
    """An accuracy with its interval."""
    interval = "too few groups of pictures for an interval"
    if accuracy.interval:
        interval = f"95 % interval {' to '.join(map(decimal, accuracy.interval))}"
    return f"{decimal(accuracy.value, 4)} ({interval})"


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """The answers of ``bundle`` for the N pictures of ``subset``: ``logits`` N x classes, ``distances`` N from the
    nearest training picture and which are ``known`` (N bool), both None where the bundle has no index or no rule for
    that; how good they are, where the pictures come from, and whether they are further away from the training pictures
    than those of validation were (None where that is not known). ``unread`` is a sentence on further pictures that
    cannot be read, or empty."""

    bundle: Bundle
    subset: Subset
    logits: NDArray[np.float32]
    distances: NDArray[np.float32] | None
    known: NDArray[np.bool_] | None
    evaluation: Evaluation
    provenance: Provenance
    shift: DistributionShift | None
    unread: str = ""


def score(
    predictor: Predictor, subset: Subset, provenance_of: Callable[[Sequence[int]], Provenance], on_event: OnEvent
) -> Scored:
    """Ask ``predictor`` about the pictures of ``subset``, reading their files.

    What cannot be read is left out, and said; ``provenance_of`` gets the places of the others in ``subset``. Raises
    DataError when none can be read.
    """
    logits, distances, kept, failed = [], [], [], []
    for answer in predictor.answers(subset.paths):
        if answer.logits is None:
            failed.append(f"{subset.paths[answer.index]}: {answer.error}")
        else:
            logits.append(answer.logits)
            distances.append(answer.distance)
            kept.append(answer.index)
        on_event(Progress("Testing", answer.index + 1, len(subset)))
    if not kept:
        raise DataError(f"None of the {len(subset)} test pictures can be read{f': {failed[0]}' if failed else ''}.")
    unread = ""
    if failed:
        unread = f"{len(failed)} test pictures cannot be read and are left out; first: {failed[0]}."
        on_event(Caution(unread))
    far = None if distances[0] is None else np.array(distances, np.float32)
    return scored(predictor.bundle, subset.take(kept), provenance_of(kept), np.stack(logits), far, unread)


def score_features(
    predictor: Predictor, subset: Subset, provenance: Provenance, features: NDArray[np.float32]
) -> Scored:
    """The same for pictures whose ``features`` (N x D, in fp32, by this very network) are kept from an earlier look."""
    return scored(predictor.bundle, subset, provenance, *predictor.from_features(features))


@dataclass(frozen=True, slots=True)
class UnknownClasses:
    """``n`` pictures of classes that the model does not have, so that no answer is right, in ``groups`` independent
    groups, and the share of them that it calls ``unknown`` (0..1, with a 95 % interval)."""

    n: int
    groups: int
    unknown: Estimate


def score_unknown_classes(
    predictor: Predictor, paths: Sequence[Path], groups: NDArray[np.int64], on_event: OnEvent
) -> UnknownClasses | None:
    """Ask ``predictor`` about pictures that belong to none of its classes; ``groups``: which of them belong together.

    None without pictures. Raises DataError when there are some and none can be read.
    """
    if not paths:
        return None
    known, kept = [], []
    for answer in predictor.answers(paths):
        if answer.logits is not None:
            known.append(predictor.prediction(answer.logits, answer.distance).known is True)
            kept.append(answer.index)
        on_event(Progress("Pictures of other classes", answer.index + 1, len(paths)))
    if not known:
        raise DataError.none_readable("of other classes", paths[0])
    return UnknownClasses(len(known), len(np.unique(groups[kept])), share(~np.array(known), groups[kept]))


@dataclass(frozen=True, slots=True)
class WithoutLeaks:
    """The ``accuracy`` on the ``n`` test pictures that have no relatives in other parts (see ``data.leaks``), None
    where that is none; ``leaked`` others have some."""

    leaked: int
    n: int
    accuracy: Estimate | None


def without_leaks(scored: Scored, split: Split) -> WithoutLeaks | None:
    """What is left of a test part that was given, of the run with this ``split``; None where nothing leaks."""
    leaked = {leak.member.path for leak in find_leaks(split.pictures) if leak.member.part == Part.TEST}
    clean = np.array([path not in leaked for path in scored.subset.paths])
    if clean.all():
        return None
    right = scored.logits.argmax(axis=1) == scored.subset.labels
    accuracy = share(right[clean], scored.subset.groups[clean]) if clean.any() else None
    return WithoutLeaks(int(np.count_nonzero(~clean)), int(np.count_nonzero(clean)), accuracy)


def shift_caution(scored: Scored) -> str:
    """What to know of a test from elsewhere, or an empty string."""
    shift = scored.shift
    if shift is None or not shift.from_elsewhere:
        return ""
    auc, beyond = of_hundred(shift.auc), of_hundred(shift.beyond)
    return (
        f"The test pictures come from elsewhere: in {auc} % of the pairs a test picture is further from the training "
        f"pictures than one of validation (50 % would be alike), and {beyond} % are further than nearly all of those. "
        "What was promised about known answers does not hold for them."
    )


def known_answers(
    bundle: Bundle, logits: NDArray[np.float32], distances: NDArray[np.float32] | None
) -> NDArray[np.bool_] | None:
    """Which answers count by the rule of ``bundle``; None where it has none."""
    rule = bundle.known_rule
    if rule is None or distances is None:
        return None
    confidence = softmax(logits / bundle.temperature).max(axis=1)
    return np.array([rule.holds(*answer) for answer in zip(confidence, distances, strict=True)], bool)


def scored(
    bundle: Bundle,
    subset: Subset,
    provenance: Provenance,
    logits: NDArray[np.float32],
    distances: NDArray[np.float32] | None,
    unread: str = "",
) -> Scored:
    """Hold the answers of ``bundle`` for the pictures of ``subset`` against the truth."""
    known = known_answers(bundle, logits, distances)
    evaluation = evaluate(
        logits,
        subset.labels,
        bundle.classes,
        temperature=bundle.temperature,
        groups=subset.groups,
        known=known,
        max_error=bundle.known_rule.max_error if bundle.known_rule else 0.0,
    )
    shift = None
    if bundle.evidence and distances is not None:
        before = bundle.evidence
        shift = distribution_shift(before.distances, distances, before.groups, subset.groups)
    return Scored(bundle, subset, logits, distances, known, evaluation, provenance, shift, unread)


def labels_named(predictor: Predictor, subset: Subset, on_event: OnEvent, task: str) -> dict[int, int]:
    """The class number that ``predictor`` gives each picture that can be read, by the picture's number."""
    named = {}
    for answer in predictor.answers(subset.paths):
        if answer.logits is not None:
            named[answer.index] = int(answer.logits.argmax())
        on_event(Progress(task, answer.index + 1, len(subset)))
    return named
