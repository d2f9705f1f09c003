"""Reads the tensors of a weights file, whatever wraps them, and says what a file is that holds none.

No code from a file ever runs.
"""

import io
import pickletools
import re
import zipfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor
from torch.serialization import get_unsafe_globals_in_checkpoint, safe_globals

from genus.errors import ModelError
from genus.models.layouts import State

MOST_NESTED = 5
LARGEST_HEADER = 100_000_000  # bytes; safetensors reads none that is larger
SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".ckpt")

TRAINED_HERE = {"trained_by": "genus"}
"""The metadata of the weights that genus has trained: they have seen somebody's pictures. One entry: safetensors writes
several in any order, and the same training is to give the same file."""

_WRAPPER = re.compile(r"(?:^|(?<=\.))(?:module|_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
"""Parts of a tensor's name that come from what a model was wrapped in: DataParallel, torch.compile, FSDP."""

_OPTIMIZER = re.compile(r"optim", re.IGNORECASE)

_SETTINGS = re.compile(
    r"(__main__|addict|argparse|collections|datetime|easydict|enum|functools|lightning\w*|ml_collections|mmcv|mmengine"
    r"|numpy|omegaconf|pathlib|pytorch_lightning|torch\.torch_version|types|typing|uuid|yacs)\."
    r"|builtins\.(bool|dict|float|frozenset|int|list|object|range|slice|str|tuple)$"
)
"""Types of options, paths, dates and scores that training programs store beside the tensors."""

_FOREIGN = (
    (
        rb"version https://git-lfs",
        "a Git LFS pointer, a short text in the place of the file. Run `git lfs pull` in its repository, or download "
        "the file itself",
    ),
    (
        rb"(\xef\xbb\xbf)?\s*(<!doctype|<html|<head|<\?xml)",
        "a web page. Download the file itself, in a browser if the site asks you to log in",
    ),
    (
        rb"(\xef\xbb\xbf)?\s*[{\[]\s*[\"{\[\]}]",
        "a JSON text. Name the file that holds the tensors; where they are spread over several files, save them as one",
    ),
    (rb"\x89HDF", "an HDF5 file, as Keras and TensorFlow write. Convert it to PyTorch first"),
    (rb"\x08[\x01-\x20]\x12", "an ONNX file. genus needs the PyTorch weights that it was made from"),
    (rb"\x1f\x8b|BZh|\xfd7zXZ|\x28\xb5\x2f\xfd|7z\xbc\xaf|Rar!", "an archive. Unpack it and name the file inside"),
    (rb".{257}ustar", "a tar archive. Unpack it and name the file inside"),
    (rb"\x93NUMPY|GGUF", "no file of PyTorch weights. Convert it first"),
    (rb"\xff\xd8\xff|\x89PNG|GIF8", "a picture"),
)


def trained_here(path: Path) -> bool:
    """Has genus trained the weights in this file? No for what is no safetensors file."""
    try:
        with safe_open(path, framework="pt") as file:
            return (file.metadata() or {}).get("trained_by") == TRAINED_HERE["trained_by"]
    except (OSError, SafetensorError):
        return False


def read_checkpoint(path: Path) -> dict[str, State]:
    """Every table of tensors in a ``.safetensors``, ``.pth`` or ``.ckpt`` file, by its place in the file.

    The place is ``""`` for a plain state dict and dotted names where dictionaries hold it, for example
    ``"state_dict"``. Tensors lose the names of wrappers (``module.``); single numbers and the state of an optimizer are
    left out. The kind of file is told by its content.

    Raises ModelError when the file cannot be read, holds no tensors, or holds objects other than tensors and settings.
    """
    head = _first_bytes(path)
    try:
        if head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= LARGEST_HEADER:
            content: Any = load_file(path)
        else:
            _require_weights(path, head)
            content = _load_pickled(path, zipped=head[:2] == b"PK")
    except ModelError:
        raise
    except SafetensorError as error:
        raise ModelError(f"{path} is damaged: {error}. Fetch it again.") from error
    except Exception as error:  # torch's reader meets damaged bytes with errors of every kind
        raise ModelError(
            f"{path} is no weights file, is damaged, or holds more than tensors; genus runs no code from files. "
            "Fetch it again, or save its state_dict alone, best as safetensors."
        ) from error
    tables = dict(_tables(content))
    if not tables:
        raise ModelError(f"{path} holds no table of tensors. Save the model's state_dict.")
    return tables


def _first_bytes(path: Path) -> bytes:
    try:
        if path.is_dir():
            inside = sorted(file.name for file in path.iterdir() if file.suffix in SUFFIXES)
            raise ModelError(f"{path} is a folder. Name the weights file in it{_listed(inside)}.")
        if path.exists() and not path.is_file():
            raise ModelError(f"{path} is a pipe or a device, no weights file.")
        with path.open("rb") as file:
            head = file.read(512)
    except OSError as error:
        raise ModelError(f"Cannot read the weights file {path}: {error.strerror}.") from error
    if not head:
        raise ModelError(f"{path} is empty. Fetch it again.")
    return head


def _listed(names: list[str], most: int = 4) -> str:
    return f": {', '.join(names[:most])}{', ...' if len(names) > most else ''}" if names else ""


def _require_weights(path: Path, head: bytes) -> None:
    """Raises ModelError that says what the file is, when it is known to be no torch file."""
    for pattern, what in _FOREIGN:
        if re.match(pattern, head, re.IGNORECASE | re.DOTALL):
            raise ModelError(f"{path} holds no weights: it is {what}.")
    if head[:2] != b"PK":
        return
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile as error:
        raise ModelError(f"{path} is damaged or was cut off on its way. Fetch it again.") from error
    if any(name.endswith("/constants.pkl") for name in names):
        raise ModelError(
            f"{path} is a TorchScript program; genus runs no code from files. "
            "Save its weights alone: torch.save(torch.jit.load(FILE).state_dict(), 'weights.pth')."
        )
    if not any(name.endswith("/data.pkl") for name in names):
        inside = [name for name in names if name.endswith(SUFFIXES)] or names
        raise ModelError(
            f"{path} is a zip archive, no torch file. Unpack it and name the file inside{_listed(inside)}."
        )


def _load_pickled(path: Path, zipped: bool) -> Any:
    """What torch stored, settings replaced by stand-ins. With ``weights_only=True`` torch calls nothing but what it is
    told by name, and every name that the file may use beside torch's own stands for one of the two classes below."""
    asked = get_unsafe_globals_in_checkpoint(path if zipped else _old_as_zip(path))
    refused = sorted(name for name in asked if not _SETTINGS.match(name))
    if any(name.startswith("torch.nn.") for name in refused):
        raise ModelError(
            f"{path} holds a whole model as a pickled object; genus runs no code from files. Where the model's program "
            "is at hand, save its tensors alone: torch.save(model.state_dict(), 'weights.pth')."
        )
    if refused:
        raise ModelError(
            f"{path} holds objects beside its tensors{_listed(refused)}; genus runs no code from files. "
            "Save its state_dict alone, best as safetensors."
        )
    stand_ins: list[Any] = [(_Value if name.startswith("numpy.") else _Settings, name) for name in asked]
    with safe_globals(stand_ins), path.open("rb") as file:  # of a path torch would go by the suffix
        return torch.load(file, map_location="cpu", weights_only=True)


def _old_as_zip(path: Path) -> io.BytesIO:
    """The content of a file as torch wrote it before 1.6, without the numbers of its tensors, in a file as it writes it
    now, which torch can ask for names. The old one holds pickles in a row, of which the fourth is the content."""
    with path.open("rb") as file:
        for _ in ("magic number", "version", "machine"):
            _pass_over_pickle(file)
        start = file.tell()
        _pass_over_pickle(file)
        length = file.tell() - start
        file.seek(start)
        content = file.read(length)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as new:
        new.writestr("archive/data.pkl", content)
        new.writestr("archive/version", "3")
    archive.seek(0)
    return archive


def _pass_over_pickle(file: BinaryIO) -> None:
    for _ in pickletools.genops(file):
        pass


class _Value:
    """Stands for a NumPy number or type: takes whatever it is given and keeps nothing."""

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, _: object) -> None:
        pass


class _Settings:
    """Stands for an object with options: an empty dictionary, which torch's reader fills itself."""

    def __new__(cls, *_: object) -> OrderedDict[object, object]:  # type: ignore[misc]
        return OrderedDict()


def _tables(content: object, place: tuple[str, ...] = ()) -> Iterator[tuple[str, State]]:
    if not isinstance(content, Mapping) or len(place) > MOST_NESTED:
        return
    tensors = {str(key): value for key, value in content.items() if isinstance(value, Tensor) and _is_plain(value)}
    if tensors:
        yield ".".join(place), _without_wrappers(tensors)
    for key, value in content.items():
        if not _OPTIMIZER.match(str(key)):
            yield from _tables(value, (*place, str(key)))


def _is_plain(tensor: Tensor) -> bool:
    """An array of numbers: no counter, not sparse, not quantised, with its values there."""
    return tensor.ndim > 0 and tensor.layout == torch.strided and not (tensor.is_quantized or tensor.is_meta)


def _without_wrappers(tensors: State) -> State:
    bare = {_WRAPPER.sub("", key): tensor.detach() for key, tensor in tensors.items()}
    return bare if len(bare) == len(tensors) else tensors
