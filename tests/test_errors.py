"""Errors: what their messages advise can be done."""

import importlib.metadata
import json
from pathlib import Path
from typing import Any

import pytest

from genus.errors import install_hint


class Installed:
    """A distribution with pip's record of where it came from."""

    def __init__(self, origin: Any) -> None:
        self.origin = origin

    def read_text(self, name: str) -> str | None:
        assert name == "direct_url.json"
        return self.origin and json.dumps(self.origin)


@pytest.mark.parametrize(("editable", "flag"), [(True, "-e "), (False, "")])
def test_an_extra_is_installed_as_genus_was(
    editable: bool, flag: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin: dict[str, Any] | None = None
    monkeypatch.setattr(importlib.metadata, "distribution", lambda name: Installed(origin))
    assert install_hint("timm") == 'pip install "genus[timm]"'

    folder = tmp_path / "my genus"
    folder.mkdir()
    origin = {"url": folder.as_uri(), "dir_info": {"editable": editable}}
    assert install_hint("timm") == 'pip install "genus[timm]"'  # the folder is no checkout, or is gone
    (folder / "constraints.txt").touch()
    assert install_hint("timm") == f'pip install -c "{folder / "constraints.txt"}" {flag}"{folder}[timm]"'
    monkeypatch.chdir(folder)
    assert install_hint("timm") == f'pip install -c constraints.txt {flag}".[timm]"'

    origin = {"url": "https://example.org/genus.git", "vcs_info": {"vcs": "git", "commit_id": "0"}}
    assert install_hint("timm") == 'pip install "genus[timm] @ git+https://example.org/genus.git"'
