"""``genus evaluate``: the numbers of a run on pictures that took part in no decision."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from genus.bundle import Bundle, load_bundle
from genus.data.catalog import Picture
from genus.data.folder import scan
from genus.data.loader import default_workers, in_threads
from genus.errors import DataError, UsageError, plural
from genus.evaluation.learning_curve import LearningCurve
from genus.evaluation.metrics import Evaluation
from genus.predictor import Predictor
from genus.run import METRICS, Run
from genus.types import Caution, Note, OnEvent, Part, ignore_events
from genus.workflows.dataset import Subset, data_root, require_split, split_hashes_of
from genus.workflows.reporting.report import cautions, result_html, tell_missing_glyphs, write_evaluation, write_report
from genus.workflows.scoring import (
    Provenance,
    UnknownClasses,
    score,
    score_unknown_classes,
    shift_caution,
    test_sentence,
)
from genus.workflows.tasks.studies import MislabelledPicture, find_label_errors, measure_learning_curve


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
    """Evaluate on the run's own test part, or on the pictures of ``data`` (its ``test`` part where it has one).

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
    pictures = _own_test_part(here, bundle) if data is None else _test_part_of(data, on_event)
    candidates, provenance = _without_decided(here, bundle, pictures, all_pictures, on_event)
    predictor = Predictor(bundle, device=device)
    out = "" if data is None else here.evaluation_folder(data)

    ours = [picture for picture in candidates if picture.label in bundle.classes]
    others = [picture for picture in candidates if picture.label not in bundle.classes]
    scored = score(predictor, _subset(ours, bundle), provenance, on_event) if ours else None
    unknown_classes = (
        score_unknown_classes(predictor, [picture.path for picture in others], _groups(others), on_event)
        if others
        else None
    )
    test = scored.evaluation if scored else None
    if scored and (caution := shift_caution(scored)):
        on_event(Caution(caution, with_result=True))
    if data and provenance.sealed:
        on_event(Note(f"{plural(provenance.sealed, 'picture')} of the run's sealed test part among them."))
    if test and provenance.sealed:
        here.log_opening("evaluate", test.n, test.accuracy.value)
    val = here.read_json(METRICS).get("val") if data is None else None
    split = here.split(data_root(bundle))
    told = tuple(cautions(scored, None if data else split)) if scored else ()
    stored = here.try_to_write(
        lambda: write_evaluation(here, out, bundle.classes, test, val, provenance, told, unknown_classes, data)
    )
    tell_missing_glyphs(bundle.classes, on_event)
    curve = measure_learning_curve(here, device, on_event) if learning_curve else None
    mislabelled = find_label_errors(here, device, on_event) if label_errors else None
    if stored and scored:
        here.try_to_write(lambda: write_report(here, out, scored, split, None, data, unknown_classes))
    folder = here.folder / out if stored else None
    return EvaluateResult(run, folder, bundle.classes, test, provenance, told, unknown_classes, curve, mislabelled)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A picture to be tested on; ``sha256`` (hexadecimal) of the file as it is now, None where it cannot be read."""

    path: Path
    label: str
    group: str | None
    sha256: str | None


def _own_test_part(run: Run, bundle: Bundle) -> list[Candidate]:
    members = require_split(run, bundle).members(Part.TEST)
    if not members:
        raise DataError(
            f"{run.folder} was trained without a test part. Name test pictures: genus evaluate {run.folder} DATA."
        )
    if not any(member.path.exists() for member in members):
        raise DataError(
            f"The test pictures of {run.folder} are no longer there (the first: {members[0].path}). "
            f"Name their place: genus evaluate {run.folder} DATA."
        )
    return _candidates([Picture(member.path, member.label, group=member.group) for member in members])


def _test_part_of(data: Path, on_event: OnEvent) -> list[Candidate]:
    catalog = scan(data, for_training=False)
    for caution in catalog.cautions:
        on_event(Caution(caution))
    if catalog.bad:
        on_event(Caution(f"{plural(len(catalog.bad), 'file')} cannot be read: {catalog.bad[0].path} for one."))
    test = [picture for picture in catalog.pictures if picture.part == Part.TEST]
    return _candidates(test or catalog.pictures)


def _candidates(pictures: Sequence[Picture]) -> list[Candidate]:
    def digest(picture: Picture) -> str | None:
        try:
            with picture.path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError:
            return None

    digests = in_threads(digest, pictures, default_workers())
    return [
        Candidate(picture.path, picture.label, picture.group, sha256)
        for picture, sha256 in zip(pictures, digests, strict=True)
    ]


def _without_decided(
    run: Run, bundle: Bundle, pictures: Sequence[Candidate], all_pictures: bool, on_event: OnEvent
) -> tuple[list[Candidate], Provenance]:
    """Leave out what the run was trained on or decided by, and say so. Raises DataError when nothing is left."""
    used = split_hashes_of(run, bundle)
    if used is None:
        on_event(
            Caution(
                f"{run.folder} was made by an older genus and has no sound split.json: it cannot be checked whether "
                "the model was trained on these pictures."
            )
        )
        return list(pictures), Provenance(checked=False)
    parts = [used.part_of(picture.sha256) if picture.sha256 else None for picture in pictures]
    decided = [part in (Part.TRAIN, Part.VAL) for part in parts]
    tested = [part for picture, part in zip(pictures, parts, strict=True) if picture.label in bundle.classes]
    sealed = tested.count(Part.TEST)
    count = sum(decided)
    if not count:
        return list(pictures), Provenance(sealed=sealed)
    told = f"{count} of {plural(len(pictures), 'picture')} took part in the training or the decisions of this run"
    if all_pictures:
        on_event(Caution(f"{told}, or of one that it descends from: the numbers are better than on new pictures."))
        return list(pictures), Provenance(took_part=len(tested) - tested.count(None) - sealed, sealed=sealed)
    if count == len(pictures):
        raise DataError(
            f"All {plural(count, 'picture')} took part in training or decisions of {run.folder} and can test "
            "nothing of it. Name other pictures, or add --all-pictures to see what it says about them."
        )
    on_event(Caution(f"{told}, or of one that it descends from: left out. --all-pictures includes them."))
    left = [picture for picture, out in zip(pictures, decided, strict=True) if not out]
    return left, Provenance(left_out=count, sealed=sealed)


def _subset(pictures: Sequence[Candidate], bundle: Bundle) -> Subset:
    number = {label: index for index, label in enumerate(bundle.classes)}
    labels = np.array([number[picture.label] for picture in pictures], np.int64)
    return Subset(tuple(picture.path for picture in pictures), labels, _groups(pictures))


def _groups(pictures: Sequence[Candidate]) -> NDArray[np.int64]:
    """A number for each picture, the same for those of one group; copies of one file are a group."""
    units = [picture.group or picture.sha256 or str(picture.path) for picture in pictures]
    return np.unique(units, return_inverse=True)[1].astype(np.int64)
