"""A request from outside to write a run at another verbosity: a file beside its log.

`vlog verbosity` writes it, the run takes it away.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from vlog.errors import check_count
from vlog.verbosity import Verbosity

if TYPE_CHECKING:
    from pathlib import Path

_LONGEST = 1000  # bytes


@dataclass(frozen=True, slots=True)
class VerbosityRequest:
    """What is asked for.

    Attributes:
        verbosity: The verbosity.
        steps: For how many steps; None for the rest of the run.

    Raises:
        ConfigurationError: `steps` is no whole number above 0.
    """

    verbosity: Verbosity
    steps: int | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be done."""
        if self.steps is not None:
            check_count("steps", self.steps)


def request_path(log_file: Path) -> Path:
    """Return the file that stands beside `log_file` while a request waits."""
    return log_file.with_name(f".{log_file.name}.verbosity")


def leave_request(log_file: Path, request: VerbosityRequest) -> None:
    """Write a request for the run that writes `log_file`.

    Raises:
        FileExistsError: another request waits there.
        OSError: it cannot be written there.
    """
    path = request_path(log_file)
    part = path.with_name(f"{path.name}.{os.getpid()}")
    part.write_bytes(orjson.dumps({"verbosity": request.verbosity.label, "steps": request.steps}))
    try:
        os.link(part, path)  # unlike a rename, it does not take the place of another request
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def take_request(log_file: Path) -> VerbosityRequest | None:
    """Return the request that waits beside `log_file`, and take it away; None if there is none.

    Raises:
        ValueError: it is none that can be understood. It is taken away all the same.
        OSError: it cannot be read or taken away.
    """
    path = request_path(log_file)
    if not path.is_file():
        return None
    taken = path.with_name(f"{path.name}.taken")
    path.replace(taken)  # first: a request that comes meanwhile is not lost
    with taken.open("rb") as file:
        content = file.read(_LONGEST)
    taken.unlink()
    request = orjson.loads(content)
    if not isinstance(request, dict):
        raise ValueError(f"{path} holds no request for a verbosity")  # noqa: TRY004 - as the others
    return VerbosityRequest(Verbosity.parse(request.get("verbosity", "")), request.get("steps"))
