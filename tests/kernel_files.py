"""Files of /proc and /sys that tests lay out in a folder, and a clock for the rates in them."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace


def write(root, files):
    """Write the text of each file below `root`; a None removes it."""
    for name, text in files.items():
        path = root / name
        if text is None:
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


def link(root, name, target):
    """Make `name` a link to `target`, both below `root`; the folder that it points to is made."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    (root / target).mkdir(parents=True, exist_ok=True)
    path.symlink_to(root / target)


def stop_time(monkeypatch, module, clock):
    """Let a module of `vlog.resources` take the time from `clock`."""
    time = SimpleNamespace(perf_counter=clock.monotonic)
    monkeypatch.setattr(f"vlog.resources.{module}.time", time)


def hand_out_in_pieces(monkeypatch):
    """Let a reading get 4 KB at most, in whole words, as the kernel hands out its long lists."""
    real = os.pread

    def pread(descriptor, size, offset):
        content = real(descriptor, min(size, 4096), offset)
        return content[: max(content.rfind(b" "), content.rfind(b"\n")) + 1]

    monkeypatch.setattr(os, "pread", pread)


def open_descriptors():
    """Return how many descriptors this process has, without the one that it takes to list them."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir()) - 1


def gaps_of(fields):
    """Return why each field is not there, as text."""
    return {name: str(error) for name, error in fields.gaps.items()}
