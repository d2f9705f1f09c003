"""Going on after an interruption is the same as never having stopped."""

import json
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from genus.errors import ModelError
from genus.training import resume as resume_module
from genus.training.loop import FineTuneRecipe, State, fit
from genus.training.resume import restore_state, save_snapshot, snapshot
from tests.training.runs import RECIPE, differing, everything, pictures, shuffled, start, step_for, validation

DATA = pictures(12)
FINGERPRINT = {"classes": ["a", "花\udce9"], "lr": 1e-3, "weights": (0.1, 0.2)}
RANDOM = [
    ("vit_tiny_patch16", {"drop_path": 0.3}),
    ("swin_tiny", {"drop_path": 0.3}),
    ("vgg11", {"batch_norm": True}),
    ("efficientnet_lite0", {}),
]


def epochs(state: State, recipe: FineTuneRecipe, last: int) -> None:
    """Train on to the end of epoch ``last``; the process may end right after."""
    for result in fit(state, shuffled(DATA, recipe), validation(DATA), recipe, step_for(recipe)):
        if result.epoch == last:
            return


@pytest.mark.parametrize(("name", "arguments"), RANDOM)
def test_two_epochs_and_two_more_are_four(name: str, arguments: dict[str, object], tmp_path: Path) -> None:
    recipe = replace(RECIPE, augment="strong", batch_size=6)
    straight, broken = start(recipe, DATA, name, **arguments), start(recipe, DATA, name, **arguments)
    epochs(straight, recipe, 4)
    epochs(broken, recipe, 2)
    save_snapshot(snapshot(broken, FINGERPRINT), tmp_path / "c.safetensors")
    resumed = start(recipe, DATA, name, **{**arguments, "seed": 9})
    restore_state(resumed, tmp_path / "c.safetensors", FINGERPRINT)
    assert differing(resumed, broken) == []
    epochs(resumed, recipe, 4)
    assert differing(resumed, straight) == []


def test_a_snapshot_stays_while_training_goes_on(tmp_path: Path) -> None:
    state = small()
    epochs(state, RECIPE, 1)
    taken, then = snapshot(state, FINGERPRINT), everything(state)
    epochs(state, RECIPE, 3)
    save_snapshot(taken, tmp_path / "c")
    resumed = small()
    restore_state(resumed, tmp_path / "c", FINGERPRINT)
    found = everything(resumed)
    assert found.keys() == then.keys()
    assert all(torch.equal(found[key], tensor) for key, tensor in then.items())
    assert all(torch.equal(tensor, then[f"average.module.{key}"]) for key, tensor in taken.average.items())
    assert taken.average.keys() == state.average.module.state_dict().keys()


def test_without_validation_and_after_early_stop(tmp_path: Path) -> None:
    recipe = replace(RECIPE, epochs=2)
    state = start(recipe, DATA)
    list(fit(state, shuffled(DATA, recipe), lambda _: None, recipe, step_for(recipe)))
    state.stale = 3
    save_snapshot(snapshot(state, FINGERPRINT), tmp_path / "c")
    resumed = start(recipe, DATA)
    restore_state(resumed, tmp_path / "c", FINGERPRINT)
    assert differing(resumed, state) == []  # the best loss is still infinite
    assert not list(fit(resumed, shuffled(DATA, recipe), lambda _: None, recipe, step_for(recipe)))


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    state = small()
    epochs(state, RECIPE, 1)
    path = tmp_path_factory.mktemp("resume") / "c"
    save_snapshot(snapshot(state, FINGERPRINT), path)
    return path.read_bytes()


def small() -> State:
    return start(RECIPE, DATA, dim=8, depth=1, num_heads=1)


@pytest.fixture
def fresh() -> Iterator[State]:
    """A state that nothing may be restored into."""
    state = small()
    yield state
    assert differing(state, small()) == []


def refused(fresh: State, content: bytes, folder: Path, fingerprint: dict[str, object] = FINGERPRINT) -> str:
    """The message of the refusal."""
    (folder / "c").write_bytes(content)
    with pytest.raises(ModelError) as caught:
        restore_state(fresh, folder / "c", fingerprint)
    return str(caught.value)


def test_every_damaged_byte_is_found(saved: bytes, fresh: State, tmp_path: Path) -> None:
    header = 8 + int.from_bytes(saved[:8], "little")
    draw = random.Random(0)
    places = [*range(8), *draw.sample(range(8, header), 120), *draw.sample(range(header, len(saved)), 40)]
    for place in places:
        damaged = bytearray(saved)
        damaged[place] ^= 1 << draw.randrange(8)
        assert "cannot be read" in refused(fresh, bytes(damaged), tmp_path), place


def test_every_shortened_file_is_found(saved: bytes, fresh: State, tmp_path: Path) -> None:
    for length in [0, 1, 7, 8, 9, *random.Random(0).sample(range(len(saved)), 20), len(saved) - 1]:
        assert "cannot be read" in refused(fresh, saved[:length], tmp_path)
    assert "cannot be read" in refused(fresh, saved + b"\0", tmp_path)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"lr": 2e-3}, "lr: 0.001 then, 0.002 now"),
        ({"classes": ["a", "b"], "lr": 1}, r"classes: .* then, \['a', 'b'\] now; lr: 0.001 then, 1 now"),
        ({"extra": 1}, "extra: None then, 1 now"),
    ],
)
def test_another_runs_checkpoint_is_refused_with_all_differences(
    changed: dict[str, object], told: str, saved: bytes, fresh: State, tmp_path: Path
) -> None:
    message = refused(fresh, saved, tmp_path, {**FINGERPRINT, **changed})
    assert "belongs to another run" in message
    assert re.search(told, message)


def test_what_else_is_no_checkpoint(
    saved: bytes, fresh: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "cannot be read" in refused(fresh, save({"weight": torch.zeros(3)}), tmp_path)
    with pytest.raises(ModelError, match="cannot be read"):
        restore_state(small(), tmp_path / "missing", FINGERPRINT)
    monkeypatch.setattr(resume_module, "FORMAT", 2)
    assert "another version of genus" in refused(fresh, saved, tmp_path)


@pytest.mark.parametrize("other", [{"dim": 16}, {"depth": 2}, {"layer_scale": 1.0}])
def test_another_model_under_the_same_fingerprint(other: dict[str, object], saved: bytes, tmp_path: Path) -> None:
    (tmp_path / "c").write_bytes(saved)
    with pytest.raises(ModelError, match="does not fit this model"):
        restore_state(
            start(RECIPE, DATA, **{"dim": 8, "depth": 1, "num_heads": 1, **other}), tmp_path / "c", FINGERPRINT
        )


def test_the_file_is_a_header_and_plain_numbers(saved: bytes) -> None:
    """No pickle: the length, JSON, and then exactly the bytes of the tensors."""
    length = int.from_bytes(saved[:8], "little")
    header = json.loads(saved[8 : 8 + length])
    metadata = header.pop("__metadata__")
    ends = [entry["data_offsets"][1] for entry in header.values()]
    assert 8 + length + max(ends) == len(saved)
    assert json.loads(metadata["state"])["fingerprint"] == {**FINGERPRINT, "weights": [0.1, 0.2]}
    assert {key.split(".")[0] for key in header} == {"model", "average", "optimizer"}


def test_saving_changes_nothing_and_keeps_the_old_file_when_it_fails(
    saved: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, path = small(), tmp_path / "c"
    before = everything(state)
    save_snapshot(snapshot(state, FINGERPRINT), path)
    assert all(torch.equal(before[key], tensor) for key, tensor in everything(state).items())
    old = path.read_bytes()
    fail: Callable[..., bytes] = lambda *_, **__: (_ for _ in ()).throw(RuntimeError("no"))  # noqa: E731
    monkeypatch.setattr(resume_module, "save", fail)
    with pytest.raises(RuntimeError):
        save_snapshot(snapshot(state, FINGERPRINT), path)
    assert path.read_bytes() == old
