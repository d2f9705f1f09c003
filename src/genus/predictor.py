"""From a picture to an answer: the one way that prediction, evaluation and serving go."""

import html
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from itertools import repeat
from pathlib import Path
from typing import Any, TypeGuard, overload

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from genus.bundle import Bundle, load_bundle
from genus.data.decode import TAKEN, Source, decode
from genus.data.find import find_pictures
from genus.data.loader import default_workers
from genus.engine.choice import choose_engine
from genus.engine.device import choose_device
from genus.engine.stream import Engine, stream
from genus.engine.torch_engine import TorchEngine
from genus.errors import GenusError, PictureError
from genus.files import as_path
from genus.models.backbone import WithoutHead, to_device
from genus.probabilities import softmax
from genus.types import KnownRule, Prediction, PredictionRow, ignore_events

WORTH_CHOOSING = 200  # pictures from which on another engine than torch may be worth its beginning
LISTED = 20  # rows of a table in a notebook


@dataclass(frozen=True, slots=True)
class Answer:
    """The logits (float32, one a class) of picture number ``index`` and its ``distance`` from the nearest training
    picture (None where the bundle has no index), or the reason why there are none."""

    index: int
    logits: NDArray[np.float32] | None
    distance: float | None
    error: PictureError | None


class Predictor:
    """Names pictures with one bundle. Holds no state between calls; may be used from several threads.

    An engine turns pictures into features, the head turns features into logits, all in fp32: with torch or, for many
    pictures on a processor, with an engine that agrees with it to 1e-5. Every reported number comes from here. Raises
    UsageError or MachineError for a device that is unknown or not there.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        device: str = "auto",
        workers: int | None = None,
        engine: Engine | None = None,
    ) -> None:
        chosen = choose_device(device)
        to_device(bundle.model, chosen).eval()
        self.bundle = bundle
        self.classes = bundle.classes
        self._device = chosen
        self._engine = engine or TorchEngine(WithoutHead(bundle.model), bundle.preprocess, chosen)
        self._lock, self._fast = threading.Lock(), engine
        self._workers = workers or default_workers()

    def with_rule(self, rule: KnownRule) -> "Predictor":
        """The same model, with another rule for which answers are known."""
        return Predictor(replace(self.bundle, known_rule=rule), device=str(self._device), workers=self._workers)

    @overload
    def predict(self, source: Source) -> Prediction: ...  # type: ignore[overload-overlap]
    @overload
    def predict(self, source: Iterable[Source]) -> "Predictions": ...
    def predict(self, source: Source | Iterable[Source]) -> "Prediction | Predictions":
        """The answer for one picture, or the ``Predictions`` for a list (or any iterable) of them, or for a folder.

        A picture is a path, the bytes of a file, an open file, a PIL image, or its pixels: uint8, H x W x 3 (RGB) or
        H x W (grey). Raises PictureError when one picture cannot be read, DataError for a folder without pictures, and
        TypeError for anything else.
        """
        if not _is_single(source):
            return Predictions(self.rows(_singles(source)))
        if isinstance(source, (str, os.PathLike)) and os.path.isdir(source):  # noqa: PTH112
            found = find_pictures([os.fspath(source)])
            unread = [PredictionRow(path, None, reason) for path, reason in found.unread]
            return Predictions([*self.rows(found.pictures), *unread])
        return Predictions(self.rows([source]))[0]

    def rows(self, sources: Sequence[Source]) -> Iterator[PredictionRow]:
        """One row a picture, in order, as they come; one that cannot be read gets its error."""
        for answer in self.answers(sources):
            source = sources[answer.index]
            path = os.fspath(source) if isinstance(source, (str, os.PathLike)) else ""
            prediction = None if answer.logits is None else self.prediction(answer.logits, answer.distance)
            yield PredictionRow(path, prediction, str(answer.error or ""))

    def answers(self, sources: Sequence[Source]) -> Iterator[Answer]:
        """One Answer a source, in order, as they come; a picture that cannot be read does not disturb the others."""

        def read(index: int) -> NDArray[np.uint8]:
            return decode(sources[index], self.bundle.preprocess)

        for piece in stream(range(len(sources)), read, self._engine_for(len(sources)), self._workers):
            answers = [Answer(index, None, None, error) for index, error in piece.failures]
            if piece.indices:
                logits, distances = self.from_features(piece.rows)
                apart = repeat(None) if distances is None else distances.tolist()
                answers += [Answer(*one, None) for one in zip(piece.indices, logits, apart, strict=False)]
            yield from sorted(answers, key=lambda answer: answer.index)

    def _engine_for(self, pictures: int) -> Engine:
        """The engine for so many pictures: for many of them on a processor the fastest that says the same in fp32, by a
        short measurement; torch for a few."""
        if pictures < WORTH_CHOOSING or self._device.type != "cpu":
            return self._engine
        with self._lock:
            if self._fast is None:
                self._fast = choose_engine(
                    "auto", WithoutHead(self.bundle.model), self.bundle.preprocess, self._device, "fp32",
                    workers=self._workers, pictures=pictures, on_event=ignore_events,
                )  # fmt: skip
            return self._fast

    def from_features(self, features: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """What follows the network: pooled features (n x num_features) -> logits (n x classes), and the distances from
        the nearest training picture (n), None without an index."""
        logits = head_logits(self.bundle.model.head, features)
        return logits, self.bundle.index.distances(features) if self.bundle.index else None

    def prediction(self, logits: NDArray[np.float32], distance: float | None = None, top: int = 5) -> Prediction:
        """Logits (one a class) -> labels and probabilities; ``top`` is never more than the class count."""
        probabilities = softmax(logits / self.bundle.temperature)
        best = np.argsort(-probabilities, kind="stable")[:top]
        pairs = tuple((self.classes[index], float(probabilities[index])) for index in best)
        label, probability = pairs[0]
        rule = self.bundle.known_rule
        known = None if rule is None or distance is None else rule.holds(probability, distance)
        return Prediction(label, probability, pairs, known)


class Predictions(Sequence[Prediction]):
    """The answers for several pictures, in order.

    ``rows`` has them all. Asking for the Prediction of a picture that could not be read raises PictureError.
    """

    def __init__(self, rows: Iterable[PredictionRow]) -> None:
        self.rows = tuple(rows)

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> Prediction: ...
    @overload
    def __getitem__(self, index: slice) -> "Predictions": ...
    def __getitem__(self, index: int | slice) -> "Prediction | Predictions":
        if isinstance(index, slice):
            return Predictions(self.rows[index])
        row = self.rows[index]
        if row.prediction is None:
            number = f"Picture number {index}" if len(self) > 1 else "The picture"
            raise PictureError(f"{row.path or number}: {row.error}")
        return row.prediction

    def __repr__(self) -> str:
        return f"<Predictions for {len(self)} pictures>"

    def to_dataframe(self) -> Any:
        """A pandas DataFrame: path, status, label, probability, known, error. Raises GenusError without pandas."""
        try:
            pandas = import_module("pandas")
        except ImportError as error:
            raise GenusError("to_dataframe() needs pandas: pip install pandas. Without it, use .rows.") from error
        return pandas.DataFrame([_cells(row) for row in self.rows], columns=list(_COLUMNS))

    def _repr_html_(self) -> str:
        """A short table for notebooks."""
        head = "".join(f"<th>{name}</th>" for name in _COLUMNS)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(_text(cell))}</td>" for cell in _cells(row)) + "</tr>"
            for row in self.rows[:LISTED]
        )
        more = f"<p>and {len(self) - LISTED:,} more</p>" if len(self) > LISTED else ""
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"


_COLUMNS = ("path", "status", "label", "probability", "known", "error")


def _cells(row: PredictionRow) -> tuple[object, ...]:
    found = row.prediction
    if found is None:
        return (row.path or None, row.status, None, None, None, row.error)
    return (row.path or None, row.status, found.label, found.probability, found.known, None)


def _text(cell: object) -> str:
    return "" if cell is None else f"{cell:.3f}" if isinstance(cell, float) else str(cell)


def _is_single(source: object) -> TypeGuard[Source]:
    kinds = (str, os.PathLike, bytes, bytearray, memoryview, Image.Image, np.ndarray)
    return isinstance(source, kinds) or hasattr(source, "read")


def _singles(sources: object) -> list[Source]:
    """The pictures of an iterable. Raises TypeError for anything else."""
    found: list[Any] = list(sources) if isinstance(sources, Iterable) else [sources]
    for one in found:
        if not _is_single(one):
            kind = type(one).__name__
            raise TypeError(f"A picture cannot be of type {kind}. Give {TAKEN}, a list of these, or a folder.")
    return found


def head_logits(head: nn.Linear, features: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the head says about pooled features, in fp32: n x num_features -> n x classes."""
    with torch.inference_mode():
        return head(torch.from_numpy(features).to(head.weight.device)).cpu().numpy()


def load(run: Path | str, *, device: str = "auto") -> Predictor:
    """The Predictor of a run folder. Raises ModelError when the folder holds no sound model, TypeError for no path."""
    return Predictor(load_bundle(as_path("A run", run)), device=device)
