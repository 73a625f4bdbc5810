"""The versions of installed packages, without parsing all that their metadata say."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from functools import lru_cache
from importlib import metadata

_KINDS = (".dist-info", ".egg-info", ".egg")


def versions_of(packages: tuple[str, ...]) -> dict[str, str]:
    """Return the version of each of `packages` that is installed, as `importlib.metadata` does.

    They are looked up once, and again when something else is installed.
    """
    return dict(_versions_of(packages, tuple(map(_installed_in, sys.path))))


def _installed_in(path: str) -> tuple[str, ...]:
    """Return what is installed in a folder that Python imports from."""
    try:
        folder = os.path.abspath(path)  # noqa: PTH100 - `sys.path` may hold an empty text
        return _listed(folder, os.stat(folder).st_mtime_ns)  # noqa: PTH116 - faster
    except OSError:  # most installations have a path that is no folder, or not there
        return ()


@lru_cache(maxsize=64)
def _listed(folder: str, _changed: int) -> tuple[str, ...]:
    return tuple(name for name in os.listdir(folder) if name.endswith(_KINDS))  # noqa: PTH208


@lru_cache(maxsize=1)
def _versions_of(
    packages: tuple[str, ...], _installed: tuple[tuple[str, ...], ...]
) -> dict[str, str]:
    found = {}
    for package in packages:
        with suppress(metadata.PackageNotFoundError):
            found[package] = version_of(metadata.distribution(package))
    return found


def version_of(distribution: metadata.Distribution) -> str:
    """Return what `distribution.version` is; that parses a description of many pages with it."""
    head = (distribution.read_text("METADATA") or "").partition("\n\n")[0]
    for line in head.split("\n"):
        name, _, value = line.partition(":")
        if name == "Version":
            return value.lstrip(" \t")
    return distribution.version
