"""Processes that write one log through a handler, without any training: they start quickly."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from vlog.segments import open_segment

DEADLINE = 60.0  # seconds; what hangs is a failed test, not a stopped suite
LOG = "run.jsonl"

PRELUDE = f"""
import logging, os, signal, sys, threading, time
from vlog.handlers import RotatingJsonlHandler
handler = RotatingJsonlHandler({LOG!r})
def emit(number):
    handler.handle(logging.LogRecord("app", logging.INFO, "", 0, number, (), None))
"""


def start(script, prelude=PRELUDE, wrap=(), **options):
    """Start `script` behind the prelude in the current folder; return the process."""
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return subprocess.Popen(
        [*wrap, sys.executable, "-W", "ignore", "-c", prelude + textwrap.dedent(script)],
        text=True,
        **(pipes | options),
    )


def run(script, *args, **options):
    """Run `script` to its end, which must be a good one; return its process id and stdout."""
    process = start(script, *args, **options)
    try:
        out, err = process.communicate(timeout=DEADLINE)
    finally:
        process.kill()
    assert process.returncode == 0, err
    return process.pid, out


def tell(process):
    """Have a process that waits for a line of stdin go on."""
    process.stdin.write("\n")
    process.stdin.flush()


def without_rights():
    """Return what a command begins with, so that folders' and files' rights hold for root too."""
    if os.geteuid() != 0:
        return ()
    if shutil.which("setpriv") is None:
        pytest.skip("root may write everywhere, and there is no setpriv to take that away")
    return ("setpriv", "--bounding-set=-dac_override,-dac_read_search")


def numbers_in(*paths):
    """Return what the records of some files say; each line must be JSON."""
    found = []
    for path in paths:
        with open_segment(Path(path)) as stream:
            found += [int(json.loads(line)["message"]) for line in stream]
    return found


def files(folder="."):
    """Return the plain files of the log and their segments, also those of other processes."""
    return sorted(path for path in Path(folder).glob("run*.jsonl*") if path.is_file())
