"""Where a training starts: from ``--model``, ``--weights`` or ``--from`` to a network with weights and a fresh head."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from genus.bundle import Bundle, load_bundle
from genus.config import CONFIG, TrainConfig, compose
from genus.description import DESCRIPTION, Architecture
from genus.errors import GenusError, MachineError, ModelError, UsageError, install_hint
from genus.evidence import SplitHashes
from genus.models import registry
from genus.models.backbone import Backbone, replace_head
from genus.models.checkpoint import trained_here
from genus.models.registry import TIMM_PREFIX
from genus.models.sources import availability, fetch, hub_answers
from genus.models.weights import load_weights
from genus.run import SPLIT, Run
from genus.types import Caution, Note, OnEvent, Preprocess, ignore_events
from genus.workflows.dataset import split_hashes_in, split_hashes_of

PREFERRED = "swin_tiny"
EMBEDDED = "efficientnet_lite0"
AT_HAND = ("installed", "cached")


@dataclass(frozen=True, slots=True)
class StartingPoint:
    """A network with a head for the classes at hand. ``origin`` says in words where its weights came from, and
    ``ancestors`` which pictures it has been trained on or decided by before (None: by none of ours).
    ``trained_below_head``: on these, not the head alone has been trained."""

    model: Backbone
    architecture: Architecture
    preprocess: Preprocess
    origin: str
    ancestors: SplitHashes | None = None
    trained_below_head: bool = False


def choose_name(config: TrainConfig, on_event: OnEvent) -> str:
    """The name of the model to train; see ``_choose_name``."""
    name = _choose_name(config, on_event)
    if config.freeze_until:
        _require_stage(name, config.freeze_until)
    return name


def _choose_name(config: TrainConfig, on_event: OnEvent) -> str:
    """The model's name; ``auto`` is resolved and said. Raises UsageError for an unknown name, and for a model that
    cannot be frozen as asked.

    ``auto``: ``swin_tiny`` where its weights are cached or the hub answers, else the embedded Lite0. It never falls
    back to random weights.
    """
    if config.from_run is not None:
        return load_bundle(config.from_run).architecture.name
    if config.model != "auto":
        if not config.model.startswith(TIMM_PREFIX):
            registry.entry(config.model)
        return config.model
    if config.weights not in (None, "none"):
        raise UsageError("--weights FILE needs --model NAME: which network are these weights for?")
    preferred, embedded = registry.entry(PREFERRED).pretrained, registry.entry(EMBEDDED).pretrained
    if availability(preferred) == "cached":
        on_event(Note(f"Model: {PREFERRED} (its pretrained weights are on this disk)."))
        return PREFERRED
    if hub_answers(preferred):
        on_event(Note(f"Model: {PREFERRED} (the Hugging Face hub offers its pretrained weights)."))
        return PREFERRED
    if availability(embedded) in AT_HAND:
        on_event(
            Note(f"Model: {EMBEDDED} (installed; the hub, which has the weights of {PREFERRED}, does not answer).")
        )
        return EMBEDDED
    raise MachineError(
        f"No pretrained weights at hand: the Hugging Face hub does not answer, and those of {EMBEDDED} are not "
        f"installed. Install them with: {install_hint('demo')}, or pass --model NAME --weights FILE."
    )


def name_at_hand() -> str | None:
    """The model that ``auto`` would choose of those whose weights need no network; None where there are none."""
    names = (PREFERRED, EMBEDDED)
    return next((name for name in names if availability(registry.entry(name).pretrained) in AT_HAND), None)


def prepare_model(config: TrainConfig, name: str, classes: tuple[str, ...], on_event: OnEvent) -> StartingPoint:
    """Build ``name``, load its weights and give it a head for ``classes``.

    Raises UsageError, ModelError (wrong weights file) or MachineError (weights cannot be had).
    """
    torch.manual_seed(config.seed)
    if config.from_run is not None:
        return _from_run(config, config.from_run, classes, on_event)
    num_classes = len(classes)
    preprocess = preprocess_for(config, registry.preprocess_of(name))
    if name.startswith(TIMM_PREFIX):
        return _from_timm(config, name, num_classes, preprocess, on_event)
    architecture = Architecture(name, _arguments(name, preprocess))
    if config.weights == "none":
        on_event(Caution("No pretrained weights: training starts from random numbers, as asked (--weights none)."))
        return StartingPoint(architecture.build(num_classes), architecture, preprocess, "random")
    model = architecture.skeleton(num_classes)
    path = Path(config.weights) if config.weights else fetch(registry.entry(name).pretrained, on_event)
    ancestors = _ancestors_by_weights(path, on_event) if config.weights else None
    if ancestors and config.cv:
        raise UsageError("--cv needs a network new to the pictures; the one of these weights may have seen them.")
    report = load_weights(model, path)
    origin = config.weights or registry.entry(name).pretrained.repo or path.name
    head = "none" if report.file_classes is None else f"one for {report.file_classes} classes"
    told = f"its head ({head}) is replaced by one for {num_classes}" if report.new_head else "with its head"
    resized = f"; {len(report.resized)} tables resized to {preprocess.size} px" if report.resized else ""
    inside = f" ({report.place} in it)" if report.place else ""
    others = f"; {', '.join(report.passed_over)} would fit as well" if report.passed_over else ""
    on_event(Note(f"Weights: {path.name}{inside}, layout {report.layout}, {told}{resized}{others}."))
    return StartingPoint(model, architecture, preprocess, str(origin), ancestors, ancestors is not None)


def run_of_weights(path: Path, on_event: OnEvent = ignore_events) -> Run | None:
    """The run whose folder holds these weights, finished or interrupted; None for any other file."""
    real = path.resolve()
    run = Run(real if real.is_dir() else real.parent, on_event)
    return run if (run / DESCRIPTION).exists() or (run / CONFIG).exists() else None


def _ancestors_by_weights(path: Path, on_event: OnEvent) -> SplitHashes | None:
    """Who took part in the interrupted run whose best or last weights these are, and in the runs that it descends from;
    None for any other file.

    Raises UsageError for the weights of a finished run: only ``--from`` keeps its pictures on their sides; ModelError
    where it is not known any more who took part, as of weights copied out of a run's folder.
    """
    run = run_of_weights(path, on_event)
    if run is None:
        if trained_here(path):
            raise ModelError(
                f"{path} comes from a run of genus, but lies outside of its folder: which pictures it was trained on "
                "is not known, so nothing could be tested. Start from the run: --from RUN, or --weights of a file in "
                "it."
            )
        return None
    if (run / DESCRIPTION).exists():
        raise UsageError(
            f"{path} belongs to a finished run, which has seen its pictures. Start from it: --from {run.folder}"
        )
    split = run.split(Path())
    if split is None:
        raise ModelError(
            f"{path} belongs to an interrupted run that has no sound {SPLIT}: which pictures it was trained on is not "
            "known, so nothing could be tested. Train anew without --weights."
        )
    config, earlier = compose({}, file=run / CONFIG), None
    if config.from_run is not None:
        earlier = _ancestors_of_run(config.from_run, load_bundle(config.from_run), on_event)
    elif config.weights not in (None, "none"):
        earlier = _ancestors_by_weights(Path(config.weights), on_event)
    own = split_hashes_in(split)
    return own.union(earlier) if earlier else own


def _ancestors_of_run(run: Path, bundle: Bundle, on_event: OnEvent) -> SplitHashes:
    """Who took part in a finished run, and in those that it descends from. Raises ModelError where that is unknown."""
    found = split_hashes_of(Run(run, on_event), bundle)
    if found is None:
        raise ModelError(
            f"{run} was made by an older genus and has no sound {SPLIT}: which pictures it was trained on is not "
            "known, so nothing could be tested. Train anew without --from."
        )
    return found


def _require_stage(name: str, stages: int) -> None:
    """Raise UsageError when the network ``name`` cannot be cut behind so many stages."""
    if name.startswith(TIMM_PREFIX):
        raise UsageError("A timm model cannot be frozen in part. Choose one of `genus models`, or --freeze-layers.")
    with torch.device("meta"):  # its shape, without its numbers
        there = len(registry.build(name, num_classes=1).stages)
    if not 1 <= stages < there:
        raise UsageError(
            f"--freeze-until cannot be {stages}: {name} has {there} stages, of which 1 to {there - 1} can be frozen. "
            "--freeze-layers freezes all."
        )


def preprocess_for(config: TrainConfig, usual: Preprocess) -> Preprocess:
    """How pictures will be prepared: as is usual for the model, or was for the earlier run, but for what is asked."""
    return replace(usual, size=config.image_size or usual.size, fit=config.fit or usual.fit)


def _arguments(name: str, preprocess: Preprocess) -> dict[str, Any]:
    """A ViT holds a position table for its size; a new head sees its class token and the mean of its patches."""
    if name.startswith(("vit_", "dinov2_")):
        return {"image_size": preprocess.size, "pool": "token+mean"}
    return {}


def _from_timm(
    config: TrainConfig, name: str, num_classes: int, preprocess: Preprocess, on_event: OnEvent
) -> StartingPoint:
    if config.weights not in (None, "none"):
        raise UsageError("A timm model comes with timm's own weights or none; --weights FILE is for genus's models.")
    arguments = {} if config.image_size is None else {"image_size": config.image_size}
    try:
        model = registry.build(name, num_classes, pretrained=config.weights is None, **arguments)
    except GenusError:
        raise
    except Exception as error:  # timm lets the errors of the hub, of HTTP and of its own checks through
        raise MachineError(
            f"Cannot get {name} with pretrained weights: {error}. With network, the same command downloads them."
        ) from error
    if config.weights == "none":
        on_event(Caution("No pretrained weights: training starts from random numbers, as asked (--weights none)."))
    return StartingPoint(model, Architecture(name, arguments), preprocess, "random" if config.weights else "timm")


def _from_run(config: TrainConfig, run: Path, classes: tuple[str, ...], on_event: OnEvent) -> StartingPoint:
    """The earlier run's network; the rows of its head stay for the classes that it knew."""
    bundle = load_bundle(run)
    if config.image_size not in (None, bundle.preprocess.size):
        raise UsageError("--from keeps the image size of the earlier run; leave --image-size out.")
    old = bundle.model.head
    replace_head(bundle.model, len(classes))
    new = bundle.model.head
    known = [label for label in classes if label in bundle.classes]
    with torch.no_grad():
        for label in known:
            source, target = bundle.classes.index(label), classes.index(label)
            new.weight[target] = old.weight[source]
            new.bias[target] = old.bias[source]
    on_event(
        Note(f"Weights: those of {run} ({bundle.architecture.name}), knowing {len(known)} of {len(classes)} classes.")
    )
    ancestors = _ancestors_of_run(run, bundle, on_event)
    below_head = bundle.record.get("trained_below_head", True)
    preprocess = preprocess_for(config, bundle.preprocess)
    return StartingPoint(bundle.model, bundle.architecture, preprocess, f"run {run.name}", ancestors, below_head)
