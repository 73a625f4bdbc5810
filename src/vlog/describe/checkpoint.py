"""A checkpoint's files: how many, and how large together."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from vlog.schema import MB


def describe_checkpoint(path: str | None) -> dict[str, Any]:
    """Return `path`, and `size_mb` and `files` if it is a folder or file that is there."""
    found: dict[str, Any] = {"path": path}
    if path is None or not Path(path).exists():
        return found
    size, files = (Path(path).stat().st_size, 1) if Path(path).is_file() else (0, 0)
    for folder, _, names in os.walk(path):
        for name in names:
            size += Path(folder, name).lstat().st_size
            files += 1
    return found | {"size_mb": round(size / MB, 3), "files": files}
