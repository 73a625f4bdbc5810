"""The NVIDIA driver's library, initialised once for all who ask it.

Others in the process may initialise it and shut it down as well (torch does): the library counts,
and whoever shuts it down too often takes it from us too. Then it is initialised again, and who
holds a handle looks for it anew.

Source: https://docs.nvidia.com/deploy/nvml-api/
"""

from __future__ import annotations

import contextlib
import ctypes
import sys
import threading
from typing import TYPE_CHECKING, Any

from vlog.resources.source import Lost, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

LIBRARY = "libnvidia-ml.so.1"

# Return codes, of nvml.h. They are part of the library's interface and do not change.
UNINITIALIZED = 1
NOT_SUPPORTED = 3
NOT_FOUND = 6
FUNCTION_NOT_FOUND = 13
ARGUMENT_VERSION_MISMATCH = 25
_INVALID_ARGUMENT = 2
_NO_PERMISSION = 4
_DRIVER_NOT_LOADED = 9
_LIBRARY_NOT_FOUND = 12
_GPU_IS_LOST = 15
_RESET_REQUIRED = 16
_GPU_NOT_FOUND = 28

_NOT_HERE = frozenset(
    {NOT_SUPPORTED, _NO_PERMISSION, FUNCTION_NOT_FOUND, 22, ARGUMENT_VERSION_MISMATCH, 26}
)  # 22: no ECC in a virtual GPU; 26: deprecated
_NO_DRIVER = frozenset({_NO_PERMISSION, _DRIVER_NOT_LOADED, _LIBRARY_NOT_FOUND})


class Unsupported(Unavailable):
    """The driver or the device has not got it. `code` is NVML's."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


class Down(Exception):  # noqa: N818 - it is answered by initialising the library again
    """Somebody shut the library down, or the driver was reloaded."""


class Stale(Exception):  # noqa: N818 - the same
    """The library does not know the handle, or an argument, any more."""


class NvmlFault(Exception):  # noqa: N818 - `Error` is what NVML calls its own
    """The library failed. `code` is NVML's."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


def error_of(code: int, what: str, text: str) -> Exception:
    """Return the exception that stands for the return code `code` of a call of NVML's."""
    text = f"{what}: {text}"
    if code in _NOT_HERE:
        return Unsupported(text, code)
    if code in (_GPU_IS_LOST, _RESET_REQUIRED, _GPU_NOT_FOUND):
        return Lost(text)
    if code in (UNINITIALIZED, _DRIVER_NOT_LOADED):
        return Down(text)
    if code == _INVALID_ARGUMENT:
        return Stale(text)
    return NvmlFault(text, code)


class Nvml:
    """The library, by the binding `pynvml`.

    Attributes:
        generation: Changes when the library was initialised again: handles of before are void.
        users: How many take part.
    """

    def __init__(self) -> None:
        self.generation = 0
        self.users = 0
        self._lock = threading.Lock()
        self._binding: Any = None
        self._is_up = False
        self._readers = 0

    def start(self) -> None:
        """Initialise the library, if it is not.

        Raises:
            Unavailable: there is no NVIDIA driver here, or not yet.
        """
        with self._lock:
            self._start()

    def restart(self, generation: int) -> None:
        """Initialise the library that somebody shut down, unless that was done since `generation`.

        Our own count was taken with it: to shut it down again would take somebody else's.
        """
        with self._lock:
            if generation == self.generation:
                self._is_up = False
                self._start()

    def reload(self) -> None:
        """Shut the library down and initialise it again, unless somebody is reading."""
        with self._lock:
            if not self._readers:
                self._stop()
                self._start()

    def enter(self) -> None:
        """Take part; the last one who leaves shuts the library down."""
        with self._lock:
            self.users += 1

    def leave(self) -> None:
        """Take no part any more. A thread that hangs in a call keeps the library up."""
        with self._lock:
            self.users -= 1
            if self.users == 0:
                self._stop()

    @contextlib.contextmanager
    def reading(self) -> Iterator[int]:
        """Mark that calls are under way; the value is the generation."""
        with self._lock:
            self._readers += 1
            generation = self.generation
        try:
            yield generation
        finally:
            with self._lock:
                self._readers -= 1

    def call(self, function: str, *arguments: Any) -> Any:
        """Call a function of `pynvml`.

        Raises:
            Unsupported: the device, the driver or the binding has not got it.
            Lost: the device is gone.
            Down: the library must be initialised again.
            Stale: a handle (or an argument) is not valid.
            NvmlFault: anything else.
        """
        found = getattr(self._binding, function, None)
        if found is None:
            raise Unsupported(f"pynvml has no {function}", FUNCTION_NOT_FOUND)
        try:
            return found(*arguments)
        except self._binding.NVMLError as error:
            raise error_of(error.value, function, str(error)) from None

    def call_first(self, *calls: tuple[Any, ...]) -> Any:
        """Make the first of `calls` (function, arguments) that this driver knows."""
        for call in calls[:-1]:
            try:
                return self.call(*call)
            except Unsupported as error:
                if error.code not in (FUNCTION_NOT_FOUND, ARGUMENT_VERSION_MISMATCH):
                    raise
        return self.call(*calls[-1])

    def _start(self) -> None:
        if self._is_up:
            return
        binding = self._binding or _load()
        try:
            binding.nvmlInit()
        except binding.NVMLError as error:
            if error.value in _NO_DRIVER:
                raise Unavailable(f"no NVIDIA driver: {error}") from None
            raise NvmlFault(f"nvmlInit: {error}", error.value) from None
        self._binding, self._is_up = binding, True
        self.generation += 1

    def _stop(self) -> None:
        if self._is_up:
            self._is_up = False
            with contextlib.suppress(self._binding.NVMLError):  # somebody else has done it
                self._binding.nvmlShutdown()


def _load() -> Any:
    # The binding takes 30 ms to import: for nothing, on a machine without the library.
    if sys.platform.startswith("linux"):
        try:
            ctypes.CDLL(LIBRARY)
        except OSError as error:
            raise Unavailable(f"no NVIDIA driver: {error}") from None
    try:
        import pynvml  # noqa: PLC0415 - the same
    except ImportError as error:
        raise Unavailable(f"no pynvml: {error}; pip install nvidia-ml-py") from None
    return pynvml
