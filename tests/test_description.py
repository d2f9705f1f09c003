"""``genus.json``: what was written is read, every flipped bit is found, and no value is taken on trust."""

import inspect
import json
import os
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from genus import description as description_module
from genus.description import (
    DESCRIPTION,
    FORMAT,
    LARGEST,
    Architecture,
    Description,
    read_description,
    write_description,
)
from genus.errors import ModelError
from genus.models.backbone import module
from genus.models.registry import MODELS
from genus.types import HALF, KnownRule, Preprocess
from tests.bundles import CLASSES, GOLDEN, put, rewrite, write
from tests.models.test_registry import SMALLEST, TINY


@pytest.mark.parametrize("name", MODELS)
def test_every_model_can_be_stored(name: str) -> None:
    """With every argument that its constructor has, at the value that the table or the constructor gives it."""
    row, skeleton = MODELS[name], Architecture(name).skeleton(3)
    stated = inspect.signature(type(skeleton).__init__).parameters.values()
    arguments = {one.name: one.default for one in stated if one.default is not one.empty and one.name != "num_classes"}
    Architecture(name, {**arguments, **row.arguments})
    assert {one.name for one in stated} <= {"self", "num_classes", *LARGEST}


@pytest.mark.parametrize("name", SMALLEST)
def test_a_skeleton_has_the_shapes_of_the_model_and_no_memory(name: str) -> None:
    architecture = Architecture(name, TINY[name])
    before = torch.get_rng_state()
    skeleton = module(architecture.skeleton(3)).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    assert all(tensor.is_meta for tensor in skeleton.values())
    built = module(architecture.build(3)).state_dict()
    assert {key: tensor.shape for key, tensor in skeleton.items()} == {key: t.shape for key, t in built.items()}


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        ("swin_tiny", {"depths": [10**9, 2]}, "depths cannot be"),
        ("swin_tiny", {"depths": [32, 33]}, "depths cannot be"),
        ("swin_tiny", {"depths": [2] * 9}, "depths cannot be"),
        ("swin_tiny", {"depths": [2, 2.0]}, "depths cannot be"),
        ("swin_tiny", {"depths": [[2], 2]}, "depths cannot be"),
        ("swin_tiny", {"window": 10**4}, "window cannot be 10000"),
        ("vit_tiny_patch16", {"depth": 10**6}, "depth cannot be 1000000"),
        ("vit_tiny_patch16", {"dim": 2**40}, "dim cannot be"),
        ("vit_tiny_patch16", {"dim": -8}, "dim cannot be -8"),
        ("vit_tiny_patch16", {"dim": {"size": 8}}, "dim cannot be"),
        ("vit_tiny_patch16", {"pool": "mean" * 100}, "pool cannot be"),
        ("vit_tiny_patch16", {"layer_scale": float("nan")}, "layer_scale cannot be nan"),
        ("vit_tiny_patch16", {"num_classes": 3}, "no argument 'num_classes'"),
        ("efficientnet_lite0", {"depth": 1e9}, "depth cannot be"),
        ("vgg11", {"hidden": 10**9}, "hidden cannot be"),
        ("timm:resnet18", {"pretrained": True}, "no argument 'pretrained'"),
        ("timm:resnet18", {"pretrained": False}, "no argument 'pretrained'"),
        ("timm:resnet18", {"checkpoint_path": "/x"}, "no argument 'checkpoint_path'"),
        ("timm:resnet18", {"image_size": 10**5}, "image_size cannot be 100000"),
        ("timm:hf-hub:somebody/something", {}, "no name of a model"),
        ("timm:local-dir:/tmp/x", {}, "no name of a model"),
        ("timm:somebody/something", {}, "no name of a model"),
        ("hf-hub:somebody/something", {}, "no name of a model"),
        ("", {}, "no name of a model"),
        (None, {}, "no name of a model"),
        ("swin_tiny", [("dim", 8)], "have to be names and values"),
    ],
)
def test_what_is_refused_before_anything_is_built(name: Any, arguments: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Architecture(name, arguments)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("swin_tiny", {"dim": 16_384, "depths": [1, 63], "num_heads": [512, 512], "window": 32}),
        ("vit_tiny_patch16", {"dim": 16_384, "depth": 64, "num_heads": 1024, "image_size": 2048, "patch_size": 1}),
        ("efficientnet_lite0", {"width": 100.0, "depth": 10.0}),
        ("vgg11", {"widths": [13_107] * 5, "hidden": 65_536}),
    ],
)
def test_the_largest_network_costs_no_memory(name: str, arguments: dict[str, Any]) -> None:
    """At the bounds there are more parameters than any memory holds; the shapes are there in a moment."""
    skeleton = module(Architecture(name, arguments).skeleton(100_000))
    assert sum(tensor.numel() for tensor in skeleton.state_dict().values()) > 10**9
    assert all(tensor.is_meta for tensor in skeleton.state_dict().values())


DIGESTS = {"tensors_sha256": "0" * 64, "index_sha256": "1" * 64}
STATED = Description(
    Architecture("vit_tiny_patch16", {"image_size": 32, "dim": 8, "pool": "mean", "layer_scale": None}),
    CLASSES,
    Preprocess(64, HALF, HALF, "bilinear", 0.9, fit="stretch"),
    1.25,
    KnownRule(0.05, 0.4, 1.5),
    DIGESTS,
    {"metrics": {"test": 1e-05}, "seconds": 3.0},
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    STATED.write(tmp_path)
    return tmp_path


def test_what_goes_in_comes_out(folder: Path) -> None:
    assert Description.read(folder) == STATED
    nothing_known = replace(STATED, known_rule=KnownRule(0.05, None, 0.5, "40 pictures show nothing."))
    nothing_known.write(folder)
    assert Description.read(folder) == nothing_known


@given(st.dictionaries(st.text(), JSON, max_size=3))
def test_every_record_comes_back(tmp_path_factory: pytest.TempPathFactory, values: dict[str, Any]) -> None:
    folder = tmp_path_factory.getbasetemp()
    content = {**values, "format": FORMAT}
    content.pop("sha256", None)
    write_description(folder, content)
    assert read_description(folder) == content
    assert (folder / DESCRIPTION).read_bytes().decode("utf-8").endswith("\n")


def test_the_checksum_is_the_documented_one(folder: Path) -> None:
    """tests/bundles.py computes it as docs/bundle.md says; the text may be laid out anew."""
    sealed = json.loads((folder / DESCRIPTION).read_bytes())
    write(folder, dict(sealed))
    assert json.loads((folder / DESCRIPTION).read_bytes()) == sealed
    assert Description.read(folder) == STATED


def test_the_record_cannot_hide_the_parts() -> None:
    with pytest.raises(ValueError, match="keys of the description itself: classes, sha256"):
        replace(STATED, record={"classes": [], "sha256": "", "note": 1})


def flipped(sound: bytes, bits: Iterable[int], monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Let the description have one bit flipped; for each of ``bits``."""
    for bit in bits:
        damaged = bytearray(sound)
        damaged[bit // 8] ^= 1 << bit % 8
        monkeypatch.setattr(description_module, "_read", lambda path, content=bytes(damaged): content)
        yield bit


@pytest.mark.parametrize("family", ["swin", "vit", "vgg"])
def test_every_flipped_bit_is_found(family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or leaves what was said: 1e-05 and 1E-05."""
    folder = GOLDEN / f"format{FORMAT}" / family
    said, sound = read_description(folder), (folder / DESCRIPTION).read_bytes()
    refused = 0
    for bit in flipped(sound, range(8 * len(sound)), monkeypatch):
        try:
            assert read_description(tmp_path) == said, bit
        except ModelError:
            refused += 1
    assert refused >= 0.999 * 8 * len(sound)


@pytest.mark.parametrize("number", [1, 2])
def test_a_flipped_bit_of_an_older_format_raises_nothing_else(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = (GOLDEN / f"format{number}" / "vit" / DESCRIPTION).read_bytes()
    refused, bits = 0, random.Random(0).sample(range(8 * len(sound)), 1500)
    for _ in flipped(sound, bits, monkeypatch):
        try:
            Description.read(tmp_path)
        except ModelError:
            refused += 1
    assert refused > 0.7 * len(bits)


@pytest.mark.parametrize("cut", [0, 1, 20, 200, -3])
def test_a_shortened_description(cut: int, folder: Path) -> None:
    path = folder / DESCRIPTION
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ModelError, match=f"{DESCRIPTION} cannot be read"):
        read_description(folder)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"[]", "no format number"),
        (b"null", "no format number"),
        (b'"text"', "no format number"),
        (b"{}", "no format number"),
        (b'{"format": true}', "no format number"),
        (b'{"format": "1"}', "no format number"),
        (b'{"format": 0}', "no format number"),
        (b'{"format": NaN}', "no format number"),
        (b'{"format": 1, "x": NaN}', "cannot be read"),
        (b'{"format": 1, "x": [-Infinity]}', "cannot be read"),
        (b'{"format": 1, "x": 1e999}', "cannot be read"),
        (b'{"format": 1, "x": ' + b"9" * 5000 + b"}", "cannot be read"),
        (b'{"format": 1, "format": 1}', "says something twice"),
        (b'{"format": 1, "x": {"y": 1, "\\u0079": 2}}', "says something twice"),
        (b'{"format": 1, "x": "\\ud800"}', "cannot be read"),
        (b'{"format": 1, "\\udfff\\ud83d": 1}', "cannot be read"),
        (b'{"format": 1, "x": "\xed\xa0\x80"}', "cannot be read"),
        (b'\xef\xbb\xbf{"format": 1}', "cannot be read"),
        ('{"format": 1}'.encode("utf-16"), "cannot be read"),
        (b'{"format": 1, "x": ' + b"[" * 21 + b"]" * 21 + b"}", "nested too deep"),
        (b'{"format": 1, "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "cannot be read"),
        (b"[" * 100_000, "cannot be read"),
        (b"\x80\x04}", "cannot be read"),
        (b"PK\x03\x04", "cannot be read"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_is_no_description(content: bytes, told: str, tmp_path: Path) -> None:
    (tmp_path / DESCRIPTION).write_bytes(content)
    with pytest.raises(ModelError, match=told) as caught:
        read_description(tmp_path)
    assert str(tmp_path / DESCRIPTION) in str(caught.value)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (put("architecture", "name", value=7), "7 is no name of a model"),
        (put("architecture", "name", value=["swin_tiny"]), "is no name of a model"),
        (put("architecture", value={"arguments": {}}), "describes no model"),
        (put("architecture", value=[]), "describes no model"),
        (put("architecture", "arguments", value=[1]), "have to be names and values"),
        (put("architecture", "arguments", "dim", value=2**40), "dim cannot be 1099511627776"),
        (put("classes", value=[]), "'classes' has to be a list of 1 to 100000 names"),
        (put("classes", value="abcde"), "'classes' has to be a list"),
        (put("classes", value=[1, 2, 3, 4, 5]), "'classes' has to be a list"),
        (put("classes", value=[["a"], "b", "c", "d", "e"]), "'classes' has to be a list"),
        (put("classes", value={"a": 1}), "'classes' has to be a list"),
        (put("classes", value=[str(n) for n in range(100_001)]), "'classes' has to be a list of 1 to 100000"),
        (put("classes", value=["a", "b", "c", "d", "a"]), "'classes' has a name twice"),
        (put("preprocess", value=None), "describes no model"),
        (put("preprocess", "size", value="64"), "cannot be followed"),
        (put("preprocess", "size", value=True), "cannot be followed"),
        (put("preprocess", "size", value=0), "cannot be followed"),
        (put("preprocess", "size", value=64.0), "cannot be followed"),
        (put("preprocess", "size", value=10**9), "cannot be followed"),
        (put("preprocess", "mean", value=[0.5, 0.5]), "cannot be followed"),
        (put("preprocess", "mean", value=0.5), "describes no model"),
        (put("preprocess", "mean", value=["0.5"] * 3), "cannot be followed"),
        (put("preprocess", "mean", value=[1e300] * 3), "cannot be followed"),
        (put("preprocess", "mean", value=[10**400] * 3), "cannot be followed"),
        (put("preprocess", "std", value=[0.5, 0.5, 0.0]), "cannot be followed"),
        (put("preprocess", "std", value=[0.5, 0.5, 1e-30]), "cannot be followed"),
        (put("preprocess", "crop", value=1.5), "cannot be followed"),
        (put("preprocess", "crop", value="1"), "cannot be followed"),
        (put("preprocess", "resample", value="nearest"), "cannot be followed"),
        (put("preprocess", "resample", value=[]), "cannot be followed"),
        (put("preprocess", "decode", value="full"), "cannot be followed"),
        (put("preprocess", "fit", value="squeeze"), "cannot be followed"),
        (put("preprocess", "fit", value=None), "cannot be followed"),
        (put("preprocess", "zoom", value=1), "unexpected keyword argument 'zoom'"),
        (put("temperature", value=0), "'temperature' cannot be 0"),
        (put("temperature", value=1e-300), "'temperature' cannot be 1e-300"),
        (put("temperature", value=10**400), "'temperature' cannot be 1000"),
        (put("temperature", value="1"), "'temperature' cannot be '1'"),
        (put("temperature", value=True), "'temperature' cannot be True"),
        (put("known_rule", "max_error", value="0.05"), "cannot be followed"),
        (put("known_rule", "max_error", value=0.0), "cannot be followed"),
        (put("known_rule", "max_error", value=1.0), "cannot be followed"),
        (put("known_rule", "min_probability", value=None), "cannot be followed"),
        (put("known_rule", "min_probability", value=1.01), "cannot be followed"),
        (put("known_rule", "max_distance", value=-0.5), "cannot be followed"),
        (put("known_rule", "reason", value="because"), "cannot be followed"),
        (put("known_rule", "reason", value=0), "cannot be followed"),
        (put("known_rule", value={}), "missing 3 required"),
        (put("known_rule", value=7), "describes no model"),
    ],
)
def test_a_signed_description_that_says_something_else(
    change: Callable[[dict[str, Any]], None], told: str, folder: Path
) -> None:
    rewrite(folder, change)
    with pytest.raises(ModelError, match=f"(?s){told}") as caught:
        Description.read(folder)
    assert str(folder / DESCRIPTION) in str(caught.value)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("key", ["format", "architecture", "classes", "preprocess"])
def test_a_description_without_one_of_its_keys(key: str, folder: Path) -> None:
    rewrite(folder, lambda description: description.pop(key))
    with pytest.raises(ModelError, match=key):
        Description.read(folder)


def test_random_edits_raise_nothing_else(folder: Path) -> None:
    """They keep the JSON valid, and are signed."""
    draw, sound = random.Random(1), json.loads((folder / DESCRIPTION).read_bytes())
    values: list[Any] = [None, True, -1, 0, 3, 0.5, 1e300, 10**30, "", "x", [], {}, [[]], "swin_tiny", 64]
    refused = 0
    for _ in range(500):
        description = json.loads(json.dumps(sound))
        target = description
        while True:
            key = draw.choice(sorted(target))
            if not isinstance(target[key], dict) or not target[key] or draw.random() < 0.3:
                break
            target = target[key]
        target[key] = draw.choice(values)
        write(folder, description)
        try:
            Description.read(folder)
        except ModelError:
            refused += 1
    assert refused > 150


@pytest.mark.parametrize("known", [0.0, 0.5])
def test_an_older_rule_without_a_threshold_promises_nothing(known: float, tmp_path: Path) -> None:
    """Formats 1 and 2 said 0 where no threshold could be shown, and meant that everything is known."""
    (tmp_path / DESCRIPTION).write_bytes((GOLDEN / "format2" / "vit" / DESCRIPTION).read_bytes())
    rewrite(tmp_path, put("known_rule", "min_probability", value=known))
    rule = Description.read(tmp_path).known_rule
    assert rule
    assert (rule.min_probability is None) == (known == 0)
    assert ("train again with more validation pictures" in rule.reason) == (known == 0)
    assert rule.holds(1.0, 0.0) == (known > 0)


def test_a_newer_format_says_to_upgrade(folder: Path) -> None:
    rewrite(folder, lambda description: description.update(format=FORMAT + 1, genus="9.1.0"))
    with pytest.raises(ModelError, match=rf"has format {FORMAT + 1}, written by genus '9\.1\.0'.*pip install -U genus"):
        read_description(folder)


def test_a_huge_description_is_not_read(folder: Path) -> None:
    with (folder / DESCRIPTION).open("r+b") as file:
        file.truncate(description_module.MAX_BYTES + 1)
    with pytest.raises(ModelError, match="larger than 16 MB"):
        read_description(folder)


@pytest.mark.skipif(os.name == "nt", reason="POSIX only")
def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / DESCRIPTION
    os.mkfifo(path)
    with pytest.raises(ModelError, match="no finished run"):
        read_description(tmp_path)
    path.unlink()
    path.symlink_to("/dev/zero")
    with pytest.raises(ModelError, match="no finished run"):
        read_description(tmp_path)
    path.unlink()
    path.mkdir()
    with pytest.raises(ModelError, match="no finished run"):
        read_description(tmp_path)


def test_no_run_at_all(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing", Path(__file__), Path("x" * 5000), Path("a\0b")):
        with pytest.raises(ModelError, match=r"no finished run|cannot be read"):
            read_description(path)
