"""One training step (forward, loss, backward, AdamW) against timm's model of the same kind, in fp32 and bf16."""

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.timing import import_timm, in_turns, machine, table
from genus.models import registry
from genus.models.backbone import module, place

PAIRS = {
    "swin_tiny": "swin_tiny_patch4_window7_224",
    "vit_tiny_patch16": "vit_tiny_patch16_224",
    "efficientnet_lite0": "efficientnet_lite0",
}
BATCH, CLASSES = 16, 5


def step_of(network: nn.Module, images: torch.Tensor, labels: torch.Tensor, bf16: bool):
    optimizer = torch.optim.AdamW(network.train().parameters(), lr=1e-4)

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            logits = network(images)
        F.cross_entropy(logits.float(), labels).backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def main() -> None:
    machine()
    (timm, _kept), labels = import_timm(), torch.arange(BATCH) % CLASSES
    for ours, theirs in PAIRS.items():
        plain = torch.randn(BATCH, 3, 224, 224)
        last = plain.contiguous(memory_format=torch.channels_last)
        competitors = {}
        for name, bf16 in (("fp32", False), ("bf16", True)):
            peer = timm.create_model(theirs, num_classes=CLASSES)
            competitors[f"timm {name}, as it comes"] = step_of(peer, plain, labels, bf16)
        for name, bf16 in (("fp32", False), ("bf16", True)):
            model = registry.build(ours, CLASSES)
            place(model, torch.device("cpu"))
            competitors[f"genus {name}"] = step_of(module(model), last, labels, bf16)
        seconds = in_turns(competitors)
        table(f"Training step, {ours}, batch {BATCH}", seconds, "timm fp32, as it comes", BATCH)


if __name__ == "__main__":
    main()
