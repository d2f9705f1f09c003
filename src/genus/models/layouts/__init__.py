"""Every checkpoint layout that genus reads, by model family (the class name of the model)."""

from genus.models.layouts import cnn, swin_vit
from genus.models.layouts.layout import Layout

LAYOUTS: dict[str, tuple[Layout, ...]] = {
    "Swin": swin_vit.SWIN,
    "ViT": swin_vit.VIT,
    "VGG": cnn.VGG,
    "EfficientNetLite": cnn.EFFICIENTNET_LITE,
}
