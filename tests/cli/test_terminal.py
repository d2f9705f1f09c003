"""What reaches the terminal: every answer in any encoding, and no name that steers it. And Ctrl-C, TERM and HUP."""

import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genus.cli import terminal
from genus.cli.app import run
from genus.cli.console import Screen
from genus.cli.terminal import shown, visible
from genus.config import TrainConfig
from genus.errors import DataError
from genus.types import Caution, Note, Progress, RunOpened
from tests.cli.conftest import Genus

EVIL = "a\x1b[31mred\x07\rb\u202ec\x9b2J"


@given(st.text(st.characters(exclude_categories=[])))
def test_nothing_steers_a_terminal(text: str) -> None:
    for line in visible(text).split("\n"):
        assert line == shown(line)
        assert line.isprintable() or all(ord(char) > 0x9F for char in line if not char.isprintable())
        line.encode("utf-8")
    assert "\n" not in shown(text)
    assert all(line.startswith("  ") for line in visible(text).split("\n")[1:])


@pytest.mark.skipif(os.name == "nt", reason="Windows has no pseudo-terminals")
def test_results_and_messages_on_one_terminal() -> None:
    code = "import os; from genus.cli.terminal import one_terminal; os._exit(one_terminal())"
    (_, one), (_, other) = os.openpty(), os.openpty()
    for out, err, expected in ((one, one, 1), (one, other, 0), (one, subprocess.PIPE, 0), (subprocess.PIPE, one, 0)):
        assert subprocess.run([sys.executable, "-c", code], stdout=out, stderr=err, check=False).returncode == expected


def test_letters_of_all_languages_and_emoji_stay() -> None:
    text = "Gänseblümchen チューリップ گل‌رز 👩‍🌾 1 000 :rose: [bold]"
    assert shown(text) == visible(text) == text


def test_events_and_errors_are_made_visible(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with Screen() as screen:
        for event in (Note(EVIL), Caution(f"{EVIL} :rose: [red]"), Progress(EVIL, 1, 2), RunOpened(Path(EVIL))):
            screen._last_line = -100.0
            screen(event)
        screen.interrupted(Path(EVIL))

    def fail(*_: object) -> None:
        raise DataError(EVIL)

    monkeypatch.setattr("genus.features.cache.cache_root", fail)
    assert run(["cache"]) == 3
    assert run(["--debug", "cache"]) == 3
    assert run([EVIL]) == 2
    assert run(["cache", EVIL]) == 2
    captured = capfd.readouterr()
    assert captured.out == ""
    assert ":rose: [red]" in captured.err
    assert captured.err.count("\\x1b[31m") > 7
    assert not set("\x1b\x07\r\u202e\x9b") & set(captured.err)


def test_an_interrupted_training_prints_the_command_that_goes_on(capfd: pytest.CaptureFixture[str]) -> None:
    with Screen() as screen:
        screen(RunOpened(Path("runs/it's mine")))
        screen.interrupted(Path("my photos"))
    assert """genus train 'my photos' --resume --out 'runs/it'"'"'s mine'""" in capfd.readouterr().err


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-16", "utf-8"])
def test_every_answer_arrives_in_any_encoding(
    encoding: str, genus: Genus, trained: Path, drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [tmp_path / name for name in ("チューリップ.jpg", "rosé.jpg", os.fsdecode(b"caf\xe9.jpg"))]
    for name in names:
        name.write_bytes((drawn / "rose/00.jpg").read_bytes())
    outputs = {}
    for format in ("--csv", "--json", None):
        stdout = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="\n")
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", stdout)
            assert run(["predict", str(trained), *map(str, names), *([format, "-"] if format else [])]) == 0
        outputs[format] = stdout.buffer.getvalue()  # type: ignore[attr-defined]
    for format in ("--csv", "--json"):
        text = outputs[format].decode("utf-8")
        assert all(part in text for part in ("チューリップ.jpg", "rosé.jpg", "caf\\udce9.jpg"))
    table = outputs[None].decode(encoding)
    assert len(table.splitlines()) == 3
    assert ("チューリップ" in table) == (encoding in ("utf-8", "utf-16"))
    assert ("rosé" in table) == (encoding != "ascii")


def in_a_process(
    arguments: list[str], prepare: Callable[[], None] | None = None, **streams: int
) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "genus", *arguments]
    return subprocess.Popen(command, preexec_fn=prepare, text=True, **streams)  # type: ignore[call-overload,no-any-return]


@pytest.mark.skipif(os.name == "nt", reason="POSIX only")
def test_a_reader_that_goes_away_loses_nothing_else(trained: Path, drawn: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.jsonl"
    arguments = ["predict", str(trained), str(drawn), "--csv", "-", "--json", str(out)]
    process = in_a_process(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout
    process.stdout.close()
    _, errors = process.communicate()
    assert process.returncode == 141
    assert "Traceback" not in errors
    assert "90 pictures" in errors
    assert len(out.read_text(encoding="utf-8").splitlines()) == 90


@pytest.mark.skipif(os.name == "nt", reason="POSIX only")
def test_streams_that_were_never_there(trained: Path, drawn: Path, tmp_path: Path) -> None:
    """As a daemon's: the next files opened must not take their place."""
    out = tmp_path / "a.csv"
    arguments = ["predict", str(trained), str(drawn / "rose/00.jpg"), "--csv", str(out)]
    process = in_a_process(arguments, prepare=lambda: os.closerange(0, 3))
    assert process.wait() == 0
    rows = out.read_text(encoding="utf-8-sig").splitlines()
    assert [row.split(",")[0] for row in rows] == ["path", str(drawn / "rose/00.jpg")]


def test_answers_for_nobody_are_refused(genus: Genus, trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal.stdout, "is_closed", True)
    result = genus("predict", trained, "x.jpg")
    assert (result.code, "stdout is closed" in result.err) == (4, True)


def test_a_terminal_that_has_gone_ends_no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(sys, "stderr", Gone())
    with Screen() as screen:
        screen(Note("nobody hears"))
        screen.interrupted(TrainConfig().data)
    assert run(["no such verb"]) == 2


def test_paths_on_stdin_are_bytes_of_the_file_system(monkeypatch: pytest.MonkeyPatch) -> None:
    content = "\ufeffrosé.jpg\r\n\na\u2028b\x0bc.jpg\n".encode() + b"caf\xe9"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content), encoding="ascii"))
    assert terminal.stdin_lines() == ["rosé.jpg", "a\u2028b\x0bc.jpg", os.fsdecode(b"caf\xe9")]


posix_only = pytest.mark.skipif(os.name == "nt", reason="POSIX only")

WAITING = """
import os, signal, sys, time
from genus import cli
from genus.cli.app import app
{before}
@app.command()
def wait():
    try:
        os.kill(os.getpid(), {signal})
        time.sleep(20)
    finally:
        print("kept", flush=True)
        {cleaning}
cli.main(["wait"])
"""


def ended(number: int, before: str = "", cleaning: str = "") -> tuple[int, str, str]:
    code = WAITING.format(signal=int(number), before=before, cleaning=cleaning)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=100)
    return done.returncode, done.stdout, done.stderr


@posix_only
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_lets_the_command_put_its_things_away(number: int) -> None:
    assert ended(number) == (128 + number, "kept\n", "")


@posix_only
def test_the_second_one_ends_it_at_once() -> None:
    cleaning = f"os.kill(os.getpid(), {int(signal.SIGTERM)}); time.sleep(20); print('too late')"
    assert ended(signal.SIGTERM, cleaning=cleaning) == (143, "kept\n", "")


@posix_only
def test_a_signal_that_is_ignored_stays_ignored() -> None:
    """As under nohup."""
    before = "signal.signal(signal.SIGHUP, signal.SIG_IGN); time.sleep = lambda _: None"
    assert ended(signal.SIGHUP, before=before) == (0, "kept\n", "")
