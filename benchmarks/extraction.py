"""Features of a frozen network: images a second by engine and precision, against timm's and torchvision's network."""

from collections.abc import Callable

import numpy as np
import torch

from benchmarks.peers import PEERS, peer
from benchmarks.timing import in_turns, machine, table
from genus.data.loader import default_workers
from genus.engine.openvino_engine import OpenVinoEngine
from genus.engine.stream import stream
from genus.engine.torch_engine import TorchEngine
from genus.models import registry
from genus.models.backbone import WithoutHead, to_device

MODELS = ("swin_tiny", "vit_tiny_patch16", "efficientnet_lite0")
IMAGES, BATCH, SIDE = 64, 32, 2048
CPU = torch.device("cpu")


def main() -> None:
    machine()
    peak = matrix_peak(SIDE, CPU)
    print(f"Largest rate of a {SIDE} x {SIDE} matrix product in bf16: {peak:.0f} GFLOP/s")
    workers = default_workers()
    pixels = np.random.default_rng(0).integers(0, 256, (IMAGES, 224, 224, 3), dtype=np.uint8)
    for name in MODELS:
        model, preprocess = registry.build(name, 5), registry.preprocess_of(name)
        to_device(model, CPU)
        network = WithoutHead(model).eval()

        def all_through(engine) -> object:
            return lambda: list(stream(range(IMAGES), lambda index: pixels[index], engine, workers))

        competitors = {}
        for precision in ("fp32", "bf16"):
            for library in PEERS:
                if name in PEERS[library]:
                    competitors[f"{library} {precision}, as it comes"] = through_peer(library, name, precision)
            competitors[f"genus torch {precision}"] = all_through(TorchEngine(network, preprocess, CPU, precision))
            competitors[f"genus openvino {precision}"] = all_through(
                OpenVinoEngine(network, preprocess, precision, workers)
            )
        seconds = in_turns(competitors)
        table(f"Features, {name}, {IMAGES} pictures of 224 px", seconds, "timm fp32, as it comes", IMAGES)
        best = IMAGES / min(min(values) for values in seconds.values())
        rate = best * 2 * registry.entry(name).gmacs
        print(f"\nBest: {best:.0f} images/s, {rate:.0f} GFLOP/s, {rate / peak:.0%} of the matrix product's rate.")


def through_peer(library: str, name: str, precision: str) -> Callable[[], None]:
    """All pictures through the network of ``library``, in batches."""
    network, images = peer(library, name, 0).eval(), torch.randn(IMAGES, 3, 224, 224)

    def all_through() -> None:
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            for batch in images.split(BATCH):
                network(batch)

    return all_through


def matrix_peak(side: int, device: torch.device) -> float:
    """GFLOP/s of the fastest of a few large products in bf16."""
    left, right = (torch.randn(side, side, dtype=torch.bfloat16, device=device) for _ in range(2))
    seconds = in_turns({"product": lambda: left @ right}, repeats=20)["product"]
    return 2 * side**3 / min(seconds) / 1e9


if __name__ == "__main__":
    main()
