"""One training step (forward, loss, backward, AdamW) against timm's model of the same kind, in fp32 and bf16.

Batches of 32, as `genus train` and the tutorial have them. Each competitor has a process of its own: genus trains with
freed memory kept, which would help its peers, too. Two rows show genus without that, one compiled. genus's AdamW goes
over the weights once (fused).
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F

from benchmarks.apart import Apart
from benchmarks.timing import import_timm, in_turns, machine, table
from genus.engine.compiling import compiled
from genus.engine.memory import freed_memory_kept
from genus.models import registry
from genus.models.backbone import module, place

PAIRS = {
    "swin_tiny": "swin_tiny_patch4_window7_224",
    "vit_tiny_patch16": "vit_tiny_patch16_224",
    "efficientnet_lite0": "efficientnet_lite0",
}
BATCH, CLASSES = 32, 5
KEPT = freed_memory_kept()


def step_of(name: str, peer: bool, bf16: bool, kept: bool, compile_it: bool = False) -> Callable[[], None]:
    """One step of timm's model as it comes, or of genus's; with ``kept`` as `genus train` runs it."""
    if kept:
        KEPT.__enter__()
    images, labels = torch.randn(BATCH, 3, 224, 224), torch.arange(BATCH) % CLASSES
    if peer:
        timm, _kept = import_timm()
        network = timm.create_model(PAIRS[name], num_classes=CLASSES)
    else:
        model = registry.build(name, CLASSES)
        place(model, torch.device("cpu"))
        network = module(model)
        images = images.contiguous(memory_format=torch.channels_last)
    compute = compiled(network.train()) if compile_it else network.train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4, fused=not peer)

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            logits = compute(images)
        F.cross_entropy(logits.float(), labels).backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def main() -> None:
    machine()
    for name in PAIRS:
        competitors = {
            title.format("bf16" if bf16 else "fp32"): Apart(step_of, name, peer, bf16, kept)
            for title, peer, kept in (
                ("timm {}, as it comes", True, False),
                ("genus {}", False, True),
                ("genus {}, freed memory given back", False, False),
            )
            for bf16 in (False, True)
        }
        competitors["genus bf16, compiled"] = Apart(step_of, name, False, True, True, True)
        seconds = in_turns(competitors)
        table(f"Training step, {name}, batch {BATCH}", seconds, "timm fp32, as it comes", BATCH)
        for competitor in competitors.values():
            competitor.close()


if __name__ == "__main__":
    main()
