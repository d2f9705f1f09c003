"""Every timm model behind our contract: ``timm:NAME``, with the extra ``timm`` installed.

timm computes ``forward_features`` and then ``forward_head``, whose last layer is a linear classifier. That layer is
taken out and becomes ``head``; what is left of ``forward_head`` is ``pool``. Feature maps are turned to NCHW:

    NCHW    B x C x h x w          as they are (most CNNs)
    NHWC    B x h x w x C          turned (Swin and others)
    tokens  B x (P + h·w) x C      each of the P prefix tokens (class, registers) is repeated at every place and comes
                                   before the patch tokens: B x (P + 1)·C x h x w, as in our own ViT
"""

import importlib
import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from genus.errors import MachineError, UsageError, install_hint, nearest
from genus.models.backbone import Tail, features_for_cam, parameter_groups
from genus.types import Preprocess


class Anatomy(NamedTuple):
    """How a timm model is made: the form of its features, its prefix tokens, the name of its one linear classifier.

    ``classifier`` is None where there are several.
    """

    form: Literal["NCHW", "NHWC", "tokens"]
    prefix: int
    classifier: str | None


class TimmBackbone(nn.Module):
    """A timm model that keeps the contract of ``backbone.Backbone``.

    ``timm_name``: as timm spells it, with or without a tag ("resnet18", "resnet18.a1_in1k"). ``pretrained``: timm
    fetches the weights of that tag from the hub. ``image_size``: for models that are built for one input size; None
    for the size they were trained at. Models with several classifiers (distilled DeiT, LeViT) get one fresh head.

    Raises UsageError when timm is missing or does not know the name, MachineError when weights cannot be fetched.
    """

    network: Any

    def __init__(
        self, timm_name: str, num_classes: int, pretrained: bool = False, image_size: int | None = None
    ) -> None:
        super().__init__()
        config = _pretrained_config(timm_name)
        side = image_size or config.input_size[-1]
        sized = {"img_size": side} if config.fixed_input_size else {}
        self.form, self.prefix, classifier = _examine(timm_name, side, sized)
        self.network = _create(timm_name, pretrained, num_classes=num_classes, **sized)
        self.head = _take_classifier(self.network, classifier, num_classes)
        self.num_features = self.head.in_features

    @property
    def stages(self) -> Sequence[nn.Module]:
        """timm's top-level modules with parameters, in the order of their definition; lists of blocks taken apart."""
        parts: list[nn.Module] = []
        for child in self.network.children():
            parts.extend(child.children() if isinstance(child, nn.Sequential | nn.ModuleList) else [child])
        return [part for part in parts if next(part.parameters(), None) is not None]

    def finish(self, data: Tensor) -> Tensor:
        """timm's networks are no chains of their modules, so none can be cut in two. Raises UsageError."""
        raise UsageError("A timm model cannot be frozen in part. Choose one of `genus models`, or --freeze-layers.")

    def features(self, images: Tensor) -> Tensor:
        """B x 3 x H x W -> B x C x h x w; see the head of this file for C."""
        maps: Tensor = self.network.forward_features(images)
        if self.form == "NCHW":
            return maps
        if self.form == "NHWC":
            return maps.permute(0, 3, 1, 2)
        patches = self._patches(maps, images)
        prefix = maps[:, : self.prefix].flatten(1)[:, :, None, None].expand(-1, -1, *patches.shape[2:])
        return torch.cat([prefix, patches], dim=1)

    def _patches(self, tokens: Tensor, images: Tensor) -> Tensor:
        """B x (P + h·w) x C -> B x C x h x w, without the prefix."""
        places = tokens.shape[1] - self.prefix
        rows = round(math.sqrt(places * images.shape[-2] / images.shape[-1]))
        return tokens[:, self.prefix :].transpose(1, 2).unflatten(2, (rows, places // rows))

    def cam_features(self, images: Tensor) -> tuple[Tensor, Tail]:
        """The features; of a transformer with ``blocks``, the patch tokens before the last two, as in our own ViT.

        timm has no way to enter a network in its middle: the tail runs the whole network and puts the tokens in where
        they belong.
        """
        blocks: Sequence[nn.Module] = getattr(self.network, "blocks", ())
        if self.form != "tokens" or len(blocks) < 2:
            return features_for_cam(self, images)
        entrance: nn.Module = blocks[-2]
        seen: list[Tensor] = []

        def watch(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            seen.append(inputs[0])

        with entrance.register_forward_pre_hook(watch):
            features: Tensor = self.network.forward_features(images)
        if seen[0].shape != features.shape:  # the prefix comes later
            return features_for_cam(self, images)
        prefix = seen[0][:, : self.prefix]

        def tail(maps: Tensor) -> Tensor:
            tokens = torch.cat([prefix, maps.flatten(2).transpose(1, 2)], dim=1)

            def put_in(_: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
                return tokens, *inputs[1:]

            with entrance.register_forward_pre_hook(put_in):
                return self.pool(self.features(images))

        return self._patches(seen[0], images), tail

    def pool(self, features: Tensor) -> Tensor:
        """B x C x h x w -> B x num_features: timm's ``forward_head`` without its classifier."""
        maps = features
        if self.form == "NHWC":
            maps = features.permute(0, 2, 3, 1)
        elif self.form == "tokens":
            prefix, patches = features.unflatten(1, (self.prefix + 1, -1)).split((self.prefix, 1), dim=1)
            maps = torch.cat([prefix[..., 0, 0], patches[:, 0].flatten(2).transpose(1, 2)], dim=1)
        return self.network.forward_head(maps)

    def forward(self, images: Tensor) -> Tensor:
        """B x 3 x H x W -> B x classes."""
        return self.head(self.pool(self.features(images)))

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """By depth as timm groups them for layer-wise rates; a model without such rules: by top-level module."""
        if hasattr(self.network, "group_matcher"):
            from timm.models import group_parameters

            names = group_parameters(self.network, self.network.group_matcher(coarse=False))
            groups = [[self.network.get_parameter(name) for name in names[depth]] for depth in sorted(names)]
        else:
            groups = [list(self.network.parameters(recurse=False))]
            groups += [parameter_groups(child) for child in self.network.children()]
        return [group for group in groups if group] + [parameter_groups(self.head)]


def timm_preprocess(timm_name: str) -> Preprocess:
    """How pictures were prepared when timm's weights of this name were trained. Raises UsageError as the model does."""
    config = _pretrained_config(timm_name)
    return Preprocess(
        size=config.input_size[-1],
        mean=tuple(config.mean),
        std=tuple(config.std),
        resample="bilinear" if config.interpolation == "bilinear" else "bicubic",
        crop=min(config.crop_pct, 1.0),
    )


def import_timm() -> Any:
    """The package timm. Raises UsageError that says what is missing or does not fit together."""
    try:
        import_torchvision()
        return importlib.import_module("timm")
    except ModuleNotFoundError as error:
        raise UsageError(
            f"Models named timm:NAME need the extra timm, and {error.name} is not installed. Install it with: "
            f"{install_hint('timm')}"
        ) from error
    except Exception as error:  # whatever two packages can raise that were not built for each other
        build = f"cu{torch.version.cuda.replace('.', '')}" if torch.version.cuda else "cpu"
        raise UsageError(
            f"Models named timm:NAME need timm and torchvision, which cannot be imported beside torch "
            f"{torch.__version__}: {error}. Install the torchvision that was built for this torch: pip install "
            f"--force-reinstall --no-deps torchvision --index-url https://download.pytorch.org/whl/{build}"
        ) from error


_DECLARED: list[torch.library.Library] = []
"""What it declares lives as long as the object does."""


def import_torchvision() -> Any:
    """The package torchvision, which timm needs, also where it was built for another torch.

    PyPI's is built for CUDA. Beside the CPU build of torch its operators cannot be loaded, and its import ends because
    it has a rule for two of them. No network that classifies calls these (they choose among boxes), so they are
    declared without a body; whoever calls one is told by torchvision that its operators are missing.
    """
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if _DECLARED or "operator torchvision::nms does not exist" not in str(error):
            raise
    library = torch.library.Library("torchvision", "FRAGMENT")
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _DECLARED.append(library)
    return importlib.import_module("torchvision")


def _pretrained_config(timm_name: str) -> Any:
    """timm's ``PretrainedCfg`` of a name with or without a tag."""
    timm = import_timm()
    try:
        return timm.get_pretrained_cfg(timm_name, allow_unregistered=False)
    except RuntimeError as error:
        known = timm.list_models() + timm.list_pretrained()
        raise UsageError(f"timm has no model named '{timm_name}'.{nearest(timm_name, known)}") from error


def _examine(timm_name: str, side: int, sized: dict[str, int]) -> Anatomy:
    """Look at a copy on the meta device, where nothing is computed. ``side``: of the square picture, in pixels."""
    with torch.device("meta"), torch.no_grad():
        network = import_timm().create_model(timm_name, num_classes=1, **sized).eval()
        maps = network.forward_features(torch.zeros(1, 3, side, side))
        if not isinstance(maps, Tensor) or not hasattr(network, "reset_classifier"):
            raise UsageError(
                f"timm:{timm_name} cannot be used: it ends in several feature maps or takes no classifier. "
                "Choose another model."
            )
        before = _linear_layers(network)
        network.reset_classifier(0)
    after = _linear_layers(network)
    classifiers = [name for name, layer in before.items() if after.get(name) is not layer]
    classifier = classifiers[0] if len(classifiers) == 1 else None
    if maps.ndim == 4:
        return Anatomy(getattr(network, "output_fmt", "NCHW"), 0, classifier)
    prefix = maps.shape[1] - math.isqrt(maps.shape[1]) ** 2  # the patches of a square picture make a square
    return Anatomy("tokens", prefix, classifier)


def _linear_layers(network: nn.Module) -> dict[str, nn.Module]:
    """Linear layers and convolutions by name; some classifiers are 1 x 1 convolutions over the pooled vector."""
    return {name: part for name, part in network.named_modules() if isinstance(part, nn.Linear | nn.Conv2d)}


def _create(timm_name: str, pretrained: bool, **arguments: int) -> Any:
    if pretrained and not _pretrained_config(timm_name).has_weights:
        raise UsageError(f"timm has no pretrained weights for '{timm_name}'. Train from scratch with --weights none.")
    try:
        return import_timm().create_model(timm_name, pretrained=pretrained, **arguments)
    except OSError as error:  # the hub's errors derive from it
        raise MachineError(
            f"Cannot get the weights of timm:{timm_name}: {error}. Connect to the network once (they are kept), or "
            "choose a model of `genus models` and give it a file with --weights FILE."
        ) from error


def _take_classifier(network: Any, name: str | None, num_classes: int) -> nn.Linear:
    """Make ``network`` give pooled features, and return its classifier, or a fresh one where it had several."""
    if name is None:
        network.reset_classifier(0)
        return nn.Linear(network.head_hidden_size, num_classes)
    layer = network.get_submodule(name)
    network.set_submodule(name, nn.Identity())
    return layer if isinstance(layer, nn.Linear) else _as_linear(layer)


def _as_linear(convolution: nn.Conv2d) -> nn.Linear:
    """A 1 x 1 convolution over one place: the same sums."""
    linear = nn.Linear(convolution.in_channels, convolution.out_channels)
    linear.load_state_dict({"weight": convolution.weight.flatten(1), "bias": convolution.bias})
    return linear
