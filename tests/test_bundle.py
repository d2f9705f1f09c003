"""The artefact: what goes in comes out, damage is refused with a ModelError, what was written stays readable."""

import contextlib
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from genus import bundle as bundle_module
from genus.architecture import Architecture
from genus.bundle import DESCRIPTION, FORMAT, INDEX, TENSORS, Bundle, load_bundle, save_bundle
from genus.errors import ModelError
from genus.index import Index
from genus.models.backbone import module
from genus.predictor import Predictor
from genus.types import HALF, KnownRule, Preprocess
from tests.models.closeness import randomise
from tests.models.test_registry import SMALLEST, TINY

GOLDEN = Path(__file__).parent / "golden"
AS_WRITTEN = {"format1": (1.0, None), "format2": (1.5, KnownRule(0.05, 0.5, 0.9))}
CLASSES = ("a", "Löwenzahn 花", "new\nline", '<b>"\x1b[31m', "latin\udce9")


def new_bundle(name: str = "vit_tiny_patch16", classes: tuple[str, ...] = CLASSES, **arguments: object) -> Bundle:
    architecture = Architecture(name, {**TINY[name], **arguments})
    torch.manual_seed(0)
    model = architecture.build(len(classes))
    randomise(module(model))
    features = np.random.default_rng(0).normal(size=(6, model.num_features)).astype(np.float32)
    index = Index.of(features, [f"{number:064x}" for number in range(6)])
    preprocess, record = Preprocess(64, HALF, HALF, "bilinear", 0.9), {"metrics": {"test": 0.5}}
    return Bundle(model, architecture, classes, preprocess, record, 1.25, KnownRule(0.05, 0.4, 1.5), index)


def small() -> Bundle:
    return new_bundle(image_size=32, dim=8, depth=1, num_heads=1)


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    save_bundle(small(), folder)
    return folder


@pytest.fixture
def folder(pristine: Path, tmp_path: Path) -> Path:
    """A small bundle to damage."""
    return shutil.copytree(pristine, tmp_path / "run")


def rewrite(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the description; it stays valid JSON."""
    description = json.loads((folder / DESCRIPTION).read_bytes())
    change(description)
    (folder / DESCRIPTION).write_text(json.dumps(description))


def rewrite_tensors(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    """Change the tensors and sign them, as somebody who knows the format would."""
    state = load_file(folder / TENSORS)
    change(state)
    save_file(state, folder / TENSORS)
    digest = hashlib.sha256((folder / TENSORS).read_bytes()).hexdigest()
    rewrite(folder, lambda description: description.update(tensors_sha256=digest))


@pytest.mark.parametrize("name", SMALLEST)
def test_what_goes_in_comes_out(name: str, tmp_path: Path) -> None:
    bundle = new_bundle(name)
    save_bundle(bundle, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [DESCRIPTION, INDEX, TENSORS]
    loaded = load_bundle(tmp_path)
    assert (loaded.classes, loaded.preprocess, loaded.record) == (CLASSES, bundle.preprocess, bundle.record)
    assert (loaded.temperature, loaded.known_rule) == (bundle.temperature, bundle.known_rule)
    assert loaded.index
    assert bundle.index
    assert (loaded.index.features == bundle.index.features).all()
    assert (loaded.index.pictures == bundle.index.pictures).all()
    assert not module(loaded.model).training
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(loaded.model(images), module(bundle.model).eval()(images))
    (tmp_path / "again").mkdir()
    save_bundle(loaded, tmp_path / "again")
    for file in (DESCRIPTION, INDEX, TENSORS):
        assert (tmp_path / "again" / file).read_bytes() == (tmp_path / file).read_bytes()


def test_loading_draws_no_random_numbers_and_leaves_the_file_alone(folder: Path) -> None:
    before, content = torch.get_rng_state(), (folder / TENSORS).read_bytes()
    loaded = load_bundle(folder)
    assert torch.equal(torch.get_rng_state(), before)
    with torch.no_grad():
        for parameter in module(loaded.model).parameters():
            parameter.zero_()
    assert (folder / TENSORS).read_bytes() == content


def test_loading_imports_nothing_more(folder: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom genus.bundle import load_bundle\nbefore = len(sys.modules)\n"
        f"load_bundle(Path({str(folder)!r}))\nsys.exit(len(sys.modules) - before > 20)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_weights_in_half_precision_become_those_of_the_model(folder: Path) -> None:
    rewrite_tensors(folder, lambda state: state.update({key: tensor.half() for key, tensor in state.items()}))
    assert {tensor.dtype for tensor in module(load_bundle(folder).model).state_dict().values()} == {torch.float32}


def test_the_description_is_for_people_too(folder: Path) -> None:
    text = (folder / DESCRIPTION).read_text(encoding="utf-8")
    assert "Löwenzahn 花" in text
    assert list(json.loads(text))[:5] == ["format", "genus", "architecture", "classes", "preprocess"]
    digest = hashlib.sha256((folder / TENSORS).read_bytes()).hexdigest()
    assert json.loads(text)["tensors_sha256"] == digest


@pytest.mark.skipif(os.name == "nt", reason="modes are POSIX")
@pytest.mark.parametrize("mask", [0o022, 0o027, 0o002])
def test_files_have_the_usual_mode(mask: int, tmp_path: Path) -> None:
    before = os.umask(mask)
    try:
        save_bundle(small(), tmp_path)
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o666 & ~mask}


@pytest.mark.parametrize("file", [TENSORS, INDEX])
def test_every_flipped_bit_of_the_tensors_is_found(file: str, folder: Path) -> None:
    sound, draw = (folder / file).read_bytes(), random.Random(0)
    for place in [*range(16), *draw.sample(range(len(sound)), 60), len(sound) - 1]:
        damaged = bytearray(sound)
        damaged[place] ^= 1 << draw.randrange(8)
        (folder / file).write_bytes(damaged)
        with pytest.raises(ModelError, match="is damaged: its checksum"):
            load_bundle(folder)
    for length in (0, 7, 8, 100, len(sound) - 1):
        (folder / file).write_bytes(sound[:length])
        with pytest.raises(ModelError, match="is damaged: its checksum"):
            load_bundle(folder)


def test_a_flipped_bit_of_the_description_is_found_or_leaves_a_bundle_that_works(folder: Path) -> None:
    """Nothing but ModelError may come of it, and what loads also predicts."""
    sound, draw = (folder / DESCRIPTION).read_bytes(), random.Random(0)
    assert len(sound) < 2000
    refused = 0
    for place in range(len(sound)):
        damaged = bytearray(sound)
        damaged[place] ^= 1 << draw.randrange(8)
        (folder / DESCRIPTION).write_bytes(damaged)
        try:
            bundle = load_bundle(folder)
        except ModelError:
            refused += 1
        else:
            size = bundle.preprocess.size
            assert module(bundle.model)(torch.zeros(1, 3, size, size)).shape == (1, 5)
    assert refused > len(sound) / 2


@pytest.mark.parametrize("cut", [0, 1, 20, 200, -2])
def test_a_shortened_description(cut: int, folder: Path) -> None:
    path = folder / DESCRIPTION
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ModelError, match="cannot be read"):
        load_bundle(folder)


def put(*keys: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(description: dict[str, Any]) -> None:
        for key in keys[:-1]:
            description = description[key]
        description[keys[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (put("architecture", "name", value="vit_tinny_patch16"), "There is no model 'vit_tinny.*Did you mean"),
        (put("architecture", value={"name": "timm:no_such_model"}), "cannot be built here"),
        (put("architecture", "name", value=7), "describes no model"),
        (put("architecture", "name", value=["swin_tiny"]), "describes no model"),
        (put("architecture", value={"arguments": {}}), "describes no model"),
        (put("architecture", value=[]), "describes no model"),
        (put("architecture", "arguments", "depths", value=3), "unexpected keyword argument 'depths'"),
        (put("architecture", "arguments", "num_classes", value=3), "describes no model"),
        (put("architecture", "arguments", "dim", value=-8), "describes no model"),
        (put("architecture", "arguments", "dim", value="8"), "describes no model"),
        (put("architecture", "arguments", "num_heads", value=3), "8 channels cannot be divided among 3 heads"),
        (put("architecture", "arguments", "dim", value=2**40), "describes no model"),
        (put("architecture", "arguments", value=[1]), "describes no model"),
        (put("classes", value=[]), "'classes' has to be a list of 1 to 100000 names"),
        (put("classes", value="abcde"), "'classes' has to be a list"),
        (put("classes", value=[1, 2, 3, 4, 5]), "'classes' has to be a list"),
        (put("classes", value=[["a"], "b", "c", "d", "e"]), "'classes' has to be a list"),
        (put("classes", value={"a": 1}), "'classes' has to be a list"),
        (put("classes", value=[str(n) for n in range(100_001)]), "'classes' has to be a list of 1 to 100000"),
        (put("classes", value=["a", "b", "c", "d", "a"]), "'classes' has a name twice"),
        (put("classes", value=list("abcd")), r"head\.bias is \(5,\) in the file and \(4,\) in the described model"),
        (put("preprocess", value=None), "describes no model"),
        (put("preprocess", "size", value="64"), "describes no model"),
        (put("preprocess", "size", value=0), "cannot be followed"),
        (put("preprocess", "size", value=64.0), "cannot be followed"),
        (put("preprocess", "size", value=10**9), "cannot be followed"),
        (put("preprocess", "mean", value=[0.5, 0.5]), "cannot be followed"),
        (put("preprocess", "mean", value=0.5), "describes no model"),
        (put("preprocess", "mean", value=["0.5"] * 3), "describes no model"),
        (put("preprocess", "std", value=[0.5, 0.5, 0.0]), "cannot be followed"),
        (put("preprocess", "std", value=[0.5, 0.5, float("inf")]), "cannot be followed"),
        (put("preprocess", "crop", value=float("nan")), "cannot be followed"),
        (put("preprocess", "crop", value=1.5), "cannot be followed"),
        (put("preprocess", "resample", value="nearest"), "cannot be followed"),
        (put("preprocess", "decode", value="full"), "cannot be followed"),
        (put("preprocess", "zoom", value=1), "unexpected keyword argument 'zoom'"),
        (put("temperature", value=0), "'temperature' cannot be 0"),
        (put("temperature", value="1"), "'temperature' cannot be 1"),
        (put("temperature", value=float("nan")), "'temperature' cannot be nan"),
        (put("known_rule", "max_error", value="0.05"), "cannot be followed"),
        (put("known_rule", "min_probability", value=float("nan")), "cannot be followed"),
        (put("known_rule", "max_distance", value=-0.5), "cannot be followed"),
        (put("known_rule", value={}), "missing 3 required"),
        (put("known_rule", value=7), "describes no model"),
        (put("index_sha256", value=None), "its checksum"),
        (put("tensors_sha256", value="0" * 64), "its checksum"),
        (put("tensors_sha256", value=None), "its checksum"),
        (put("format", value="1"), "no format number"),
        (put("format", value=0), "no format number"),
        (put("format", value=None), "no format number"),
    ],
)
def test_a_description_that_says_something_else(
    change: Callable[[dict[str, Any]], None], told: str, folder: Path
) -> None:
    rewrite(folder, change)
    with pytest.raises(ModelError, match=f"(?s){told}") as caught:
        load_bundle(folder)
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize("key", ["format", "architecture", "classes", "preprocess", "tensors_sha256"])
def test_a_description_without_one_of_its_keys(key: str, folder: Path) -> None:
    rewrite(folder, lambda description: description.pop(key))
    with pytest.raises(ModelError, match=key):
        load_bundle(folder)


@pytest.mark.parametrize(
    "content",
    [
        b"[]",
        b"null",
        b"7",
        b'"text"',
        b"{}",
        b"\x80\x04}",
        b"PK\x03\x04",
        b"[" * 100_000,
        b"\xff\xfe",
        b'{"format": NaN}',
    ],
)
def test_what_is_no_description(content: bytes, folder: Path) -> None:
    (folder / DESCRIPTION).write_bytes(content)
    with pytest.raises(ModelError, match=r"cannot be read|no format number"):
        load_bundle(folder)


def test_a_newer_format_says_to_upgrade(folder: Path) -> None:
    rewrite(folder, lambda description: description.update(format=FORMAT + 1, genus="9.1.0"))
    with pytest.raises(ModelError, match=rf"has format {FORMAT + 1}, written by genus 9\.1\.0.*pip install -U genus"):
        load_bundle(folder)


def test_a_huge_description_is_not_read(folder: Path) -> None:
    with (folder / DESCRIPTION).open("r+b") as file:
        file.truncate(bundle_module.MAX_DESCRIPTION_BYTES + 1)
    with pytest.raises(ModelError, match="larger than 16 MB"):
        load_bundle(folder)


def test_missing_parts(folder: Path) -> None:
    (folder / TENSORS).unlink()
    with pytest.raises(ModelError, match=rf"{TENSORS} cannot be read.*No such file"):
        load_bundle(folder)
    (folder / DESCRIPTION).unlink()
    for path in (folder, folder / "missing", Path(__file__), Path("x" * 5000), Path("a\0b")):
        with pytest.raises(ModelError, match=r"no finished run|cannot be read"):
            load_bundle(path)


def poison(state: dict[str, torch.Tensor]) -> None:
    state["norm.weight"][3] = float("nan")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (poison, "no finite numbers"),
        (lambda state: state.pop("norm.bias"), r"norm\.bias is missing in the file and \(8,\) in"),
        (lambda state: state.update(extra=torch.zeros(2)), r"extra is \(2,\) in the file and missing in"),
        (lambda state: state.update({"norm.bias": torch.zeros(9)}), r"norm\.bias is \(9,\) in the file and \(8,\) in"),
    ],
)
def test_signed_tensors_that_do_not_fit(
    change: Callable[[dict[str, torch.Tensor]], object], told: str, folder: Path
) -> None:
    rewrite_tensors(folder, change)
    with pytest.raises(ModelError, match=told):
        load_bundle(folder)


@pytest.mark.parametrize(
    "arrays",
    [
        {},
        {"features": torch.zeros(6, 8).half()},
        {"features": torch.zeros(6, 8), "pictures": torch.zeros(6, 32, dtype=torch.uint8)},
        {"features": torch.zeros(6, 9).half(), "pictures": torch.zeros(6, 32, dtype=torch.uint8)},
        {"features": torch.zeros(5, 8).half(), "pictures": torch.zeros(6, 32, dtype=torch.uint8)},
        {"features": torch.zeros(0, 8).half(), "pictures": torch.zeros(0, 32, dtype=torch.uint8)},
        {"features": torch.full((6, 8), torch.inf).half(), "pictures": torch.zeros(6, 32, dtype=torch.uint8)},
    ],
)
def test_a_signed_index_that_is_none(arrays: dict[str, torch.Tensor], folder: Path) -> None:
    save_file(arrays, folder / INDEX)
    digest = hashlib.sha256((folder / INDEX).read_bytes()).hexdigest()
    rewrite(folder, lambda description: description.update(index_sha256=digest))
    with pytest.raises(ModelError, match=r"is no index of pictures for this model"):
        load_bundle(folder)


def test_without_a_rule_there_is_no_index(tmp_path: Path) -> None:
    save_bundle(replace(small(), known_rule=None, index=None), tmp_path)
    assert not (tmp_path / INDEX).exists()
    loaded = load_bundle(tmp_path)
    assert (loaded.known_rule, loaded.index) == (None, None)
    assert Predictor(loaded, device="cpu").predict(GOLDEN / "format1" / "picture.png").known is None


def test_other_bytes_as_tensors_even_if_signed(folder: Path) -> None:
    for content in (b"", b"\x80\x04N.", b"PK\x03\x04", b"\xff" * 100, (8).to_bytes(8, "little") + b"{       "):
        (folder / TENSORS).write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        rewrite(folder, lambda description, digest=digest: description.update(tensors_sha256=digest))  # type: ignore[misc]
        with pytest.raises(ModelError, match=f"{TENSORS} cannot be read|does not fit"):
            load_bundle(folder)


def test_the_record_cannot_hide_the_parts(tmp_path: Path) -> None:
    """A bundle that was loaded and is saved again, by a newer genus, gets the new format number."""
    save_bundle(small(), tmp_path)
    rewrite(tmp_path, lambda description: description.update(genus="0.0.1"))
    loaded = load_bundle(tmp_path)
    assert loaded.record == {"metrics": {"test": 0.5}}
    save_bundle(replace(loaded, record={**loaded.record, "note": 1}), tmp_path)
    assert json.loads((tmp_path / DESCRIPTION).read_bytes())["genus"] != "0.0.1"
    assert load_bundle(tmp_path).record == {"metrics": {"test": 0.5}, "note": 1}


def test_a_save_that_breaks_off_leaves_no_finished_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(path: Path, value: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(bundle_module, "write_json", stop)
    with pytest.raises(KeyboardInterrupt):
        save_bundle(small(), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [INDEX, TENSORS]
    with pytest.raises(ModelError, match="no finished run"):
        load_bundle(tmp_path)


def test_no_error_that_is_not_ours(folder: Path) -> None:
    """Random edits that keep the JSON valid."""
    draw, sound = random.Random(1), json.loads((folder / DESCRIPTION).read_bytes())
    values: list[Any] = [None, True, -1, 0, 3, 0.5, "", "x", [], {}, [[]], "swin_tiny", 64]
    for _ in range(150):
        description = json.loads(json.dumps(sound))
        for _ in range(draw.randint(1, 2)):
            target = description
            while True:
                key = draw.choice(sorted(target))
                if not isinstance(target[key], dict) or not target[key] or draw.random() < 0.3:
                    break
                target = target[key]
            target[key] = draw.choice(values)
        (folder / DESCRIPTION).write_text(json.dumps(description))
        with contextlib.suppress(ModelError):
            load_bundle(folder)


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("format*/*/")), ids=lambda path: f"{path.parent.name}-{path.name}")
def test_every_bundle_ever_written_loads_and_gives_its_logits(path: Path) -> None:
    """tests/golden is written by scripts/make-golden, once for each format."""
    expected = json.loads((path.parent / "logits.json").read_bytes())[path.name]
    bundle = load_bundle(path)
    assert bundle.classes == ("daisy", "Löwenzahn", "玫瑰\n")
    (answer,) = Predictor(bundle, device="cpu").answers([path.parent / "picture.png"])
    assert answer.logits == pytest.approx(np.array(expected), abs=1e-3 * np.abs(expected).max())
    assert (bundle.temperature, bundle.known_rule) == AS_WRITTEN[path.parent.name]
    assert (answer.distance is None) == (bundle.known_rule is None)


def test_there_is_a_golden_bundle_of_every_format() -> None:
    assert [path.name for path in sorted(GOLDEN.iterdir())] == [f"format{n}" for n in range(1, FORMAT + 1)]
    assert {path.name for path in GOLDEN.glob("format1/*/")} == {"swin", "vit", "vgg"}
