"""``genus train``: its flags are the fields of ``TrainConfig``."""

import os
from collections.abc import Iterator
from dataclasses import fields
from inspect import Parameter, Signature
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import typer

from genus.cli.console import Screen, command_line, show_evaluation
from genus.cli.terminal import say
from genus.config import PRESETS, About, TrainConfig, compose, flag_name
from genus.errors import UsageError, nearest

_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_FREEZE = "--freeze-layers"


def train(**given: Any) -> None:
    """Train on a folder of class folders and evaluate once on pictures that took part in no decision.

    The head alone (default): one look at each picture, then seconds. The upper stages: --freeze-until N. Everything:
    --freeze-layers False.

    Example: genus train photos/ --epochs 100 --batch-size 32 --lr 1e-4 --lrf 0.1 --freeze-layers True
    """
    flags = {key: value for key, value in given.items() if value is not None}
    preset, config = flags.pop("preset", None), flags.pop("config", None)
    if "freeze_layers" in flags:
        flags["freeze_layers"] = _truth(flags["freeze_layers"])
    if flags.pop("no_freeze_layers", False):
        flags["freeze_layers"] = False
    options = compose(flags, preset, config)

    from genus.workflows.train import train as train_workflow

    with Screen() as screen:
        try:
            result = train_workflow(options, screen)
        except KeyboardInterrupt:
            screen.interrupted(options.data)
            raise
    say()
    show_evaluation(result.test, result.sentence, result.cautions)
    say(f"Run: {result.run} ({result.seconds:.0f} s)")
    if result.test:
        say(f"Look at it: {result.run / 'report.html'}")
    say(f"Name pictures with it: {command_line(['genus', 'predict', str(result.run)])} PICTURE...")


def with_explicit_truth(arguments: list[str]) -> list[str]:
    """A bare ``--freeze-layers`` gets its ``True``, so that a folder behind it is not taken for its value.

    Raises UsageError where a word follows that is neither True or False nor a path that is there.
    """
    result: list[str] = []
    for argument, following in zip(arguments, [*arguments[1:], "-"], strict=False):
        result.append(argument)
        if argument == _FREEZE and following.lower() not in _TRUTH:
            if not following.startswith("-") and not os.path.lexists(following):
                raise _no_truth(following, ", or a folder that is there")
            result.append("True")
    return result


def _truth(word: str) -> bool:
    if word.lower() not in _TRUTH:
        raise _no_truth(word)
    return _TRUTH[word.lower()]


def _no_truth(word: str, otherwise: str = "") -> UsageError:
    meant = nearest(word.capitalize(), ("True", "False"))
    return UsageError(f"{_FREEZE} cannot be '{word}'.{meant} Choose True or False{otherwise}.")


def _parameters() -> Iterator[Parameter]:
    """One a field; None stands for "not given", so that a config file or a preset may speak."""
    hints = get_type_hints(TrainConfig, include_extras=True)
    for field in fields(TrainConfig):
        hint, about = get_args(hints[field.name])
        yield _parameter(field.name, hint, about, field.default)
    about = About("Run", "A recipe; flags override it.", metavar="|".join(PRESETS))
    yield _parameter("preset", str | None, about, None)
    about = About("Run", "Options from a TOML file; flags override it.", metavar="FILE.toml")
    yield _parameter("config", Path | None, about, None)
    about = About("Training", "The same as --freeze-layers False.")
    yield _parameter("no_freeze_layers", bool, about, False)


def _parameter(name: str, hint: Any, about: About, default: Any) -> Parameter:
    kind = next(option for option in (get_args(hint) or (hint,)) if option is not type(None))
    metavar = about.metavar
    if get_origin(hint) is Literal:  # ``compose`` checks the word, and names the nearest
        kind, metavar = str, "|".join(get_args(hint))
    if default is True:  # the tutorial writes it alone, or with True or False behind it
        kind, metavar = str, "[True|False]"
    told = about.default or (
        "" if default is None or default is False else f"{default:g}" if kind is float else default
    )
    help_text = f"{about.help} Default: {told}." if told != "" else about.help
    info: Any
    if name == "data":
        info = typer.Argument(None, metavar="DATA", help=help_text, show_default=False)
    else:
        info = typer.Option(
            None,
            f"--{flag_name(name)}",
            help=help_text,
            metavar=metavar,
            rich_help_panel=about.group,
            show_default=False,
        )
    return Parameter(name, Parameter.KEYWORD_ONLY, default=info, annotation=kind | None)


train.__signature__ = Signature(list(_parameters()))  # type: ignore[attr-defined]
