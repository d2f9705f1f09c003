"""``genus check`` on every kind of folder: what it says of it, and that nothing in it is changed."""

import contextlib
import hashlib
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from genus.cli.terminal import shown
from tests.cli.conftest import Genus
from tests.corpus import unprivileged_folder
from tests.folders import KINDS, Found, Kind, Refused, build, closed


@pytest.fixture(scope="module")
def cache_of_the_kinds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Most kinds have the same sound pictures."""
    return tmp_path_factory.mktemp("cache")


@contextlib.contextmanager
def folder_for(kind: Kind, otherwise: Path) -> Iterator[Path]:
    """Where it is built: root could read what is closed."""
    if closed in kind.tree.values():
        with unprivileged_folder() as folder:
            yield folder
    else:
        yield otherwise


def fingerprint(root: Path) -> str:
    """sha256 over all that is below ``root``: names, contents, modes, times, and where links lead."""
    lines = []
    for folder, folders, files in os.walk(root):
        for path in sorted(Path(folder, name) for name in (".", *folders, *files)):
            found = path.lstat()
            content = b""
            if stat.S_ISLNK(found.st_mode):
                content = os.fsencode(path.readlink())
            elif stat.S_ISREG(found.st_mode) and found.st_mode & stat.S_IRUSR:
                content = path.read_bytes()
            lines.append(f"{path!r} {found.st_mode} {found.st_mtime_ns} {hashlib.sha256(content).hexdigest()}")
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


@pytest.mark.skipif(os.name == "nt", reason="Windows has neither such names nor such entries")
@pytest.mark.parametrize("kind", [pytest.param(kind, id=kind.name) for kind in KINDS])
def test_a_folder_of_each_kind(
    kind: Kind, genus: Genus, tmp_path: Path, cache_of_the_kinds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code, message, the pictures concerned; and all is as it was."""
    monkeypatch.setenv("GENUS_CACHE", str(cache_of_the_kinds))
    monkeypatch.chdir(tmp_path)
    if not kind.name.startswith("D21"):  # only for copies is it worth the time to ask a network
        monkeypatch.setattr("genus.workflows.check.name_at_hand", lambda: None)
    with folder_for(kind, tmp_path) as folder:
        (folder / "place").mkdir()
        data, told = build(kind.tree, folder / "place") / kind.data, folder / "check.json"
        before = fingerprint(folder / "place")
        result = genus("check", data, "--json", told, *kind.flags)
        assert fingerprint(folder / "place") == before
        content = json.loads(told.read_text()) if told.exists() else {"findings": []}
    assert result.code == kind.code, result.out + result.err
    for expected in kind.expected:
        words = expected.words.replace("ROOT", str(data))
        if isinstance(expected, Refused):
            assert words in " ".join(result.err.split())
            assert not content["findings"]
        else:
            assert_found(expected, words, content["findings"], result.out)


def assert_found(expected: Found, words: str, findings: list[dict[str, Any]], out: str) -> None:
    """It is in ``check.json``, with exactly these pictures, and on the screen."""
    found = [one for one in findings if words in one["sentence"]]
    assert [(one["severity"], one["kind"]) for one in found] == [(expected.severity, expected.kind)], findings
    if expected.members:
        members = [frozenset(member["path"] for member in together) for together in found[0]["members"]]
        assert sorted(map(sorted, members)) == sorted(map(sorted, expected.members))
    assert shown(words) in out
