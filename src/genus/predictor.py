"""From a picture to an answer: the one way that prediction, evaluation and serving go."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from genus.bundle import Bundle, load_bundle
from genus.data.decode import decode
from genus.data.loader import default_workers
from genus.engine.device import choose_device
from genus.engine.stream import Engine, stream
from genus.engine.torch_engine import TorchEngine
from genus.errors import PictureError
from genus.models.backbone import WithoutHead, place
from genus.probabilities import softmax
from genus.types import Prediction

Source = Path | str | bytes | Image.Image


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

    An engine turns pictures into features, the head turns features into logits. In fp32 with torch, the default,
    this is the reference that every other engine and precision is held against. Raises UsageError or MachineError for
    a device that is unknown or not there.
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
        place(bundle.model, chosen).eval()
        self.bundle = bundle
        self.classes = bundle.classes
        self._engine = engine or TorchEngine(WithoutHead(bundle.model), bundle.preprocess, chosen)
        self._workers = workers or default_workers()

    def predict(self, source: Source) -> Prediction:
        """The answer for one picture: a path, the bytes of a file, or a PIL image. Raises PictureError."""
        return self.predict_all([source])[0]

    def predict_all(self, sources: Sequence[Source]) -> list[Prediction]:
        """One answer a picture, in order. Raises PictureError for the first unreadable one (``answers`` goes on)."""
        predictions = []
        for answer in self.answers(sources):
            if answer.logits is None:
                source = sources[answer.index]
                raise PictureError(f"{source if isinstance(source, (Path, str)) else 'The picture'}: {answer.error}")
            predictions.append(self.prediction(answer.logits, answer.distance))
        return predictions

    def answers(self, sources: Sequence[Source]) -> Iterator[Answer]:
        """One Answer a source, in order, as they come; a picture that cannot be read does not disturb the others."""

        def read(index: int) -> NDArray[np.uint8]:
            source = sources[index]
            return decode(Path(source) if isinstance(source, str) else source, self.bundle.preprocess)

        for piece in stream(range(len(sources)), read, self._engine, self._workers):
            answers = [Answer(index, None, None, error) for index, error in piece.failures]
            if piece.indices:
                logits, distances = self.from_features(piece.rows)
                apart = repeat(None) if distances is None else distances.tolist()
                answers += [Answer(*one, None) for one in zip(piece.indices, logits, apart, strict=False)]
            yield from sorted(answers, key=lambda answer: answer.index)

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


def head_logits(head: nn.Linear, features: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the head says about pooled features, in fp32: n x num_features -> n x classes."""
    with torch.inference_mode():
        return head(torch.from_numpy(features).to(head.weight.device)).cpu().numpy()


def load(run: Path | str, *, device: str = "auto") -> Predictor:
    """The Predictor of a run folder. Raises ModelError when the folder holds no sound model."""
    return Predictor(load_bundle(Path(run)), device=device)
