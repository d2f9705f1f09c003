"""A weights file is read whatever wraps its tensors, runs no code, and is named where it is another kind of file."""

import argparse
import collections
import datetime
import io
import os
import pathlib
import pickle
import re
import subprocess
import sys
import types
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from genus.errors import ModelError
from genus.models.checkpoint import read_checkpoint


class CfgNode(dict):  # type: ignore[type-arg]
    """A dictionary of options with attributes, as the library yacs has it, with which the Swin release was trained."""

    __module__ = "yacs.config"


@pytest.mark.parametrize("zipped", [True, False])
def test_settings_beside_the_tensors_are_passed_over(zipped: bool, tmp_path: Path) -> None:
    """Libraries that a checkpoint mentions need not be installed: their objects are never made."""
    content: dict[str, Any] = {
        "state_dict": {"w": torch.ones(2), "bn.num_batches_tracked": torch.tensor(3)},
        "args": argparse.Namespace(lr=0.1, betas=(0.9, 0.999)),
        "pytorch-lightning_version": "2.5",
        "callbacks": {"ModelCheckpoint{'monitor': None}": {"best_model_score": torch.tensor(0.5)}},
        "optimizer": {"state": {0: {"exp_avg": torch.zeros(3)}}},
    }
    config = CfgNode({"MODEL": CfgNode(depth=2)})
    config.out = pathlib.PurePosixPath("/tmp")  # type: ignore[attr-defined]
    content |= {"config": config, "when": datetime.datetime(2026, 1, 1), "torch": torch.__version__}
    content |= {"best": np.float64(0.5), "scores": np.arange(3), "table": collections.defaultdict(list, a=[1])}
    path = tmp_path / "w.pth"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "yacs", types.ModuleType("yacs"))
        patch.setitem(sys.modules, "yacs.config", types.ModuleType("yacs.config"))
        patch.setattr(sys.modules["yacs.config"], "CfgNode", CfgNode, raising=False)
        torch.save(content, path, _use_new_zipfile_serialization=zipped)
    tables = read_checkpoint(path)
    assert {name: list(table) for name, table in tables.items()} == {"state_dict": ["w"]}
    assert torch.equal(tables["state_dict"]["w"], torch.ones(2))


class Bomb:
    """Unpickling it would leave a file behind."""

    def __init__(self, call: Callable[..., object], *arguments: object) -> None:
        self.call = call, arguments

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("call", [Path.touch, os.mkdir, open, subprocess.check_call, eval])
@pytest.mark.parametrize("zipped", [True, False])
def test_pickles_are_refused_and_never_run(call: Callable[..., object], zipped: bool, tmp_path: Path) -> None:
    path, marker = tmp_path / "evil.pth", tmp_path / "owned"
    arguments = {
        Path.touch: (marker,),
        open: (str(marker), "w"),
        subprocess.check_call: (["touch", str(marker)],),
        eval: (f"open({str(marker)!r}, 'w')",),
    }
    content = {"model": {"w": torch.ones(1)}, "extra": Bomb(call, *arguments.get(call, (str(marker),)))}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(ModelError, match="runs no code"):
        read_checkpoint(path)
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(ModelError, match="runs no code"):
        read_checkpoint(path)
    assert not marker.exists()


@pytest.mark.parametrize("zipped", [True, False])
def test_the_suffix_says_nothing(zipped: bool, tmp_path: Path) -> None:
    path = tmp_path / "really_torch.safetensors"
    torch.save({"w": torch.ones(2)}, path, _use_new_zipfile_serialization=zipped)
    assert torch.equal(read_checkpoint(path)[""]["w"], torch.ones(2))
    save_file({"w": torch.ones(2)}, tmp_path / "really_safetensors.pth")
    assert torch.equal(read_checkpoint(tmp_path / "really_safetensors.pth")[""]["w"], torch.ones(2))


@pytest.mark.filterwarnings("ignore:Couldn't retrieve source code")
@pytest.mark.parametrize("zipped", [True, False])
def test_a_whole_pickled_model_is_named(zipped: bool, tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(2, 2))
    torch.save(model, tmp_path / "model.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(ModelError, match=r"whole model as a pickled object.*torch\.save\(model\.state_dict\(\)"):
        read_checkpoint(tmp_path / "model.pth")


def in_memory(write: Callable[[Any], object]) -> bytes:
    buffer = io.BytesIO()
    write(buffer)
    return buffer.getvalue()


def archive(*names: str) -> bytes:
    def write(buffer: Any) -> None:
        with zipfile.ZipFile(buffer, "w") as file:
            for name in names:
                file.writestr(name, b"content")

    return in_memory(write)


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 113343024\n"
TENSOR = in_memory(lambda buffer: torch.save({"embed.cls_token": torch.zeros(3)}, buffer))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"short", "is no weights file, is damaged"),
        (b"\x00" * 200, "is no weights file, is damaged"),
        (b"\x08\x00\x00\x00\x00\x00\x00\x00{", "is damaged"),
        (TENSOR[:-40], "was cut off on its way"),
        (TENSOR[:100], "was cut off on its way"),
        (LFS, "Git LFS pointer.*git lfs pull"),
        (b"\n<!DOCTYPE html>\n<title>Log in</title>", "a web page"),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code>', "a web page"),
        (b'{"metadata": {"total_size": 5}, "weight_map": {}}', "a JSON text"),
        (b"\x89HDF\r\n\x1a\n" + b"\x00" * 90, "an HDF5 file"),
        (b"\x08\x07\x12\x07pytorch" + b"\x00" * 90, "an ONNX file"),
        (b"\x1f\x8b\x08" + b"\x00" * 90, "an archive"),
        (b"a.pth".ljust(257, b"\x00") + b"ustar" + b"\x00" * 250, "a tar archive"),
        (archive("readme.txt", "best/swin.pth"), "a zip archive, no torch file.*: best/swin.pth"),
        (in_memory(lambda buffer: np.savez(buffer, w=np.zeros(3))), "a zip archive, no torch file.*: w.npy"),
        (archive("model/data.pkl", "model/constants.pkl", "model/code/m.py"), "a TorchScript program"),
        (in_memory(lambda buffer: torch.save([torch.zeros(1)], buffer)), "no table of tensors"),
        (in_memory(lambda buffer: torch.save({"epoch": 3}, buffer)), "no table of tensors"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_weights_file_is_called_by_its_name(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=f"{re.escape(str(path))} .*{message}"):
        read_checkpoint(path)


def test_folders_missing_files_and_pipes_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="No such file"):
        read_checkpoint(tmp_path / "nothing.safetensors")
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(ModelError, match=r"is a folder. Name the weights file in it: model\.safetensors\."):
        read_checkpoint(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(ModelError, match="is a pipe"):
            read_checkpoint(tmp_path / "pipe")
