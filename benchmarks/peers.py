"""The networks of timm and torchvision that genus's are held against, untrained."""

from functools import partial

from torch import nn

from benchmarks.timing import import_timm

PEERS = {
    "timm": {
        "swin_tiny": "swin_tiny_patch4_window7_224",
        "vit_tiny_patch16": "vit_tiny_patch16_224",
        "efficientnet_lite0": "efficientnet_lite0",
    },
    "torchvision": {  # which has no EfficientNet-Lite
        "swin_tiny": "swin_t",
        "vit_tiny_patch16": "VisionTransformer",
    },
}
_VIT_TINY = {
    "image_size": 224, "patch_size": 16, "num_layers": 12, "num_heads": 3, "hidden_dim": 192, "mlp_dim": 768
}  # fmt: skip


def peer(library: str, name: str, classes: int) -> nn.Module:
    """``library``'s network that has the shapes of genus's ``name``; ``classes`` 0: without a head."""
    timm, _kept = import_timm()
    theirs = PEERS[library][name]
    if library == "timm":
        return timm.create_model(theirs, num_classes=classes)
    from torchvision import models

    make, head = getattr(models, theirs), "head"
    if name == "vit_tiny_patch16":
        make, head = partial(make, **_VIT_TINY), "heads"
    network = make(num_classes=classes or 1)
    if not classes:
        setattr(network, head, nn.Identity())
    return network
