"""The stream of one client of a log, and what the streams of a log share: the looks at it.

All reading is done in threads. A stream reads no further than its client takes: `send` of a
server waits while the client does not read.
"""

from __future__ import annotations

import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from anyio import CancelScope, CapacityLimiter, Lock, create_task_group, sleep
from anyio.to_thread import run_sync

from vlog.integrations.log_events import Batch, EventReader, Place, data_of
from vlog.schema import END_EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from starlette.types import Receive, Send

    from vlog.filters import Filter

HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),  # for nginx: hand every event on at once
]
_RETRY = b"retry: 2000\n\n"  # milliseconds until a client comes back; also pushes headers out


class Question(NamedTuple):
    """What a client asks for.

    Attributes:
        wanted: Which entries.
        after: Place of the last one that it has.
        from_end: Whether to leave out what is there, without `after`.
    """

    wanted: Filter
    after: Place | None
    from_end: bool


class Look(NamedTuple):
    """What there was at a time.

    Attributes:
        is_over: Whether the app said that nothing more would be written; None if it is not asked.
        signature: Which file was at the path, how large, and when written; None for no file.
    """

    is_over: bool | None
    signature: tuple[int, ...] | None


class WatchedLog:
    """A log while it has clients: they share the looks at it, one per interval for all."""

    def __init__(
        self,
        path: Path,
        is_over: Callable[[Path], bool] | None,
        poll_seconds: float,
        threads: CapacityLimiter,
    ) -> None:
        self.path = path
        self.poll_seconds = poll_seconds
        self.threads = threads
        self._ask = is_over
        self._lock = Lock()
        self._last = Look(None, None)
        self._next_at = 0.0

    async def look(self) -> Look:
        """Return a look of which at least half the interval is still to come."""
        async with self._lock:
            if time.monotonic() >= self._next_at:
                self._last = await run_sync(self._look, limiter=self.threads)
                self._next_at = time.monotonic() + self.poll_seconds / 2
            return self._last

    def _look(self) -> Look:
        # Asked before the look: what was written before it was over is seen.
        is_over = None if self._ask is None else self._ask(self.path)
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return Look(is_over, None)
        return Look(is_over, (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns))


class _ClientLeftError(Exception):
    """Nobody takes the stream any more."""


class Stream:
    """The stream of one client."""

    def __init__(
        self, log: WatchedLog, question: Question, send: Send, heartbeat_seconds: float
    ) -> None:
        self._log = log
        self._question = question
        self._send_message = send
        self._heartbeat_seconds = heartbeat_seconds
        self._reader = EventReader(log.path, question.wanted)
        self._sent_at = 0.0

    async def run(self, receive: Receive) -> None:
        """Send until the log is over or the client leaves, then let go of the files."""
        try:
            async with create_task_group() as tasks:
                tasks.start_soon(_cancel_at_disconnect, receive, tasks.cancel_scope)
                with suppress(_ClientLeftError):  # that is how most streams end
                    await self._send_log()
                tasks.cancel_scope.cancel()
        finally:
            self._reader.close()

    async def _send_log(self) -> None:
        look = await self._log.look()
        after, from_end = self._question.after, self._question.from_end
        batch = await self._read(partial(self._reader.begin, after, from_end=from_end))
        if after is not None and batch == (b"", True) and self._is_over(look):
            await self._send({"type": "http.response.start", "status": 204, "headers": []})
            await self._send({"type": "http.response.body"})
            return
        await self._send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        await self._send_events(_RETRY)
        while True:
            await self._send_events(batch.data)
            if batch.is_all:
                if self._is_over(look):
                    break
                look = await self._change_since(look)
            batch = await self._read(self._reader.batch)
        end = data_of({"type": self._reader.last_type})
        await self._send_events(b"event: end\n" + end, more_body=False)

    def _is_over(self, look: Look) -> bool:
        return self._reader.last_type in END_EVENTS if look.is_over is None else look.is_over

    async def _change_since(self, look: Look) -> Look:
        """Wait until there is more to read or to say, and return the look that says so."""
        while True:
            await sleep(self._log.poll_seconds)
            await self._send_events(b"")
            now = await self._log.look()
            if now != look:
                return now

    async def _send_events(self, events: bytes, *, more_body: bool = True) -> None:
        """Send events; where there are none for long, a comment and the place reached."""
        now = time.monotonic()
        if not events:
            if now < self._sent_at + self._heartbeat_seconds:
                return
            place = self._reader.place
            events = b": waiting\n" + (f"id: {place}\n\n".encode() if place else b"\n")
        self._sent_at = now
        body = {"type": "http.response.body", "body": events, "more_body": more_body}
        await self._send(body)

    async def _send(self, message: dict[str, Any]) -> None:
        try:
            await self._send_message(message)
        except OSError as error:  # by the specification, from version 2.4 on
            raise _ClientLeftError from error

    async def _read(self, read: Callable[[], Batch]) -> Batch:
        return await run_sync(read, limiter=self._log.threads)


async def _cancel_at_disconnect(receive: Receive, scope: CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()
