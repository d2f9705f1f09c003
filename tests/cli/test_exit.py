"""The process ends at once, but never before everything is said."""

import os
import subprocess
import sys

import pytest

BUFFERED = {**os.environ, "PYTHONUNBUFFERED": ""}
FULL = b"Error: The disk is full: not everything could be written.\n"


def test_the_last_words_arrive_with_the_exit_code() -> None:
    code = (
        "import sys\nfrom genus import cli\n"
        "cli.run = lambda arguments: print('said', end='') or print('warned', end='', file=sys.stderr) or 6\ncli.main()"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=BUFFERED)
    assert (process.stdout, process.stderr, process.returncode) == ("said", "warned", 6)


def test_words_that_cannot_be_written_are_no_success() -> None:
    code = "from genus import cli\ncli.run = lambda arguments: print('said') or 0\ncli.main()"
    with open("/dev/full", "w") as full:  # noqa: PTH123
        process = subprocess.run(
            [sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, check=False, env=BUFFERED
        )
    assert (process.stderr, process.returncode) == (FULL, 4)


@pytest.mark.parametrize("buffered", ["", "1"])
def test_a_full_disk_is_no_bug(buffered: str) -> None:
    environment = {**os.environ, "PYTHONUNBUFFERED": buffered}
    with open("/dev/full", "w") as full:  # noqa: PTH123
        process = subprocess.run(
            [sys.executable, "-m", "genus", "models"], stdout=full, stderr=subprocess.PIPE, check=False, env=environment
        )
    assert (process.stderr, process.returncode) == (FULL, 4)


def test_a_reader_that_has_gone_away_gets_no_traceback() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "genus", "models"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout
    assert process.stderr
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == 141
    process.stderr.close()
