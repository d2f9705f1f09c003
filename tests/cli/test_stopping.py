"""Ctrl-C, TERM and HUP: what is done is kept, and the exit code says which."""

import os
import signal
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX only")

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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_lets_the_command_put_its_things_away(number: int) -> None:
    assert ended(number) == (128 + number, "kept\n", "")


def test_the_second_one_ends_it_at_once() -> None:
    cleaning = f"os.kill(os.getpid(), {int(signal.SIGTERM)}); time.sleep(20); print('too late')"
    assert ended(signal.SIGTERM, cleaning=cleaning) == (143, "kept\n", "")


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    """As under nohup."""
    before = "signal.signal(signal.SIGHUP, signal.SIG_IGN); time.sleep = lambda _: None"
    assert ended(signal.SIGHUP, before=before) == (0, "kept\n", "")
