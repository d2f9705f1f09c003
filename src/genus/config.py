"""Every option of a training run, from flags, a TOML file, a preset and the defaults, in this order of weight.

All option errors are found here, before any picture is read. Nothing below the workflows sees the whole: they hand
each part of the program the few values that it needs.
"""

import math
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from genus.errors import UsageError, nearest

Head = Literal["adamw", "linear"]
AugmentName = Literal["none", "light", "strong"]
PrecisionName = Literal["auto", "fp32", "bf16"]
Engine = Literal["auto", "torch", "openvino"]


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """The options of ``genus train``; the names are those of the flags, with underscores."""

    data: Path = Path("data")
    out: Path | None = None
    model: str = "auto"
    weights: str | None = None
    epochs: int = 100
    batch_size: int = 32
    lr: float = 1e-4
    lrf: float = 0.1
    freeze_layers: bool = True
    freeze_until: int | None = None
    head: Head = "adamw"
    image_size: int | None = None
    views: int = 0
    augment: AugmentName = "light"
    class_weights: bool = False
    max_error: float = 0.05
    cv: int | None = None
    minutes: float | None = None
    seed: int = 0
    device: str = "auto"
    precision: PrecisionName = "auto"
    engine: Engine = "auto"
    workers: int | None = None
    split: Path | None = None
    resume: bool = False
    from_run: Path | None = None

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
        _require(0 < self.max_error < 1, "max-error", self.max_error, "above 0 and below 1")
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

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, for the record of the run."""
        return {key: str(value) if isinstance(value, Path) else value for key, value in asdict(self).items()}


PRESETS: dict[str, dict[str, Any]] = {
    # Head only. EfficientNet-Lite0 on 4,058 flowers: 0.918 on the test part (0.917 to 0.923 over seeds 0 to 4), 20 s on
    # two cores. Commands and conditions of this and the next: docs/results.md.
    "quick": {"freeze_layers": True, "head": "linear"},
    # Every layer. ViT-Tiny 0.956, EfficientNet-Lite0 0.943 (0.948 with --image-size 256), one run each.
    "best": {"freeze_layers": False, "epochs": 8, "lr": 3e-4, "lrf": 0.01, "augment": "strong"},
}


def compose(flags: Mapping[str, Any], preset: str | None = None, file: Path | None = None) -> TrainConfig:
    """Flags over the TOML ``file`` over the ``preset`` over the defaults. ``flags`` holds only what the user gave.

    Raises UsageError for an unknown preset or key (naming the nearest), a wrong type, or a value out of range.
    """
    values: dict[str, Any] = {}
    from_file = _read(file) if file else {}
    preset = preset or from_file.pop("preset", None)
    from_file.pop("preset", None)
    if preset is not None:
        if not isinstance(preset, str) or preset not in PRESETS:
            raise UsageError(
                f"There is no preset '{preset}'.{nearest(str(preset), PRESETS)} Known: {', '.join(PRESETS)}."
            )
        values |= PRESETS[preset]
    values |= from_file
    values |= flags
    hints = get_type_hints(TrainConfig)
    for key in values:
        if key not in hints:
            raise UsageError(f"There is no option '{key}'.{nearest(key, hints)}")
    return TrainConfig(**{key: _convert(key, value, hints[key]) for key, value in values.items()})


def _read(path: Path) -> dict[str, Any]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"Cannot read the config file {path}: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not valid TOML: {error}") from error
    known = {field.name for field in fields(TrainConfig)} | {"preset"}
    values = {}
    for key, value in content.items():
        name = {"from": "from_run"}.get(key, key.replace("-", "_"))
        if name not in known:
            raise UsageError(f"{path} has an unknown key '{key}'.{nearest(name, known)}")
        values[name] = value
    return values


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
                f"--{_flag(key)} cannot be '{value}'.{nearest(str(value), choices)} Choose one of {', '.join(choices)}."
            )
        if option is Path and isinstance(value, (str, Path)):
            return Path(value)
        if option is float and isinstance(value, (int, float)) and not isinstance(value, bool):
            return float(value)
        if type(value) is option:
            return value
    wanted = " or ".join(option.__name__ for option in options if option is not type(None))
    raise UsageError(f"--{_flag(key)} has to be {wanted}, not {value!r}.")


def _require(condition: bool, key: str, value: object, allowed: str) -> None:
    if not condition:
        raise UsageError(f"--{key} cannot be {value}: it has to be {allowed}.")


def _flag(key: str) -> str:
    return "from" if key == "from_run" else key.replace("_", "-")
