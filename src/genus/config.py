"""Every option of a training run, from flags, a TOML file, a preset and the defaults, in this order of weight.

``TrainConfig`` is the one place where an option has its name, default, help and group: the flags of ``genus train``
and the keywords of ``genus.train`` are read off its fields. All option errors are found here, before any picture is
read. Nothing below the workflows sees the whole: they hand each part of the program the few values that it needs.
"""

import math
import os
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from genus.errors import UsageError, nearest
from genus.files import irregular, require_regular_file
from genus.types import AugmentName, EngineName, FitName, HeadName, PrecisionName

CONFIG = "config.toml"  # in a run folder: the options as resolved
MEASURED = "measured_epochs"  # in this file, beside the options as given: how many epochs fitted into --minutes
Group = Literal["Run", "Data", "Model", "Training", "Evaluation", "Machine"]


@dataclass(frozen=True, slots=True)
class About:
    """What ``--help`` says of an option: its group, a sentence, its default in words where the value says too little,
    and a name for its value."""

    group: Group
    help: str
    default: str | None = None
    metavar: str | None = None


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """The options of ``genus train``; the names are those of the flags, with underscores."""

    data: Annotated[Path, About("Data", "Folder of class folders, or a CSV table.")] = Path("data")
    split: Annotated[Path | None, About("Data", "split.json of an earlier run: its pictures keep their sides.")] = None
    group: Annotated[
        str | None,
        About("Data", "Regular expression on paths: pictures of one group stay on one side.", metavar="REGEX"),
    ] = None
    strict: Annotated[bool, About("Data", "Stop where `genus check` finds what makes the result wrong.")] = False
    out: Annotated[Path | None, About("Run", "Folder to write to.", "runs/<data>-<model>-<n>")] = None
    resume: Annotated[bool, About("Run", "Go on with the interrupted run in --out, by its own options.")] = False
    minutes: Annotated[float | None, About("Run", "Fit the training into this time.")] = None
    seed: Annotated[int, About("Run", "Of the split, the order and the augmentation.")] = 0
    model: Annotated[str, About("Model", "A name of `genus models`, timm:NAME, or auto.")] = "auto"
    weights: Annotated[str | None, About("Model", "Weights file, or none: from scratch.", metavar="FILE|none")] = None
    from_run: Annotated[Path | None, About("Model", "An earlier run to start from.", metavar="RUN")] = None
    image_size: Annotated[int | None, About("Model", "Side of the input in pixels.", "the model's own")] = None
    fit: Annotated[FitName | None, About("Model", "How a picture becomes a square.", "crop, or as in --from")] = None
    freeze_layers: Annotated[bool, About("Training", "Train the head only.")] = True
    freeze_until: Annotated[int | None, About("Training", "Train what lies behind N stages.", metavar="N")] = None
    views: Annotated[int, About("Training", "Random views of each picture that frozen stages also look at.")] = 0
    head: Annotated[HeadName, About("Training", "How the head of a frozen network is fitted.")] = "adamw"
    epochs: Annotated[int, About("Training", "Rounds over the training pictures.")] = 100
    batch_size: Annotated[int, About("Training", "Pictures per step.")] = 32
    lr: Annotated[float, About("Training", "Learning rate at its peak.")] = 1e-4
    lrf: Annotated[float, About("Training", "The last learning rate is lr * lrf.")] = 0.1
    augment: Annotated[AugmentName, About("Training", "Random changes in full training.")] = "light"
    class_weights: Annotated[bool, About("Training", "Let rare classes count as much as common ones.")] = False
    max_error: Annotated[float, About("Evaluation", "Share of wrong answers to allow among the known.")] = 0.05
    cv: Annotated[int | None, About("Evaluation", "First cross-validate in K folds, frozen.", metavar="K")] = None
    device: Annotated[str, About("Machine", "auto, cpu, cuda, cuda:1, mps.")] = "auto"
    precision: Annotated[PrecisionName, About("Machine", "Of the computation.")] = "auto"
    engine: Annotated[EngineName, About("Machine", "What computes a frozen network.", "the fastest, measured")] = "auto"
    workers: Annotated[int | None, About("Machine", "Threads or processes that read pictures.", "what helps")] = None

    def __post_init__(self) -> None:
        _require(self.epochs >= 1, "epochs", self.epochs, "at least 1")
        _require(self.batch_size >= 1, "batch-size", self.batch_size, "at least 1")
        _require(0 < self.lr < 10, "lr", self.lr, "above 0 and below 10")
        _require(0 <= self.lrf <= 1, "lrf", self.lrf, "between 0 and 1: the last rate is lr * lrf")
        _require(self.image_size is None or 32 <= self.image_size <= 2048, "image-size", self.image_size, "32 to 2048")
        _require(0 <= self.views <= 1000, "views", self.views, "0 to 1000")
        _require(self.cv is None or 2 <= self.cv <= 100, "cv", self.cv, "2 to 100")
        if self.cv and self.weights == "none":
            raise UsageError("--cv works on features of a pretrained network; --weights none leaves it none.")
        require_max_error(self.max_error)
        _require(self.minutes is None or 0 < self.minutes < math.inf, "minutes", self.minutes, "above 0 and finite")
        _require(self.workers is None or 1 <= self.workers <= 256, "workers", self.workers, "1 to 256")
        _require(0 <= self.seed < 2**31, "seed", self.seed, "0 to 2147483647")
        _require(self.freeze_until is None or self.freeze_until >= 1, "freeze-until", self.freeze_until, "at least 1")
        if self.weights == "none" and (self.freeze_layers or self.freeze_until):
            raise UsageError(
                "--weights none with frozen layers would train a head on random features. Add --freeze-layers False."
            )
        if self.from_run is not None and self.weights is not None:
            raise UsageError("--from and --weights both say where to start from. Use one of them.")
        if self.from_run is not None and self.cv:
            raise UsageError("--cv needs a network new to the pictures; that of --from may have seen them.")

    @property
    def head_only(self) -> bool:
        """Does the backbone stay as it is?"""
        return self.freeze_layers and not self.freeze_until

    def absolute(self) -> "TrainConfig":
        """The same options, with paths that do not depend on the current folder."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        places: dict[str, Any] = {key: value.absolute() for key, value in values.items() if isinstance(value, Path)}
        if self.weights and Path(self.weights).exists():
            places["weights"] = str(Path(self.weights).absolute())
        return replace(self, **places)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, for the record of the run."""
        return {key: str(value) if isinstance(value, Path) else value for key, value in asdict(self).items()}


PRESETS: dict[str, dict[str, Any]] = {
    # Head only. EfficientNet-Lite0 on 4,058 flowers: 0.918 on the test part (0.916 to 0.926 over seeds 0 to 4), 20 s on
    # two cores. Commands and conditions of this and the next: docs/results.md.
    "quick": {"freeze_layers": True, "head": "linear"},
    # Every layer. ViT-Tiny 0.956, EfficientNet-Lite0 0.943 (0.948 with --image-size 256), one run each.
    "best": {"freeze_layers": False, "epochs": 8, "lr": 3e-4, "lrf": 0.01, "augment": "strong"},
}


def compose(flags: Mapping[str, Any], preset: str | None = None, file: Path | None = None) -> TrainConfig:
    """Flags over the TOML ``file`` over the ``preset`` over the defaults. ``flags`` holds only what the user gave.

    With ``resume``, the run in ``out`` goes on with its own options. Raises UsageError for an unknown preset or key
    (naming the nearest), a wrong type, a value out of range, for options that differ from those of the run, and where
    there is no run to go on.
    """
    from_file = _as_measured(read_toml(file)) if file else {}
    named = from_file.pop("preset", None)
    preset = named if preset is None else preset
    if preset is not None and (not isinstance(preset, str) or preset not in PRESETS):
        raise UsageError(f"There is no preset '{preset}'.{nearest(str(preset), PRESETS)} Known: {', '.join(PRESETS)}.")
    given = _converted({**PRESETS.get(preset or "", {}), **from_file, **flags})
    for key in ("split", "weights"):
        if (kind := irregular(given.get(key) or "")) not in (None, "a folder"):
            raise UsageError(f"--{key} {given[key]} is {kind}, not a file. Give a regular file.")
    if not given.get("resume"):
        return TrainConfig(**given)
    if given.get("out") is None:
        raise UsageError("--resume needs --out: which run is to go on?")
    return _resumed(given, given["out"])


def _resumed(given: Mapping[str, Any], out: Path) -> TrainConfig:
    """The options of the interrupted run in ``out``, from its config.toml, from which ``given`` ones must not differ.

    A given "auto" leaves the run its choice. Raises UsageError with a list where given options differ from the run's,
    and where there is no run, or none that can go on.
    """
    if not (out / CONFIG).exists():
        raise UsageError(f"There is no run in {out} to go on with; leave --resume out to start one.")
    try:
        stored = read_toml(out / CONFIG)
        if "data" not in stored:
            raise UsageError("It does not name the data.")
        started = TrainConfig(**_converted({key: value for key, value in stored.items() if key != MEASURED}))
        config = TrainConfig(**{**_converted(_as_measured(stored)), "out": out, "resume": True})
    except UsageError as error:
        raise UsageError(
            f"The run in {out} cannot go on: its {CONFIG}, which holds its options, is damaged. Restore a copy of it, "
            f"or start a new run in another --out. What is wrong: {error}"
        ) from error
    different = [
        f"--{flag_name(key)} (the run: {_told(getattr(started, key))}, given: {_told(value)})"
        for key, value in given.items()
        if key not in ("out", "resume") and value != "auto"
        if not any(_same(value, getattr(own, key)) for own in (started, config))
    ]
    if different:
        raise UsageError(
            f"The run in {out} was started with other options: {'; '.join(different)}. "
            "Leave them out to go on with it, or start a new run in another --out."
        )
    return config


def _as_measured(stored: Mapping[str, Any]) -> dict[str, Any]:
    """The options in the config of a run, with the epochs that fitted into --minutes in its place, where it had come to
    measure them: a run that goes on or is repeated has as many."""
    options = dict(stored)
    measured = options.pop(MEASURED, None)
    return options if measured is None else {**options, "epochs": measured, "minutes": None}


def require_max_error(share: float) -> None:
    """Raise UsageError for what is no share of errors that pictures can show: one in a million takes three million."""
    _require(1e-6 <= share < 1, "max-error", share, "at least 0.000001 and below 1")


def flag_name(key: str) -> str:
    """The flag of a field, without the dashes."""
    return "from" if key == "from_run" else key.replace("_", "-")


def read_toml(path: Path) -> dict[str, Any]:
    """The options in a TOML file, by field name, and "preset" and ``MEASURED`` where they are there. Raises UsageError,
    also for a key that is no option, naming the nearest."""
    try:
        require_regular_file(path)
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UsageError(f"Cannot read the config file {path}: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not valid TOML: {error}") from error
    known = {field.name for field in fields(TrainConfig)} | {"preset"}
    values = {}
    for key, value in content.items():
        name = {"from": "from_run"}.get(key, key.replace("-", "_"))
        if name not in known and name != MEASURED:
            raise UsageError(f"{path} has an unknown key '{key}'.{nearest(name, known)}")
        values[name] = value
    return values


def _converted(values: Mapping[str, Any]) -> dict[str, Any]:
    hints = get_type_hints(TrainConfig)
    for key in values:
        if key not in hints:
            raise UsageError(f"There is no option '{key}'.{nearest(key, hints)}")
    return {key: _convert(key, value, hints[key]) for key, value in values.items()}


def _convert(key: str, value: Any, hint: Any) -> Any:
    """``value`` as the field's type, or UsageError. A whole number may stand for a float, text for a path."""
    options = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    if value is None and type(None) in options:
        return None
    for option in options:
        if get_origin(option) is Literal:
            if value in get_args(option):
                return value
            choices = get_args(option)
            raise UsageError(
                f"--{flag_name(key)} cannot be '{value}'.{nearest(str(value), choices)} "
                f"Choose one of {', '.join(choices)}."
            )
        if option is Path and isinstance(value, (str, os.PathLike)):
            return _path(key, os.fspath(value))
        if option is float and isinstance(value, (int, float)) and not isinstance(value, bool):
            return _float(value)
        if type(value) is option:
            return value
    names = ("a path" if option is Path else option.__name__ for option in options if option is not type(None))
    wanted = " or ".join(names)
    raise UsageError(f"--{flag_name(key)} has to be {wanted}, not {value!r}.")


def _path(key: str, text: str) -> Path:
    if not text or "\0" in text:
        raise UsageError(f"--{flag_name(key)} is {'a path with a zero byte' if text else 'empty'}. Give a path.")
    return Path(text)


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # a whole number can be larger than any float
        return math.inf


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, str | Path) and isinstance(other, str | Path):  # ``weights`` is text, and may name a file
        return os.path.realpath(one) == os.path.realpath(other)
    return one == other


def _told(value: Any) -> str:
    return "none" if value is None else str(value)


def _require(condition: bool, key: str, value: object, allowed: str) -> None:
    if not condition:
        raise UsageError(f"--{key} cannot be {value}: it has to be {allowed}.")
