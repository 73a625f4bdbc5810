"""The command line. What it needs is imported when it starts, not with the package."""

from __future__ import annotations


def main() -> None:
    """Run the command line with the process's arguments, and exit."""
    from vlog.cli.app import run  # noqa: PLC0415

    run()
