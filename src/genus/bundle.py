"""The artefact: a folder that says everything a consumer needs to name pictures with a trained model.

    model.safetensors   the tensors
    index.safetensors   features of training pictures (from format 2 on; absent where there was no validation)
    genus.json          format version, architecture and its arguments, class names in order, Preprocess,
                        temperature, the rule for what is known, sha256 of the other files,
                        and the record of the training (metrics, split, versions)

One writer, many readers. Nothing in it can run code.
"""

import contextlib
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_args, get_type_hints

import torch
from safetensors import SafetensorError
from safetensors.numpy import save as save_arrays
from safetensors.torch import load_file, save

from genus.errors import GenusError, ModelError
from genus.files import atomic, write_json
from genus.index import Index
from genus.models import registry
from genus.models.backbone import Backbone, module
from genus.models.registry import TIMM_PREFIX
from genus.types import KnownRule, Preprocess

FORMAT = 2
TENSORS = "model.safetensors"
INDEX = "index.safetensors"
DESCRIPTION = "genus.json"
MAX_CLASSES = 100_000
MAX_SIZE = 4096  # pixels of the input's side
MAX_DESCRIPTION_BYTES = 16_000_000


@dataclass(frozen=True, slots=True)
class Architecture:
    """A name of the registry and the arguments that its constructor was given (besides the class count)."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def build(self, num_classes: int) -> Backbone:
        """The model with random weights."""
        return registry.build(self.name, num_classes, **self.arguments)

    def build_to_load(self, num_classes: int) -> Backbone:
        """The model on torch's ``meta`` device, to be given the weights of a file; to draw random ones first takes up
        to a second. A timm model has random ones, for it may keep tables outside of its weights."""
        with contextlib.nullcontext() if self.name.startswith(TIMM_PREFIX) else torch.device("meta"):
            return self.build(num_classes)


@dataclass(frozen=True, slots=True)
class Bundle:
    """A trained model and how to use it. ``record`` is what training wants remembered; no consumer needs it.

    The probabilities are softmax(logits / ``temperature``). A ``known_rule`` comes with the ``index`` that it needs.
    """

    model: Backbone
    architecture: Architecture
    classes: tuple[str, ...]
    preprocess: Preprocess
    record: Mapping[str, Any] = field(default_factory=dict)
    temperature: float = 1.0
    known_rule: KnownRule | None = None
    index: Index | None = None


def save_bundle(bundle: Bundle, folder: Path) -> None:
    """Write ``bundle`` into the existing ``folder``, the description last. Raises MachineError."""
    state = {key: tensor.detach().cpu().contiguous() for key, tensor in module(bundle.model).state_dict().items()}
    tensors = save(state, metadata={"format": "pt"})
    with atomic(folder / TENSORS) as temporary:
        temporary.write_bytes(tensors)
    digests = {"tensors_sha256": hashlib.sha256(tensors).hexdigest()}
    if bundle.index:
        digests["index_sha256"] = _save_index(bundle.index, folder / INDEX)
    write_json(
        folder / DESCRIPTION,
        {
            "format": FORMAT,
            "genus": version("genus"),
            "architecture": {"name": bundle.architecture.name, "arguments": dict(bundle.architecture.arguments)},
            "classes": list(bundle.classes),
            "preprocess": asdict(bundle.preprocess),
            "temperature": bundle.temperature,
            "known_rule": asdict(bundle.known_rule) if bundle.known_rule else None,
            **digests,
            **bundle.record,
        },
    )


def move_bundle(source: Path, target: Path) -> None:
    """Move the files of a bundle from one folder to another of the same disk, the description last."""
    for name in (TENSORS, INDEX, DESCRIPTION):
        if (source / name).exists():
            (source / name).replace(target / name)


def add_to_record(folder: Path, **values: Any) -> None:
    """Let the bundle in ``folder`` remember more. Raises ModelError or MachineError."""
    write_json(folder / DESCRIPTION, {**_read_description(folder / DESCRIPTION), **values})


def read_record(folder: Path) -> dict[str, Any]:
    """All that ``genus.json`` says, the record of the training among it. Raises ModelError."""
    return _read_description(folder / DESCRIPTION)


def load_bundle(folder: Path) -> Bundle:
    """Read what ``save_bundle`` wrote; the model is in eval mode on the CPU.

    Raises ModelError when the folder is no run, is unfinished, was written by a newer genus, is damaged, or when
    its parts contradict each other.
    """
    path = folder / DESCRIPTION
    description = _read_description(path)
    try:
        architecture = Architecture(**description.pop("architecture"))
        classes = _classes(description.pop("classes"))
        preprocess = _preprocess(description.pop("preprocess"))
        temperature = _temperature(description.pop("temperature", 1.0))
        known_rule = _known_rule(description.pop("known_rule", None))
        digest, index_digest = description.pop("tensors_sha256"), description.pop("index_sha256", None)
        model = architecture.build_to_load(len(classes))
    except GenusError as error:
        raise ModelError(f"{path} describes a model that cannot be built here: {error}") from error
    except Exception as error:  # a damaged text can make a constructor raise anything
        raise ModelError(f"{path} describes no model: {error!r}. Train again or restore a copy.") from error
    _load_tensors(model, folder / TENSORS, digest)
    index = _load_index(folder / INDEX, index_digest, model.num_features) if known_rule else None
    module(model).eval()
    record = {key: value for key, value in description.items() if key not in ("format", "genus")}
    return Bundle(model, architecture, classes, preprocess, record, temperature, known_rule, index)


def _read_description(path: Path) -> dict[str, Any]:
    try:
        if not path.is_file():
            raise ModelError(
                f"{path.parent} is no finished run: it has no {DESCRIPTION}. Name the folder that `train` wrote."
            )
        if path.stat().st_size > MAX_DESCRIPTION_BYTES:
            raise ModelError(f"{path} is larger than {MAX_DESCRIPTION_BYTES // 10**6} MB: no description of a model.")
        description = json.loads(path.read_bytes())
    except (ValueError, OSError, RecursionError) as error:
        raise ModelError(f"{path} cannot be read: {error}. Train again or restore a copy.") from error
    number = description.get("format") if isinstance(description, dict) else None
    if not isinstance(number, int) or number < 1:
        raise ModelError(f"{path} is no description of a genus model: it has no format number.")
    if number > FORMAT:
        raise ModelError(
            f"{path} has format {number}, written by genus {description.get('genus')}; this is genus "
            f"{version('genus')}, which reads up to format {FORMAT}. Upgrade: pip install -U genus."
        )
    return description


def _classes(stored: list[str]) -> tuple[str, ...]:
    if not (isinstance(stored, list) and 0 < len(stored) <= MAX_CLASSES and all(type(name) is str for name in stored)):
        raise ValueError(f"'classes' has to be a list of 1 to {MAX_CLASSES} names")
    if len(set(stored)) != len(stored):
        raise ValueError("'classes' has a name twice")
    return tuple(stored)


def _preprocess(stored: Mapping[str, Any]) -> Preprocess:
    found = Preprocess(**{**stored, "mean": tuple(stored["mean"]), "std": tuple(stored["std"])})
    hints = get_type_hints(Preprocess)
    sound = (
        type(found.size) is int
        and 0 < found.size <= MAX_SIZE
        and 0.1 <= found.crop <= 1
        and len(found.mean) == len(found.std) == 3
        and all(math.isfinite(value) for value in (*found.mean, *found.std))
        and min(found.std) > 0
        and found.resample in get_args(hints["resample"])
        and found.decode in get_args(hints["decode"])
    )
    if not sound:
        raise ValueError(f"{found} cannot be followed")
    return found


def _temperature(stored: Any) -> float:
    if not (isinstance(stored, (int, float)) and 0 < stored < math.inf):
        raise ValueError(f"'temperature' cannot be {stored}")
    return float(stored)


def _known_rule(stored: Mapping[str, Any] | None) -> KnownRule | None:
    if stored is None:
        return None
    rule = KnownRule(**stored)
    if not all(type(value) is float and 0 <= value <= 2 for value in asdict(rule).values()):
        raise ValueError(f"{rule} cannot be followed")
    return rule


def _save_index(index: Index, path: Path) -> str:
    """Write ``index``; the sha256 of the file."""
    features = torch.from_numpy(index.features).half().numpy()
    content = save_arrays({"features": features, "pictures": index.pictures})
    with atomic(path) as temporary:
        temporary.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def _load_index(path: Path, digest: str | None, num_features: int) -> Index:
    arrays = _load_file(path, digest)
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


def _load_file(path: Path, digest: str | None) -> dict[str, torch.Tensor]:
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != digest:
            raise ModelError(f"{path} is damaged: its checksum is not the one in {DESCRIPTION}. Restore a copy.")
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path} cannot be read: {error}. Restore a copy.") from error


def _load_tensors(model: Backbone, path: Path, digest: str) -> None:
    state = _load_file(path, digest)
    own = module(model).state_dict()
    wrong = sorted(key for key in own.keys() | state.keys() if _shape(own, key) != _shape(state, key))
    if wrong:
        raise ModelError(
            f"{path} does not fit {DESCRIPTION}: {wrong[0]} is {_shape(state, wrong[0])} in the file and "
            f"{_shape(own, wrong[0])} in the described model ({len(wrong)} such tensors). Restore a copy of both."
        )
    if not all(torch.isfinite(tensor).all() for tensor in state.values() if tensor.is_floating_point()):
        raise ModelError(f"{path} holds values that are no finite numbers. Train again.")
    weights = {key: tensor.to(own[key].dtype, copy=True) for key, tensor in state.items()}  # the file's may change
    module(model).load_state_dict(weights, assign=True)


def _shape(state: Mapping[str, torch.Tensor], key: str) -> tuple[int, ...] | str:
    return tuple(state[key].shape) if key in state else "missing"
