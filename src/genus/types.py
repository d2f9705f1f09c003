"""Frozen values that cross the boundaries between modules. Nothing here imports torch."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Literal

RGB = tuple[float, float, float]
Resample = Literal["bicubic", "bilinear"]
HeadName = Literal["adamw", "linear"]
AugmentName = Literal["none", "light", "strong"]
PrecisionName = Literal["auto", "fp32", "bf16"]
Precision = Literal["fp32", "bf16"]
EngineName = Literal["auto", "torch", "openvino"]
DecodeRule = Literal["full-range", "draft-cut", "draft"]
FitName = Literal["crop", "pad", "stretch"]

IMAGENET_MEAN: RGB = (0.485, 0.456, 0.406)
IMAGENET_STD: RGB = (0.229, 0.224, 0.225)
HALF: RGB = (0.5, 0.5, 0.5)


class Part(StrEnum):
    """The three sides of a split. No decision ever looks at ``test``."""

    TRAIN = "train"
    VAL = "val"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Preprocess:
    """How a decoded picture becomes the square input of a model; it travels with the weights.

    ``fit`` says how it becomes a square of ``size`` pixels. ``"crop"``: the short side is scaled to
    ``round(size / crop)`` pixels, and the central square is kept. ``"pad"``: the long side is scaled to ``size``, and
    the picture lies in the middle of a ground of the colour ``mean``, which is zero to the network, as the padding of
    its convolutions is. ``"stretch"``: each side is scaled to ``size``. Then every channel (RGB, 0..1) becomes
    ``(value - mean) / std``.

    ``decode`` names the rule by which a file becomes these pixels, so that a later, better rule cannot silently
    change the answers of an existing model. By every rule, a JPEG is decoded at the smallest of 1/1, 1/2, 1/4,
    1/8 of its size that is not below the resized picture; all other formats are decoded in full.

    ``"full-range"``, that of new models, scales a picture of more than 8 bits a channel by the smallest usual depth
    that holds its values, leaves out what a TIFF calls no data, follows the gamma of a PNG, cuts the central square at
    whole pixels and resamples it alone. ``"draft-cut"`` takes 16 bits for what they are, and ignores gamma.
    ``"draft"``, the rule of the first models, does so, too, but keeps fractions of a pixel of the central square and
    leaves its resampling to Pillow.
    """

    size: int
    mean: RGB = IMAGENET_MEAN
    std: RGB = IMAGENET_STD
    resample: Resample = "bicubic"
    crop: float = 1.0
    decode: DecodeRule = "full-range"
    fit: FitName = "crop"

    @property
    def scaled_side(self) -> int:
        """Pixels after resizing, before the crop: of the long side of a picture that is padded, else of the short."""
        return round(self.size / self.crop) if self.fit == "crop" else self.size


@dataclass(frozen=True, slots=True)
class KnownRule:
    """When an answer counts as known: it is probable enough, and its picture is near enough to a training picture.

    ``min_probability`` (0..1) was chosen so that at most ``max_error`` (above 0, below 1) of the known answers are
    wrong. It is None where no threshold could be shown to keep that; then no answer is known, and ``reason`` is the
    sentence that says why. ``max_distance`` (0..2) is a distance as ``Index`` measures it.
    """

    max_error: float
    min_probability: float | None
    max_distance: float
    reason: str = ""

    def holds(self, probability: float, distance: float) -> bool:
        """Is an answer of this probability (0..1), for a picture at this distance (0..2), known?"""
        if self.min_probability is None:
            return False
        return probability >= self.min_probability and distance <= self.max_distance


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model says about one picture.

    ``top`` holds (label, probability) pairs, most probable first; ``known`` says whether the answer counts by the
    model's ``KnownRule``, and is None where it has none.
    """

    label: str
    probability: float
    top: tuple[tuple[str, float], ...]
    known: bool | None = None


@dataclass(frozen=True, slots=True)
class PredictionRow:
    """What became of one picture: its ``prediction``, or the ``error`` for which there is none (else empty).

    ``path`` is as the user gave it, and empty for a picture that came from no file.
    """

    path: str
    prediction: Prediction | None
    error: str

    @property
    def status(self) -> str:
        """``ok`` or ``error``."""
        return "error" if self.prediction is None else "ok"


@dataclass(frozen=True, slots=True)
class Progress:
    """``done`` of ``total`` pieces of ``task`` are finished."""

    task: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Note:
    """Something the user may like to know: a choice that was made for them, or what happens now."""

    text: str


@dataclass(frozen=True, slots=True)
class Caution:
    """Something that changes how the result must be read. ``with_result``: it is said again beside the result."""

    text: str
    with_result: bool = False


@dataclass(frozen=True, slots=True)
class RunOpened:
    """From now on a training writes to ``folder``; interrupted, it goes on from there with ``--resume``."""

    folder: Path


@dataclass(frozen=True, slots=True)
class EpochResult:
    """One line of ``metrics.jsonl``. Losses are means over pictures (nats); accuracies lie in 0..1; ``lr`` is the rate
    of the head and the last layers at the epoch's last step."""

    epoch: int
    epochs: int
    lr: float
    train_loss: float
    val_loss: float | None
    val_accuracy: float | None
    seconds: float


def quality(accuracy: float, loss: float) -> tuple[float, float]:
    """What makes one epoch better than another on validation: a higher accuracy, and among equals a lower loss.

    A tuple to be compared: the larger, the better.
    """
    return accuracy, -loss


def best_epoch(history: Iterable[EpochResult]) -> EpochResult | None:
    """The epoch whose weights are kept, the first of equals; None without validation."""
    validated = [
        (quality(r.val_accuracy, r.val_loss), r)
        for r in history
        if r.val_accuracy is not None and r.val_loss is not None
    ]
    return max(validated, key=lambda pair: pair[0])[1] if validated else None


Event = Progress | Note | Caution | RunOpened | EpochResult
OnEvent = Callable[[Event], None]


def ignore_events(event: Event) -> None:
    """The ``on_event`` of a caller who does not listen."""
