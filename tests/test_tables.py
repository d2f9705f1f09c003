import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from genus.tables import csv_text

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"))


@given(st.lists(st.lists(TEXT, min_size=2, max_size=3), max_size=4))
def test_every_text_reads_back(rows: list[list[str]]) -> None:
    read = list(csv.reader(io.StringIO(csv_text(rows), newline="")))
    assert [[cell.removeprefix("'") for cell in row] for row in read] == [
        [cell.removeprefix("'") for cell in row] for row in rows
    ]


def test_formulas_are_disarmed_and_numbers_are_not() -> None:
    assert csv_text([("=cmd()", "-1", -1, 0.5, None)]) == "'=cmd(),'-1,-1,0.5,\n"


def test_names_that_are_no_utf8_become_escapes() -> None:
    name = b"caf\xe9.jpg".decode("utf-8", "surrogateescape")
    assert csv_text([(name,)]) == "caf\\udce9.jpg\n"
