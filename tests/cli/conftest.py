"""The command line as its users start it: with a pipe behind it, or on a terminal."""

import fcntl
import os
import pty
import re
import runpy
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

SampleRun = runpy.run_path(str(Path(__file__).parents[1] / "analysis" / "conftest.py"))["SampleRun"]
COMMAND = [sys.executable, "-m", "vlog"]
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture
def sample_run():
    return SampleRun


@pytest.fixture
def log(tmp_path):
    """A log of one whole run."""
    return SampleRun().whole().write(tmp_path / "run.jsonl")


@pytest.fixture
def ranks_log(tmp_path):
    """A log of two ranks: the second was killed at step 6."""
    path = tmp_path / "run.jsonl"
    SampleRun().whole().write(path)
    killed = SampleRun(pid=4_194_303).begin().train(6)
    for entry in killed.entries:
        entry["rank"] = 1
    killed.add("resource_warning", "Hot!", "WARNING", alert="heat", rank=1)
    killed.write(tmp_path / "run.rank1.jsonl")
    return path


@pytest.fixture
def vlog():
    """Return a function that runs the command line behind a pipe."""

    def run(*arguments, **options):
        command = [*COMMAND, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False, **options)

    return run


@pytest.fixture
def terminal():
    """Return a function that runs it on a terminal of 80 columns, and returns what is drawn.

    The colours of rich are taken out; any other escape would still be there.
    """

    def run(*arguments, columns=80):
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": str(columns)}
        for name in ("NO_COLOR", "FORCE_COLOR", "CI"):
            environment.pop(name, None)
        command = [*COMMAND, *map(str, arguments)]
        with subprocess.Popen(command, stdout=theirs, stderr=theirs, env=environment):
            os.close(theirs)
            drawn = b"".join(iter(lambda: _read(ours), b""))
        os.close(ours)
        text = drawn.decode()
        return _COLOURS.sub("", text).replace("\r\n", "\n"), _COLOURS.search(text) is not None

    return run


def _read(descriptor):
    try:
        return os.read(descriptor, 65536)
    except OSError:  # the other side is closed
        return b""
