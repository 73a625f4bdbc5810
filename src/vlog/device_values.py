"""Numbers out of tensors, as soon as they can be had without waiting for a device."""

from __future__ import annotations

import sys
from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_MAX_PENDING = 1_000


class DeviceValues:
    """Deliver the numbers that tensors hold, in order, without ever waiting.

    A number in the host's memory is had at once. One on a CUDA device is copied to pinned memory
    behind the work that is queued there, and delivered once its event has passed. On any other
    device it could only be read by waiting, so it is not.

    Args:
        deliver: Told of each number: `deliver(step, number, name)`.
    """

    def __init__(self, deliver: Callable[[int, float, str], None]) -> None:
        self._deliver = deliver
        self._pending: deque[tuple[int, str, Any, Any]] = deque(maxlen=_MAX_PENDING)

    def observe(self, step: int, value: Any, name: str = "loss") -> bool:
        """Take the number that belongs to `step`; return whether it is or will be delivered."""
        torch = sys.modules.get("torch")
        if torch is None or not isinstance(value, torch.Tensor) or value.numel() != 1:
            return False
        if value.device.type == "cpu":
            self._deliver(step, float(value.detach()), name)
            return True
        if value.device.type != "cuda":
            return False
        host = torch.empty((), dtype=value.dtype, pin_memory=True)
        host.copy_(value.detach().reshape(()), non_blocking=True)
        passed = torch.cuda.Event()
        passed.record(torch.cuda.current_stream(value.device))
        self._pending.append((step, name, host, passed))
        return True

    def collect(self) -> None:
        """Deliver what has arrived; never wait for what has not."""
        while self._pending and self._pending[0][3].query():
            step, name, host, _ = self._pending.popleft()
            self._deliver(step, float(host), name)
