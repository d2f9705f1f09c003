"""``genus train``: scan → look at the files → split → model → learn → bundle → test the model as it will be used."""

import platform
import time
from collections.abc import Sized
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from genus.bundle import Bundle, add_to_record, load_bundle, save_bundle
from genus.config import TrainConfig
from genus.data.catalog import Catalog, grouped
from genus.data.folder import scan
from genus.evaluation.metrics import Evaluation
from genus.predictor import Predictor
from genus.run import Result, Run
from genus.types import Caution, Note, OnEvent, Part, RunOpened, ignore_events
from genus.workflows.dataset import Dataset, left_out_of_test, prepare_dataset, split_hashes_in
from genus.workflows.reporting.report import (
    cautions,
    result_html,
    tell_missing_glyphs,
    write_curves,
    write_evaluation,
    write_report,
)
from genus.workflows.scoring import (
    Provenance,
    Scored,
    score,
    score_features,
    shift_caution,
    test_sentence,
    without_leaks,
)
from genus.workflows.tasks.compute import Compute, choose_compute
from genus.workflows.tasks.learning import Learnt, open_learner
from genus.workflows.tasks.starting_point import StartingPoint, choose_name, prepare_model


@dataclass(frozen=True, slots=True)
class TrainResult:
    """``test`` is None when the data leave no picture to test with; ``cautions`` say what changes how it must be read.

    ``seconds`` is the whole run's time.
    """

    run: Path
    classes: tuple[str, ...]
    test: Evaluation | None
    provenance: Provenance
    cautions: tuple[str, ...]
    history: tuple[Result, ...]
    seconds: float

    @property
    def sentence(self) -> str:
        """The result in words."""
        return test_sentence(self.test, self.provenance)

    def _repr_html_(self) -> str:
        return result_html(self.run, self.sentence, self.cautions)


def train(config: TrainConfig, on_event: OnEvent = ignore_events) -> TrainResult:
    """Train as ``config`` says and evaluate once on the test part; everything is written into the run folder.

    Raises the GenusErrors of each step: option and name errors first, then the data's, before anything is trained.
    """
    begun = time.monotonic()
    catalog = scan(config.data)
    if config.group:
        catalog = grouped(catalog, config.group)
    compute = choose_compute(config, [picture.path for picture in catalog.pictures])
    name = choose_name(config, on_event)
    with Run.open(config, name, on_event) as run:
        on_event(RunOpened(run.folder))
        run.write_config(
            config, model=name, device=str(compute.device), precision=compute.precision, workers=compute.workers
        )
        return _train(run, config, catalog, compute, name, begun, on_event)


def _train(
    run: Run, config: TrainConfig, catalog: Catalog, compute: Compute, name: str, begun: float, on_event: OnEvent
) -> TrainResult:
    start = prepare_model(config, name, catalog.classes, on_event)
    on_event(Note(f"Computing on {compute.device} in {compute.precision}; results go to {run.folder}."))
    pictures = len(catalog.pictures)
    with compute.memory_kept(), open_learner(start, config, compute, pictures, on_event) as learner:
        dataset = prepare_dataset(catalog, config, learner.look, run, on_event, start.ancestors)
        learnt = learner.learn(dataset, run)
        building = run.building
        save_bundle(_bundle(config, start, dataset, compute, learnt), building)
        scored = _test(building, dataset, compute, learnt, on_event)
    seconds = time.monotonic() - begun
    test = scored.evaluation if scored else None
    if scored and (caution := shift_caution(scored)):
        on_event(Caution(caution, with_result=True))
    if test:
        run.log_opening("train", test.n, test.accuracy.value)
    metrics = {"test": {"n": test.n, "accuracy": test.accuracy.value}} if test else {}
    add_to_record(building, metrics=metrics, seconds=round(seconds, 1))
    provenance = scored.provenance if scored else Provenance()
    told = tuple(cautions(scored, dataset.split, run)) if scored else ()
    clean = without_leaks(scored, dataset.split) if scored else None
    write_evaluation(
        run, "", dataset.classes, test, learnt.calibration.val, provenance, told, None, None, clean, learnt.careless
    )
    write_curves(run, learnt.history)
    tell_missing_glyphs(dataset.classes, on_event)
    if scored:
        write_report(run, "", scored, dataset.split, told, seconds)
    run.finish()
    return TrainResult(run.folder, dataset.classes, test, provenance, told, learnt.history, time.monotonic() - begun)


def _bundle(config: TrainConfig, start: StartingPoint, dataset: Dataset, compute: Compute, learnt: Learnt) -> Bundle:
    calibration, split_hashes = learnt.calibration, split_hashes_in(dataset.split)
    return Bundle(
        start.model,
        start.architecture,
        dataset.classes,
        start.preprocess,
        _record(config, start, dataset, compute, learnt.engine),
        calibration.temperature,
        calibration.known_rule,
        calibration.index,
        calibration.evidence,
        split_hashes.union(start.ancestors) if start.ancestors else split_hashes,
    )


def _test(folder: Path, dataset: Dataset, compute: Compute, learnt: Learnt, on_event: OnEvent) -> Scored | None:
    """Open the sealed test part, once, with the model as anybody will load it from ``folder``.

    Where the network is frozen, its features of the test pictures are at hand: in fp32, as the model itself gives them.
    """
    members = dataset.members(Part.TEST)
    if not members:
        on_event(Caution("There is no test picture: the accuracy of this model is not known."))
        return None
    predictor = Predictor(load_bundle(folder), device=str(compute.device), workers=compute.workers)

    def provenance_of(kept: Sized) -> Provenance:
        return Provenance(left_out=len(left_out_of_test(dataset.split)), sealed=len(kept))

    if learnt.features_of is None:
        return score(predictor, dataset.subset(Part.TEST), provenance_of, on_event)
    rows, kept = learnt.features_of(members, "Testing")
    return score_features(predictor, dataset.subset(Part.TEST).take(kept), provenance_of(kept), rows[:])


def _record(
    config: TrainConfig, start: StartingPoint, dataset: Dataset, compute: Compute, engine: str
) -> dict[str, Any]:
    """What the bundle remembers of its making."""
    return {
        "weights": start.origin,
        "data": {"root": str(dataset.root.resolve()), "pictures": len(dataset.split.pictures)},
        "split": dataset.split.fingerprint,
        "training": config.to_dict(),
        "trained_below_head": not config.head_only or start.trained_below_head,
        "versions": {"genus": version("genus"), "torch": torch.__version__, "python": platform.python_version()},
        "hardware": {
            "device": str(compute.device),
            "precision": compute.precision,
            "engine": engine,
            "machine": platform.machine(),
        },
    }
