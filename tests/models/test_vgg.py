"""VGG against the published list of its layers, against timm's stored numbers, and its checkpoints."""

import pytest
import torch
from torch import Tensor, nn

from genus.models import vgg
from genus.models.backbone import module
from genus.models.layouts import LAYOUTS
from genus.models.registry import build
from tests.models.closeness import assert_equal, outputs_of, randomise
from tests.models.seeded import assert_as_stored, read_reference, seeded_images, seeded_state

WIDTHS, HIDDEN, CLASSES = (4, 6, 8, 10, 10), 12, 5
CONFIGURATIONS = {"vgg11": "1M2M33M44M55M", "vgg13": "11M22M33M44M55M", "vgg16": "11M22M333M444M555M"}
CONFIGURATIONS |= {"vgg19": "11M22M3333M4444M5555M"}  # Table 1: a digit is a convolution of that block


class FlatVGG(nn.Module):
    """VGG as torchvision lays it out: one flat list of layers, then one flat classifier."""

    def __init__(self, configuration: str, batch_norm: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 3
        for letter in configuration:
            if letter == "M":
                layers.append(nn.MaxPool2d(2, 2))
                continue
            width = WIDTHS[int(letter) - 1]
            norm = [nn.BatchNorm2d(width)] if batch_norm else []
            layers += [nn.Conv2d(inputs, width, 3, padding=1), *norm, nn.ReLU()]
            inputs = width
        self.features = nn.Sequential(*layers)
        hidden = [nn.Linear(49 * inputs, HIDDEN), nn.ReLU(), nn.Dropout(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU()]
        self.classifier = nn.Sequential(*hidden, nn.Dropout(), nn.Linear(HIDDEN, CLASSES))

    def forward(self, images: Tensor) -> Tensor:
        places = nn.AdaptiveAvgPool2d((7, 7))(self.features(images)).flatten(1)
        return self.classifier(places)  # type: ignore[no-any-return]


def as_timm(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """torchvision's tensors as timm stores them: the hidden layers as 7 x 7 and 1 x 1 convolutions."""
    parts = {"classifier.0.": "pre_logits.fc1.", "classifier.3.": "pre_logits.fc2.", "classifier.6.": "head.fc."}
    foreign = {}
    for key, tensor in state.items():
        for theirs, timms in parts.items():
            key = key.replace(theirs, timms)
        foreign[key] = tensor
    foreign["pre_logits.fc1.weight"] = foreign["pre_logits.fc1.weight"].unflatten(1, (-1, 7, 7))
    foreign["pre_logits.fc2.weight"] = foreign["pre_logits.fc2.weight"][:, :, None, None]
    return foreign


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_equals_a_flat_vgg_loaded_through_every_layout(name: str, batch_norm: bool) -> None:
    theirs = FlatVGG(CONFIGURATIONS[name], batch_norm).eval()
    randomise(theirs)
    named = f"{name}_bn" if batch_norm else name
    ours = getattr(vgg, named)(num_classes=CLASSES, widths=WIDTHS, hidden=HIDDEN).eval()
    images = torch.randn(2, 3, 64, 97)
    pools = [layer for layer in theirs.features if isinstance(layer, nn.MaxPool2d)]
    their_stages, their_logits = outputs_of(pools, theirs, images)
    state = dict(theirs.state_dict())
    for expected, foreign in (("torchvision", state), ("timm", as_timm(state))):
        randomise(ours, seed=1)
        (layout,) = [layout for layout in LAYOUTS["VGG"] if layout.recognises(foreign)]
        assert layout.name == expected
        ours.load_state_dict(layout.convert(foreign))
        our_stages, our_logits = outputs_of(ours.stages, ours, images)
        for index, (our_stage, their_stage) in enumerate(zip(our_stages, their_stages, strict=True)):
            assert_equal(our_stage, their_stage, what=f"{expected}, stage {index}")
        assert_equal(our_logits, their_logits, what=expected)


@pytest.mark.parametrize("name", ["vgg11", "vgg11_bn"])
def test_equals_the_numbers_that_timm_gave(name: str) -> None:
    with torch.device("meta"):
        model = build(name, num_classes=10)
    ours = module(model).eval()
    ours.load_state_dict(seeded_state(ours.state_dict()), assign=True)
    with torch.inference_mode():
        assert_as_stored(name, *outputs_of(model.stages, ours, seeded_images(read_reference(name)["images"])))


def test_dropout_acts_after_both_hidden_layers_and_in_training_only() -> None:
    model = vgg.vgg11(num_classes=3, widths=WIDTHS, hidden=400, dropout=0.5)
    features = torch.rand(1, WIDTHS[-1], 1, 1) + 10
    assert torch.equal(model.eval().pool(features), model.pool(features))
    nn.init.constant_(model.fc2.weight, 1e-3)  # every hidden value positive: zeros come from dropout alone
    nn.init.constant_(model.fc1.weight, 1e-3)
    pooled = model.train().pool(features)
    assert 0.3 < (pooled == 0).float().mean() < 0.7
    assert pooled.max() != model.pool(features).max()  # other hidden values were dropped the second time
