"""``genus predict``: a row for every picture; one bad file never loses the others' rows."""

from collections.abc import Iterator, Sequence

from genus.config import require_max_error
from genus.errors import UsageError
from genus.files import csv_text, json_text
from genus.predictor import Predictor
from genus.types import Caution, OnEvent, PredictionRow, Progress, ignore_events
from genus.workflows.tasks.calibrate import known_rule

CSV_HEAD = "path,status,label,probability,known,error\n"


def predict_paths(
    predictor: Predictor, paths: Sequence[str], on_event: OnEvent = ignore_events
) -> Iterator[PredictionRow]:
    """One row a picture, in order, as they come; first, where no answer can be known, why."""
    rule = predictor.bundle.known_rule
    if rule and rule.reason:
        on_event(Caution(rule.reason))
    for number, row in enumerate(predictor.rows(paths), 1):
        yield row
        on_event(Progress("Predicting", number, len(paths)))


def with_max_error(predictor: Predictor, max_error: float) -> Predictor:
    """``predictor`` with another threshold of known answers: at most ``max_error`` (0..1) of them are wrong.

    The threshold is decided by the answers that the bundle keeps as evidence.
    Raises UsageError where it has none, and for what is no share.
    """
    require_max_error(max_error)
    bundle = predictor.bundle
    if bundle.evidence is None:
        raise UsageError(
            "This run keeps no answers by which --max-error could be decided: it was made by an older genus, or "
            "without validation pictures. Train it anew."
        )
    return predictor.with_rule(known_rule(bundle.evidence, max_error))


def csv_row(row: PredictionRow) -> str:
    """One line: path,status,label,probability (six decimals),known,error."""
    found = row.prediction
    if found is None:
        return csv_text([(row.path, row.status, None, None, None, row.error)])
    known = None if found.known is None else str(found.known).lower()
    return csv_text([(row.path, row.status, found.label, f"{found.probability:.6f}", known, None)])


def json_row(row: PredictionRow) -> str:
    """The same keys as the CSV, and ``top``: [{label, probability}], as one line of JSON."""
    found = row.prediction
    value = {
        "path": row.path,
        "status": row.status,
        "label": found.label if found else None,
        "probability": round(found.probability, 6) if found else None,
        "known": found.known if found else None,
        "error": row.error or None,
        "top": [{"label": label, "probability": round(share, 6)} for label, share in found.top] if found else [],
    }
    return json_text(value) + "\n"
