"""``genus demo``: the whole way on drawn flowers, offline, with the embedded weights."""

from dataclasses import dataclass
from pathlib import Path

from genus.config import TrainConfig
from genus.demo import SPECIES, draw_dataset
from genus.errors import UsageError
from genus.predictor import load
from genus.types import Note, OnEvent, Part, ignore_events
from genus.workflows.choose_model import EMBEDDED
from genus.workflows.pictures import read_split
from genus.workflows.predict import Row, find_pictures, predict_paths
from genus.workflows.run_folder import CONFUSION_PNG, CURVES_PNG, METRICS, SPLIT
from genus.workflows.train import TrainResult, train

PER_CLASS = 100
SHOWN = 6


@dataclass(frozen=True, slots=True)
class DemoResult:
    """``rows`` are the answers for six test pictures; ``files`` pairs a written file with what it shows."""

    training: TrainResult
    rows: tuple[Row, ...]
    files: tuple[tuple[Path, str], ...]


def run_demo(out: Path, seed: int = 0, on_event: OnEvent = ignore_events) -> DemoResult:
    """Draw, train, evaluate, predict below ``out``. Raises UsageError when ``out`` is not empty."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} is already there. Choose another --out, or remove it.")
    pictures, run = out / "flowers", out / "run"
    on_event(Note(f"Drawing {PER_CLASS} flowers of each of {len(SPECIES)} species into {pictures}."))
    draw_dataset(pictures, PER_CLASS, seed, on_event)
    training = train(TrainConfig(data=pictures, out=run, model=EMBEDDED, seed=seed), on_event)

    test = read_split(run / SPLIT, pictures).members(Part.TEST)
    chosen = [str(test[place * len(test) // SHOWN].path) for place in range(SHOWN)]
    rows = tuple(predict_paths(load(run), find_pictures(chosen), on_event))
    files = (
        (pictures, "the drawn pictures"),
        (run / CONFUSION_PNG, "which species is taken for which"),
        (run / CURVES_PNG, "loss, accuracy and learning rate over the epochs"),
        (run / METRICS, "all numbers"),
    )
    return DemoResult(training, rows, files)
