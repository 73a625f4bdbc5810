"""Numbers out of tensors, as soon as they can be had without waiting for a device."""

from __future__ import annotations

import sys
import time
from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_MAX_PENDING = 1_000
_POLL_SECONDS = 0.005
_REAL = (float, int, bool)


def host_number(value: Any) -> float | None:
    """Return the number that a tensor in the host's memory holds; None for anything else."""
    torch = sys.modules.get("torch")
    if torch is not None and type(value) is torch.Tensor:  # in few calls: most losses are this
        try:
            number: Any = value.item() if value.is_cpu and value.numel() == 1 else None
        except Exception:  # noqa: BLE001 - a meta or sparse tensor
            return None
        return float(number) if type(number) in _REAL else None
    if not _is_plain_number(value) or value.device.type != "cpu":
        return None
    return float(value.detach())


def _is_plain_number(value: Any) -> bool:
    """Return whether `value` is a tensor that holds one real number itself.

    One that only stands for others is not: to read a distributed one is to talk to other ranks.
    Nor is one that raises when it is asked: it is described like any other value.
    """
    torch = sys.modules.get("torch")
    try:
        if torch is None or not isinstance(value, torch.Tensor) or value.numel() != 1:
            return False
        is_plain = type(value).__torch_dispatch__ is torch.Tensor.__torch_dispatch__
        return is_plain and value.layout is torch.strided and not value.is_complex()
    except Exception:  # noqa: BLE001 - a lazy parameter, or a class of the user's
        return False


class DeviceValues:
    """Deliver the numbers that tensors hold, in order, without waiting in the midst of a training.

    A number in the host's memory is had at once. One on a CUDA device is copied to pinned memory
    behind the work that is queued there, and delivered once its event has passed. On any other
    device it could only be read by waiting, so it is not.

    Args:
        deliver: Told of each number: `deliver(key, number, name)`.

    Attributes:
        pending: What has not arrived.
    """

    def __init__(self, deliver: Callable[[Any, float, str], None]) -> None:
        self._deliver = deliver
        self.pending: deque[tuple[Any, str, Any, Any]] = deque(maxlen=_MAX_PENDING)

    def observe(self, key: Any, value: Any, name: str = "loss") -> bool:
        """Take the number that belongs to `key`, such as a step.

        Returns:
            Whether it is or will be delivered.
        """
        number = host_number(value)
        if number is not None:
            self._deliver(key, number, name)
            return True
        if not _is_plain_number(value) or value.device.type != "cuda":
            return False
        torch = sys.modules["torch"]
        host = torch.empty((), dtype=value.dtype, pin_memory=True)
        host.copy_(value.detach().reshape(()), non_blocking=True)
        passed = torch.cuda.Event()
        passed.record(torch.cuda.current_stream(value.device))
        self.pending.append((key, name, host, passed))
        return True

    def collect(self, wait_seconds: float = 0.0) -> None:
        """Deliver what has arrived.

        Args:
            wait_seconds: How long to wait for what has not, when the training is over.
        """
        polls = int(wait_seconds / _POLL_SECONDS)
        while self.pending:
            if self.pending[0][3].query():
                key, name, host, _ = self.pending.popleft()
                self._deliver(key, float(host), name)
            elif polls > 0:
                polls -= 1
                time.sleep(_POLL_SECONDS)
            else:
                return
