"""Real control groups with a limit, and processes in them. They need root and a writable mount."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import time
import uuid
from pathlib import Path

import pytest

ROOT = Path("/sys/fs/cgroup")


@contextlib.contextmanager
def limited_memory(limit_bytes, inside=None):
    """Make a group with a memory limit and no swap; give its folder; take it away in the end.

    Args:
        limit_bytes: The limit.
        inside: The group to make it in, itself from here; the own one of this process, if left out.

    Skips the test, and says why, where this process may not do so.
    """
    with contextlib.ExitStack() as stack:
        try:
            folder = stack.enter_context(_group(inside or _own_memory_group()))
            _limit(folder, limit_bytes)
        except OSError as error:
            pytest.skip(f"no control group can be given a memory limit here: {error}")
        yield folder


@contextlib.contextmanager
def limited_cpu(quota_microseconds):
    """Make a group of version 1 with a processor quota per 100 ms; give its folders.

    The first one has the quota, the second one counts the time; they may be the same.
    """
    with contextlib.ExitStack() as stack:
        try:
            name = _new_name()
            tops = {controller: _own_v1_group(controller) for controller in ("cpu", "cpuacct")}
            folders = [
                stack.enter_context(_group(top, name)) for top in dict.fromkeys(tops.values())
            ]
            (folders[0] / "cpu.cfs_quota_us").write_text(str(quota_microseconds))
        except OSError as error:
            pytest.skip(f"no control group can be given a processor quota here: {error}")
        yield folders


def in_groups(folders, *command):
    """Return `command` as one that is in these groups from its first instruction on."""
    joined = " ".join(shlex.quote(f"{folder}/cgroup.procs") for folder in folders)
    return [
        "sh",
        "-c",
        f'for each in {joined}; do echo $$ > "$each"; done; exec "$@"',
        "sh",
        *command,
    ]


def move(pid, folder):
    """Put a running process into a group."""
    (folder / "cgroup.procs").write_text(str(pid))


@contextlib.contextmanager
def _group(above, name=None):
    if not above.is_dir():
        raise FileNotFoundError(f"{above} is not there")
    if _is_v2(above) and "memory" not in (above / "cgroup.subtree_control").read_text().split():
        (above / "cgroup.subtree_control").write_text("+memory")
    folder = above / (name or _new_name())
    folder.mkdir()
    try:
        yield folder
    finally:
        _remove(folder)


def _remove(folder, seconds=10):
    """Kill what is left in the group, which is a test's own, and take the group away."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            folder.rmdir()
        except OSError:  # busy until the last process is gone
            if time.monotonic() > deadline:
                raise
            for pid in (folder / "cgroup.procs").read_text().split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            time.sleep(0.02)
        else:
            return


def _own_memory_group():
    """Return the group of this process, or the next above it that may have groups in it.

    In version 2 a group has either processes or, with a controller, groups in it.
    """
    if (ROOT / "cgroup.controllers").exists():
        own = ROOT / _own_paths()[""].lstrip("/")
        for each in (own, *own.parents):
            if "memory" in (each / "cgroup.subtree_control").read_text().split():
                return each
            if each == ROOT:
                break
        raise PermissionError("no group above this process hands the memory controller down")
    return _own_v1_group("memory")


def _own_v1_group(controller):
    own = _own_paths()
    if controller not in own:
        raise FileNotFoundError(f"there is no control group of version 1 for {controller}")
    return (ROOT / controller).resolve() / own[controller].lstrip("/")


def _own_paths():
    """Return the group of this process by controller; that of version 2 is named by nothing."""
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    fields = [line.split(":", 2) for line in lines]
    return {name: path for _, names, path in fields for name in names.split(",")}


def _is_v2(folder):
    return (folder / "cgroup.controllers").exists()


def _limit(folder, limit_bytes):
    files = {"memory.limit_in_bytes": limit_bytes, "memory.swappiness": 0}
    if _is_v2(folder):
        files = {"memory.max": limit_bytes, "memory.swap.max": 0}
    for name, value in files.items():
        if (folder / name).exists():  # a kernel without swap has no file for it
            (folder / name).write_text(str(value))


def _new_name():
    return f"vlog-test-{uuid.uuid4().hex[:12]}"
