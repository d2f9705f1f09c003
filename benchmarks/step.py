"""One training step (forward, loss, backward, AdamW) against the same network of timm and torchvision, fp32 and bf16.

Batches of 32, as `genus train` and the tutorial have them. Each competitor has a process of its own: genus trains with
freed memory kept, which would help its peers, too. Two rows show genus without that, one compiled. genus's AdamW goes
over the weights once (fused). usage: step [timm|torchvision]
"""

import sys
from collections.abc import Callable, Iterable

import torch
import torch.nn.functional as F

from benchmarks.apart import Apart
from benchmarks.peers import PEERS, peer
from benchmarks.timing import in_turns, machine, table
from genus.engine.device import freed_memory_kept
from genus.engine.torch_engine import compiled
from genus.models import registry
from genus.models.backbone import module, to_device

MODELS = ("swin_tiny", "vit_tiny_patch16", "efficientnet_lite0")
BATCH, CLASSES = 32, 5
KEPT = freed_memory_kept()


def step_of(library: str, name: str, bf16: bool, kept: bool = False, compile_it: bool = False) -> Callable[[], None]:
    """One step of a peer's model as it comes, or of genus's; with ``kept`` as `genus train` runs it."""
    if kept:
        KEPT.__enter__()
    images, labels = torch.randn(BATCH, 3, 224, 224), torch.arange(BATCH) % CLASSES
    if library in PEERS:
        network = peer(library, name, CLASSES)
    else:
        model = registry.build(name, CLASSES)
        to_device(model, torch.device("cpu"))
        network = module(model)
        images = images.contiguous(memory_format=torch.channels_last)
    compute = compiled(network.train()) if compile_it else network.train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4, fused=library not in PEERS)

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            logits = compute(images)
        F.cross_entropy(logits.float(), labels).backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def against(library: str, name: str) -> None:
    """Both precisions of both, and what genus adds to them; competitors hold up to 6 GB each, so one peer at a time."""
    competitors = {
        title.format("bf16" if bf16 else "fp32"): Apart(step_of, whose, name, bf16, kept)
        for title, whose, kept in (
            (f"{library} {{}}, as it comes", library, False),
            ("genus {}", "genus", True),
            ("genus {}, freed memory given back", "genus", False),
        )
        for bf16 in (False, True)
    }
    competitors["genus bf16, compiled"] = Apart(step_of, "genus", name, True, True, True)
    seconds = in_turns(competitors)
    table(f"Training step, {name}, batch {BATCH}", seconds, f"{library} fp32, as it comes", BATCH)
    for competitor in competitors.values():
        competitor.close()


def main(libraries: Iterable[str]) -> None:
    machine()
    for library in libraries:
        for name in MODELS:
            if name in PEERS[library]:
                against(library, name)


if __name__ == "__main__":
    main(sys.argv[1:] or PEERS)
