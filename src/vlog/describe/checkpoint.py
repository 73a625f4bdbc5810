"""A checkpoint's files: how many, and how large together."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from vlog.schema import MB


def describe_checkpoint(path: str | None) -> dict[str, Any]:
    """Return `path`, and `size_mb` and `files` if it is a folder or file that is there.

    A file that goes away meanwhile, or may not be looked at, does not count.
    """
    found: dict[str, Any] = {"path": path}
    if path is None or not os.path.exists(path):  # noqa: PTH110 - Path raises if it may not look
        return found
    size = files = 0
    for file in _files(path):
        with suppress(OSError):
            size += file.lstat().st_size
            files += 1
    return found | {"size_mb": round(size / MB, 3), "files": files}


def _files(path: str) -> list[Path]:
    if os.path.isfile(path):  # noqa: PTH113
        return [Path(path).resolve()]
    return [Path(folder, name) for folder, _, names in os.walk(path) for name in names]
