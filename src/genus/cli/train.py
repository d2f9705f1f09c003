"""``genus train``."""

from pathlib import Path
from typing import Annotated, Any

import typer

from genus.cli.console import Screen, say, show_evaluation
from genus.cli.truth import truth
from genus.config import PRESETS, TrainConfig, compose

_NOT_FLAGS = ("preset", "config", "no_freeze_layers")


def _option(*names: str, help: str, default: Any = None, metavar: str | None = None) -> Any:
    """None stands for "not given", so that a config file or a preset may speak; the default is said in words."""
    told = (
        "" if default is None else f" Default: {default:g}." if isinstance(default, float) else f" Default: {default}."
    )
    return typer.Option(*names, help=help + told, show_default=False, metavar=metavar)


D = TrainConfig()
Data = Annotated[
    Path | None, typer.Argument(help="Folder of class folders, or a CSV table. Default: data.", show_default=False)
]
Out = Annotated[Path | None, _option(help="Folder to write to.", default="runs/<data>-<model>-<n>")]
Model = Annotated[str | None, _option(help="A name of `genus models`, timm:NAME, or auto.", default=D.model)]
Weights = Annotated[str | None, _option(help="Weights file, or none to train from scratch.", metavar="FILE|none")]
Epochs = Annotated[int | None, _option(help="Rounds over the training pictures.", default=D.epochs)]
BatchSize = Annotated[int | None, _option(help="Pictures per step.", default=D.batch_size)]
Lr = Annotated[float | None, _option(help="Learning rate at its peak.", default=D.lr)]
Lrf = Annotated[float | None, _option(help="The last learning rate is lr * lrf.", default=D.lrf)]
Freeze = Annotated[
    str | None,
    _option("--freeze-layers", help="Train the head only.", default=D.freeze_layers, metavar="[True|False]"),
]
FreezeUntil = Annotated[
    int | None, _option(help="Train what lies behind the first N stages; these see each picture once.", metavar="N")
]
NoFreeze = Annotated[bool, typer.Option("--no-freeze-layers", help="The same as --freeze-layers False.")]
Head = Annotated[
    str | None, _option(help="How the head of a frozen network is fitted.", default=D.head, metavar="adamw|linear")
]
ImageSize = Annotated[int | None, _option(help="Side of the network's input in pixels.", default="the model's own")]
Views = Annotated[
    int | None, _option(help="Random views of each picture that frozen stages also look at.", default=D.views)
]
Augment = Annotated[
    str | None, _option(help="Random changes in full training.", default=D.augment, metavar="none|light|strong")
]
ClassWeights = Annotated[
    bool | None, typer.Option("--class-weights", help="Let rare classes count as much as common ones.")
]
MaxError = Annotated[
    float | None, _option(help="Share of errors to allow among answers that are not unknown.", default=D.max_error)
]
Cv = Annotated[
    int | None, _option(help="First cross-validate in K folds, on features of the pretrained network.", metavar="K")
]
Preset = Annotated[str | None, _option(help="A recipe; flags override it.", metavar="|".join(PRESETS))]
Config = Annotated[Path | None, _option(help="Options from a TOML file; flags override it.", metavar="FILE.toml")]
Minutes = Annotated[float | None, _option(help="Fit the training into this time.")]
Seed = Annotated[int | None, _option(help="Of the split, the order and the augmentation.", default=D.seed)]
Device = Annotated[str | None, _option(help="auto, cpu, cuda, cuda:1, mps.", default=D.device)]
Precision = Annotated[str | None, _option(help="Of the computation.", default=D.precision, metavar="auto|fp32|bf16")]
Engine = Annotated[
    str | None,
    _option(help="What computes a frozen network.", default="the fastest, measured", metavar="auto|torch|openvino"),
]
Workers = Annotated[
    int | None,
    _option(help="Threads or processes that read pictures.", default="one a processor; on a card, as many as help"),
]
Split = Annotated[Path | None, _option(help="split.json of an earlier run: its pictures keep their sides.")]
Resume = Annotated[bool | None, typer.Option("--resume", help="Go on with the interrupted run in --out.")]
From = Annotated[Path | None, _option("--from", help="Start from an earlier run; classes may be added.", metavar="RUN")]


def train(
    ctx: typer.Context,
    data: Data = None,
    out: Out = None,
    model: Model = None,
    weights: Weights = None,
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    lr: Lr = None,
    lrf: Lrf = None,
    freeze_layers: Freeze = None,
    no_freeze_layers: NoFreeze = False,
    freeze_until: FreezeUntil = None,
    head: Head = None,
    image_size: ImageSize = None,
    views: Views = None,
    augment: Augment = None,
    class_weights: ClassWeights = None,
    max_error: MaxError = None,
    cv: Cv = None,
    preset: Preset = None,
    config: Config = None,
    minutes: Minutes = None,
    seed: Seed = None,
    device: Device = None,
    precision: Precision = None,
    engine: Engine = None,
    workers: Workers = None,
    split: Split = None,
    resume: Resume = None,
    from_run: From = None,
) -> None:
    """Train on a folder of class folders and evaluate once on pictures that took part in no decision.

    The head alone (default): one look at each picture, then seconds. The upper stages: --freeze-until N. Everything:
    --freeze-layers False.

    Example: genus train photos/ --epochs 100 --batch-size 32 --lr 1e-4 --lrf 0.1 --freeze-layers True
    """
    flags = {key: value for key, value in ctx.params.items() if key not in _NOT_FLAGS and value is not None}
    if freeze_layers is not None:
        flags["freeze_layers"] = truth(freeze_layers)
    if no_freeze_layers:
        flags["freeze_layers"] = False
    options = compose(flags, preset, config)

    from genus.workflows.train import train as train_workflow

    with Screen() as screen:
        try:
            result = train_workflow(options, screen)
        except KeyboardInterrupt:
            screen.interrupted(options)
            raise
    say()
    show_evaluation(result.test)
    say(f"Run: {result.run} ({result.seconds:.0f} s)")
    if result.test:
        say(f"Look at it: {result.run / 'report.html'}")
    say(f"Name pictures with it: genus predict {result.run} PICTURE...")
