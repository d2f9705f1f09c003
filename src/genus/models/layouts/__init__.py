"""Every checkpoint layout that genus reads, by model family (the class name of the model)."""

from genus.models.layouts import efficientnet_lite, swin, vgg, vit
from genus.models.layouts.layout import Layout

LAYOUTS: dict[str, tuple[Layout, ...]] = {
    "Swin": swin.LAYOUTS,
    "ViT": vit.LAYOUTS,
    "VGG": vgg.LAYOUTS,
    "EfficientNetLite": efficientnet_lite.LAYOUTS,
}
