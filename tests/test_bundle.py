"""The artefact: what goes in comes out, damage is refused with a ModelError, what was written stays readable."""

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file as load_arrays
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import load_file, save_file

from genus import bundle as bundle_module
from genus.bundle import EVIDENCE, INDEX, TENSORS, add_to_record, load_bundle, move_bundle, read_record, save_bundle
from genus.description import DESCRIPTION, FORMAT, Description
from genus.errors import MachineError, ModelError
from genus.models.backbone import module
from genus.predictor import Predictor
from genus.types import KnownRule
from tests.bundles import CLASSES, GOLDEN, new_bundle, put, rewrite, sign, small
from tests.models.test_registry import SMALLEST

FILES = sorted([DESCRIPTION, EVIDENCE, INDEX, TENSORS])
AS_WRITTEN = {
    1: (1.0, None),
    2: (1.5, KnownRule(0.05, 0.5, 0.9)),
    3: (1.5, KnownRule(0.05, 0.5, 0.9)),
    4: (1.5, KnownRule(0.05, 0.5, 0.9)),
}
FITS = {"swin": "crop", "vit": "pad", "vgg": "stretch"}  # from format 4 on
posix = pytest.mark.skipif(os.name == "nt", reason="POSIX only")


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    save_bundle(small(), folder)
    return folder


@pytest.fixture
def folder(pristine: Path, tmp_path: Path) -> Path:
    """A small bundle to damage."""
    return shutil.copytree(pristine, tmp_path / "run")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def rewrite_tensors(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    state = load_file(folder / TENSORS)
    change(state)
    save_file(state, folder / TENSORS)
    sign(folder, TENSORS)


@pytest.mark.parametrize("name", SMALLEST)
def test_what_goes_in_comes_out(name: str, tmp_path: Path) -> None:
    bundle = new_bundle(name)
    save_bundle(bundle, tmp_path)
    assert names(tmp_path) == FILES
    loaded = load_bundle(tmp_path)
    assert (loaded.classes, loaded.preprocess, loaded.record) == (CLASSES, bundle.preprocess, bundle.record)
    assert (loaded.temperature, loaded.known_rule) == (bundle.temperature, bundle.known_rule)
    for part in ("index", "evidence", "split_hashes"):
        written, read = getattr(bundle, part), getattr(loaded, part)
        for field in fields(written):
            there, here = getattr(written, field.name), getattr(read, field.name)
            assert (there == here).all()
            assert there.dtype == here.dtype
    assert not module(loaded.model).training
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(loaded.model(images), module(bundle.model).eval()(images))
    (tmp_path / "again").mkdir()
    save_bundle(loaded, tmp_path / "again")
    for file in FILES:
        assert (tmp_path / "again" / file).read_bytes() == (tmp_path / file).read_bytes()


@pytest.mark.parametrize("kept", ["evidence", "split_hashes", None])
def test_parts_that_are_not_there(kept: str | None, tmp_path: Path) -> None:
    left_out = {part: None for part in ("evidence", "split_hashes") if part != kept}
    save_bundle(replace(small(), known_rule=None, index=None, **left_out), tmp_path)
    assert names(tmp_path) == sorted([DESCRIPTION, TENSORS, *([EVIDENCE] if kept else [])])
    loaded = load_bundle(tmp_path)
    assert (loaded.known_rule, loaded.index) == (None, None)
    assert [part for part in ("evidence", "split_hashes") if getattr(loaded, part)] == ([kept] if kept else [])
    assert Predictor(loaded, device="cpu").predict(GOLDEN / "format1" / "picture.png").known is None


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


@posix
@pytest.mark.parametrize("mask", [0o022, 0o027, 0o002])
def test_files_have_the_usual_mode(mask: int, tmp_path: Path) -> None:
    before = os.umask(mask)
    try:
        save_bundle(small(), tmp_path)
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o666 & ~mask}


@pytest.mark.parametrize("file", [TENSORS, INDEX, EVIDENCE])
def test_a_flipped_bit_of_the_tensors_is_found(file: str, folder: Path) -> None:
    sound, draw = (folder / file).read_bytes(), random.Random(0)
    for place in [*range(16), *draw.sample(range(len(sound)), 60), len(sound) - 1]:
        damaged = bytearray(sound)
        damaged[place] ^= 1 << draw.randrange(8)
        (folder / file).write_bytes(damaged)
        with pytest.raises(ModelError, match=f"{file} is damaged: its checksum"):
            load_bundle(folder)
    for length in (0, 7, 8, 100, len(sound) - 1):
        (folder / file).write_bytes(sound[:length])
        with pytest.raises(ModelError, match=f"{file} is damaged: its checksum"):
            load_bundle(folder)


@pytest.mark.parametrize("file", [TENSORS, INDEX, EVIDENCE])
def test_a_signed_header_with_a_flipped_bit_raises_nothing_else(file: str, folder: Path) -> None:
    sound, draw = (folder / file).read_bytes(), random.Random(0)
    header = 8 + int.from_bytes(sound[:8], "little")
    refused, bits = 0, draw.sample(range(8 * header), 100)
    for bit in bits:
        damaged = bytearray(sound)
        damaged[bit // 8] ^= 1 << bit % 8
        (folder / file).write_bytes(damaged)
        sign(folder, file)
        try:
            load_bundle(folder)
        except ModelError:
            refused += 1
    assert refused > 0.8 * len(bits)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (put("architecture", "name", value="vit_tinny_patch16"), "There is no model 'vit_tinny.*Did you mean"),
        (put("architecture", value={"name": "timm:no_such_model"}), "cannot be built here"),
        (put("architecture", "arguments", "depths", value=[3]), "unexpected keyword argument 'depths'"),
        (put("architecture", "arguments", "dim", value="8"), "describes no model"),
        (put("architecture", "arguments", "dim", value=0), "describes no model"),
        (put("architecture", "arguments", "num_heads", value=3), "8 channels cannot be divided among 3 heads"),
        (put("architecture", "arguments", "dim", value=16_384), r"is \(8,\) in the file and \(16384,\) in"),
        (put("classes", value=list("abcd")), r"head\.bias is \(5,\) in the file and \(4,\) in the described model"),
        (put("index_sha256", value=None), f"{INDEX} is damaged: its checksum"),
        (put("tensors_sha256", value="0" * 64), f"{TENSORS} is damaged: its checksum"),
        (put("tensors_sha256", value=[]), f"{TENSORS} is damaged: its checksum"),
        (lambda description: description.pop("tensors_sha256"), f"{TENSORS} is damaged: its checksum"),
        (lambda description: description.pop("index_sha256"), f"{INDEX} is damaged: its checksum"),
    ],
)
def test_a_signed_description_that_does_not_fit(
    change: Callable[[dict[str, Any]], None], told: str, folder: Path
) -> None:
    rewrite(folder, change)
    with pytest.raises(ModelError, match=f"(?s){told}") as caught:
        load_bundle(folder)
    assert str(folder) in str(caught.value)


def poison(state: dict[str, torch.Tensor]) -> None:
    state["norm.weight"][3] = float("nan")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (poison, "no finite numbers"),
        (lambda state: state.pop("norm.bias"), r"norm\.bias is missing in the file and \(8,\) in"),
        (lambda state: state.update(extra=torch.zeros(2)), r"extra is \(2,\) in the file and missing in"),
        (lambda state: state.update({"norm.bias": torch.zeros(9)}), r"norm\.bias is \(9,\) in the file and \(8,\) in"),
        (lambda state: state.update({"norm.bias": torch.zeros(8, dtype=torch.int32)}), r"norm\.bias is torch\.int32"),
        (lambda state: state.update({"norm.bias": torch.zeros(8, dtype=torch.cfloat)}), "is torch.complex64"),
        (lambda state: state.update({"norm.bias": torch.full((8,), 1e300, dtype=torch.double)}), "no finite numbers"),
        (lambda state: state.update({str(number): torch.zeros(0) for number in range(10_000)}), "more than 10000"),
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
    sign(folder, INDEX)
    with pytest.raises(ModelError, match=r"is no index of pictures for this model"):
        load_bundle(folder)


def test_a_variance_below_zero_would_give_no_number(tmp_path: Path) -> None:
    save_bundle(new_bundle("vgg11", batch_norm=True), tmp_path)
    rewrite_tensors(tmp_path, lambda state: state["blocks.0.1.running_var"].neg_())
    with pytest.raises(ModelError, match=r"no finite numbers, in blocks\.0\.1\.running_var"):
        load_bundle(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"confidence": np.array([0.5, 2.0], np.float32)},
        {"right": np.array([0, 1], np.uint8)},
        {"train": np.array([2, 1], np.uint64)},
        {"train": None},
        {"confidence": None},
        {"groups": None},
        {"more": np.zeros(1)},
    ],
)
def test_a_signed_evidence_that_is_none(change: dict[str, np.ndarray | None], folder: Path) -> None:
    arrays = {**load_arrays(folder / EVIDENCE), **change}
    save_arrays({key: array for key, array in arrays.items() if array is not None}, folder / EVIDENCE)
    sign(folder, EVIDENCE)
    with pytest.raises(ModelError, match=f"{EVIDENCE} is no evidence of a model"):
        load_bundle(folder)


def test_other_bytes_as_tensors_even_if_signed(folder: Path) -> None:
    contents = (b"", b"\x80\x04N.", b"PK\x03\x04", b"\xff" * 100, (8).to_bytes(8, "little") + b"{       ")
    for file in (TENSORS, INDEX, EVIDENCE):
        sound = (folder / file).read_bytes()
        for content in (*contents, sound + b"\0", (2 * 10**7).to_bytes(8, "little") + sound[8:]):
            (folder / file).write_bytes(content)
            sign(folder, file)
            with pytest.raises(ModelError, match=f"{file} (cannot be read|has a header of more than 16 MB)"):
                load_bundle(folder)
        (folder / file).write_bytes(sound)
        sign(folder, file)


@posix
@pytest.mark.parametrize("file", [TENSORS, INDEX, EVIDENCE])
@pytest.mark.parametrize("make", ["mkfifo", "mkdir", "link"])
def test_what_is_no_file_is_not_waited_for(make: str, file: str, folder: Path) -> None:
    (folder / file).unlink()
    {"mkfifo": os.mkfifo, "mkdir": os.mkdir, "link": lambda path: path.symlink_to("/dev/zero")}[make](folder / file)
    with pytest.raises(ModelError, match=f"{file} is no file"):
        load_bundle(folder)


def test_missing_parts(folder: Path) -> None:
    for file in (EVIDENCE, INDEX, TENSORS):
        (folder / file).unlink()
        with pytest.raises(ModelError, match=rf"{file} cannot be read.*No such file"):
            load_bundle(folder)
    (folder / DESCRIPTION).unlink()
    with pytest.raises(ModelError, match="no finished run"):
        load_bundle(folder)


def test_a_bundle_that_is_saved_again_is_of_this_genus(tmp_path: Path) -> None:
    save_bundle(small(), tmp_path)
    rewrite(tmp_path, lambda description: description.update(genus="0.0.1"))
    loaded = load_bundle(tmp_path)
    assert loaded.record == {"metrics": {"test": 0.5}}
    save_bundle(replace(loaded, record={**loaded.record, "note": 1}), tmp_path)
    assert read_record(tmp_path)["genus"] != "0.0.1"
    assert load_bundle(tmp_path).record == {"metrics": {"test": 0.5}, "note": 1}


def test_a_record_grows(folder: Path) -> None:
    add_to_record(folder, metrics={"test": 0.75}, seconds=3)
    assert load_bundle(folder).record == {"metrics": {"test": 0.75}, "seconds": 3}


def test_what_could_not_be_loaded_is_not_saved(tmp_path: Path) -> None:
    for change in ({"temperature": 0.0}, {"classes": ("a", "a")}, {"known_rule": KnownRule(0.05, None, 1.0)}):
        with pytest.raises(ValueError, match=r"cannot be|twice"):
            save_bundle(replace(small(), **change), tmp_path)
    assert names(tmp_path) == []


def test_a_save_that_breaks_off_leaves_no_finished_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Description, "write", stop)
    with pytest.raises(KeyboardInterrupt):
        save_bundle(small(), tmp_path)
    assert names(tmp_path) == [EVIDENCE, INDEX, TENSORS]
    with pytest.raises(ModelError, match="no finished run"):
        load_bundle(tmp_path)


@pytest.mark.parametrize("stop_at", range(5))
def test_a_move_can_be_cut_off_anywhere(
    stop_at: int, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The target holds the old bundle, none, or the new one; the same call completes the move."""
    target, move, moved = tmp_path / "target", bundle_module.move, []
    target.mkdir()
    save_bundle(replace(small(), temperature=2.0, split_hashes=None), target)

    def move_or_stop(source: Path, goal: Path) -> None:
        if len(moved) == stop_at:
            raise KeyboardInterrupt
        moved.append(source.name)
        move(source, goal)

    with monkeypatch.context() as patch:
        patch.setattr(bundle_module, "move", move_or_stop)
        if stop_at < len(FILES):
            with pytest.raises(KeyboardInterrupt):
                move_bundle(folder, target)
            with pytest.raises(ModelError, match="no finished run"):
                load_bundle(target)
            patch.undo()
        move_bundle(folder, target)
    loaded = load_bundle(target)
    assert (loaded.temperature, loaded.split_hashes is None) == (1.25, False)
    assert (names(target), names(folder)) == (FILES, [])


def test_a_move_leaves_no_part_of_an_older_bundle(tmp_path: Path) -> None:
    for name in ("source", "target"):
        (tmp_path / name).mkdir()
    save_bundle(small(), tmp_path / "target")
    save_bundle(replace(small(), known_rule=None, index=None, evidence=None, split_hashes=None), tmp_path / "source")
    move_bundle(tmp_path / "source", tmp_path / "target")
    assert names(tmp_path / "target") == [DESCRIPTION, TENSORS]


def test_a_move_that_cannot_be_made(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="Cannot write"):
        move_bundle(folder, tmp_path / "missing")
    with pytest.raises(ModelError, match="no finished run"):
        move_bundle(tmp_path, folder)


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("format*/*/")), ids=lambda path: f"{path.parent.name}-{path.name}")
def test_every_bundle_ever_written_loads_and_gives_its_logits(path: Path) -> None:
    """tests/golden is written by scripts/make-golden, once for each format."""
    expected = json.loads((path.parent / "logits.json").read_bytes())[path.name]
    bundle = load_bundle(path)
    assert bundle.classes == ("daisy", "Löwenzahn", "玫瑰\n")
    (answer,) = Predictor(bundle, device="cpu").answers([path.parent / "picture.png"])
    assert answer.logits == pytest.approx(np.array(expected), abs=1e-3 * np.abs(expected).max())
    number = int(path.parent.name.removeprefix("format"))
    nothing_known = KnownRule(0.05, None, 0.9, "4 pictures show nothing.")
    expected_rule = nothing_known if number >= 3 and path.name == "vgg" else AS_WRITTEN[number][1]
    assert (bundle.temperature, bundle.known_rule) == (AS_WRITTEN[number][0], expected_rule)
    assert (bundle.evidence is None, bundle.split_hashes is None) == (number < 3, number < 3)
    assert bundle.preprocess.fit == (FITS[path.name] if number >= 4 else "crop")
    assert (answer.distance is None) == (bundle.known_rule is None)


def test_there_is_a_golden_bundle_of_every_format() -> None:
    assert [path.name for path in sorted(GOLDEN.iterdir())] == [f"format{n}" for n in range(1, FORMAT + 1)]
    assert {path.name for path in GOLDEN.glob("format1/*/")} == {"swin", "vit", "vgg"}
