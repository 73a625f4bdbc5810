"""A look at a folder, during which a file gets another name: what a large folder makes likely."""

import os
from contextlib import nullcontext


def change_during_the_next_look(monkeypatch, file, change):
    """Have the next look see neither the old name of `file` nor the name that `change` gives it.

    The look passes the place of the new name before it is there, and that of the old name when
    that is gone.
    """
    look = os.scandir

    def unlucky_look(folder):
        with look(folder) as entries:
            seen = [entry for entry in entries if entry.name != file.name]
        monkeypatch.setattr(os, "scandir", look)
        change()
        return nullcontext(seen)

    monkeypatch.setattr(os, "scandir", unlucky_look)
