"""``genus explain``: where in a picture the model looked."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ImageOps

from genus.bundle import Bundle
from genus.data.decode import open_rgb
from genus.data.loader import Pixels, chunks
from genus.data.preprocess import fit
from genus.errors import PictureError, UsageError, nearest
from genus.files import atomic, csv_text, probe_writable, write_text
from genus.predictor import Predictor
from genus.report.explanation import heat_png
from genus.types import OnEvent, PredictionRow, Progress, ignore_events
from genus.workflows.predict import predict_paths
from genus.workflows.reporting.explanations import Viewpoint, as_input, draw_figure, heat_of, input_box, require_figures

EXPLANATIONS = "explanations"  # the folder in a run, and in it the name of the table
TABLE = f"{EXPLANATIONS}.csv"
COLUMNS = ("path", "status", "label", "probability", "explained", "files", "error")
LONG_SIDE = 800  # pixels of a picture beside its heat map
AT_A_TIME = 16


@dataclass(frozen=True, slots=True)
class Explained:
    """The answer for one picture, the class that was ``explained``, and the ``files`` written: none after an error."""

    row: PredictionRow
    explained: str | None
    files: tuple[Path, ...]


def explain_paths(
    predictor: Predictor,
    paths: Sequence[str],
    out: Path,
    *,
    unread: Sequence[tuple[str, str]] = (),
    label: str | None = None,
    figures: Sequence[str] = (),
    force: bool = False,
    on_event: OnEvent = ignore_events,
) -> Iterator[Explained]:
    """``<name>.heat.png`` for every picture, in order, as they come; ``explanations.csv`` when all are done.

    ``unread`` pairs what cannot be looked into with the reason (see ``find.Found``); it gets its rows, too.
    The class explained is ``label``, or the model's answer; ``figures`` are names in ``explanations.FIGURES``, each one
    more PNG a picture. Raises UsageError for a class, figure or folder that does not fit, or, unless ``force``, holds
    an earlier explanation; MachineError when ``out`` cannot be written.
    """
    bundle = predictor.bundle
    if label is not None and label not in bundle.classes:
        raise UsageError(f"The model has no class '{label}'.{nearest(str(label), bundle.classes)}")
    require_figures(figures, bundle.model, bundle.architecture.name)
    _require_free(out, force)
    probe_writable(out)
    done: list[Explained] = []
    for chunk in chunks(list(zip(paths, _names(paths), strict=True)), AT_A_TIME):
        rows = list(predict_paths(predictor, [path for path, _ in chunk]))
        for row, (_, name) in zip(rows, chunk, strict=True):
            done.append(_explain(bundle, row, out / name, label, figures))
            on_event(Progress("Explaining", len(done), len(paths)))
            yield done[-1]
    for path, reason in unread:
        done.append(Explained(PredictionRow(path, None, reason), None, ()))
        yield done[-1]
    write_text(out / TABLE, csv_text([COLUMNS, *map(_csv_row, done)]))


def _require_free(out: Path, force: bool) -> None:
    """No file of the user is ever replaced, and an earlier explanation with ``force`` only."""
    if not out.is_dir() or not any(out.iterdir()):
        return
    if not (out / TABLE).exists() and not any(out.glob("*.heat.png")):
        raise UsageError(f"{out} holds other files. Choose another --out.")
    if not force:
        raise UsageError(f"{out} holds an earlier explanation. Choose another --out, or replace it with --force.")


def _explain(bundle: Bundle, row: PredictionRow, stem: Path, label: str | None, figures: Sequence[str]) -> Explained:
    if row.prediction is None:
        return Explained(row, None, ())
    try:
        picture = open_rgb(Path(row.path), max(LONG_SIDE, bundle.preprocess.scaled_side), bundle.preprocess.decode)
    except PictureError as error:
        return Explained(PredictionRow(row.path, None, str(error)), None, ())
    explained = label or row.prediction.label
    pixels = fit(picture, bundle.preprocess)
    (heat,), _ = heat_of(bundle, pixels[None], [bundle.classes.index(explained)])
    shown = ImageOps.contain(picture, (LONG_SIDE, LONG_SIDE))
    answer = row.prediction
    probability = dict(answer.top).get(explained)
    unknown = answer.known is False
    box = input_box(shown, bundle)
    drawn = {"heat": heat_png(np.asarray(shown), heat, box, explained, probability, answer.label, unknown=unknown)}
    if figures:
        viewpoint = _viewpoint(bundle, pixels, heat)
        drawn |= {name: draw_figure(name, bundle.model, viewpoint) for name in figures}
    files = []
    for name, png in drawn.items():
        files.append(stem.with_name(f"{stem.name}.{name}.png"))
        with atomic(files[-1]) as temporary:
            temporary.write_bytes(png)
    return Explained(row, explained, tuple(files))


def _viewpoint(bundle: Bundle, pixels: Pixels, heat: NDArray[np.floating]) -> Viewpoint:
    """At the hottest place."""
    row, column = np.unravel_index(int(heat.argmax()), heat.shape)
    place = (float(row) + 0.5) / heat.shape[0], (float(column) + 0.5) / heat.shape[1]
    image = as_input(bundle, pixels[None])
    return Viewpoint(pixels, image, place)


def _names(paths: Sequence[str]) -> list[str]:
    """A file name without suffix for every path, none twice, also where capitals do not count."""
    taken: set[str] = set()
    names = []
    for path in paths:
        stem = Path(path).stem
        candidates = itertools.chain([stem], (f"{stem}-{number}" for number in itertools.count(2)))
        names.append(next(name for name in candidates if name.casefold() not in taken))
        taken.add(names[-1].casefold())
    return names


def _csv_row(one: Explained) -> tuple[object, ...]:
    found = one.row.prediction
    files = " ".join(path.name for path in one.files)
    if found is None:
        return (one.row.path, one.row.status, None, None, None, None, one.row.error)
    return (one.row.path, one.row.status, found.label, f"{found.probability:.6f}", one.explained, files, None)
