"""The one pass of a frozen network over pictures: each is looked at once, and what comes of it is kept on disk."""

import contextlib
import hashlib
import math
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from genus.data.augment import MAX_LOG_ASPECT, MIN_AREA, read_view
from genus.data.decode import decode, read
from genus.data.loader import Pixels
from genus.data.split import Member
from genus.engine.choice import build_engine, choose_engine, engine_names
from genus.engine.stream import Engine, stream
from genus.engine.torch_engine import batch_size_on
from genus.errors import DataError, MachineError, PictureError
from genus.features.cache import CachedRows, FeatureCache, cache_root
from genus.files import probe_writable
from genus.models.backbone import Backbone, Lower, WithoutHead, module, shape_behind, to_device
from genus.types import Caution, EngineName, OnEvent, Precision, Preprocess, Progress

VIEWS: Literal["light"] = "light"  # the augmentation by which further views of a picture are drawn
USED_BEFORE = 0.5  # share of the pictures that a table must hold for its engine to be taken without measuring


@dataclass(frozen=True, slots=True)
class FrozenNetwork:
    """``network``: B x 3 x S x S, normalised, -> B x ``width``, already on ``device``; nothing of it will change.

    ``identity`` says which network this is, weights included: what is kept on disk is found by it. The rows are kept as
    fp32 or, where ``as_bf16``, in half the space.
    """

    network: nn.Module
    identity: Mapping[str, Any]
    width: int
    preprocess: Preprocess
    device: torch.device
    precision: Precision
    as_bf16: bool = False

    @staticmethod
    def pooled(
        model: Backbone, identity: Mapping[str, Any], preprocess: Preprocess, device: torch.device, precision: Precision
    ) -> "FrozenNetwork":
        """``model`` up to its pooled features, B x num_features."""
        to_device(model, device).eval()
        identity = {**identity, "part": "features", "weights": weights_fingerprint(model)}
        return FrozenNetwork(WithoutHead(model), identity, model.num_features, preprocess, device, precision)

    @staticmethod
    def lower_stages(
        model: Backbone, stages: int, identity: Mapping[str, Any], preprocess: Preprocess, device: torch.device,
        precision: Precision,
    ) -> "FrozenNetwork":  # fmt: skip
        """The first ``stages`` of ``model``: all numbers that they give for a picture in one row."""
        to_device(model, device).eval()
        identity = {**identity, "part": f"{stages} stages", "weights": weights_fingerprint(model)}
        width = math.prod(shape_behind(model, stages, preprocess.size))
        return FrozenNetwork(Lower(model, stages), identity, width, preprocess, device, precision, as_bf16=True)


class FeatureExtractor:
    """The features of pictures: from the cache where it holds them, else computed and put there.

    A ``Consumer`` (see ``data/inspect``) of the pass over all files, so that no picture is decoded twice.
    """

    def __init__(
        self, frozen: FrozenNetwork, root: Path, engine: EngineName, pictures: int, workers: int, on_event: OnEvent
    ) -> None:
        self._frozen, self._root, self._workers, self._on_event = frozen, root, workers, on_event
        self._dtype = "<u2" if frozen.as_bf16 else "<f4"
        self.batch_size = batch_size_on(frozen.device)
        self._lock, self._entered = threading.Lock(), threading.local()
        self._engine: Engine | None = None
        names = engine_names(engine, frozen.device)
        best = max(names, key=lambda name: len(self._table(name)))
        if len(self._table(best)) >= USED_BEFORE * pictures:
            self.engine_name = best
        else:
            self._engine = choose_engine(
                engine, frozen.network, frozen.preprocess, frozen.device, frozen.precision,
                workers=workers, pictures=pictures, on_event=on_event,
            )  # fmt: skip
            self.engine_name = self._engine.name
        self._cache = self._table(self.engine_name)

    @property
    def engine_kind(self) -> str:
        """The engine as ``--engine`` names it."""
        return self.engine_name.partition(" ")[0]

    def bytes_for(self, pictures: int) -> int:
        """Disk that the rows of so many pictures take."""
        return pictures * self._frozen.width * np.dtype(self._dtype).itemsize

    def wants(self, pictures: Sequence[bytes]) -> list[bool]:
        """Are the features of each picture (sha256) still to be computed?"""
        return [place is None for place in self._cache.find(pictures)]

    def take(self, pictures: Sequence[bytes], pixels: Pixels) -> None:
        """Compute the features of these pictures and keep them."""
        engine = self.engine()
        if not hasattr(self._entered, "yes"):
            engine.enter_thread()
            self._entered.yes = True
        self._keep(pictures, engine(pixels))

    def finish(self) -> None:
        """After the last ``take``: what was kept can be found."""
        self._cache.refresh()

    def known(self, pictures: Sequence[bytes]) -> NDArray[np.float32] | None:
        """The features of ``pictures`` (sha256), n x D, where all are kept; else None."""
        places = [place for place in self._cache.find(pictures) if place is not None]
        return self._cache.rows(places)[:] if len(places) == len(pictures) else None

    def close(self) -> None:
        """Close the files of the cache."""
        self._cache.close()

    def engine(self) -> Engine:
        """What computes the features; built when it is first needed."""
        with self._lock:
            if self._engine is None:
                frozen = self._frozen
                self._engine = build_engine(
                    self.engine_name, frozen.network, frozen.preprocess, frozen.device, frozen.precision, self._workers
                )
            return self._engine

    def rows(self, members: Sequence[Member], task: str, views: int = 0) -> tuple[CachedRows, NDArray[np.int64]]:
        """The features of ``members``, and which of them they are: what can no longer be read, or has changed, is left
        out and said.

        The pictures as prediction sees them come first, then ``views`` times as many random views of them. Raises
        DataError when there are members and none can be read.
        """
        pictures = [bytes.fromhex(member.sha256) for member in members]
        places = np.array([self._places(pictures, members, f"{task}, view {view}" if view else task, view)
                           for view in range(views + 1)], np.int64)  # fmt: skip
        kept = np.flatnonzero((places >= 0).all(axis=0))
        if len(kept) < len(members):
            lost = members[int(np.flatnonzero((places < 0).any(axis=0))[0])]
            if not len(kept):
                raise DataError.none_readable(task, lost.path)
            told = f"{len(members) - len(kept)} pictures can no longer be read, or have changed since"
            self._on_event(Caution(f"{told}; first: {lost.path}."))
        return self._cache.rows(places[:, kept].flatten()), kept

    def _places(self, pictures: Sequence[bytes], members: Sequence[Member], task: str, view: int) -> list[int]:
        """Where the rows are, after those that were missing have been computed; -1 where that was not possible."""
        places = self._cache.find(pictures, view)
        missing = [index for index, place in enumerate(places) if place is None]
        if missing:
            self._compute([members[index] for index in missing], task, view)
            self._cache.refresh()
            found = self._cache.find([pictures[index] for index in missing], view)
            for index, place in zip(missing, found, strict=True):
                places[index] = place
        return [-1 if place is None else place for place in places]

    def _compute(self, members: Sequence[Member], task: str, view: int) -> None:
        preprocess = self._frozen.preprocess

        def read_pixels(index: int) -> Pixels:
            member = members[index]
            content = read(member.path)
            if (
                hashlib.sha256(content).hexdigest() != member.sha256
            ):  # or it would be kept as another picture's features
                raise PictureError("has changed since the split was made")
            if not view:
                return decode(content, preprocess)
            rng = np.random.default_rng((int(member.sha256[:16], 16), view))
            return read_view(content, preprocess, VIEWS, rng)

        done = 0
        for piece in stream(range(len(members)), read_pixels, self.engine(), self._workers):
            if piece.indices:
                pictures = [bytes.fromhex(members[index].sha256) for index in piece.indices]
                self._keep(pictures, piece.rows, view)
            done += len(piece.indices) + len(piece.failures)
            self._on_event(Progress(task, done, len(members)))

    def _table(self, engine: str) -> FeatureCache:
        about = {
            **self._frozen.identity,
            "preprocess": asdict(self._frozen.preprocess),
            "precision": self._frozen.precision,
            "views": {"augment": VIEWS, "min_area": MIN_AREA[VIEWS], "max_log_aspect": MAX_LOG_ASPECT},
            "engine": engine,
        }
        return FeatureCache(self._root, about, self._frozen.width, self._dtype)

    def _keep(self, pictures: Sequence[bytes], rows: NDArray[np.float32], view: int = 0) -> None:
        self._cache.append(pictures, to_bf16(rows) if self._frozen.as_bf16 else rows, view)


@contextlib.contextmanager
def open_extractor(
    frozen: FrozenNetwork, *, engine: EngineName, pictures: int, workers: int, on_event: OnEvent
) -> Iterator[FeatureExtractor]:
    """An extractor for about so many ``pictures``, with a place where features are kept.

    That is the user's cache or, where it cannot be written, a folder that goes with the run. Raises UsageError for an
    engine that is not there.
    """
    with contextlib.ExitStack() as stack:
        root = cache_root()
        try:
            probe_writable(root)
        except MachineError as error:
            on_event(Caution(f"Features are not kept for later runs: {error} GENUS_CACHE names another one."))
            root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="genus-")))
        extractor = FeatureExtractor(frozen, root, engine, pictures, workers, on_event)
        stack.callback(extractor.close)
        yield extractor


def to_bf16(rows: NDArray[np.float32]) -> NDArray[np.uint16]:
    """The nearest bf16 numbers, as the 16-bit integers of the same bits: NumPy has no bf16."""
    return torch.from_numpy(rows).bfloat16().view(torch.uint16).numpy()


def from_bf16(rows: NDArray[Any]) -> NDArray[np.float32]:
    """The numbers that ``to_bf16`` has packed."""
    return torch.from_numpy(rows).view(torch.bfloat16).float().numpy()


def weights_fingerprint(model: Backbone) -> str:
    """sha256 (hexadecimal) over all tensors of ``model`` but its head's."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module(model).state_dict().items()):
        if not name.startswith("head."):
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()
