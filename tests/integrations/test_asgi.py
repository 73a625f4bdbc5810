"""The stream of a log: every entry once and in order, however a client comes, goes or dawdles."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import anyio
import httpx
import pytest
import zstandard
from unlucky_looks import change_during_the_next_look
from web_server import (
    Event,
    come_and_go,
    cpu_limit_of,
    entries_in,
    events_in,
    follow,
    follow_slowly,
    loop_of,
    served,
    until,
)

import vlog
from vlog.errors import ConfigurationError
from vlog.filters import Filter
from vlog.handlers import RotatingJsonlHandler
from vlog.handlers.keeper import compress
from vlog.integrations import log_events
from vlog.integrations.log_events import MAX_ENTRY_BYTES, EventReader, Place
from vlog.lines import LogLines
from vlog.record import make_record
from vlog.segments import list_segments, segment_path

ALL = Filter()
STREAM = "/log/stream"


def entry(number, kind="training_step_complete", level="INFO", verbosity="medium", **fields):
    return {
        "timestamp": "2026-01-10T11:30:00.123456+00:00",
        "type": kind,
        "level": level,
        "message": f"Step {number}",
        "verbosity": verbosity,
        "step": number,
        **fields,
    }


def line(number, *args, **fields):
    return json.dumps(entry(number, *args, **fields)).encode() + b"\n"


def lines(*numbers):
    return b"".join(line(number) for number in numbers)


def steps_in(events):
    return [found["step"] for found in entries_in(events)]


@pytest.fixture
def log(tmp_path):
    return tmp_path / "run.jsonl"


@pytest.fixture
def rotated(log):
    """A log of every kind of file: zst, gz, plain segments, and the plain file."""
    Path(f"{segment_path(log, 2)}.zst").write_bytes(
        zstandard.ZstdCompressor().compress(lines(*range(10)))
    )
    with gzip.open(f"{segment_path(log, 3)}.gz", "wb") as stream:
        stream.write(lines(*range(10, 20)))
    segment_path(log, 4).write_bytes(lines(*range(20, 30)))
    log.write_bytes(lines(*range(30, 40)))
    return log


def all_events(path, after=None, *, wanted=ALL, from_end=False):
    """Return all that a stream has now."""
    reader = EventReader(path, wanted)
    try:
        batch = reader.begin(after, from_end=from_end)
        text = batch.data
        while not batch.is_all:
            batch = reader.batch()
            text += batch.data
    finally:
        reader.close()
    return events_in(text.decode())


class TestPlace:
    def test_is_read_back_from_its_text(self):
        place = Place(12, 34567, 0xAB)

        assert "12-34567-000000ab" == str(place)
        assert place == Place.parse(str(place))

    @pytest.mark.parametrize(
        "text",
        ["x", "1-2", "1-2-3", "-1-2-000000ab", "1-2-000000AB", "1-2-000000ab ", "١-2-000000ab",
         "1-2-000000ab\n", "../../etc/passwd", "9" * 30 + "-1-000000ab", "1" * 100_000],
    )  # fmt: skip
    def test_refuses_what_is_none(self, text):
        with pytest.raises(ConfigurationError, match="is no event id of this stream"):
            Place.parse(text)


class TestEventReader:
    def test_sends_what_the_reader_returns(self, rotated):
        assert list(vlog.read(rotated)) == entries_in(all_events(rotated))

    def test_goes_on_behind_every_event(self, rotated):
        events = all_events(rotated)

        for index, event in enumerate(events):
            assert events[index + 1 :] == all_events(rotated, Place.parse(event.id))

    def test_an_id_stays_good_when_its_file_is_set_aside_and_compressed(self, rotated):
        events = all_events(rotated)
        segment = segment_path(rotated, 5)
        rotated.rename(segment)
        rotated.write_bytes(lines(40))
        expected = [*steps_in(events)[35:], 40]

        assert expected == steps_in(all_events(rotated, Place.parse(events[34].id)))
        Path(f"{segment}.zst").write_bytes(
            zstandard.ZstdCompressor().compress(segment.read_bytes())
        )
        segment.unlink()
        assert expected == steps_in(all_events(rotated, Place.parse(events[34].id)))

    def test_says_that_an_id_is_not_in_the_log_and_sends_all(self, rotated):
        events = all_events(rotated)
        strange = [Place(4, 1, 0), Place(1, 0, 0), Place(9, 0, 0), Place(5, 10**9, 0)]

        for place in strange:
            gap, *found = all_events(rotated, place)
            reason = f"event {place} is not in this log: its oldest entry comes next"
            assert Event("gap", None, {"reason": reason}) == gap
            assert events == found

    def test_takes_no_line_of_another_log_for_the_one_it_means(self, log):
        log.write_bytes(lines(1, 2, 3))
        place = Place.parse(all_events(log)[1].id)
        log.write_bytes(lines(4, 5, 6))

        gap, *found = all_events(log, place)
        assert "gap" == gap.kind
        assert [4, 5, 6] == steps_in(found)

    def test_follows_the_log_across_rotation(self, log):
        reader = EventReader(log, ALL)
        assert (b"", True) == reader.begin(None, from_end=False)
        found = []
        for number in range(5):
            log.write_bytes(lines(number))
            found += events_in(reader.batch().data.decode())
            log.rename(segment_path(log, number + 1))
        reader.close()

        assert [0, 1, 2, 3, 4] == steps_in(found)
        assert found == all_events(log)

    def test_sends_nothing_twice_when_its_file_is_compressed_while_it_looks_for_it(
        self, log, monkeypatch
    ):
        log.write_bytes(lines(1, 2))
        reader = EventReader(log, ALL)
        found = events_in(reader.begin(None, from_end=False).data.decode())
        segment = segment_path(log, 1)
        log.rename(segment)
        log.write_bytes(lines(3))
        change_during_the_next_look(monkeypatch, segment, lambda: compress(segment, ".zst"))
        found += events_in(reader.batch().data.decode())
        reader.close()

        assert not segment.exists()
        assert [1, 2, 3] == steps_in(found)
        assert found == all_events(log)

    def test_goes_on_in_a_segment_that_is_compressed_while_it_looks_for_it(self, log, monkeypatch):
        segment = segment_path(log, 1)
        segment.write_bytes(lines(1, 2))
        segment_path(log, 2).write_bytes(lines(3))
        first, *others = all_events(log)
        change_during_the_next_look(monkeypatch, segment, lambda: compress(segment, ".zst"))

        assert others == all_events(log, Place.parse(first.id))
        assert not segment.exists()

    def test_says_that_segments_were_deleted_before_they_were_read(self, log):
        for number in (1, 2, 3):
            segment_path(log, number).write_bytes(lines(*range(number * 1000, number * 1000 + 900)))
        reader = EventReader(log, ALL)
        found = events_in(reader.begin(None, from_end=False).data.decode())
        segment_path(log, 2).unlink()
        while not (batch := reader.batch()).is_all:
            found += events_in(batch.data.decode())
        found += events_in(batch.data.decode())
        reader.close()

        assert [{"reason": "segments 2 to 2 were deleted"}] == [
            event.data for event in found if event.kind == "gap"
        ]
        assert 1800 == len(entries_in(found))

    def test_reads_in_bounded_batches(self, log):
        log.write_bytes(lines(*range(5000)))
        reader = EventReader(log, ALL)
        batch = reader.begin(None, from_end=False)
        sizes = [len(batch.data)]
        while not batch.is_all:
            batch = reader.batch()
            sizes.append(len(batch.data))
        reader.close()

        assert max(sizes) < 100_000
        assert sum(sizes) > 500_000

    def test_leaves_out_what_is_no_entry_and_says_so(self, log):
        log.write_bytes(
            line(1) + b'{"torn": \n' + b"\n" + b"[1]\n" + b"\xff\n" + b'{"a":\r1}\r\n'
            + b"data: x\r\rid: 7\revent: end\n" + line(2, text="x" * MAX_ENTRY_BYTES) + line(3)
        )  # fmt: skip
        events = all_events(log)

        assert [entry(1), {"a": 1}, entry(3)] == entries_in(events)
        assert 5 == len([event for event in events if event.kind == "gap"])
        assert {"message", "gap"} == {event.kind for event in events}

    def test_sends_the_entries_that_are_asked_for(self, log):
        log.write_bytes(
            line(1) + line(2, "resource_warning", "WARNING", "low") + line(3, verbosity="ultra")
        )
        for wanted, expected in [
            (Filter.parse(["resource_warning"], None, None), [2]),
            (Filter.parse([], "warning", None), [2]),
            (Filter.parse([], None, "medium"), [1, 2]),
        ]:
            assert expected == steps_in(all_events(log, wanted=wanted))

    def test_knows_the_end_of_a_run_behind_log_records(self, log):
        log.write_bytes(line(1, "training_complete") + line(2, "log_record"))
        for after, from_end in [(None, True), (Place.parse(all_events(log)[-1].id), False)]:
            reader = EventReader(log, ALL)
            assert (b"", True) == reader.begin(after, from_end=from_end)
            assert "training_complete" == reader.last_type
            reader.close()

    def test_knows_the_end_of_a_run_that_comes_while_it_skips_to_the_end(self, log, monkeypatch):
        log.write_bytes(line(1))
        skip_to_end = LogLines.skip_to_end

        def end_and_skip(lines):
            log.write_bytes(line(1) + line(2, "training_complete"))
            skip_to_end(lines)

        monkeypatch.setattr(LogLines, "skip_to_end", end_and_skip)
        reader = EventReader(log, ALL)
        assert (b"", True) == reader.begin(None, from_end=True)
        reader.close()

        assert "training_complete" == reader.last_type


class Client:
    """A client without a server: it takes what the app sends when it wants to."""

    def __init__(self, app, path="/stream", query="", headers=(), method="GET"):
        self.app = app
        self.scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": query.encode(),
            "headers": list(headers),
        }
        self.text, self.status, self.headers = "", None, {}
        self.gone = asyncio.Event()
        self.takes = asyncio.Event()
        self.takes.set()
        self.got = asyncio.Event()

    async def receive(self):
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message):
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], dict(message["headers"])
            return
        self.text += message.get("body", b"").decode()
        self.got.set()
        await self.takes.wait()

    async def run(self):
        await self.app(self.scope, self.receive, self.send)
        return self

    async def until(self, condition):
        with anyio.fail_after(30):
            while not condition(self.text):
                self.got.clear()
                await self.got.wait()


def ask(app, *args, **options):
    return asyncio.run(Client(app, *args, **options).run())


class TestLogApp:
    def test_sends_all_and_an_end_when_the_run_has_ended(self, log):
        log.write_bytes(lines(1, 2) + line(3, "training_complete"))
        client = ask(vlog.LogApp(log))

        assert 200 == client.status
        assert b"text/event-stream; charset=utf-8" == client.headers[b"content-type"]
        assert b"no-cache" == client.headers[b"cache-control"]
        assert b"no" == client.headers[b"x-accel-buffering"]
        *events, end = events_in(client.text)
        assert [1, 2, 3] == steps_in(events)
        assert Event("end", None, {"type": "training_complete"}) == end

    def test_follows_a_log_that_is_not_there_yet(self, log):
        async def watch():
            client = Client(vlog.LogApp(log, poll_seconds=0.01, heartbeat_seconds=0.01))
            running = asyncio.create_task(client.run())
            await client.until(lambda text: ": waiting" in text)
            log.write_bytes(lines(1))
            await client.until(lambda text: "Step 1" in text)
            with log.open("ab") as stream:
                stream.write(line(2, "training_failed"))
            await running
            return client

        assert [1, 2] == steps_in(events_in(asyncio.run(watch()).text))

    def test_has_a_sign_of_life_with_the_place_reached(self, log):
        log.write_bytes(line(1) + line(2, verbosity="ultra"))
        places = [event.id for event in all_events(log)]

        async def watch():
            app = vlog.LogApp(log, poll_seconds=0.01, heartbeat_seconds=0.01)
            client = Client(app, query="verbosity=medium")
            running = asyncio.create_task(client.run())
            await client.until(lambda text: f": waiting\nid: {places[1]}\n\n" in text)
            client.gone.set()
            await running
            return client

        assert [1] == steps_in(events_in(asyncio.run(watch()).text))

    def test_reads_and_asks_in_threads(self, log, monkeypatch):
        """Neither a line is parsed nor a function of the app called in the event loop."""
        log.write_bytes(lines(1, 2, 3))
        threads = []

        def with_its_thread(function):
            def called(*args):
                threads.append(threading.get_ident())
                return function(*args)

            return called

        monkeypatch.setattr(log_events, "parse", with_its_thread(log_events.parse))
        find, is_over = with_its_thread(lambda _: log), with_its_thread(lambda _: True)
        client = ask(vlog.LogApp(find, is_over=is_over), "/run/stream")

        assert [1, 2, 3] == steps_in(events_in(client.text))
        assert len(threads) > 5
        assert threading.get_ident() not in threads

    def test_reads_no_further_than_its_client_takes(self, log):
        """A client that takes nothing costs one batch, and does not hold up another one."""
        log.write_bytes(lines(*range(20_000)) + line(0, "training_complete"))
        app = vlog.LogApp(log)

        async def watch():
            slow, quick = Client(app), Client(app)
            slow.takes.clear()
            running = asyncio.create_task(slow.run())
            await slow.until(lambda text: text)
            await quick.run()
            taken = slow.text
            slow.takes.set()
            await running
            return taken, slow.text, quick.text

        taken, slow, quick = asyncio.run(watch())
        assert len(taken) < 200_000
        assert len(quick) > 3_000_000
        assert quick == slow

    def test_lets_go_of_everything_when_its_client_leaves(self, log):
        log.write_bytes(lines(*range(20_000)))
        app = vlog.LogApp(log)

        def open_files():
            links = Path("/proc/self/fd").iterdir()
            return [link for link in links if os.path.realpath(link) == str(log)]

        async def watch():
            for takes in (True, False):  # waiting for entries, and waiting for the client
                client = Client(app)
                if not takes:
                    client.takes.clear()
                running = asyncio.create_task(client.run())
                await client.until(lambda text: text)
                client.gone.set()
                with anyio.fail_after(30):
                    await running
                assert not open_files()
                assert not len(app._logs)

        asyncio.run(watch())

    def test_goes_on_behind_the_last_event_that_a_client_has(self, log):
        log.write_bytes(lines(1, 2, 3) + line(4, "training_complete"))
        last = all_events(log)[1].id.encode()
        app = vlog.LogApp(log)

        for asked in (
            {"headers": [(b"last-event-id", last)]},
            {"query": f"after={last.decode()}"},
            {"headers": [(b"last-event-id", last)], "query": "after=1-0-00000000&from=end"},
        ):
            assert [3, 4] == steps_in(events_in(ask(app, **asked).text))

    def test_leaves_out_what_is_there_if_asked_to(self, log):
        log.write_bytes(lines(1, 2) + line(3, "training_interrupted"))

        client = ask(vlog.LogApp(log), query="from=end")
        assert [Event("end", None, {"type": "training_interrupted"})] == events_in(client.text)

    def test_tells_a_client_that_has_all_of_what_is_over_to_stay_away(self, log):
        log.write_bytes(lines(1) + line(2, "training_complete") + line(3, "log_record"))
        last = all_events(log)[-1].id.encode()

        assert 204 == ask(vlog.LogApp(log), headers=[(b"last-event-id", last)]).status

    def test_ends_when_the_app_says_so(self, log):
        """The app knows that a process was killed, or that its log's next run begins."""
        log.write_bytes(lines(1))
        assert [1] == steps_in(events_in(ask(vlog.LogApp(log, is_over=lambda _: True)).text))

        log.write_bytes(line(1, "training_failed"))
        asked = []

        def is_over(path):
            asked.append(path)
            if len(asked) == 2:
                with log.open("ab") as stream:
                    stream.write(line(2, "training_complete"))
            return len(asked) > 2

        client = ask(vlog.LogApp(log, is_over=is_over, poll_seconds=0.01))
        assert [1, 2] == steps_in(events_in(client.text))
        assert {log} == set(asked)

    def test_answers_head_without_a_stream(self, log):
        client = ask(vlog.LogApp(log), method="HEAD")

        assert (200, "") == (client.status, client.text)

    @pytest.mark.parametrize(
        ("query", "says"),
        [
            ("after=7", "'7' is no event id of this stream"),
            ("from=middle", "Expected one of: start, end"),
            ("type=training_complet", "Did you mean 'training_complete'?"),
            ("level=WARN", "Did you mean 'WARNING'?"),
            ("verbosity=hgih", "Expected one of: low, medium, high, ultra"),
            ("level=" + "x" * 10_000, "A name of 10000 characters"),
            ("&".join(["type=log_record"] * 1000), "1000 types"),
        ],
    )
    def test_refuses_a_question_that_it_does_not_understand(self, log, query, says):
        client = ask(vlog.LogApp(log), query=query)

        assert 400 == client.status
        assert says in json.loads(client.text)["detail"]

    @pytest.mark.parametrize(
        "options", [{"poll_seconds": 0}, {"poll_seconds": "1"}, {"heartbeat_seconds": -1}]
    )
    def test_refuses_options_that_it_cannot_take(self, log, options):
        with pytest.raises(ConfigurationError, match=next(iter(options))):
            vlog.LogApp(log, **options)

    def test_names_the_extra_that_is_missing(self):
        script = "import sys; sys.modules['starlette'] = None; import vlog; vlog.LogApp"
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=False
        )

        assert "pip install 'vlog-training[web]'" in done.stderr
        assert "MissingExtraError" in done.stderr


HOSTILE_IDS = [
    "..", "...", ".hidden", "-x", "%2e%2e", "../run", "..%2frun", "/etc/passwd", "a/b", "a\\b",
    "run.jsonl", "run\0", "run\n", "r" * 101, "r" * 100_000, "C:", "~", "*", "", " run", "rún",
    "folder", "link", "pipe", "other",
]  # fmt: skip


class TestLogsByTheirIds:
    def test_serves_the_logs_of_a_folder(self, log):
        log.write_bytes(line(1, "training_complete"))
        log.with_name("b-2.x_Y.jsonl").write_bytes(line(2, "training_complete"))
        app = vlog.LogApp(log.parent)

        assert [1] == steps_in(events_in(ask(app, "/run/stream").text))
        assert [2] == steps_in(events_in(ask(app, "/b-2.x_Y/stream").text))

    @pytest.mark.parametrize("log_id", HOSTILE_IDS)
    def test_finds_nothing_but_the_logs_of_its_folder(self, tmp_path, log_id):
        """Nor what a link in it leads to, nor what is no file."""
        folder = tmp_path / "logs"
        folder.mkdir()
        (folder / "run.jsonl").write_bytes(line(1))
        (folder / "folder.jsonl").mkdir()
        (folder / "link.jsonl").symlink_to(folder / "run.jsonl")
        os.mkfifo(folder / "pipe.jsonl")
        (tmp_path / "other.jsonl").write_bytes(line(1))

        assert 404 == ask(vlog.LogApp(folder), f"/{log_id}/stream").status

    @pytest.mark.parametrize("log_id", HOSTILE_IDS[:-5])
    def test_gives_no_id_of_another_shape_to_a_function(self, log_id):
        asked = []
        ask(vlog.LogApp(asked.append), f"/{log_id}/stream")

        assert [] == [found for found in asked if found != "run.jsonl"]

    def test_serves_what_a_function_finds(self, log):
        log.write_bytes(line(1, "training_complete"))
        app = vlog.LogApp({"a": str(log)}.get)

        assert [1] == steps_in(events_in(ask(app, "/a/stream").text))
        assert 404 == ask(app, "/b/stream").status


class Writer:
    """A process's own side of a log: a handler that rotates often."""

    def __init__(self, log):
        self.handler = RotatingJsonlHandler(log, max_mb=0.1)
        self.count = 0

    def write(self, count, kind="training_step_complete"):
        for _ in range(count):
            self.handler.handle(make_record("vlog", entry(self.count, kind, padding="x" * 400)))
            self.count += 1


async def first_client(address):
    """Have the server import what it imports at its first request."""
    async with httpx.AsyncClient(timeout=60) as client:
        await follow(client, address + STREAM, [], until=1)


async def ten_clients(address, writer):
    everything = [[] for _ in range(10)]
    slow, leaver, *steady = everything
    others_are_done = asyncio.Event()
    url, limits = address + STREAM, httpx.Limits(max_connections=20)
    async with httpx.AsyncClient(timeout=60, limits=limits) as client, asyncio.timeout(60):
        running = [follow(client, url, entries) for entries in steady]
        running.append(come_and_go(client, url, leaver, (1, 70, 400, 1000)))
        tasks = [asyncio.create_task(each) for each in running]
        dawdling = asyncio.create_task(follow_slowly(client, url, slow, others_are_done))
        await until(lambda: slow and all(len(entries) == 300 for entries in steady))
        for written in range(400, 1301, 100):
            writer.write(100)
            await until(lambda written=written: len(steady[0]) == written)
        writer.write(1, "training_complete")
        await asyncio.gather(*tasks)
        others_are_done.set()
        await dawdling
    return everything


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    """What ten clients got of a log that was written and rotated meanwhile."""
    log = tmp_path_factory.mktemp("served") / "run.jsonl"
    writer = Writer(log)
    writer.write(300)
    with served("log_service:app", LOG=str(log)) as (address, _):
        asyncio.run(first_client(address))
        files = loop_of(address)["files"]
        clients = asyncio.run(ten_clients(address, writer))
        loop = {**loop_of(address), "cpu_limit": cpu_limit_of(address)}
    writer.handler.close()
    return log, clients, loop, files


class TestTenClients:
    def test_get_every_entry_once_and_in_order(self, result):
        log, clients, _, _ = result
        expected = list(vlog.read(log))

        assert len(list_segments(log)) > 3
        assert list(range(1301)) == [found["step"] for found in expected]
        for entries in clients:
            assert expected == entries

    def test_do_not_hold_up_the_event_loop(self, result):
        """It opens no file, and nothing that it runs between two ticks is long."""
        _, _, loop, _ = result

        assert [] == loop["opened"]
        assert loop["longest_cpu_seconds"] < loop["cpu_limit"], loop

    def test_leave_no_file_open(self, result):
        _, _, loop, files = result

        assert loop["files"] <= files + 2  # the connection that asks
