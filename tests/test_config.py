"""Options: which source wins, and what is said about a wrong one before any work starts."""

import dataclasses
import os
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genus.config import CONFIG, MEASURED, PRESETS, TrainConfig, compose
from genus.errors import UsageError
from genus.run import Run
from genus.types import AugmentName, FitName, HeadName, PrecisionName


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    return tmp_path / "options.toml"


def test_flags_beat_the_file_beats_the_preset_beats_the_defaults(toml: Path) -> None:
    toml.write_text("epochs = 20\nlrf = 0.5\nseed = 3\n")
    found = compose({"epochs": 30}, "best", toml)
    assert (found.epochs, found.lrf, found.lr, found.seed, found.batch_size) == (30, 0.5, PRESETS["best"]["lr"], 3, 32)
    assert compose({}, "best", toml).epochs == 20
    assert compose({}, "best").epochs == PRESETS["best"]["epochs"]
    assert compose({}) == TrainConfig()
    assert compose({"freeze_layers": True}, "best").freeze_layers is True  # False in the preset


def test_a_preset_named_in_the_file_and_one_that_overrides_it(toml: Path) -> None:
    toml.write_text('preset = "best"\nepochs = 5\n')
    assert compose({}, None, toml) == compose({"epochs": 5}, "best")
    assert compose({}, "quick", toml) == compose({"epochs": 5}, "quick")


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_a_sound_config(preset: str) -> None:
    assert compose({}, preset) != TrainConfig()


def test_the_defaults_are_those_of_the_tutorial() -> None:
    found = TrainConfig()
    assert (found.data, found.epochs, found.batch_size, found.lr, found.lrf) == (Path("data"), 100, 32, 1e-4, 0.1)
    assert found.freeze_layers is True


def test_keys_of_a_file_may_be_spelled_like_the_flags(toml: Path, tmp_path: Path) -> None:
    toml.write_text(
        'from = "runs/a"\nbatch-size = 8\nfreeze_layers = false\nlr = 1\nimage-size = 256\nsplit = "s.json"'
    )
    found = compose({}, None, toml)
    assert found == TrainConfig(
        from_run=Path("runs/a"), batch_size=8, freeze_layers=False, lr=1.0, image_size=256, split=Path("s.json")
    )
    assert type(found.lr) is float


@pytest.mark.parametrize(
    ("flags", "preset", "content", "told"),
    [
        ({}, "besst", "", "no preset 'besst'. Did you mean 'best'? Known: quick, best."),
        ({}, None, 'preset = "quik"', "no preset 'quik'. Did you mean 'quick'?"),
        ({}, None, "preset = 3", "no preset '3'."),
        ({}, None, "preset = ['best']", "no preset '['best']'."),
        ({}, None, "epochz = 3", "has an unknown key 'epochz'. Did you mean 'epochs'?"),
        ({}, None, "bath-size = 3", "has an unknown key 'bath-size'. Did you mean 'batch_size'?"),
        ({}, None, "[train]\nepochs = 3", "has an unknown key 'train'."),
        ({}, None, "to_dict = 1", "has an unknown key 'to_dict'."),
        ({"epoch": 3}, None, "", "no option 'epoch'. Did you mean 'epochs'?"),
        (
            {"augment": "ligth"},
            None,
            "",
            "--augment cannot be 'ligth'. Did you mean 'light'? Choose one of none, light",
        ),
        ({"head": "adam"}, None, "", "--head cannot be 'adam'. Did you mean 'adamw'? Choose one of adamw, linear."),
        ({"fit": "padd"}, None, "", "--fit cannot be 'padd'. Did you mean 'pad'? Choose one of crop, pad, stretch."),
        ({"precision": "fp16"}, None, "", "--precision cannot be 'fp16'."),
        ({}, None, "head = 3", "--head cannot be '3'."),
        ({}, None, "augment = ['light']", "--augment cannot be '['light']'."),
        ({}, None, "epochs = 2.0", "--epochs has to be int, not 2.0."),
        ({}, None, 'epochs = "2"', "--epochs has to be int, not '2'."),
        ({}, None, "epochs = true", "--epochs has to be int, not True."),
        ({}, None, "lr = true", "--lr has to be float, not True."),
        ({}, None, 'lr = "0.1"', "--lr has to be float, not '0.1'."),
        ({}, None, "freeze-layers = 0", "--freeze-layers has to be bool, not 0."),
        ({}, None, "image-size = '224'", "--image-size has to be int, not '224'."),
        ({}, None, "from = 3", "--from has to be a path, not 3."),
        ({}, None, "data = {a = 1}", "--data has to be a path, not {'a': 1}."),
        ({"epochs": None}, None, "", "--epochs has to be int, not None."),
        ({"epochs": 0}, None, "", "--epochs cannot be 0: it has to be at least 1."),
        ({"batch_size": 0}, None, "", "--batch-size cannot be 0"),
        ({"lr": 0.0}, None, "", "--lr cannot be 0.0"),
        ({"lr": 10.0}, None, "", "--lr cannot be 10.0"),
        ({}, None, "lr = nan", "--lr cannot be nan"),
        ({"lrf": 1.1}, None, "", "--lrf cannot be 1.1"),
        ({"lrf": -0.1}, None, "", "--lrf cannot be -0.1"),
        ({"image_size": 31}, None, "", "--image-size cannot be 31"),
        ({"image_size": 2049}, None, "", "--image-size cannot be 2049"),
        ({"minutes": 0}, None, "", "--minutes cannot be 0.0"),
        ({}, None, "minutes = inf", "--minutes cannot be inf"),
        ({"max_error": 1e-320}, None, "", "--max-error cannot be 1e-320"),
        ({"max_error": 1}, None, "", "--max-error cannot be 1.0"),
        ({"workers": 0}, None, "", "--workers cannot be 0"),
        ({"workers": 257}, None, "", "--workers cannot be 257"),
        ({"seed": -1}, None, "", "--seed cannot be -1"),
        ({"seed": 2**31}, None, "", "--seed cannot be 2147483648"),
        ({}, None, f"lr = 1{'0' * 400}", "--lr cannot be inf"),
        ({"out": ""}, None, "", "--out is empty. Give a path."),
        ({}, None, 'split = "a\\u0000b"', "--split is a path with a zero byte"),
        ({"from_run": "a", "weights": "b"}, None, "", "--from and --weights both"),
        ({}, None, "epochs = ", "is not valid TOML"),
        ({}, None, "epochs = 1\nepochs = 2", "is not valid TOML"),
    ],
)
def test_what_is_wrong_is_said(flags: dict[str, Any], preset: str | None, content: str, told: str, toml: Path) -> None:
    toml.write_text(content)
    with pytest.raises(UsageError) as caught:
        compose(flags, preset, toml)
    assert told in str(caught.value)


def test_files_that_are_none(tmp_path: Path, toml: Path) -> None:
    with pytest.raises(UsageError, match=r"Cannot read the config file .*missing\.toml: No such file"):
        compose({}, None, tmp_path / "missing.toml")
    with pytest.raises(UsageError, match="is a folder, not a file"):
        compose({}, None, tmp_path)
    for content in (b"\xff\xfe", b"\x80\x04N.", b"a = " + b"[" * 50_000, b"epochs = " + b"9" * 5000):
        toml.write_bytes(content)
        with pytest.raises(UsageError, match="is not valid TOML"):
            compose({}, None, toml)


@pytest.mark.parametrize(
    "values",
    [
        {"epochs": 1, "batch_size": 1, "lr": 1e-12, "lrf": 0.0, "image_size": 32, "minutes": 0.01, "workers": 1},
        {"lr": 9.99, "lrf": 1.0, "image_size": 2048, "workers": 256, "seed": 2**31 - 1, "minutes": 1e6},
        {"lr": 1, "lrf": 0, "minutes": 5, "max_error": 1e-6},
    ],
)
def test_the_edges_of_the_ranges_are_allowed(values: dict[str, Any]) -> None:
    found = compose(values)
    assert {key: getattr(found, key) for key in values} == values


PATHS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\x7f"), min_size=1).map(Path)
CONFIGS = st.builds(
    TrainConfig,
    data=PATHS,
    model=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x7f")),
    epochs=st.integers(1, 10**6),
    batch_size=st.integers(1, 10**6),
    lr=st.floats(0, 10, exclude_min=True, exclude_max=True),
    lrf=st.floats(0, 1),
    freeze_layers=st.booleans(),
    head=st.sampled_from(get_args(HeadName)),
    image_size=st.none() | st.integers(32, 2048),
    fit=st.none() | st.sampled_from(get_args(FitName)),
    augment=st.sampled_from(get_args(AugmentName)),
    class_weights=st.booleans(),
    minutes=st.none() | st.floats(0, 1e9, exclude_min=True),
    seed=st.integers(0, 2**31 - 1),
    precision=st.sampled_from(get_args(PrecisionName)),
    workers=st.none() | st.integers(1, 256),
    split=st.none() | PATHS,
    from_run=st.none() | PATHS,
)


@settings(max_examples=60, deadline=None)
@given(config=CONFIGS)
def test_the_config_of_a_run_repeats_it(config: TrainConfig, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.getbasetemp()
    Run(folder).write_config(config, workers=3)
    assert compose({}, None, folder / CONFIG) == dataclasses.replace(config.absolute(), workers=3)


def test_where_to_write_and_whether_to_go_on_belong_to_one_run_only(tmp_path: Path) -> None:
    Run(tmp_path).write_config(TrainConfig(out=Path("x"), resume=True), model="vgg11")
    assert compose({}, None, tmp_path / CONFIG) == TrainConfig(model="vgg11").absolute()


def test_a_run_goes_on_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "w.safetensors").touch()
    monkeypatch.chdir(tmp_path)
    interrupted(TrainConfig(data=Path("photos"), weights="w.safetensors"), tmp_path / "run")
    again = {"data": Path("photos"), "weights": "w.safetensors", "out": Path("run"), "resume": True}
    assert compose(again).data == tmp_path / "photos"
    monkeypatch.chdir("there")
    found = compose({"out": Path("../run"), "resume": True})
    assert (found.data, found.weights) == (tmp_path / "photos", str(tmp_path / "w.safetensors"))


def test_to_dict_is_plain_json() -> None:
    values = TrainConfig(out=Path("a/b")).to_dict()
    assert set(values) == {field.name for field in dataclasses.fields(TrainConfig)}
    assert values["out"] == str(Path("a/b"))
    assert {type(value) for value in values.values()} <= {str, int, float, bool, type(None)}


# A run that goes on


def interrupted(config: TrainConfig, folder: Path) -> None:
    Run(folder).write_config(config, model="vit_tiny_patch16", device="cpu", precision="bf16", workers=2)


def test_a_run_goes_on_with_its_own_options(tmp_path: Path) -> None:
    interrupted(compose({"freeze_until": 2, "lr": 0.5, "data": "photos"}, "quick"), tmp_path)
    found = compose({"out": tmp_path, "resume": True})
    assert (found.freeze_until, found.lr, found.head, found.model) == (2, 0.5, "linear", "vit_tiny_patch16")
    assert (found.out, found.resume, found.data, found.workers) == (tmp_path, True, Path("photos").absolute(), 2)
    same = {"lr": 0.5, "freeze_until": 2, "model": "auto", "precision": "auto", "data": Path.cwd() / "photos"}
    assert compose({**same, "out": tmp_path, "resume": True}, "quick") == found


def test_other_options_than_the_runs_are_listed(tmp_path: Path) -> None:
    interrupted(TrainConfig(), tmp_path)
    given = {"epochs": 5, "lr": 1e-4, "freeze_until": 3, "precision": "fp32", "data": "elsewhere"}
    with pytest.raises(UsageError) as caught:
        compose({**given, "out": tmp_path, "resume": True})
    for told in (
        f"The run in {tmp_path} was started with other options",
        "--epochs (the run: 100, given: 5)",
        "--freeze-until (the run: none, given: 3)",
        "--precision (the run: bf16, given: fp32)",
        f"--data (the run: {Path('data').absolute()}, given: elsewhere)",
    ):
        assert told in str(caught.value)
    assert "--lr" not in str(caught.value)


def test_which_run_is_to_go_on(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--resume needs --out"):
        compose({"resume": True})
    for out in (tmp_path, tmp_path / "mistyped"):
        with pytest.raises(UsageError, match=r"There is no run in .* to go on with; leave --resume out"):
            compose({"resume": True, "out": out})


@pytest.mark.parametrize("damaged", ["", "lr = ", "lr = 0.5\n", 'data = "d"\nlr = "a"\n', "data = 1\nfoo = 2\n", "\0"])
def test_a_run_whose_options_are_lost_cannot_go_on(damaged: str, tmp_path: Path) -> None:
    """It is not taken for a run with the defaults."""
    (tmp_path / CONFIG).write_text(damaged)
    with pytest.raises(UsageError, match=r"its config.toml, which holds its options, is damaged. Restore a copy"):
        compose({"resume": True, "out": tmp_path, "data": "d", "epochs": 3})


def test_a_run_with_minutes_goes_on_and_is_repeated_with_the_epochs_that_fitted(tmp_path: Path) -> None:
    flags = {"data": "photos", "epochs": 400, "minutes": 0.5}
    again = {"out": tmp_path, "resume": True}
    interrupted(compose(flags), tmp_path)
    before = compose({**flags, **again})
    assert (before.epochs, before.minutes) == (400, 0.5)  # killed before it had measured
    Run(tmp_path).update_config(**{MEASURED: 13})
    for same in ({}, flags, {"epochs": 13}):
        found = compose({**same, **again})
        assert (found.epochs, found.minutes) == (13, None)
    assert compose(again, file=tmp_path / CONFIG) == found
    repeated = compose({}, file=tmp_path / CONFIG)
    assert (repeated.epochs, repeated.minutes) == (13, None)
    with pytest.raises(UsageError, match=r"--epochs \(the run: 400, given: 5\)\. Leave"):
        compose({**flags, **again, "epochs": 5})


@pytest.mark.skipif(os.name == "nt", reason="POSIX only")
@pytest.mark.parametrize("key", ["split", "weights"])
def test_a_pipe_is_no_file_to_read(key: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="is a pipe, not a file"):
        compose({key: str(tmp_path / "pipe"), "model": "vgg11"})
    with pytest.raises(UsageError, match="is a pipe, not a file"):
        compose({}, None, tmp_path / "pipe")
