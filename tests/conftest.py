import os
from pathlib import Path

import pytest
import torch


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


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reaches the hub, and each starts from the same random numbers."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    torch.manual_seed(0)
