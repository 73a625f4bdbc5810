"""The logging configuration of the whole process, from a YAML file or a dict.

`apply.configure` reads (`file`), lays the common settings over it (`overrides`), looks for mistakes
(`check`, `classes`, `stdlib`), and then lets stdlib's dictConfig do the work (`rollback`).
"""

from __future__ import annotations

from vlog.config.apply import configure
from vlog.config.file import default_configuration
from vlog.config.overrides import Overrides

__all__ = ["Overrides", "configure", "default_configuration"]
