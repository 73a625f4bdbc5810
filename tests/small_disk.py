"""A disk of 1 MB: a tmpfs that only one process and its children see.

It is mounted in a mount namespace of that process's own, so that it is gone with it. That takes
root, or user namespaces.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from processes import PRELUDE, TESTS

DISK = "disk"  # where it is mounted
KEPT = "kept"  # what was on it in the end

_WAYS = (
    ("unshare", "--mount"),
    ("unshare", "--user", "--map-root-user", "--mount"),
)
_MOUNT = f"mount -t tmpfs -o size=1m,mode=755 tmpfs {DISK}"
_KEEP = f"cp -a {DISK}/. {KEPT}"

FILLER = f"""
import os, pathlib, time

def fill(filler=pathlib.Path("{DISK}/filler")):
    "Take all that is left of the disk."
    with filler.open("ab", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                pass

def free(filler=pathlib.Path("{DISK}/filler")):
    filler.unlink()

def wait_until(is_so):
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)
"""


@dataclass(frozen=True)
class Done:
    """What a process on the small disk left behind.

    Attributes:
        code: Its exit code.
        out: Its standard output.
        err: Its standard error.
        disk: A copy of the disk's content.
    """

    code: int
    out: str
    err: str
    disk: Path

    @property
    def told(self):
        """The lines on standard error that are vlog's own, not the console's."""
        return [line for line in self.err.splitlines() if line.startswith("vlog:")]


def run_on_small_disk(script, *, trains=False, seconds=120):
    """Run `script`, which has `fill` and `free`, in the current folder; its disk is `DISK`.

    Args:
        script: What to run.
        trains: Whether it begins with the prelude of `processes`.
        seconds: How long it may take; a process that hangs fails the test.
    """
    for name in (DISK, KEPT):
        Path(name).mkdir()
    Path("script.py").write_text((PRELUDE if trains else "") + FILLER + script, encoding="utf-8")
    # The shell stays: it keeps what is on the disk, whatever the script's end.
    command = f'{_MOUNT} && {{ "$@"; code=$?; {_KEEP}; exit $code; }}'
    process = subprocess.Popen(
        [*_way(), "sh", "-c", command, "sh", sys.executable, "-W", "ignore", "script.py"],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        raise AssertionError(f"it did not end:\n{out}\n{err}") from None
    return Done(process.returncode, out, err, Path(KEPT))


@cache
def _way():
    """Return the command that gives a process mounts of its own, if it can mount the disk."""
    said = "there is no unshare"
    for way in _WAYS if shutil.which("unshare") else ():
        tried = subprocess.run(
            [*way, "sh", "-c", _MOUNT],
            capture_output=True,
            text=True,
            check=False,
        )
        if tried.returncode == 0:
            return way
        said = tried.stderr.strip()
    pytest.skip(f"no small disk can be mounted here, as root or in a user namespace: {said}")
