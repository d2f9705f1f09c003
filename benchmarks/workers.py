"""Reading and computing on a processor: one computation on all cores beside the readers, or one computation a core."""

import sys
from pathlib import Path

import torch

from benchmarks.timing import in_turns, machine, table
from genus.data.decode import decode
from genus.data.loader import load_batches
from genus.data.threads import default_workers
from genus.engine.stream import stream
from genus.engine.torch_engine import TorchEngine
from genus.models import registry
from genus.models.backbone import WithoutHead, place

IMAGES = 256
CPU = torch.device("cpu")


def main(folder: Path) -> None:
    machine()
    paths = sorted(folder.rglob("*.jpg"))[:IMAGES]
    for name in ("efficientnet_lite0", "vit_tiny_patch16"):
        model, preprocess = registry.build(name, 5), registry.preprocess_of(name)
        place(model, CPU)
        engine = TorchEngine(WithoutHead(model).eval(), preprocess, CPU, "bf16")

        def read(index: int, preprocess=preprocess) -> object:
            return decode(paths[index], preprocess)

        def on_all_cores(read=read, engine=engine) -> None:
            for batch in load_batches(range(len(paths)), read, 32, default_workers()):
                engine(batch.pixels)

        def one_a_core(read=read, engine=engine) -> None:
            list(stream(range(len(paths)), read, engine, default_workers()))

        competitors = {
            "readers beside one computation on all cores": on_all_cores,
            "one computation a core": one_a_core,
        }
        title = f"{name}, bf16, {len(paths)} photos"
        table(title, in_turns(competitors, 5), "readers beside one computation on all cores", len(paths))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
