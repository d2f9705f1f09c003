"""Time and accuracy of AutoGluon's `MultiModalPredictor` against `genus train`, as their users call them.

Both start from the same weights, get FOLDER/train and are held against FOLDER/test (which decides nothing in either).
AutoGluon: its defaults (all layers learn, up to 20 epochs, a part of its own for validation), and as many seconds as
are given. genus: the whole command with an empty cache. AutoGluon has an environment of its own, made by
benchmarks/setup-autogluon, and named in GENUS_AUTOGLUON if it is not .venv-autogluon.
usage: autogluon FOLDER [SECONDS...]
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

from benchmarks.accuracy import copy_weights
from benchmarks.frozen import MODEL, genus_train
from benchmarks.timing import import_timm, machine

PYTHON = Path(os.environ.get("GENUS_AUTOGLUON", Path(__file__).parents[1] / ".venv-autogluon"), "bin", "python")


def save_weights(folder: Path) -> None:
    """The weights from which genus starts, as AutoGluon reads a network of timm from a folder."""
    timm, _kept = import_timm()
    network = timm.create_model(f"tf_{MODEL}", num_classes=1000)
    copy_weights(network)
    folder.mkdir()
    weights = {name: tensor for name, tensor in network.state_dict().items() if not name.startswith("classifier")}
    torch.save(weights, folder / "pytorch_model.bin")
    wanted = ("input_size", "interpolation", "crop_pct", "mean", "std", "classifier")
    config = {
        "architecture": f"tf_{MODEL}",
        "num_features": network.num_features,
        "pretrained_cfg": {key: network.default_cfg[key] for key in wanted},
    }
    (folder / "config.json").write_text(json.dumps(config))


def main(folder: Path, limits: list[int]) -> None:
    machine()
    print("\n| | seconds | test accuracy | times genus |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        spent = genus_train(folder, root / "run", root / "cache")
        accuracy = json.loads((root / "run" / "metrics.json").read_text())["test"]["accuracy"]["value"]
        print(f"| `genus train`, 100 epochs | {spent:.1f} | {accuracy:.3f} | 1.0 |", flush=True)
        save_weights(root / "weights")
        for limit in limits:
            arguments = [folder, root / "weights", root / f"within{limit}", str(limit)]
            command = [PYTHON, "-m", "benchmarks.autogluon_fit", *arguments]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            result = json.loads(done.stdout.splitlines()[-1])
            ratio = result["seconds"] / spent
            print(
                f"| AutoGluon, at most {limit} s | {result['seconds']:.1f} | {result['accuracy']:.3f} | {ratio:.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main(Path(sys.argv[1]), [int(limit) for limit in sys.argv[2:]] or [300, 900])
