import os
import signal
from collections.abc import Iterator
from pathlib import Path

if "PYTEST_XDIST_WORKER" in os.environ:  # threads of several processes get in each other's way
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # what is decided when torch is imported, here and by commands

import pytest
import torch
from hypothesis import settings

settings.register_profile("genus", deadline=None)  # how long a test takes says more about the machine than about genus
settings.load_profile("genus")


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder with real photos and weights; tests that need it skip without."""
    name = os.environ.get("GENUS_TEST_DATA")
    if not name:
        pytest.skip("GENUS_TEST_DATA does not name a folder with real photos")
    return Path(name)


@pytest.fixture(scope="session")
def flowers(test_data: Path) -> Path:
    """Real flower photos, train/<class> and test/<class>."""
    folder = test_data / "data" / "flowers"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    return folder


@pytest.fixture(scope="session", autouse=True)
def cache_of_the_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What session-wide fixtures compute does not go to the user's cache either."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GENUS_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test reaches the hub or the user's cache, and each starts from the same random numbers."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("GENUS_CACHE", str(tmp_path_factory.mktemp("cache")))
    torch.manual_seed(0)


@pytest.fixture(scope="session", autouse=True)
def heard_signals() -> None:
    """Commands under test hear Ctrl-C, though a shell lets what it starts in the background ignore it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # nohup
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
