"""What a command costs before it works: `genus --help`, and `genus predict RUN one.jpg` against a bare script that
imports torch, builds the same network, loads its weights and runs it once. usage: startup RUN PICTURE
"""

import subprocess
import sys

from benchmarks.timing import in_turns, machine, table

BARE = """
import json, sys, torch
from safetensors.torch import load_file
from genus.models import registry
run = sys.argv[1]
about = json.load(open(f"{run}/genus.json", encoding="utf-8"))
network = registry.build(about["architecture"]["name"], len(about["classes"]), **about["architecture"]["arguments"])
network.load_state_dict(load_file(f"{run}/model.safetensors"))
with torch.inference_mode():
    network.eval()(torch.rand(1, 3, about["preprocess"]["size"], about["preprocess"]["size"]))
"""


def call(*arguments: str) -> None:
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)


def main(run: str, picture: str) -> None:
    machine()
    competitors = {
        "bare script": lambda: call("-c", BARE, run),
        "genus predict RUN one.jpg": lambda: call("-m", "genus", "predict", run, picture),
        "genus --help": lambda: call("-m", "genus", "--help"),
    }
    table("The whole process", in_turns(competitors), "bare script")


if __name__ == "__main__":
    main(*sys.argv[1:])
