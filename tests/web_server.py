"""A web server in a process of its own, which watches its own event loop; and a client's parts."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx

TESTS = Path(__file__).parent
EXAMPLES = TESTS.parent / "examples"


class Event(NamedTuple):
    kind: str  # "message" for an entry
    id: str | None
    data: dict


class EventParser:
    """Events out of the text of a stream, piece by piece."""

    def __init__(self):
        self.rest = ""

    def feed(self, text):
        *blocks, self.rest = (self.rest + text).split("\n\n")
        for block in blocks:
            fields = dict(
                line.split(": ", 1) for line in block.split("\n") if not line.startswith(":")
            )
            if "data" in fields:
                kind = fields.get("event", "message")
                yield Event(kind, fields.get("id"), json.loads(fields["data"]))


def events_in(text):
    return list(EventParser().feed(text))


def entries_in(events):
    return [event.data for event in events if event.kind == "message"]


async def follow(client, url, entries, *, after=None, until=None):
    """Add what a stream sends to `entries` until its end, or until there are `until`."""
    parser = EventParser()
    headers = {} if after is None else {"Last-Event-ID": after}
    async with client.stream("GET", url, headers=headers) as response:
        assert response.status_code == 200
        async for text in response.aiter_text():
            for event in parser.feed(text):
                assert event.kind in ("message", "end")
                if event.kind == "end":
                    return None
                entries.append(event.data)
                if until is not None and len(entries) >= until:
                    return event.id
    raise AssertionError("a stream without an end")


async def follow_slowly(client, url, entries, others_are_done):
    """Take a first piece, and the rest when the others have all."""
    parser = EventParser()
    async with client.stream("GET", url) as response:
        pieces = response.aiter_text(chunk_size=100)
        while not entries:
            entries += entries_in(parser.feed(await anext(pieces)))
        await others_are_done.wait()
        async for text in pieces:
            entries += entries_in(parser.feed(text))


async def until(condition):
    while not condition():  # noqa: ASYNC110 - what a client has got is no event
        await asyncio.sleep(0.01)


async def come_and_go(client, url, entries, stops):
    """Leave at each of `stops`, a number of entries, and come back with the last event's id."""
    after = None
    for until in stops:
        after = await follow(client, url, entries, after=after, until=until)
    await follow(client, url, entries, after=after)


@contextmanager
def served(app, **environment):
    """Serve `module:app` until the block ends; yield its address and process."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", __file__, app, str(listener.fileno())],
            env={**os.environ, "PYTHONPATH": f"{TESTS}{os.pathsep}{EXAMPLES}", **environment},
            pass_fds=[listener.fileno()],
        )
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}", process
        finally:
            process.terminate()
            process.wait(timeout=30)


def loop_of(address):
    """Return what the server's event loop has been through since the last call."""
    return httpx.get(f"{address}/loop", timeout=60).json()


def cpu_limit_of(address):
    """Return how many CPU seconds the loop may take from tick to tick: 0.05, on a quiet machine.

    Where processes beside this one make everything slow, it is 20 times what the same loop takes
    now for a request in which vlog has no part.
    """
    with httpx.Client(timeout=60) as client:
        usual = [client.get(f"{address}/loop").json() for _ in range(50)]
    return max(0.05, 20 * max(each["longest_cpu_seconds"] for each in usual[1:]))


class _Watched:
    """An app, and beside it what its event loop does: files opened by it, time between ticks."""

    def __init__(self, app):
        self.app = app
        self.forget()
        thread = threading.get_ident()

        def hook(event, args):
            if event in ("open", "os.scandir", "os.listdir") and threading.get_ident() == thread:
                self.opened.append(str(args[0]))

        sys.addaudithook(hook)

    def forget(self):
        self.opened, self.longest_cpu, self.longest_gap, self.threads = [], 0.0, 0.0, 0

    async def tick(self):
        before = time.thread_time(), time.monotonic()
        while True:
            await asyncio.sleep(0.005)
            now = time.thread_time(), time.monotonic()
            self.longest_cpu = max(self.longest_cpu, now[0] - before[0])
            self.longest_gap = max(self.longest_gap, now[1] - before[1])
            self.threads = max(self.threads, threading.active_count())
            before = now

    async def __call__(self, scope, receive, send):
        if scope.get("path") != "/loop":
            await self.app(scope, receive, send)
            return
        body = {
            "opened": list(self.opened),
            "longest_cpu_seconds": self.longest_cpu,
            "longest_gap_seconds": self.longest_gap,
            "threads": self.threads,
            "files": _open_files(),
        }
        self.forget()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(body).encode()})


def _open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


async def _serve(app, descriptor):
    import uvicorn

    module, _, name = app.partition(":")
    watched = _Watched(getattr(__import__(module), name))
    server = uvicorn.Server(
        uvicorn.Config(watched, log_level="warning", timeout_graceful_shutdown=1)
    )
    ticker = asyncio.create_task(watched.tick())
    await server.serve(sockets=[socket.socket(fileno=descriptor)])
    ticker.cancel()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], int(sys.argv[2])))
