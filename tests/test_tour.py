"""The notebook ``docs/tour.ipynb`` runs from top to bottom, and its committed outputs are those of its cells."""

import copy
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode

TOUR = Path(__file__).parents[1] / "docs" / "tour.ipynb"
EXPECTED = (  # whatever the machine: nothing learned takes part in these
    "scores: ['2.12', '1.41']",
    "shares: ['0.67', '0.33'] sum: 1.00",
    "two 3 x 3    sees 5 x 5 places with  73,728 weights",
    "one 5 x 5    sees 5 x 5 places with 102,400 weights",
    "shuffled tokens give the same outputs, shuffled: True",
    "and with a position table: False",
    "tokens         (1, 197, 192)",
    "MSA   at 56 x 56 x 96:        2,003.8 million",
    "W-MSA at 56 x 56 x 96, M = 7:   145.1 million",
    "[[4, 3, 1, 0], [5, 4, 2, 1], [7, 6, 4, 3], [8, 7, 5, 4]]",
    "stage 4: merged            (1, 7, 7, 768)",
)
SHOWS = re.compile(r"^(print|show|row)\(|^ +print\(", re.MULTILINE)


@pytest.fixture(scope="module")
def committed() -> NotebookNode:
    return nbformat.read(TOUR, as_version=4)


def execute(notebook: NotebookNode, folder: Path, monkeypatch: pytest.MonkeyPatch) -> NotebookNode:
    """Run the cells anew below ``folder``, with nothing of the user's Jupyter. A cell that fails raises."""
    for cell in code_cells(notebook):
        cell.outputs, cell.execution_count = [], None
    for name in ("IPYTHONDIR", "JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(folder / name))
    here = folder / "here"
    here.mkdir()
    return NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=300,
        startup_timeout=300,
        coalesce_streams=True,
        record_timing=False,
        resources={"metadata": {"path": str(here)}},
    ).execute()


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def kinds(cell: NotebookNode) -> list[str]:
    """What a cell gave, output by output: the name of a stream, or the types of what was shown."""
    return [output.get("name") or " ".join(sorted(output.get("data", ["error"]))) for output in cell.outputs]


def text(cell: NotebookNode) -> str:
    return "".join(output.text for output in cell.outputs if output.output_type == "stream")


def words(cell: NotebookNode) -> list[str]:
    """What a cell printed, with every number as #: what is learned may differ a little between machines."""
    return re.sub(r"-?\d[\d.,]*", "#", text(cell)).split()


def test_committed_notebook_is_valid_and_was_run_from_top_to_bottom(committed: NotebookNode) -> None:
    nbformat.validate(committed)
    cells = code_cells(committed)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    for cell in cells:
        assert bool(SHOWS.search(cell.source)) == bool(cell.outputs), cell.source
        assert set(kinds(cell)) <= {"stdout", "image/jpeg text/plain"}, cell.source
    assert sum("image" in kind for cell in cells for kind in kinds(cell)) >= 15


def test_committed_notebook_is_small_and_says_nothing_of_the_machine_that_ran_it(committed: NotebookNode) -> None:
    assert TOUR.stat().st_size < 2_500_000
    assert set(committed.metadata) == {"kernelspec", "language_info"}
    assert set(committed.metadata.language_info) == {"name"}
    assert not [cell.metadata for cell in committed.cells if cell.metadata]
    printed = "".join(map(text, code_cells(committed)))
    assert not re.search(r"(?<!\w)(/[\w.-]+){2,}|\w:\\", printed)


@pytest.mark.timeout(900)
def test_every_cell_runs_and_gives_what_is_committed(
    committed: NotebookNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executed = execute(copy.deepcopy(committed), tmp_path, monkeypatch)
    for before, after in zip(code_cells(committed), code_cells(executed), strict=True):
        assert before.source == after.source
        assert kinds(before) == kinds(after), before.source
        assert words(before) == words(after), before.source
    for printed in ("\n".join(map(text, code_cells(notebook))) for notebook in (committed, executed)):
        assert not [expected for expected in EXPECTED if expected not in printed]
