"""Weights files of every published layout load into the same model; what does not fit is refused, and named."""

import re
import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from genus.errors import ModelError
from genus.models.backbone import module
from genus.models.registry import build
from genus.models.swin import Swin
from genus.models.vit import ViT
from genus.models.weights import load_weights
from tests.models.closeness import assert_equal, randomise

State = dict[str, torch.Tensor]


def swin(num_classes: int = 5, window: int = 4) -> Swin:
    return Swin(dim=8, depths=(2, 2, 2, 2), num_heads=(1, 1, 2, 2), window=window, num_classes=num_classes).eval()


def vit(num_classes: int = 5, image_size: int = 32) -> ViT:
    return ViT(image_size=image_size, patch_size=8, dim=24, depth=2, num_heads=2, num_classes=num_classes).eval()


def renamed(state: State, *pairs: tuple[str, str]) -> State:
    """Our names -> foreign ones, written here a second time and in the other direction."""
    result = {}
    for key, tensor in state.items():
        for pattern, replacement in pairs:
            key = re.sub(pattern, replacement, key)
        result[key] = tensor
    return result


def as_timm_swin(state: State) -> State:
    return renamed(
        state,
        (r"^embed\.", "patch_embed."),
        (r"\.merging\.", ".downsample."),
        (r"\.attn\.msa\.", ".attn."),
        (r"\.attn\.relative_bias$", ".attn.relative_position_bias_table"),
        (r"^head\.", "head.fc."),
    )


def as_swin_release(state: State) -> State:
    """Downsampling at the end of the stage before, buffers stored along, a plain head."""
    foreign = renamed(as_timm_swin(state), (r"^head\.fc\.", "head."))
    foreign = {
        re.sub(r"layers\.(\d)\.downsample", lambda m: f"layers.{int(m[1]) - 1}.downsample", key): tensor
        for key, tensor in foreign.items()
    }
    foreign["layers.0.blocks.0.attn.relative_position_index"] = torch.zeros(16, 16, dtype=torch.long)
    foreign["layers.0.blocks.1.attn_mask"] = torch.zeros(4, 16, 16)
    return foreign


def as_torchvision_swin(state: State) -> State:
    """Parts numbered through: embedding, blocks, merging, blocks, ..."""
    foreign = renamed(
        state,
        (r"^embed\.proj\.", "features.0.0."),
        (r"^embed\.norm\.", "features.0.2."),
        (r"\.attn\.msa\.", ".attn."),
        (r"\.attn\.relative_bias$", ".attn.relative_position_bias_table"),
        (r"\.mlp\.fc1\.", ".mlp.0."),
        (r"\.mlp\.fc2\.", ".mlp.3."),
    )
    for stage in range(4):
        foreign = renamed(
            foreign,
            (rf"^layers\.{stage}\.merging\.", f"features.{2 * stage}."),
            (rf"^layers\.{stage}\.blocks\.", f"features.{2 * stage + 1}."),
        )
    return foreign | {"features.1.0.attn.relative_position_index": torch.zeros(256, dtype=torch.long)}


def as_timm_vit(state: State) -> State:
    return renamed(state, (r"^embed\.(cls_token|pos_embed)$", r"\1"), (r"^embed\.", "patch_embed."))


def as_torchvision_vit(state: State) -> State:
    return renamed(
        state,
        (r"^embed\.cls_token$", "class_token"),
        (r"^embed\.pos_embed$", "encoder.pos_embedding"),
        (r"^embed\.proj\.", "conv_proj."),
        (r"^blocks\.(\d+)\.", r"encoder.layers.encoder_layer_\1."),
        (r"\.norm(\d)\.", r".ln_\1."),
        (r"\.attn\.qkv\.", ".self_attention.in_proj_"),
        (r"\.attn\.proj\.", ".self_attention.out_proj."),
        (r"\.mlp\.fc1\.", ".mlp.0."),
        (r"\.mlp\.fc2\.", ".mlp.3."),
        (r"^norm\.", "encoder.ln."),
        (r"^head\.", "heads.head."),
    )


def as_old_transformers_vit(state: State) -> State:
    foreign = renamed(
        state,
        (r"^embed\.cls_token$", "vit.embeddings.cls_token"),
        (r"^embed\.pos_embed$", "vit.embeddings.position_embeddings"),
        (r"^embed\.proj\.", "vit.embeddings.patch_embeddings.projection."),
        (r"^blocks\.", "vit.encoder.layer."),
        (r"\.norm1\.", ".layernorm_before."),
        (r"\.norm2\.", ".layernorm_after."),
        (r"\.mlp\.fc1\.", ".intermediate.dense."),
        (r"\.mlp\.fc2\.", ".output.dense."),
        (r"\.attn\.proj\.", ".attention.output.dense."),
        (r"^norm\.", "vit.layernorm."),
        (r"^head\.", "classifier."),
    )
    for key in [key for key in foreign if ".attn.qkv." in key]:
        for name, part in zip(("query", "key", "value"), foreign[key].chunk(3), strict=True):
            foreign[key.replace("attn.qkv", f"attention.attention.{name}")] = part.clone()
        del foreign[key]
    foreign["vit.pooler.dense.weight"] = torch.zeros(2, 2)
    return foreign


LAYOUTS = [
    ("timm", swin, as_timm_swin),
    ("Swin release", swin, as_swin_release),
    ("torchvision", swin, as_torchvision_swin),
    ("genus", swin, dict),
    ("timm", vit, as_timm_vit),
    ("torchvision", vit, as_torchvision_vit),
    ("transformers", vit, as_old_transformers_vit),
    ("genus", vit, dict),
]


@pytest.mark.parametrize("suffix", [".safetensors", ".pth", "wrapped.pth", "parallel.pt"])
@pytest.mark.parametrize(("layout", "make", "foreign"), LAYOUTS, ids=lambda value: getattr(value, "__name__", value))
def test_every_layout_loads_into_the_same_model(layout: str, make, foreign, suffix: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    original, loaded = make(), make()
    with torch.device("meta"):
        bare = make()
    randomise(original)
    state = foreign(original.state_dict())
    path = tmp_path / f"model-9{suffix}"
    if suffix == ".safetensors":
        save_file({key: tensor.contiguous() for key, tensor in state.items()}, path)
    else:
        wrapped = {"model": state} if suffix.startswith("wrapped") else state
        parallel = {f"module.{key}": tensor for key, tensor in state.items()}
        torch.save(parallel if suffix.startswith("parallel") else wrapped, path)
    report = load_weights(loaded, path)
    assert (report.layout, report.file_classes, report.new_head, report.resized) == (layout, 5, False, ())
    load_weights(bare, path)
    images = torch.randn(1, 3, 64, 64)
    assert torch.equal(loaded(images), original(images))
    assert torch.equal(bare(images), original(images))


@pytest.mark.parametrize("short_names", [True, False])
def test_published_transformers_swin_layouts(short_names: bool, tmp_path: Path) -> None:
    """transformers 5 names its tensors anew in memory; the files on the hub carry the old names."""
    from transformers import SwinConfig, SwinForImageClassification

    config = SwinConfig(num_labels=5, embed_dim=8, depths=[2, 2, 2, 2], num_heads=[1, 1, 2, 2], window_size=4)
    theirs = SwinForImageClassification(config).eval()
    randomise(theirs)
    state = theirs.state_dict()
    if not short_names:
        state = renamed(
            state,
            (r"\.attention\.relative_position_bias\.", ".attention.self."),
            (r"\.attention\.q_proj\.", ".attention.self.query."),
            (r"\.attention\.k_proj\.", ".attention.self.key."),
            (r"\.attention\.v_proj\.", ".attention.self.value."),
            (r"\.attention\.o_proj\.", ".attention.output.dense."),
            (r"\.mlp\.fc1\.", ".intermediate.dense."),
            (r"\.mlp\.fc2\.", ".output.dense."),
        )
    save_file({key: tensor.contiguous() for key, tensor in state.items()}, tmp_path / "model.safetensors")
    ours = swin()
    assert load_weights(ours, tmp_path / "model.safetensors").layout == "transformers"
    images = torch.randn(1, 3, 128, 128)
    assert_equal(ours(images), theirs(images).logits)


def test_other_class_count_keeps_a_fresh_head_and_says_so(tmp_path: Path) -> None:
    original, loaded = vit(num_classes=1000), vit(num_classes=3)
    randomise(original)
    fresh = loaded.head.weight.clone()
    save_file(as_timm_vit(original.state_dict()), tmp_path / "w.safetensors")
    report = load_weights(loaded, tmp_path / "w.safetensors")
    assert (report.file_classes, report.new_head) == (1000, True)
    assert torch.equal(loaded.head.weight, fresh)
    assert torch.equal(loaded.norm.weight, original.norm.weight)
    with torch.device("meta"):
        bare = vit(num_classes=3)
    load_weights(bare, tmp_path / "w.safetensors")
    assert bare.head.weight.shape == (3, 24)
    assert 0 < bare.head.weight.std() < 0.1
    assert not bare.head.bias.any()
    assert not any(tensor.is_meta for tensor in bare.state_dict().values())


def test_the_file_may_change_once_it_is_loaded(tmp_path: Path) -> None:
    path, loaded = tmp_path / "w.safetensors", vit()
    save_file(as_timm_vit(vit().state_dict()), path)
    load_weights(loaded, path)
    before = loaded.norm.weight.clone()
    with path.open("r+b") as file:
        file.write(bytes(path.stat().st_size))
    assert torch.equal(loaded.norm.weight, before)


def test_headless_file_keeps_a_fresh_head(tmp_path: Path) -> None:
    state = {key: tensor for key, tensor in as_timm_vit(vit().state_dict()).items() if not key.startswith("head")}
    save_file(state, tmp_path / "w.safetensors")
    report = load_weights(vit(), tmp_path / "w.safetensors")
    assert (report.file_classes, report.new_head) == (None, True)


def test_other_input_size_resizes_the_position_table(tmp_path: Path) -> None:
    save_file(vit(image_size=32).state_dict(), tmp_path / "w.safetensors")
    assert load_weights(vit(image_size=64), tmp_path / "w.safetensors").resized == ("embed.pos_embed",)


def test_other_window_resizes_every_relative_bias_table(tmp_path: Path) -> None:
    save_file(as_timm_swin(swin(window=4).state_dict()), tmp_path / "w.safetensors")
    report = load_weights(swin(window=6), tmp_path / "w.safetensors")
    assert len(report.resized) == 8
    assert all(key.endswith("relative_bias") for key in report.resized)


def test_missing_left_over_and_misshapen_tensors_are_listed(tmp_path: Path) -> None:
    state = vit().state_dict()
    del state["norm.bias"]
    state["extra_tokens"] = torch.zeros(1, 4, 24)
    state["blocks.1.mlp.fc1.bias"] = torch.zeros(7)
    save_file(state, tmp_path / "w.safetensors")
    with pytest.raises(ModelError) as caught:
        load_weights(vit(), tmp_path / "w.safetensors")
    message = str(caught.value)
    assert "missing: norm.bias" in message
    assert "left over: extra_tokens" in message
    assert "blocks.1.mlp.fc1.bias [7] instead of [96]" in message


WRAPPERS = ["module.", "_orig_mod.", "model.", "backbone.", "encoder.", "net.", "features_extractor.trunk."]
KEYS = ["model", "state_dict", "model_state_dict", "net", "network", "params", "weights"]


@settings(max_examples=20)
@given(prefixes=st.lists(st.sampled_from(WRAPPERS), max_size=4), keys=st.lists(st.sampled_from(KEYS), max_size=3))
@pytest.mark.parametrize(("make", "foreign"), [(swin, as_swin_release), (vit, as_old_transformers_vit)])
def test_wrappers_of_any_depth_are_seen_through(make, foreign, prefixes: list[str], keys: list[str]) -> None:  # type: ignore[no-untyped-def]
    original, loaded = make(), make()
    randomise(original)
    content: dict[str, Any] = {"".join(prefixes) + key: value for key, value in foreign(original.state_dict()).items()}
    for key in keys:
        content = {"epoch": 7, "loss": torch.tensor([0.5]), key: content, "optimizer": {"state": {0: content}}}
    with tempfile.TemporaryDirectory() as folder:
        torch.save(content, Path(folder) / "w.pth")
        report = load_weights(loaded, Path(folder) / "w.pth")
    assert report.place == ".".join([*reversed(keys), *bare("".join(prefixes))])
    assert not report.new_head
    assert all(torch.equal(value, loaded.state_dict()[key]) for key, value in original.state_dict().items())


def bare(prefix: str) -> list[str]:
    return [part for part in prefix.split(".") if part not in ("", "module", "_orig_mod")]


def test_wrappers_inside_a_network_are_seen_through(tmp_path: Path) -> None:
    """FSDP and torch.compile may wrap each block; the ImageNet example of torch wraps the convolutions of a VGG."""
    original, loaded = vit(), vit()
    randomise(original)
    torch.save(renamed(original.state_dict(), (r"^(blocks\.\d\.)", r"\1_orig_mod.module.")), tmp_path / "w.pth")
    load_weights(loaded, tmp_path / "w.pth")
    assert torch.equal(loaded.blocks[1].norm1.weight, original.blocks[1].norm1.weight)


@pytest.mark.parametrize(
    ("keys", "place", "passed_over"),
    [
        (("model", "model_ema"), "model_ema", ("model",)),
        (("state_dict_ema", "state_dict"), "state_dict_ema", ("state_dict",)),
        (("student", "teacher"), "teacher", ("student",)),
        (("model", "schema"), None, ()),
        (("generator", "discriminator"), None, ()),
    ],
)
def test_averaged_weights_go_before_others_and_nothing_else_is_guessed(
    keys: tuple[str, str], place: str | None, passed_over: tuple[str, ...], tmp_path: Path
) -> None:
    models = {key: vit() for key in keys}
    nested = {key: model.state_dict() for key, model in models.items()}
    flat = {f"{key}.{name}": value for key, state in nested.items() for name, value in state.items()}
    deeper = {keys[0]: nested[keys[0]], keys[1]: {f"net.{name}": value for name, value in nested[keys[1]].items()}}
    for content in (nested, flat, deeper):
        torch.save(content, tmp_path / "w.pth")
        loaded = vit()
        if place is None:
            with pytest.raises(ModelError, match=f"several sets of weights that fit: .*{keys[1]}"):
                load_weights(loaded, tmp_path / "w.pth")
            continue
        report = load_weights(loaded, tmp_path / "w.pth")
        found = (report.place.removesuffix(".net"), tuple(other.removesuffix(".net") for other in report.passed_over))
        assert found == (place, passed_over)
        assert torch.equal(loaded.head.weight, models[place].head.weight)


@pytest.mark.parametrize(
    ("name", "chosen"),
    [("swin_small", "swin_tiny"), ("vit_base_patch16", "vit_tiny_patch16"), ("dinov2_small", "vit_small_patch16"),
     ("efficientnet_lite1", "swin_tiny"), ("vgg11_bn", "vgg11"), ("swin_base_384", "swin_tiny")],
)  # fmt: skip
def test_the_model_that_a_file_fits_is_named(name: str, chosen: str, tmp_path: Path) -> None:
    """The numbers do not matter, so they are not stored: one stands for all of a tensor."""
    with torch.device("meta"):
        shapes = {key: tensor.shape for key, tensor in module(build(name, num_classes=5)).state_dict().items()}
        model = build(chosen, num_classes=5)
    torch.save({key: torch.zeros(()).expand(shape) for key, shape in shapes.items()}, tmp_path / "w.pth")
    with pytest.raises(ModelError, match=f"holds weights of {name}, which .* Use --model {name}, or"):
        load_weights(model, tmp_path / "w.pth")


def test_networks_that_genus_does_not_have_are_named(tmp_path: Path) -> None:
    from transformers import (
        ConvNextConfig,
        ConvNextForImageClassification,
        Swinv2Config,
        Swinv2ForImageClassification,
    )

    config = {"embed_dim": 8, "depths": [1, 1, 1, 1], "num_heads": [1, 1, 1, 1]}
    for theirs, name in (
        (Swinv2ForImageClassification(Swinv2Config(**config, window_size=4)), "a SwinV2"),
        (ConvNextForImageClassification(ConvNextConfig(hidden_sizes=[8] * 4, depths=[1] * 4)), "a ConvNeXt"),
    ):
        save_file({key: tensor.contiguous() for key, tensor in theirs.state_dict().items()}, tmp_path / "w.safetensors")
        with pytest.raises(ModelError, match=f"holds weights of {name}, a network that genus does not have yet"):
            load_weights(swin(), tmp_path / "w.safetensors")


def test_a_file_that_fits_nothing_shows_its_names(tmp_path: Path) -> None:
    save_file({"conv.weight": torch.zeros(3), "fc.bias": torch.zeros(3)}, tmp_path / "w.safetensors")
    with pytest.raises(ModelError, match=r"holds no Swin weights .* first tensors: conv.weight, fc.bias\."):
        load_weights(swin(), tmp_path / "w.safetensors")


def test_weights_of_a_diverged_training_are_refused(tmp_path: Path) -> None:
    state = vit().state_dict()
    state["norm.bias"][3] = torch.nan
    save_file(state, tmp_path / "w.safetensors")
    with pytest.raises(ModelError, match="not finite"):
        load_weights(vit(), tmp_path / "w.safetensors")


def test_real_vit_weights(test_data: Path) -> None:
    """The ViT-Tiny that lies beside the test pictures: timm layout, 200 classes."""
    path = test_data / "weights" / "vit_tiny_patch16_224.tinyimagenet200.safetensors"
    if not path.exists():
        pytest.skip(f"no {path.name} beside the test data")
    model = build("vit_tiny_patch16", num_classes=200)
    report = load_weights(model, path)
    assert (report.layout, report.file_classes, report.new_head) == ("timm", 200, False)
    assert module(model)(torch.zeros(1, 3, 224, 224)).shape == (1, 200)
