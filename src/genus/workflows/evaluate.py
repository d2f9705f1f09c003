"""``genus evaluate``: the numbers of a run on pictures that took part in no decision."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from genus.bundle import Bundle, load_bundle
from genus.data.folder import scan
from genus.data.groups import join_groups
from genus.errors import DataError, UsageError, plural
from genus.evaluation.learning_curve import LearningCurve
from genus.evaluation.metrics import Evaluation
from genus.evidence import SplitHashes
from genus.predictor import Predictor
from genus.run import Run
from genus.types import Caution, Note, OnEvent, Part, ignore_events
from genus.workflows.dataset import (
    Subset,
    data_root,
    file_hashes,
    files_now,
    left_out_of_test,
    require_split,
    split_hashes_of,
)
from genus.workflows.reporting.report import cautions, result_html, tell_missing_glyphs, write_evaluation, write_report
from genus.workflows.scoring import (
    Provenance,
    UnknownClasses,
    score,
    score_unknown_classes,
    shift_caution,
    test_sentence,
    without_leaks,
)
from genus.workflows.tasks.studies import MislabelledPicture, find_label_errors, measure_learning_curve

DECIDING = (Part.TRAIN, Part.VAL)


@dataclass(frozen=True, slots=True)
class EvaluateResult:
    """``out`` holds metrics.json and, of a ``test``, report.html, confusion.csv and confusion.png; None where nothing
    can be written.

    ``test`` is None where no picture belongs to a class of the model, ``unknown_classes`` where all do; ``cautions``
    say what changes how ``test`` must be read. ``curve`` and ``mislabelled`` are None where they were not asked for.
    """

    run: Path
    out: Path | None
    classes: tuple[str, ...]
    test: Evaluation | None
    provenance: Provenance
    cautions: tuple[str, ...]
    unknown_classes: UnknownClasses | None
    curve: LearningCurve | None
    mislabelled: list[MislabelledPicture] | None

    @property
    def sentence(self) -> str:
        """The result in words."""
        return test_sentence(self.test, self.provenance)

    def _repr_html_(self) -> str:
        return result_html(self.out or self.run, self.sentence, self.cautions)


def evaluate_run(
    run: Path,
    data: Path | None = None,
    *,
    all_pictures: bool = False,
    learning_curve: bool = False,
    label_errors: bool = False,
    device: str = "auto",
    on_event: OnEvent = ignore_events,
) -> EvaluateResult:
    """Evaluate on the run's own test part, or on the pictures of ``data`` (its ``test`` part where it has one, unless
    ``all_pictures``). Of the own test part, files count that still have the bytes of the split.

    Pictures that the run, or one that it descends from, was trained on or decided by are left out, unless
    ``all_pictures``; they are known by their bytes, wherever they lie. Classes are matched by name; of pictures of
    other classes it is measured how many the model calls unknown. ``learning_curve`` and ``label_errors`` study the
    run's own pictures (see ``studies``).

    Raises ModelError (no sound run), DataError (pictures gone, none left), UsageError for a study of other pictures.
    """
    if data and (learning_curve or label_errors):
        raise UsageError("--learning-curve and --label-errors study the run's own pictures. Leave DATA out.")
    here = Run(run, on_event)
    here.require_finished()
    bundle = load_bundle(run)
    used, split = split_hashes_of(here, bundle), here.split(data_root(bundle))
    found = (
        _test_part_of(data, all_pictures, on_event) if data else _own_test_part(here, bundle, all_pictures, on_event)
    )
    pictures = _without_decided(here, used, found, all_pictures, on_event)
    predictor = Predictor(bundle, device=device)
    out = here.evaluation_folder(data) if data else ""

    ours = [picture for picture in pictures.candidates if picture.label in bundle.classes]
    others = [picture for picture in pictures.candidates if picture.label not in bundle.classes]
    provenance_of = partial(_provenance, used, ours, pictures.left_out)
    scored = score(predictor, _subset(ours, bundle), provenance_of, on_event) if ours else None
    unknown_classes = score_unknown_classes(predictor, [one.path for one in others], _groups(others), on_event)
    test = scored.evaluation if scored else None
    provenance = scored.provenance if scored else provenance_of([])
    if scored and (caution := shift_caution(scored)):
        on_event(Caution(caution, with_result=True))
    if data and provenance.sealed:
        on_event(Note(f"{plural(provenance.sealed, 'picture')} of the run's sealed test part among them."))
    if test and provenance.sealed:
        here.log_opening("evaluate", test.n, test.accuracy.value)
    val = here.metrics().val if data is None else None
    told = (*pictures.cautions, *cautions(scored, split, None if data else here)) if scored else ()
    clean = without_leaks(scored, split) if scored and split and not data else None
    stored = here.try_to_write(
        lambda: write_evaluation(here, out, bundle.classes, test, val, provenance, told, unknown_classes, data, clean)
    )
    tell_missing_glyphs(bundle.classes, on_event)
    curve = measure_learning_curve(here, device, on_event) if learning_curve else None
    mislabelled = find_label_errors(here, device, on_event) if label_errors else None
    if stored and scored:
        here.try_to_write(lambda: write_report(here, out, scored, split, told, None, data, unknown_classes))
    folder = here.folder / out if stored else None
    return EvaluateResult(run, folder, bundle.classes, test, provenance, told, unknown_classes, curve, mislabelled)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A picture to be tested on; ``sha256`` (hexadecimal) of the file as it is now, None where it cannot be read."""

    path: Path
    label: str
    group: str | None
    sha256: str | None

    def part_in(self, used: SplitHashes) -> Part | None:
        """Where it was in the run or in one that it descends from; None where it took no part, as far as is known."""
        return used.part_of(self.sha256) if self.sha256 else None


@dataclass(frozen=True, slots=True)
class _Pictures:
    """The ``candidates``; how many pictures beside them are ``left_out`` because they took part; ``cautions`` on those
    whose files are not what they were."""

    candidates: Sequence[Candidate]
    left_out: int = 0
    cautions: tuple[str, ...] = ()


def _own_test_part(run: Run, bundle: Bundle, all_pictures: bool, on_event: OnEvent) -> _Pictures:
    """The test part of ``run`` as far as its files have the bytes that they had; with ``all_pictures`` also what
    training had left out of it."""
    split = require_split(run, bundle)
    members = split.members(Part.TEST)
    if not members:
        raise DataError(
            f"{run.folder} was trained without a test part. Name test pictures: genus evaluate {run.folder} DATA."
        )
    left_out = left_out_of_test(split)
    now = files_now([[member] for member in (*members, *(left_out if all_pictures else ()))])
    if not now.same:
        raise DataError(
            f"The test pictures of {run.folder} are no longer there, or have changed (the first: {members[0].path}). "
            f"Name their place: genus evaluate {run.folder} DATA."
        )
    told = tuple(now.cautions())
    for caution in told:
        on_event(Caution(caution))
    candidates = [Candidate(member.path, member.label, member.group, member.sha256) for member in now.same]
    return _Pictures(candidates, 0 if all_pictures else len(left_out), told)


def _test_part_of(data: Path, all_pictures: bool, on_event: OnEvent) -> _Pictures:
    """The pictures of ``data``: of its test part, where it has one, unless ``all_pictures``."""
    catalog = scan(data, for_training=False)
    for caution in catalog.cautions:
        on_event(Caution(caution))
    if catalog.bad:
        on_event(Caution(f"{plural(len(catalog.bad), 'file')} cannot be read: {catalog.bad[0].path} for one."))
    pictures = catalog.pictures
    test = [picture for picture in pictures if picture.part == Part.TEST]
    if not all_pictures and 0 < len(test) < len(pictures):
        on_event(
            Note(
                f"Of {data} only its test part is taken: {len(test)} of {len(pictures)} pictures. "
                "--all-pictures takes all."
            )
        )
        pictures = tuple(test)
    hashes = file_hashes([picture.path for picture in pictures])
    return _Pictures(
        [
            Candidate(picture.path, picture.label, picture.group, sha256)
            for picture, sha256 in zip(pictures, hashes, strict=True)
        ]
    )


def _without_decided(
    run: Run, used: SplitHashes | None, pictures: _Pictures, all_pictures: bool, on_event: OnEvent
) -> _Pictures:
    """Leave out what the run was trained on or decided by, and say so. Raises DataError when nothing is left."""
    if used is None:
        on_event(
            Caution(
                f"{run.folder} was made by an older genus and has no sound split.json: it cannot be checked whether "
                "the model was trained on these pictures."
            )
        )
        return pictures
    left = [picture for picture in pictures.candidates if picture.part_in(used) not in DECIDING]
    total, count = len(pictures.candidates), len(pictures.candidates) - len(left)
    if not count:
        return pictures
    told = f"{count} of {plural(total, 'picture')} took part in the training or the decisions of this run"
    if all_pictures:
        on_event(Caution(f"{told}, or of one that it descends from: the numbers are better than on new pictures."))
        return pictures
    if not left:
        raise DataError(
            f"All {plural(count, 'picture')} took part in training or decisions of {run.folder} and can test "
            "nothing of it. Name other pictures, or add --all-pictures to see what it says about them."
        )
    on_event(Caution(f"{told}, or of one that it descends from: left out. --all-pictures includes them."))
    return replace(pictures, candidates=left, left_out=pictures.left_out + count)


def _provenance(
    used: SplitHashes | None, candidates: Sequence[Candidate], left_out: int, tested: Sequence[int]
) -> Provenance:
    """Of the ``candidates`` with the places ``tested``."""
    if used is None:
        return Provenance(left_out=left_out, checked=False)
    parts = [candidates[place].part_in(used) for place in tested]
    return Provenance(left_out, sum(part in DECIDING for part in parts), parts.count(Part.TEST))


def _subset(pictures: Sequence[Candidate], bundle: Bundle) -> Subset:
    number = {label: index for index, label in enumerate(bundle.classes)}
    labels = np.array([number[picture.label] for picture in pictures], np.int64)
    return Subset(tuple(picture.path for picture in pictures), labels, _groups(pictures))


def _groups(pictures: Sequence[Candidate]) -> NDArray[np.int64]:
    """A number for each picture, the same for those that stay together (see ``data.split``)."""
    contents = [picture.sha256 or str(picture.path) for picture in pictures]
    groups = join_groups(contents, [picture.group for picture in pictures])
    units = [group.name if group else content for group, content in zip(groups, contents, strict=True)]
    return np.unique(units, return_inverse=True)[1].astype(np.int64)
