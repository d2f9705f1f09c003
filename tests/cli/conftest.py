import contextlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from genus.bundle import add_to_record, read_record
from genus.cli.app import run
from genus.demo import draw

SPECIES = ("daisy", "rose", "tulip")
FAST = ["--model", "efficientnet_lite0", "--image-size", "64", "--device", "cpu"]


class Result:
    """What a run of the command line left: exit code, stdout, stderr."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


Genus = Callable[..., Result]


def moved(run: Path, data: Path) -> Path:
    """``data``, which is now what ``run`` was trained on."""
    add_to_record(run, data={**read_record(run)["data"], "root": str(data)})
    return data


def members(run: Path, *parts: str) -> list[dict[str, Any]]:
    """Of the split of ``run``, those of these parts."""
    found = json.loads((run / "split.json").read_text())["members"]
    return [member for member in found if member["part"] in parts]


@pytest.fixture
def genus(capfd: pytest.CaptureFixture[str]) -> Genus:
    """Run the command line in this process."""

    def call(*arguments: object) -> Result:
        code = run([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        assert "Traceback" not in captured.err
        return Result(code, captured.out, captured.err)

    return call


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three species, 30 small drawings each."""
    root = tmp_path_factory.mktemp("data") / "flowers"
    for species in SPECIES:
        (root / species).mkdir(parents=True)
        for number in range(30):
            draw(species, number, size=80).save(root / species / f"{number:02d}.jpg")
    return root


@pytest.fixture(scope="session")
def few(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first ten drawings of each species, for what takes long with each picture."""
    root = tmp_path_factory.mktemp("data") / "few"
    for species in SPECIES:
        (root / species).mkdir(parents=True)
        for picture in sorted((drawn / species).iterdir())[:10]:
            shutil.copy(picture, root / species)
    return root


@pytest.fixture(scope="session")
def trained(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished head-only run on ``drawn``, whose 75 pictures can show an error of at most 0.5."""
    out = tmp_path_factory.mktemp("runs") / "run"
    assert (
        run(["train", str(drawn), "--out", str(out), "--epochs", "30", "--lr", "1e-3", "--max-error", "0.5", *FAST])
        == 0
    )
    return out


@contextlib.contextmanager
def changed_split(run: Path, *, knowingly: bool = True) -> Iterator[list[dict[str, str]]]:
    """The members in the split.json of ``run``, to be changed; ``knowingly`` removes the marks of the old ones."""
    split = json.loads((run / "split.json").read_text())
    yield split["members"]
    marks = ("fingerprint", "checksum") if knowingly else ()
    (run / "split.json").write_text(json.dumps({key: value for key, value in split.items() if key not in marks}))
