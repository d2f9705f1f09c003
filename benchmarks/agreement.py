"""Do all engines and precisions give a trained model's pictures the same names? usage: agreement FOLDER RUN...

Held against torch in fp32, over every picture below FOLDER.
"""

import sys
from pathlib import Path

import numpy as np
import torch

from benchmarks.timing import machine
from genus.bundle import load_bundle
from genus.data.decode import decode
from genus.data.folder import scan
from genus.data.loader import default_workers
from genus.engine.openvino_engine import OpenVinoEngine
from genus.engine.stream import Engine, stream
from genus.engine.torch_engine import TorchEngine
from genus.models.backbone import WithoutHead, to_device
from genus.predictor import head_logits

CPU = torch.device("cpu")


def main(folder: Path, runs: list[Path]) -> None:
    machine()
    paths, workers = [picture.path for picture in scan(folder).pictures], default_workers()
    print(f"\n{len(paths)} pictures\n\n| model | engine | same name | largest difference of a logit, of the largest |")
    print("|---|---|---|---|")
    for run in runs:
        bundle = load_bundle(run)
        to_device(bundle.model, CPU)
        network = WithoutHead(bundle.model).eval()

        def logits(engine: Engine, bundle=bundle) -> np.ndarray:
            pieces = stream(range(len(paths)), lambda index: decode(paths[index], bundle.preprocess), engine, workers)
            return head_logits(bundle.model.head, np.concatenate([piece.rows for piece in pieces]))

        expected = logits(TorchEngine(network, bundle.preprocess, CPU, "fp32"))
        for name, engine in {
            "torch bf16": TorchEngine(network, bundle.preprocess, CPU, "bf16"),
            "openvino fp32": OpenVinoEngine(network, bundle.preprocess, "fp32", workers),
            "openvino bf16": OpenVinoEngine(network, bundle.preprocess, "bf16", workers),
        }.items():
            found = logits(engine)
            same = (found.argmax(1) == expected.argmax(1)).mean()
            difference = np.abs(found - expected).max() / np.abs(expected).max()
            print(f"| {bundle.architecture.name} | {name} | {same:.2%} | {difference:.4f} |", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(run) for run in sys.argv[2:]])
