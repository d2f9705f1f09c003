"""The frozen part of a network, run once over each picture; what it says is kept on disk and found again."""

import contextlib
import hashlib
import math
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from genus.data.cache import FeatureCache, Rows, cache_root
from genus.data.decode import decode
from genus.data.loader import Pixels
from genus.data.seen import SeenFiles, stamp
from genus.data.split import Member
from genus.data.views import read_view
from genus.engine.choice import build_engine, choose_engine, engine_names
from genus.engine.stream import Engine, stream
from genus.engine.torch_engine import batch_size_on
from genus.errors import MachineError
from genus.files import probe_writable
from genus.models.backbone import Backbone, Lower, WithoutHead, module, place, shape_behind
from genus.types import Caution, OnEvent, Progress
from genus.workflows.ahead import import_ahead
from genus.workflows.choose_model import Start
from genus.workflows.compute import Compute

VIEWS: Literal["light"] = "light"  # how the further views of a picture are drawn
USED_BEFORE = 0.5  # share of the pictures that a table must know for its engine to be taken without measuring


class FrozenPart:
    """Gives the features of pictures: from the cache where it knows them, else computed and put there.

    The rows are pooled features in fp32 or, with ``stages``, what the first so many stages give, in bf16 (as the uint16
    of the same bits). A ``Consumer`` of the pass that inspects every picture, so that no picture is decoded twice.
    """

    def __init__(
        self, start: Start, compute: Compute, root: Path, pictures: int, on_event: OnEvent, stages: int | None = None
    ) -> None:
        place(start.model, compute.device).eval()
        self._start, self._compute, self._root, self._on_event = start, compute, root, on_event
        self._network = Lower(start.model, stages) if stages else WithoutHead(start.model)
        self._dtype = "<u2" if stages else "<f4"
        shape = shape_behind(start.model, stages, start.preprocess.size) if stages else (start.model.num_features,)
        self._width = math.prod(shape)
        self.batch_size = batch_size_on(compute.device)
        self._about = {
            "model": start.architecture.name,
            "arguments": dict(start.architecture.arguments),
            "part": f"{stages} stages" if stages else "features",
            "weights": fingerprint(start.model),
            "preprocess": asdict(start.preprocess),
            "precision": compute.precision,
            "views": VIEWS,
        }
        self._lock, self._entered = threading.Lock(), threading.local()
        self._engine: Engine | None = None
        names = engine_names(compute.engine, compute.device)
        best = max(names, key=lambda name: len(self._table(name)))
        if len(self._table(best)) >= USED_BEFORE * pictures:
            self.engine_name = best
        else:
            self._engine = choose_engine(
                compute.engine, self._network, start.preprocess, compute.device, compute.precision,
                workers=compute.workers, pictures=pictures, on_event=on_event,
            )  # fmt: skip
            self.engine_name = self._engine.name
        self._cache = self._table(self.engine_name)
        self._seen = SeenFiles(root)

    def bytes_for(self, pictures: int) -> int:
        """Disk that the rows of so many pictures take."""
        return pictures * self._width * np.dtype(self._dtype).itemsize

    def recognise(self, paths: Sequence[Path]) -> list[bytes | None]:
        """The pictures whose files have not changed since they were read, as far as their features are known."""
        contents = self._seen.contents([stamp(path) for path in paths])
        computed = iter(self._cache.find([content for content in contents if content]))
        return [content if content and next(computed) is not None else None for content in contents]

    def stamp(self, path: Path) -> bytes | None:
        """The state that the file is in now (see ``seen``)."""
        return stamp(path)

    def remember(self, stamps: Sequence[bytes], pictures: Sequence[bytes]) -> None:
        """Files that hold these pictures."""
        self._seen.remember(stamps, pictures)

    def wants(self, picture: bytes) -> bool:
        """Are the features of this picture (sha256) still to be computed?"""
        return self._cache.find([picture]) == [None]

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

    def close(self) -> None:
        """Close the files of the cache."""
        self._cache.close()
        self._seen.close()

    @property
    def engine_kind(self) -> str:
        """The engine as ``--engine`` names it."""
        return self.engine_name.partition(" ")[0]

    def engine(self) -> Engine:
        """What computes the features; made when it is first needed. There is time to import things then."""
        with self._lock:
            if self._engine is None:
                import_ahead()
                self._engine = build_engine(
                    self.engine_name, self._network, self._start.preprocess,
                    self._compute.device, self._compute.precision, self._compute.workers,
                )  # fmt: skip
            return self._engine

    def rows(self, members: Sequence[Member], task: str, views: int = 0) -> tuple[Rows, NDArray[np.int64]]:
        """The features of ``members``, and which of them they are: what can no longer be read is left out, and said.

        The pictures as prediction sees them come first, then ``views`` times as many random views of them.
        """
        pictures = [bytes.fromhex(member.sha256) for member in members]
        places = np.array([self._places(pictures, members, f"{task}, view {view}" if view else task, view)
                           for view in range(views + 1)], np.int64)  # fmt: skip
        kept = np.flatnonzero((places >= 0).all(axis=0))
        if len(kept) < len(members):
            lost = members[int(np.flatnonzero((places < 0).any(axis=0))[0])]
            self._on_event(Caution(f"{len(members) - len(kept)} pictures can no longer be read; first: {lost.path}."))
        return self._cache.rows(places[:, kept].flatten()), kept

    def _places(self, pictures: Sequence[bytes], members: Sequence[Member], task: str, view: int) -> list[int]:
        """Where the rows are, after those that were missing have been computed; -1 where that was not possible."""
        places = self._cache.find(pictures, view)
        missing = [index for index, place in enumerate(places) if place is None]
        if missing:
            self._compute_rows([members[index] for index in missing], task, view)
            self._cache.refresh()
            found = self._cache.find([pictures[index] for index in missing], view)
            for index, place in zip(missing, found, strict=True):
                places[index] = place
        return [-1 if place is None else place for place in places]

    def _compute_rows(self, members: Sequence[Member], task: str, view: int) -> None:
        preprocess = self._start.preprocess

        def read(index: int) -> Pixels:
            path = members[index].path
            if not view:
                return decode(path, preprocess)
            rng = np.random.default_rng((int(members[index].sha256[:16], 16), view))
            return read_view(path, preprocess, VIEWS, rng)

        done = 0
        for piece in stream(range(len(members)), read, self.engine(), self._compute.workers):
            if piece.indices:
                pictures = [bytes.fromhex(members[index].sha256) for index in piece.indices]
                self._keep(pictures, piece.rows, view)
            done += len(piece.indices) + len(piece.failures)
            self._on_event(Progress(task, done, len(members)))

    def _table(self, engine: str) -> FeatureCache:
        return FeatureCache(self._root, {**self._about, "engine": engine}, self._width, self._dtype)

    def _keep(self, pictures: Sequence[bytes], rows: NDArray[np.float32], view: int = 0) -> None:
        self._cache.append(pictures, rows if self._dtype == "<f4" else to_bf16(rows), view)


@contextlib.contextmanager
def open_frozen_part(
    start: Start, compute: Compute, pictures: int, on_event: OnEvent, stages: int | None = None
) -> Iterator[FrozenPart]:
    """The frozen part of ``start`` for about so many ``pictures``, with a place where its features are kept."""
    with _feature_folder(on_event) as root:
        part = FrozenPart(start, compute, root, pictures, on_event, stages)
        try:
            yield part
        finally:
            part.close()


@contextlib.contextmanager
def _feature_folder(on_event: OnEvent) -> Iterator[Path]:
    """Where features are kept: the user's cache, or, where that cannot be written, a folder that goes with the run."""
    root = cache_root()
    try:
        probe_writable(root)
    except MachineError as error:
        on_event(Caution(f"Features are not kept for later runs: {error}"))
        with tempfile.TemporaryDirectory(prefix="genus-") as folder:
            yield Path(folder)
    else:
        yield root


def to_bf16(rows: NDArray[np.float32]) -> NDArray[np.uint16]:
    """The nearest bf16 numbers, as the 16-bit integers of the same bits: numpy has no bf16."""
    return torch.from_numpy(rows).bfloat16().view(torch.uint16).numpy()


def from_bf16(rows: NDArray[Any]) -> NDArray[np.float32]:
    """What ``to_bf16`` has packed."""
    return torch.from_numpy(rows).view(torch.bfloat16).float().numpy()


def fingerprint(model: Backbone) -> str:
    """sha256 (hexadecimal) over all tensors of ``model`` but its head's."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module(model).state_dict().items()):
        if not name.startswith("head."):
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()
