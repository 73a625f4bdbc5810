"""A log as a live stream for a web app: `LogApp`, which any ASGI app can mount.

Files are read in threads, a bounded batch at a time and no further than the client takes, so
neither the event loop nor another client waits for it. Nothing here knows the process that writes.
"""

from __future__ import annotations

import os
import re
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from vlog.errors import ConfigurationError, MissingExtraError, check_number, unknown_name

try:
    from anyio import CapacityLimiter
    from anyio.to_thread import run_sync
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.requests import Request
    from starlette.responses import JSONResponse
    from starlette.routing import Route
except ImportError as _error:
    raise MissingExtraError(
        f"LogApp needs starlette. Install it with: pip install 'vlog-training[web]' ({_error})"
    ) from _error

from vlog.filters import Filter
from vlog.integrations.log_events import Place
from vlog.integrations.log_stream import HEADERS, Question, Stream, WatchedLog
from vlog.schema import EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.datastructures import QueryParams
    from starlette.responses import Response
    from starlette.types import Receive, Scope, Send

    from vlog.reader import LogPath

__all__ = ["LogApp"]

_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
_ROUTE_OF_MANY = "/{log_id}/stream"
_LONGEST_NAME = 64  # characters of a query parameter; the nearest name is searched for it
_READING_THREADS = 4  # of all streams of an app, so that the app's own find theirs free


class LogApp:
    """Serve logs as server-sent events. Mount it, and put the app's own access control in front.

    `GET /stream` where there is one log, `GET /<id>/stream` where there are several. An event's
    data is an entry as it stands in the log. The header `Last-Event-ID` (or `?after=`) goes on
    behind an event, `?from=end` leaves out what is there; `type` (more than once), `level` and
    `verbosity` choose entries as in `vlog tail`. Besides entries there are: an event `end` after
    the last one, an event `gap` with the reason where something is left out, and a comment as a
    sign of life. A client that comes back behind the last entry of what is over gets a 204, at
    which a browser's EventSource stops.

    Args:
        logs: Path of one log, which may not be there yet; or a folder that exists, where an id is
            the name of a log in it without `.jsonl`; or a function, called in a thread, that
            returns the path of the log of an id, or None. Only ids of at most 100 letters,
            digits, `_`, `-` and `.` (not in front) come that far.
        is_over: Says, in a thread, whether nothing more is written to the log at a path. Without
            it a log is over when its last entry is the end of a run, log records aside.
        poll_seconds: How long to wait before looking for more entries.
        heartbeat_seconds: After how long without an entry there is a sign of life.

    Raises:
        ConfigurationError: an option has a value that it cannot take.
    """

    def __init__(
        self,
        logs: LogPath | Callable[[str], LogPath | None],
        *,
        is_over: Callable[[Path], bool] | None = None,
        poll_seconds: float = 0.2,
        heartbeat_seconds: float = 15.0,
    ) -> None:
        check_number("poll_seconds", poll_seconds, 60, "seconds")
        check_number("heartbeat_seconds", heartbeat_seconds, 3600, "seconds")
        route, self._find = _finder(logs)
        self._is_over = is_over
        self._poll_seconds = poll_seconds
        self._heartbeat_seconds = heartbeat_seconds
        self._logs: WeakValueDictionary[Path, WatchedLog] = WeakValueDictionary()
        self._app = Starlette(
            routes=[Route(route, _Endpoint(self._stream), methods=["GET"])],
            exception_handlers={HTTPException: _refuse, ConfigurationError: _refuse},
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, as ASGI has it."""
        await self._app(scope, receive, send)

    @cached_property
    def _threads(self) -> CapacityLimiter:
        return CapacityLimiter(_READING_THREADS)

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        question = _question_of(request)
        path = await self._path_of(request.path_params.get("log_id"))
        if request.method == "HEAD":
            await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
            await send({"type": "http.response.body"})
            return
        log = self._logs.get(path)
        if log is None:
            log = WatchedLog(path, self._is_over, self._poll_seconds, self._threads)
            self._logs[path] = log
        await Stream(log, question, send, self._heartbeat_seconds).run(receive)

    async def _path_of(self, log_id: str | None) -> Path:
        """Return the path of the log of an id; None is that of the only log.

        Raises:
            HTTPException: there is no such log.
        """
        path = None
        if log_id is None or _ID.fullmatch(log_id):
            path = await run_sync(self._find, log_id or "", limiter=self._threads)
        if path is None:
            raise HTTPException(404, "There is no such log.")
        return Path(os.fsdecode(path))


class _Endpoint:
    """An ASGI app out of a method, which a route would take for a function of a request."""

    def __init__(self, app: Callable[..., Any]) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


def _question_of(request: Request) -> Question:
    """Return what a request asks for.

    Raises:
        ConfigurationError: it asks for what does not exist.
    """
    query = request.query_params
    after = request.headers.get("last-event-id") or query.get("after")
    start = query.get("from", "start")
    if start not in ("start", "end"):
        raise ConfigurationError(unknown_name("from", start[:_LONGEST_NAME], ["start", "end"]))
    return Question(_filter_of(query), Place.parse(after) if after else None, start == "end")


def _filter_of(query: QueryParams) -> Filter:
    types = query.getlist("type")
    if len(types) > len(EVENTS):
        raise ConfigurationError(
            f"{len(types)} types. Expected at most {len(EVENTS)}, all of them."
        )
    for name in (*types, query.get("level", ""), query.get("verbosity", "")):
        if len(name) > _LONGEST_NAME:
            raise ConfigurationError(
                f"A name of {len(name)} characters. Expected one of at most {_LONGEST_NAME}."
            )
    return Filter.parse(types, query.get("level"), query.get("verbosity"))


async def _refuse(_request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException):
        return JSONResponse({"detail": error.detail}, error.status_code, error.headers)
    return JSONResponse({"detail": str(error)}, 400)


def _finder(logs: Any) -> tuple[str, Callable[[str], LogPath | None]]:
    """Return the route of the streams, and what finds the log of an id."""
    if callable(logs):
        return _ROUTE_OF_MANY, logs
    path = Path(os.fsdecode(logs))
    if path.is_dir():
        return _ROUTE_OF_MANY, partial(_find_in, path)
    return "/stream", lambda _: path


def _find_in(folder: Path, log_id: str) -> LogPath | None:
    """Return the log in a folder that has this name. No path is made of the name."""
    with os.scandir(folder) as files:
        for file in files:
            if file.name == f"{log_id}.jsonl" and file.is_file(follow_symlinks=False):
                return file.path
    return None
