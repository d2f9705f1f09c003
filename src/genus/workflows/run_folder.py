"""The folder of one run: its name, and when it may be written."""

import itertools
import tomllib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from genus.config import TrainConfig
from genus.description import DESCRIPTION
from genus.errors import UsageError
from genus.files import json_text, probe_writable, write_text

CONFIG = "config.toml"
METRICS = "metrics.json"
HISTORY = "metrics.jsonl"
CONFUSION_CSV = "confusion.csv"
CONFUSION_PNG = "confusion.png"
CURVES_PNG = "curves.png"
SPLIT = "split.json"
BAD_FILES = "bad_files.csv"
TEST_LOG = "test_openings.jsonl"
CROSS_VALIDATION = "cross_validation.json"
OUT_OF_FOLD = "out_of_fold.csv"
LEARNING_CURVE = "learning_curve.json"
LEARNING_CURVE_PNG = "learning_curve.png"
LABEL_ERRORS = "label_errors.csv"
REPORT = "report.html"
CHECKPOINT = "checkpoint.safetensors"
BEST = "best.safetensors"
LAST = "last.safetensors"


def open_run(config: TrainConfig, model: str) -> Path:
    """The folder to write to: ``--out``, or the next free ``runs/<data>-<model>-<n>``; writable, not finished.

    Raises UsageError when the folder holds a finished run, an interrupted one without ``--resume``, or other files;
    MachineError when it cannot be written.
    """
    folder = config.out or _next_free(config, model)
    if (folder / DESCRIPTION).exists():
        raise UsageError(f"{folder} holds a finished run, which is never overwritten. Choose another --out.")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / CONFIG).exists():
        raise UsageError(f"{folder} is not empty and holds no run of genus. Choose another --out.")
    if (folder / CONFIG).exists() and not config.resume:
        raise UsageError(f"{folder} holds an interrupted run. Add --resume to go on with it, or choose another --out.")
    probe_writable(folder)
    return folder


def _next_free(config: TrainConfig, model: str) -> Path:
    data = config.data.resolve()
    stem = f"{data.stem if data.is_file() else data.name}-{model.replace(':', '-').replace('/', '-')}"
    names = (Path("runs") / f"{stem}-{number}" for number in itertools.count(1))
    return next(folder for folder in names if not folder.exists())


def write_config(folder: Path, config: TrainConfig, **chosen: Any) -> None:
    """``config.toml``: the options as resolved; ``--config`` with it repeats the run. A resumed run keeps its own."""
    if config.resume and (folder / CONFIG).exists():
        return
    values = {**config.to_dict(), **chosen}
    _write_toml(folder / CONFIG, {key: value for key, value in values.items() if key not in ("out", "resume")})


def update_config(folder: Path, **chosen: Any) -> None:
    """Put what was measured into ``config.toml``, so that a repeated or resumed run does not measure again."""
    values = tomllib.loads((folder / CONFIG).read_text(encoding="utf-8"))
    _write_toml(folder / CONFIG, {**values, **chosen})


def with_measured_epochs(config: TrainConfig, folder: Path) -> TrainConfig:
    """The options of a run that goes on: its ``--minutes`` have been turned into epochs already."""
    if not (config.resume and config.minutes and (folder / CONFIG).exists()):
        return config
    stored = tomllib.loads((folder / CONFIG).read_text(encoding="utf-8"))
    return config if "minutes" in stored else replace(config, epochs=stored["epochs"], minutes=None)


def append_line(path: Path, value: dict[str, Any]) -> None:
    """Add one JSON line; what was there before stays."""
    with path.open("a", encoding="utf-8", newline="\n") as file:
        file.write(json_text(value) + "\n")


def log_opening(run: Path, command: str, pictures: int, accuracy: float) -> None:
    """Note in ``run`` that its test part was opened."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    append_line(run / TEST_LOG, {"time": now, "command": command, "pictures": pictures, "accuracy": accuracy})


def _write_toml(path: Path, values: dict[str, Any]) -> None:
    lines = [f"{key} = {_toml(value)}" for key, value in values.items() if value is not None]
    write_text(path, "\n".join(lines) + "\n")


def _toml(value: Any) -> str:
    """A TOML value. JSON is TOML for numbers, truth and text, but for DEL and bytes that are no UTF-8."""
    return json_text(value).replace("\x7f", "\\u007f")
