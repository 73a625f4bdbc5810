"""A log followed while things happen to it, without a thread or a clock."""

from __future__ import annotations

from vlog.reader import follow


def follow_through(log, *acts, **options):
    """Return what `follow` yields while `acts` happen, one before each look."""
    todo = iter(acts)

    def stop():
        act = next(todo, None)
        if act is not None:
            act()
        return act is None

    return follow(log, poll_seconds=0, stop=stop, **options)
