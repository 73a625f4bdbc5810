"""vlog under the name that its user guide imports."""

from vlog import *  # noqa: F403 - the same names, all of them
from vlog import __all__ as __all__  # noqa: PLC0414 - re-exported
