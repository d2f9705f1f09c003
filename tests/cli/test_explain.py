"""``genus explain``: heat maps and figures as files, one bad picture losing none of the others."""

import csv
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import genus as genus_package
from genus.bundle import Bundle, load_bundle, save_bundle
from genus.demo import draw
from genus.description import Architecture
from genus.errors import UsageError
from genus.models.registry import preprocess_of
from genus.report.explanation import overlay
from genus.types import FitName, Preprocess
from genus.workflows.reporting.explanations import laid_over
from tests.cli.conftest import Genus
from tests.models.test_registry import TINY, tiny

FIGURES = ("attention", "patches", "windows", "hierarchy")


def run_of(name: str, folder: Path, fit: FitName = "crop", **arguments: object) -> Path:
    """A run with random weights."""
    folder.mkdir()
    model = tiny(name, **arguments)
    size = 64 if name == "vit_tiny_patch16" else 96
    preprocess = Preprocess(size, preprocess_of(name).mean, preprocess_of(name).std, crop=0.9, fit=fit)
    save_bundle(
        Bundle(model, Architecture(name, {**TINY[name], **arguments}), ("daisy", "rose", "tulip"), preprocess), folder
    )
    return folder


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    (folder / "more").mkdir(parents=True)
    draw("daisy", 1, 240).crop((0, 0, 240, 160)).save(folder / "one.jpg")
    draw("rose", 2, 120).save(folder / "more" / "ONE.png")
    (folder / "broken.jpg").write_bytes(b"no picture")
    return folder


def test_heat_maps_beside_their_pictures(genus: Genus, trained: Path, pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    before = {path: path.read_bytes() for path in pictures.rglob("*.*")}
    result = genus("explain", trained, pictures, "--out", out)
    assert result.code == 6
    assert "3 pictures: " in result.err
    assert "1 error." in result.err
    with Image.open(out / "one-2.heat.png") as drawn, Image.open(pictures / "one.jpg") as picture:
        pixels = np.asarray(drawn.convert("RGB")).astype(int)
        plain = np.asarray(picture.resize((80, 53))).astype(int)
    columns = np.nonzero((pixels < 250).all(axis=2))[1]
    left = columns.min()
    top = next(row for row in range(len(pixels)) if (pixels[row, left : left + 800] < 250).all())
    shown = pixels[top : top + 533, left : left + 800][5::10, 5::10]
    assert np.abs(shown - plain).mean() < 12  # on the left the picture in its own colours
    laid = pixels[top : top + 533, left + 800 + 24 : left + 1600 + 24]
    outside = np.concatenate([laid[10:-10, 10:90], laid[10:-10, -90:-10]], axis=1)
    assert np.ptp(outside, axis=2).max() <= 1  # on the right, grey and dark where the model did not see it
    assert outside.mean() < 0.5 * laid[60:470, 200:600].mean()
    assert np.ptp(laid[60:470, 200:600], axis=2).max() > 60  # something glows
    rows = list(csv.DictReader((out / "explanations.csv").read_text().splitlines()))
    assert [(Path(row["path"]).name, row["status"], row["files"]) for row in rows] == [
        ("broken.jpg", "error", ""),
        ("ONE.png", "ok", "ONE.heat.png"),
        ("one.jpg", "ok", "one-2.heat.png"),
    ]
    assert {path: path.read_bytes() for path in pictures.rglob("*.*")} == before


@pytest.mark.parametrize(("fit", "size"), [("pad", (600, 100)), ("pad", (100, 600)), ("stretch", (600, 100))])
def test_what_is_hot_lies_where_it_is_in_the_picture(
    fit: FitName, size: tuple[int, int], genus: Genus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A map of what is red to the model, of a picture that is red at its beginning; here and in the report."""
    drawn: list[Any] = []

    def redness(_: Bundle, pixels: np.ndarray, classes: object) -> tuple[np.ndarray, None]:
        red = (pixels[..., 0].astype(int) - pixels[..., 2]).clip(0)
        return red.reshape(1, 24, 4, 24, 4).mean(axis=(2, 4)), None

    def heat_png(*arguments: object, unknown: bool) -> bytes:
        drawn.extend(arguments[:3])
        return b""

    monkeypatch.setattr("genus.workflows.explain.heat_of", redness)
    monkeypatch.setattr("genus.workflows.explain.heat_png", heat_png)
    picture = Image.new("RGB", size, "blue")
    picture.paste((255, 0, 0), (0, 0, min(size[0], 120), min(size[1], 120)))
    picture.save(tmp_path / "one.png")
    run = run_of("vgg11", tmp_path / "run", fit)
    assert genus("explain", run, tmp_path / "one.png", "--out", tmp_path / "out").code == 0
    shown, heat, box = drawn
    laid = overlay(shown, heat, box)
    glows = laid.max(axis=2) > 130  # grey, both colours have 85
    assert (glows == (shown[..., 0] > 128)).mean() > 0.95
    assert np.array_equal(laid_over(Image.fromarray(shown), heat, load_bundle(run)), laid)


def test_another_class_has_another_map(genus: Genus, trained: Path, pictures: Path, tmp_path: Path) -> None:
    for label in ("daisy", "rose"):
        assert genus("explain", trained, pictures / "one.jpg", "--out", tmp_path / label, "--label", label).code == 0
    daisy, rose = ((tmp_path / label / "one.heat.png").read_bytes() for label in ("daisy", "rose"))
    assert daisy != rose
    row = next(csv.DictReader((tmp_path / "rose" / "explanations.csv").read_text().splitlines()))
    assert row["explained"] == "rose"
    result = genus("explain", trained, pictures / "one.jpg", "--label", "rosé")
    assert result.code == 2
    assert "'rose'" in result.err


@pytest.mark.parametrize(
    ("name", "offered"),
    [
        ("swin_tiny", {"windows", "hierarchy"}),
        ("vit_tiny_patch16", {"attention", "patches", "hierarchy"}),
        ("vgg11", {"hierarchy"}),
    ],
)
def test_figures_of_each_family(name: str, offered: set[str], genus: Genus, pictures: Path, tmp_path: Path) -> None:
    arguments = {"depth": 4} if name == "vit_tiny_patch16" else {"depths": (2, 2)} if name == "swin_tiny" else {}
    run, out = run_of(name, tmp_path / "run", **arguments), tmp_path / "out"
    wanted = [f"--{figure}" for figure in sorted(offered)]
    result = genus("explain", run, pictures / "one.jpg", "--out", out, *wanted)
    assert result.code == 0, result.err
    for figure in ("heat", *offered):
        with Image.open(out / f"one.{figure}.png") as picture:
            assert min(picture.size) >= 96
            assert len(np.unique(np.asarray(picture.convert("L")))) > 20
    for figure in set(FIGURES) - offered:
        refused = genus("explain", run, pictures / "one.jpg", f"--{figure}")
        assert refused.code == 2
        assert all(f"--{one}" in refused.err for one in offered)


def test_a_folder_with_other_files_is_left_alone(genus: Genus, trained: Path, pictures: Path, tmp_path: Path) -> None:
    result = genus("explain", trained, pictures / "one.jpg", "--out", pictures)
    assert result.code == 2
    assert not list(pictures.rglob("*.heat.png"))
    run = shutil.copytree(trained, tmp_path / "run")
    heat = run / "explanations" / "one.heat.png"
    first = genus("explain", run, pictures / "one.jpg")
    assert (first.code, heat.exists()) == (0, True)
    heat.write_bytes(b"kept")
    again = genus("explain", run, pictures / "one.jpg")
    assert (again.code, heat.read_bytes()) == (2, b"kept")
    assert "replace it with --force" in again.err
    assert genus("explain", run, pictures / "one.jpg", "--force").code == 0
    assert heat.read_bytes() != b"kept"


def test_what_is_unknown_is_called_so(genus: Genus, trained: Path, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (80, 80, 3)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    result = genus("explain", trained, tmp_path / "noise.png", "--out", tmp_path / "out")
    assert "noise.png  unknown; perhaps " in result.out
    assert "noise.heat.png" in result.out


def test_from_python(trained: Path, pictures: Path, tmp_path: Path) -> None:
    explained = genus_package.explain(trained, [pictures], tmp_path / "out", figures=["hierarchy"])
    assert [len(one.files) for one in explained] == [0, 2, 2]
    assert all(path.exists() for one in explained for path in one.files)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"figures": "windows"}, "a list of any of attention, patches, windows, hierarchy, not 'windows'"),
        ({"figures": ["hierarchy", "x"]}, "a list of any of .*, not .*'x'"),
        ({"figures": 3}, "a list of any of .*, not 3"),
        ({"label": 3}, "no class '3'"),
    ],
)
def test_what_is_no_figure_and_no_class(options: dict[str, Any], message: str, trained: Path, pictures: Path) -> None:
    with pytest.raises(UsageError, match=message):
        genus_package.explain(trained, pictures, **options)
