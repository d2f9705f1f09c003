"""``genus predict``: names for files, folders, patterns; one bad file never loses the others' rows."""

import glob
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from genus.data.kinds import SUFFIXES
from genus.errors import DataError
from genus.files import json_text
from genus.predictor import Predictor
from genus.tables import csv_text
from genus.types import OnEvent, Prediction, Progress, ignore_events

CSV_HEAD = "path,status,label,probability,known,error\n"


@dataclass(frozen=True, slots=True)
class Row:
    """The answer for one picture: ``prediction``, or ``error``. ``path`` is as the user gave it."""

    path: str
    prediction: Prediction | None
    error: str

    @property
    def status(self) -> str:
        """``ok`` or ``error``."""
        return "error" if self.prediction is None else "ok"


def predict_paths(predictor: Predictor, paths: Sequence[str], on_event: OnEvent = ignore_events) -> Iterator[Row]:
    """One Row a picture, in order, as they come."""
    for answer in predictor.answers(paths):
        prediction = None if answer.logits is None else predictor.prediction(answer.logits, answer.distance)
        yield Row(paths[answer.index], prediction, str(answer.error or ""))
        on_event(Progress("Predicting", answer.index + 1, len(paths)))


def find_pictures(arguments: Sequence[str]) -> list[str]:
    """Files as they are, the pictures below folders, the files of patterns; sorted within each argument.

    A file named outright is kept even if it is missing: it gets its error row. Raises DataError when nothing is left.
    """
    found: list[str] = []
    for argument in arguments:
        path = Path(argument)
        if path.is_dir():
            found.extend(_below(path))
        elif not path.exists() and glob.has_magic(argument):
            matches = sorted(glob.glob(argument, recursive=True))  # noqa: PTH207 - any path, not one below a folder
            found.extend(name for name in matches if Path(name).is_file())
        else:
            found.append(argument)
    if not found:
        others = sum(1 for argument in arguments for _ in _files(Path(argument)))
        raise DataError(f"No pictures in {', '.join(arguments)} ({others} other files).")
    return found


def csv_row(row: Row) -> str:
    """One line: path,status,label,probability (six decimals),known,error."""
    found = row.prediction
    if found is None:
        return csv_text([(row.path, row.status, None, None, None, row.error)])
    known = None if found.known is None else str(found.known).lower()
    return csv_text([(row.path, row.status, found.label, f"{found.probability:.6f}", known, None)])


def json_row(row: Row) -> str:
    """The same keys as the CSV, and ``top``: [{label, probability}], as one line of JSON."""
    found = row.prediction
    value = {
        "path": row.path,
        "status": row.status,
        "label": found.label if found else None,
        "probability": round(found.probability, 6) if found else None,
        "known": found.known if found else None,
        "error": row.error or None,
        "top": [{"label": label, "probability": round(share, 6)} for label, share in found.top] if found else [],
    }
    return json_text(value) + "\n"


def _below(folder: Path) -> list[str]:
    return sorted(str(path) for path in _files(folder) if path.suffix.lower() in SUFFIXES)


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        relative = path.relative_to(folder)
        if path.is_file() and not any(part.startswith(".") for part in relative.parts):
            yield path
