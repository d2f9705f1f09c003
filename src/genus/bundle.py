"""The artefact: a folder that says everything a consumer needs to name pictures with a trained model.

    model.safetensors      the tensors
    index.safetensors      features of training pictures (see ``Index``); with a rule for what is known
    evidence.safetensors   answers behind that rule (``Evidence``), and who took part (``SplitHashes``); where recorded
    genus.json             the description: architecture, class names in order, Preprocess, temperature, the rule for
                           what is known, the sha256 of the other files and of itself, the record of the training

One writer, many readers. Nothing in it can run code. Every file is proven by its checksum, and every size is bounded,
before anything is built from it. docs/bundle.md is for those who write another reader.
"""

import contextlib
import hashlib
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as save_arrays
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from genus.description import DESCRIPTION, Architecture, Description, read_description, write_description
from genus.errors import GenusError, ModelError
from genus.evidence import Evidence, Index, SplitHashes
from genus.files import atomic, move, remove
from genus.models.backbone import Backbone, module
from genus.models.checkpoint import TRAINED_HERE
from genus.types import KnownRule, Preprocess

TENSORS = "model.safetensors"
INDEX = "index.safetensors"
EVIDENCE = "evidence.safetensors"
FILES = {"tensors_sha256": TENSORS, "index_sha256": INDEX, "evidence_sha256": EVIDENCE}
"""The key of the description that holds the checksum -> the file."""

MAX_HEADER_BYTES = 16_000_000
MAX_TENSORS = 10_000
MAX_TABLE_BYTES = 10**9  # of what a model keeps outside of its weights

FLOATS = {torch.float16, torch.bfloat16, torch.float32, torch.float64}

Recorded = TypeVar("Recorded", Evidence, SplitHashes)


@dataclass(frozen=True, slots=True)
class Bundle:
    """A trained model and how to use it. ``record`` is what training wants recorded; no consumer needs it.

    The probabilities are softmax(logits / ``temperature``). A ``known_rule`` comes with the ``index`` that it needs.
    ``evidence`` and ``split_hashes`` are None where they were not recorded, as in formats 1 and 2.
    """

    model: Backbone
    architecture: Architecture
    classes: tuple[str, ...]
    preprocess: Preprocess
    record: Mapping[str, Any] = field(default_factory=dict)
    temperature: float = 1.0
    known_rule: KnownRule | None = None
    index: Index | None = None
    evidence: Evidence | None = None
    split_hashes: SplitHashes | None = None


def save_bundle(bundle: Bundle, folder: Path) -> None:
    """Write ``bundle`` into the existing ``folder``, the description last.

    Raises MachineError, and ValueError for what ``load_bundle`` would refuse.
    """
    state = {key: tensor.detach().cpu().contiguous() for key, tensor in module(bundle.model).state_dict().items()}
    contents = {"tensors_sha256": save_tensors(state, metadata=TRAINED_HERE)}
    if bundle.index:
        features = torch.from_numpy(bundle.index.features).half().numpy()
        contents["index_sha256"] = save_arrays({"features": features, "pictures": bundle.index.pictures})
    if recorded := [part for part in (bundle.evidence, bundle.split_hashes) if part]:
        contents["evidence_sha256"] = save_arrays({k: v for part in recorded for k, v in _arrays(part).items()})
    description = Description(
        bundle.architecture,
        bundle.classes,
        bundle.preprocess,
        bundle.temperature,
        bundle.known_rule,
        {key: hashlib.sha256(content).hexdigest() for key, content in contents.items()},
        bundle.record,
    )
    for key, content in contents.items():
        with atomic(folder / FILES[key]) as temporary:
            temporary.write_bytes(content)
    description.write(folder)


def move_bundle(source: Path, target: Path) -> None:
    """Move the bundle in the folder ``source`` into the folder ``target`` of the same disk.

    The description goes last: until then ``target`` holds no bundle, whatever it held before. Where a move was cut
    off, the same call completes it. Raises ModelError when ``source`` holds no description, and MachineError.
    """
    description = read_description(source)
    remove(target / DESCRIPTION)
    for key, file in FILES.items():
        if key not in description:
            remove(target / file)
        elif (source / file).exists() or not (target / file).exists():
            move(source / file, target / file)
    move(source / DESCRIPTION, target / DESCRIPTION)


def add_to_record(folder: Path, **values: Any) -> None:
    """Let the bundle in ``folder`` remember more. Raises ModelError or MachineError."""
    write_description(folder, {**read_description(folder), **values})


def read_record(folder: Path) -> dict[str, Any]:
    """All that ``genus.json`` says, the record of the training among it. Raises ModelError."""
    return read_description(folder)


def load_bundle(folder: Path) -> Bundle:
    """Read what ``save_bundle`` wrote; the model is in eval mode on the CPU.

    Raises ModelError when the folder is no run, is unfinished, was written by a newer genus, is damaged, or when
    its parts contradict each other.
    """
    description = Description.read(folder)
    digests, rule = description.digests, description.known_rule
    model = _load_model(description, folder)
    index = _load_index(folder / INDEX, digests.get("index_sha256"), model.num_features) if rule else None
    evidence, split_hashes = None, None
    if "evidence_sha256" in digests:
        evidence, split_hashes = _load_evidence(folder / EVIDENCE, digests["evidence_sha256"])
    return Bundle(
        model,
        description.architecture,
        description.classes,
        description.preprocess,
        description.record,
        description.temperature,
        rule,
        index,
        evidence,
        split_hashes,
    )


def _load_model(description: Description, folder: Path) -> Backbone:
    """The described model with the tensors of the file. Their shapes are compared before any of them takes memory."""
    path, architecture = folder / TENSORS, description.architecture
    with _opened(path, description.digests.get("tensors_sha256")) as file:
        model = _built(architecture.skeleton, description, folder)
        _check_shapes(path, file, module(model))
        if architecture.is_timm:
            model = _built(architecture.build, description, folder)
        own = module(model).state_dict()
        weights = {key: _weights(path, key, file.get_tensor(key), tensor.dtype) for key, tensor in own.items()}
    module(model).load_state_dict(weights, assign=True)
    module(model).eval()
    return model


def _built(build: Callable[[int], Backbone], description: Description, folder: Path) -> Backbone:
    try:
        return build(len(description.classes))
    except GenusError as error:
        raise ModelError(f"{folder / DESCRIPTION} describes a model that cannot be built here: {error}") from error
    except Exception as error:  # arguments that contradict each other can make a constructor raise anything
        raise ModelError(
            f"{folder / DESCRIPTION} describes no model: {error!r}. Train again or restore a copy."
        ) from error


def _check_shapes(path: Path, file: Any, skeleton: nn.Module) -> None:
    tables = sum(table.nbytes for table in skeleton.buffers())
    if tables > MAX_TABLE_BYTES:
        raise ModelError(f"{path.parent / DESCRIPTION} describes a model whose tables take {tables / 1e9:.0f} GB.")
    stored = {key: str(tuple(file.get_slice(key).get_shape())) for key in file.keys()}  # noqa: SIM118
    own = {key: str(tuple(tensor.shape)) for key, tensor in skeleton.state_dict().items()}
    wrong = sorted(key for key in own.keys() | stored.keys() if own.get(key) != stored.get(key))
    if wrong:
        there, described = stored.get(wrong[0], "missing"), own.get(wrong[0], "missing")
        raise ModelError(
            f"{path} does not fit {DESCRIPTION}: {wrong[0]} is {there} in the file and {described} in the described "
            f"model ({len(wrong)} such tensors). Restore a copy of both."
        )


def _weights(path: Path, key: str, stored: Tensor, dtype: torch.dtype) -> Tensor:
    """``stored`` as a ``dtype``, in memory of its own: the file may change."""
    if stored.dtype != dtype and not {stored.dtype, dtype} <= FLOATS:
        raise ModelError(f"{path} does not fit {DESCRIPTION}: {key} is {stored.dtype}. Restore a copy of both.")
    weights = stored.to(dtype, copy=True)
    if not torch.isfinite(weights).all() or (key.endswith("running_var") and (weights < 0).any()):
        raise ModelError(f"{path} holds values that are no finite numbers, in {key}. Train again.")
    return weights


def _load_index(path: Path, digest: str | None, num_features: int) -> Index:
    with _opened(path, digest) as file:
        arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    features, pictures = arrays.get("features"), arrays.get("pictures")
    if (
        features is None
        or pictures is None
        or features.dtype != torch.float16
        or pictures.dtype != torch.uint8
        or tuple(pictures.shape) != (len(features), 32)
        or features.shape[1:] != (num_features,)
        or not len(features)
        or not torch.isfinite(features).all()
    ):
        raise ModelError(f"{path} is no index of pictures for this model. Restore a copy.")
    return Index(features.float().numpy(), pictures.numpy())


def _load_evidence(path: Path, digest: str) -> tuple[Evidence | None, SplitHashes | None]:
    with _opened(path, digest, "numpy") as file:
        arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    try:
        found = _taken(Evidence, arrays), _taken(SplitHashes, arrays)
        if arrays:
            raise ValueError(f"it also holds {', '.join(sorted(arrays))}")
    except (ValueError, KeyError) as error:
        raise ModelError(f"{path} is no evidence of a model: {error}. Restore a copy.") from error
    return found


def _taken(kind: type[Recorded], arrays: dict[str, NDArray[Any]]) -> Recorded | None:
    """Take the arrays that make a ``kind`` out of ``arrays``; None where there are none."""
    names = [one.name for one in fields(kind)]
    return kind(*(arrays.pop(name) for name in names)) if names[0] in arrays else None


def _arrays(part: Evidence | SplitHashes) -> dict[str, NDArray[Any]]:
    """The arrays of ``part`` by their names, which are those in the file."""
    return {one.name: np.ascontiguousarray(getattr(part, one.name)) for one in fields(part)}


@contextlib.contextmanager
def _opened(path: Path, digest: str | None, framework: str = "pt") -> Iterator[Any]:
    """The safetensors file ``path``, once its checksum is proven and its header bounded. Raises ModelError."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would let its reader wait for ever
            raise ModelError(f"{path} is no file. Restore a copy.")
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                raise ModelError(f"{path} is damaged: its checksum is not the one in {DESCRIPTION}. Restore a copy.")
            file.seek(0)
            if int.from_bytes(file.read(8), "little") > MAX_HEADER_BYTES:
                raise ModelError(f"{path} has a header of more than {MAX_HEADER_BYTES // 10**6} MB: no model of ours.")
        with safe_open(path, framework) as tensors:
            if len(tensors.keys()) > MAX_TENSORS:
                raise ModelError(f"{path} has more than {MAX_TENSORS} tensors: no model of ours.")
            yield tensors
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path} cannot be read: {error}. Restore a copy.") from error
