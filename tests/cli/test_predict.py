"""``genus predict``: what it accepts, the three outputs, and that a killed run keeps what it had."""

import csv
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from genus.cli.console import answer_line
from genus.types import Prediction
from tests.cli.conftest import SPECIES, Genus


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_csv_json_and_table_tell_the_same(genus: Genus, trained: Path, drawn: Path, tmp_path: Path) -> None:
    result = genus("predict", trained, drawn / "rose", "--csv", tmp_path / "a.csv", "--json", tmp_path / "a.jsonl")
    assert (result.code, result.out) == (0, "")
    counts = Counter(line["known"] for line in map(json.loads, (tmp_path / "a.jsonl").read_text().splitlines()))
    told = ", ".join(
        f"{counts[known]} {word}" for known, word in ((True, "known"), (False, "unknown")) if counts[known]
    )
    assert result.err.endswith(f"30 pictures: {told}. Written to {tmp_path / 'a.csv'} and {tmp_path / 'a.jsonl'}.\n")
    assert (tmp_path / "a.csv").read_bytes().startswith(b"\xef\xbb\xbfpath,")  # without it, Excel shows umlauts wrong
    table = genus("predict", trained, drawn / "rose").out.splitlines()
    rows = rows_of((tmp_path / "a.csv").read_text(encoding="utf-8-sig"))
    lines = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text(encoding="utf-8").splitlines()]
    assert list(rows[0]) == ["path", "status", "label", "probability", "known", "error"]
    assert len(rows) == len(lines) == len(table) == 30
    for row, line, shown in zip(rows, lines, table, strict=True):
        assert set(line) == {*row, "top"}
        assert (row["path"], row["label"], row["status"]) == (line["path"], line["label"], line["status"])
        assert float(row["probability"]) == line["probability"] == line["top"][0]["probability"]
        assert len(row["probability"].split(".")[1]) == 6
        assert row["known"] == json.dumps(line["known"])
        assert {entry["label"] for entry in line["top"]} == set(SPECIES)
        unknown = "" if line["known"] else "unknown; perhaps "
        assert shown.startswith(f"{row['path']}  {unknown}{row['label']} ")
    assert not list(tmp_path.glob("*.partial"))


def test_no_answer_is_rounded_to_certainty() -> None:
    found = Prediction("tea\u00a0rose", 0.99999, (("tea\u00a0rose", 0.99999), ("tulip", 0.00001)), known=True)
    assert answer_line("a.jpg", found, "") == "a.jpg  tea\u00a0rose >99.9%, tulip <0.1%"


def test_files_folders_patterns_and_stdin(
    genus: Genus, trained: Path, drawn: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{drawn}/tulip/01.jpg\n\n{drawn}/tulip/02.jpg\n"))
    result = genus(
        "predict", trained, drawn / "rose/05.jpg", drawn / "daisy", f"{drawn}/tulip/0?.jpg", "-", "--csv", "-"
    )
    paths = [Path(row["path"]).relative_to(drawn).as_posix() for row in rows_of(result.out)]
    tulips = [f"tulip/{number:02d}.jpg" for number in range(10)]
    daisies = [f"daisy/{number:02d}.jpg" for number in range(30)]
    assert paths == ["rose/05.jpg", *daisies, *tulips, "tulip/01.jpg", "tulip/02.jpg"]


def test_missing_file_gets_its_row(genus: Genus, trained: Path, drawn: Path) -> None:
    result = genus("predict", trained, drawn / "nothing.jpg", drawn / "rose/00.jpg", "--csv", "-")
    assert result.code == 6
    first, second = rows_of(result.out)
    assert (first["status"], second["status"]) == ("error", "ok")
    assert "no such file" in first["error"]


def test_everything_named_or_found_has_a_row(genus: Genus, trained: Path, drawn: Path, tmp_path: Path) -> None:
    folder, far = tmp_path / "new", shutil.copytree(drawn / "tulip", tmp_path / "far")
    folder.mkdir()
    picture = Image.open(drawn / "rose/00.jpg")
    for name, kind in (("a.jpg", "JPEG"), ("b", "PNG"), ("c.tmp", "WEBP")):
        picture.save(folder / name, kind)
    (folder / "notes.txt").write_text("x")
    (folder / "linked").symlink_to(far)
    result = genus("predict", trained, folder, tmp_path / "gone [1].jpg", "--csv", "-")
    assert result.code == 6
    rows = {Path(row["path"]).name: row for row in rows_of(result.out)}
    assert [name for name, row in rows.items() if row["status"] == "ok"] == ["a.jpg", "b", "c.tmp"]
    assert "no such file" in rows["gone [1].jpg"]["error"]
    assert "a link to a folder outside" in rows["linked"]["error"]
    assert re.search(r"^5 pictures: .*2 errors\.$", result.err, re.MULTILINE)
    assert "Left alone, being no pictures: 1 .txt." in result.err


@pytest.mark.skipif(os.name == "nt", reason="POSIX only")
def test_a_pipe_is_not_waited_for_and_a_device_not_replaced(
    genus: Genus, trained: Path, drawn: Path, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    result = genus("predict", trained, tmp_path / "pipe.jpg", "/dev/zero", drawn / "rose/00.jpg", "--csv", "/dev/null")
    assert result.code == 6
    assert "2 errors" in result.err
    assert Path("/dev/null").is_char_device()
    for option in ("--config", "--split", "--weights"):
        refused = genus("train", drawn, option, tmp_path / "pipe.jpg", "--out", tmp_path / "run")
        assert (refused.code, "is a pipe, not a file" in refused.err) == (2, True)


def test_another_error_among_the_known_is_decided_by_the_stored_evidence(
    genus: Genus, trained: Path, drawn: Path, tmp_path: Path
) -> None:
    for value in ("0", "nan", "1", "1e-320"):
        result = genus("predict", trained, drawn, "--max-error", value)
        assert (result.code, "at least 0.000001 and below 1" in result.err) == (2, True)
    known = {}
    for value in (0.01, 0.5, 0.9):
        result = genus("predict", trained, drawn, "--max-error", value, "--csv", "-")
        assert result.code == 0, result.err
        known[value] = sum(row["known"] == "true" for row in rows_of(result.out))
        assert ("cannot show an error of at most 0.01" in result.err) == (value == 0.01)
    assert 0 == known[0.01] < known[0.5] <= known[0.9]
    assert known[0.5] == sum(
        row["known"] == "true" for row in rows_of(genus("predict", trained, drawn, "--csv", "-").out)
    )


def test_probabilities_do_not_depend_on_neighbours(genus: Genus, trained: Path, drawn: Path) -> None:
    together = rows_of(genus("predict", trained, drawn / "rose", "--csv", "-").out)[7]
    alone = rows_of(genus("predict", trained, drawn / "rose/07.jpg", "--csv", "-").out)[0]
    assert together["label"] == alone["label"]
    assert float(together["probability"]) == pytest.approx(float(alone["probability"]), abs=2e-6)


def test_killed_run_keeps_what_it_had(trained: Path, drawn: Path, tmp_path: Path) -> None:
    """All pictures many times over, killed when the first rows are on disk."""
    listing = "\n".join(str(path) for path in sorted(drawn.rglob("*.jpg"))) + "\n"
    command = [sys.executable, "-m", "genus", "predict", str(trained), "-", "--csv", str(tmp_path / "a.csv")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, text=True)
    assert process.stdin
    process.stdin.write(listing * 60)
    process.stdin.close()
    partial, deadline = tmp_path / "a.csv.partial", time.monotonic() + 120
    while time.monotonic() < deadline and not (partial.exists() and partial.stat().st_size > 2000):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "a.csv").exists()
    kept = partial.read_text(encoding="utf-8-sig")
    whole = rows_of(kept[: kept.rindex("\n") + 1])
    assert len(whole) > 10
    assert {row["status"] for row in whole} == {"ok"}


def test_start_up_loads_nothing_that_prediction_does_not_need(trained: Path, drawn: Path) -> None:
    code = (
        "import sys\nfrom genus.cli.app import run\n"
        f"assert run(['predict', {str(trained)!r}, {str(drawn / 'rose/00.jpg')!r}]) == 0\n"
        "found = {'sklearn', 'matplotlib', 'huggingface_hub', 'tensorboard', 'transformers'} & set(sys.modules)\n"
        "sys.exit(f'loaded {found}' if found else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
