"""On a graphics card, in bf16: forward pass and training step against timm's models, compiled or not.

Each competitor has a process of its own, which compiles while the others do; then they run in turns, ``CALLS`` calls
at a time. The share of the card's matrix rate counts multiplications and additions of the forward pass, three times
for a step.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F

from benchmarks.apart import Apart
from benchmarks.extraction import matrix_peak
from benchmarks.timing import import_timm, in_turns, machine, table
from genus.engine.torch_engine import compiled
from genus.models import registry
from genus.models.backbone import to_device

PAIRS = {"swin_tiny": "swin_tiny_patch4_window7_224", "vit_base_patch16": "vit_base_patch16_224"}
BATCH, CLASSES, CALLS = 128, 5, 5
CARD = torch.device("cuda")
BASELINE = "timm, as it comes"


def network_of(name: str, peer: bool) -> tuple[torch.nn.Module, torch.Tensor]:
    """The network on the card, and pictures for it."""
    images = torch.randn(BATCH, 3, 224, 224, device=CARD)
    if peer:
        timm, _kept = import_timm()
        network = timm.create_model(PAIRS[name], num_classes=CLASSES).to(CARD)
    else:
        network = to_device(registry.build(name, CLASSES), CARD)
        images = images.contiguous(memory_format=torch.channels_last)
    return network, images


def repeated(once: Callable[[], object]) -> Callable[[], None]:
    """``once``, called once now (which compiles), then ``CALLS`` times a call, until the card has done them."""
    once()

    def call() -> None:
        for _ in range(CALLS):
            once()
        torch.cuda.synchronize()

    return call


def forward_of(name: str, peer: bool, compile_it: bool) -> Callable[[], None]:
    """The logits of a batch."""
    network, images = network_of(name, peer)
    compute = compiled(network.eval()) if compile_it else network.eval()

    def forward() -> None:
        with torch.inference_mode(), torch.autocast("cuda", torch.bfloat16):
            compute(images)

    return repeated(forward)


def step_of(name: str, peer: bool, compile_it: bool) -> Callable[[], None]:
    """Forward, loss, backward, AdamW."""
    network, images = network_of(name, peer)
    compute = compiled(network.train()) if compile_it else network.train()
    labels = torch.arange(BATCH, device=CARD) % CLASSES
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4)

    def step() -> None:
        with torch.autocast("cuda", torch.bfloat16):
            logits = compute(images)
        F.cross_entropy(logits.float(), labels).backward()
        optimizer.step()
        optimizer.zero_grad()

    return repeated(step)


def main() -> None:
    machine()
    print(torch.cuda.get_device_name(CARD))
    peak = matrix_peak(8192, CARD)
    print(f"Largest rate of an 8192 x 8192 matrix product in bf16: {peak / 1000:.0f} TFLOP/s")
    kinds = {"Forward": (forward_of, 1), "Training step": (step_of, 3)}
    rows = [
        (BASELINE, True, False),
        ("genus", False, False),
        ("timm, compiled", True, True),
        ("genus, compiled", False, True),
    ]
    for name in PAIRS:
        competitors = {
            what: {title: Apart(make, name, peer, compile_it) for title, peer, compile_it in rows}
            for what, (make, _) in kinds.items()
        }
        for what, (_, passes) in kinds.items():
            seconds = in_turns(competitors[what])
            table(f"{what}, {name}, batch {BATCH}", seconds, BASELINE, BATCH * CALLS)
            for title, values in seconds.items():
                rate = BATCH * CALLS / min(values) * 2 * registry.entry(name).gmacs * passes
                print(f"{title}: {rate / peak:.0%} of the matrix product's rate.")
            for competitor in competitors[what].values():
                competitor.close()


if __name__ == "__main__":
    main()
