"""``genus demo``: the whole way on drawn flowers, offline, with the embedded weights."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from genus.config import TrainConfig
from genus.data.decode import open_rgb
from genus.data.split import Member
from genus.demo import SPECIES, draw_dataset
from genus.errors import PictureError, UsageError
from genus.files import atomic
from genus.predictor import load
from genus.report.figures import AnsweredPicture, answers_png
from genus.run import CONFUSION_PNG, CURVES_PNG, METRICS, REPORT, SPLIT
from genus.types import Note, OnEvent, Part, PredictionRow, ignore_events
from genus.workflows.dataset import read_split
from genus.workflows.predict import predict_paths
from genus.workflows.tasks.starting_point import EMBEDDED
from genus.workflows.train import TrainResult, train

PER_CLASS = 120
ANSWERS_PNG = "answers.png"
SHOWN = 6


@dataclass(frozen=True, slots=True)
class DemoResult:
    """``rows`` are the answers for six test pictures; ``files`` pairs a written file with what it shows."""

    training: TrainResult
    rows: tuple[PredictionRow, ...]
    files: tuple[tuple[Path, str], ...]


def run_demo(out: Path, seed: int = 0, on_event: OnEvent = ignore_events) -> DemoResult:
    """Draw, train, evaluate, predict below ``out``. Raises UsageError when ``out`` is not empty."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} is already there. Choose another --out, or remove it.")
    pictures, run = out / "flowers", out / "run"
    on_event(Note(f"Drawing {PER_CLASS} flowers of each of {len(SPECIES)} species into {pictures}."))
    draw_dataset(pictures, PER_CLASS, seed, on_event)
    on_event(Note(f"One of them is there twice, smaller and in a mirror: {_plant_copy(pictures)}."))
    training = train(TrainConfig(data=pictures, out=run, model=EMBEDDED, seed=seed), on_event)

    test = read_split(run / SPLIT, pictures).members(Part.TEST)
    chosen = [test[place * len(test) // SHOWN] for place in range(SHOWN)]
    rows = tuple(predict_paths(load(run), [str(member.path) for member in chosen], on_event))
    with atomic(run / ANSWERS_PNG) as temporary:
        temporary.write_bytes(answers_png([_answered(member, row) for member, row in zip(chosen, rows, strict=True)]))
    files = (
        (pictures, "the drawn pictures"),
        (run / REPORT, "the report: open it in a browser"),
        (run / ANSWERS_PNG, "six test pictures and what the model calls them"),
        (run / CONFUSION_PNG, "which species is taken for which"),
        (run / CURVES_PNG, "loss, accuracy and learning rate over the epochs"),
        (run / METRICS, "all numbers"),
    )
    return DemoResult(training, rows, files)


def _plant_copy(pictures: Path) -> Path:
    """A near copy of the first tulip, for the check of the pictures to find."""
    original = min((pictures / "tulip").iterdir())
    copy = original.with_name(f"copy_of_{original.name}")
    with Image.open(original) as picture, atomic(copy) as temporary:
        ImageOps.mirror(picture).resize((160, 160)).save(temporary, format="JPEG", quality=60)
    return copy


def _answered(member: Member, row: PredictionRow) -> AnsweredPicture:
    if row.prediction is None:
        raise PictureError(f"{member.path}: {row.error}")
    pixels = np.asarray(open_rgb(member.path))
    return AnsweredPicture(pixels, member.label, row.prediction.label, row.prediction.probability)
