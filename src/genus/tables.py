"""CSV that spreadsheets and programs both read back unharmed."""

import csv
import io
from collections.abc import Iterable, Sequence

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """Rows as CSV text: comma, ``\\n`` line ends, quotes where needed, None as an empty cell.

    A text that a spreadsheet would run as a formula gets a ``'`` in front; bytes of a name that are no UTF-8 become
    escapes.
    """
    out = io.StringIO()
    for row in rows:
        cells = [_cell(value) for value in row]
        # csv quotes no "\r" when lines end with "\n", and readers would break the row there
        broken = any("\r" in cell for cell in cells)
        csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL if broken else csv.QUOTE_MINIMAL).writerow(cells)
    return out.getvalue()


def _cell(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        return str(value)
    text = value.encode("utf-8", "backslashreplace").decode()
    return f"'{text}" if text.startswith(_FORMULA) else text
