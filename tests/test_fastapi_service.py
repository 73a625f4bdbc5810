"""The fine-tuning service of the examples, under real clients, with real trainings."""

from __future__ import annotations

import asyncio
import json
import signal
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from processes import wait_for
from saved_model import save_model
from web_server import come_and_go, cpu_limit_of, follow, follow_slowly, loop_of, served, until

import vlog

ROWS = [{"prompt": f"{n} + {n} = ", "completion": f"{2 * n}"} for n in range(20)]
ENDLESS = {"model": "tiny", "rows": ROWS, "max_steps": 100_000, "verbosity_level": "ultra"}
SHORT = {"model": "tiny", "dataset": "sums.jsonl", "max_steps": 3}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """What an operator has put there, and what is none of a caller's business."""
    home = tmp_path_factory.mktemp("home")
    save_model(home / "models" / "tiny")
    (home / "datasets").mkdir()
    lines = [json.dumps(row) + "\n" for row in ROWS]
    (home / "datasets" / "sums.jsonl").write_text("".join(lines))
    (home / "datasets" / "bad.jsonl").write_text(lines[0] + '{"prompt": "1", "completion": 7}\n')
    (home / "datasets" / "link.jsonl").symlink_to(home / "datasets" / "sums.jsonl")
    (home / "secret.jsonl").write_text("".join(lines))
    return home


@contextmanager
def service(home):
    folders = {name: str(home / name.lower()) for name in ("MODELS", "DATASETS", "RUNS")}
    environment = {f"FINETUNE_{name}": path for name, path in folders.items()}
    with (
        served("fastapi_service:app", FINETUNE_RUNNING="2", **environment) as (address, process),
        httpx.Client(base_url=address, timeout=60) as client,
    ):
        yield client, process


@pytest.fixture(scope="module")
def client(home):
    with service(home) as (client, _):
        yield client


def files_in(home):
    return sorted(str(path) for path in home.rglob("*"))


def start(client, training):
    response = client.post("/train", json=training)
    assert 202 == response.status_code
    assert f"/train/{response.json()['id']}" == response.headers["location"]
    return response.json()["id"]


def state_of(client, run_id):
    return client.get(f"/train/{run_id}").json()["state"]


def reaches(client, run_id, state):
    wait_for(lambda: state_of(client, run_id) == state, f"{run_id} is {state}", seconds=120)


def log_of(home, run_id):
    return home / "runs" / run_id / "log.jsonl"


def is_there(pid):
    return Path(f"/proc/{pid}").exists()


HOSTILE = {
    "no JSON": b"{",
    "no object": b"[]",
    "null": b"null",
    "nothing": b"",
    "deep": b"[" * 100_000,
    "a long number": b'{"max_steps": ' + b"9" * 10_000 + b"}",
    "not a number": b'{"model": "tiny", "dataset": "sums.jsonl", "learning_rate": NaN}',
    "half a character": b'{"model": "\\ud800", "dataset": "sums.jsonl"}',
    "half a character in a key": b'{"model": "tiny", "dataset": "sums.jsonl", "\\ud800": 1}',
    "half a character in a row": b'{"model": "tiny", "rows": [{"text": "\\ud800"}]}',
    "no UTF-8": b'{"model": "\xff", "dataset": "sums.jsonl"}',
    "a huge body": b'{"model": "' + b"x" * 2**21 + b'"}',
}
REFUSED = {
    "an unknown key": {**SHORT, "output_dir": "/tmp/x"},
    "a log file": {**SHORT, "log_file": "/tmp/x.jsonl"},
    "a command": {**SHORT, "report_to": "$(touch /tmp/x)"},
    "a negative number of steps": {**SHORT, "max_steps": -1},
    "no steps": {**SHORT, "max_steps": 0},
    "too many steps": {**SHORT, "max_steps": 10**9},
    "steps as text": {**SHORT, "max_steps": "3"},
    "steps as a truth": {**SHORT, "max_steps": True},
    "half a step": {**SHORT, "max_steps": 1.5},
    "no rate": {**SHORT, "learning_rate": 0},
    "a verbosity": {**SHORT, "verbosity_level": "hgih"},
    "no model": {"dataset": "sums.jsonl"},
    "no data": {"model": "tiny"},
    "two kinds of data": {**SHORT, "rows": ROWS},
    "no rows": {"model": "tiny", "rows": []},
    "too many rows": {"model": "tiny", "rows": [{"text": "x"}] * 1001},
    "an unknown column": {"model": "tiny", "rows": [{"txt": "x"}]},
    "a number in a row": {"model": "tiny", "rows": [{"text": 7}]},
    "a long text in a row": {"model": "tiny", "rows": [{"text": "x" * 20_001}]},
}
NAMES = [
    "..", ".", "", "../secret.jsonl", "../datasets/sums.jsonl", "sums.jsonl/", "./sums.jsonl",
    "/etc/passwd", "%2e%2e%2fsecret.jsonl", "sums.jsonl\0", "link.jsonl", "sums", "x" * 101,
    "~/sums.jsonl", "tatsu-lab/alpaca", "https://example.org/x.jsonl", "sums.jsonl\n",
]  # fmt: skip


class TestStart:
    @pytest.fixture(autouse=True)
    def nothing_is_created(self, client, home):
        before = client.get("/train").json(), files_in(home)
        yield
        assert before == (client.get("/train").json(), files_in(home))

    @pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
    def test_refuses_a_body_that_makes_no_sense(self, client, body):
        answer = client.post("/train", content=body, headers={"content-type": "application/json"})

        assert answer.status_code in (400, 413, 422)
        assert answer.text

    def test_refuses_a_huge_body_of_unknown_length(self, client):
        answer = client.post("/train", content=(b"[" * 2**16 for _ in range(32)))

        assert 413 == answer.status_code

    @pytest.mark.parametrize("training", REFUSED.values(), ids=REFUSED)
    def test_refuses_what_it_does_not_offer(self, client, training):
        answer = client.post("/train", json=training)

        assert 422 == answer.status_code
        assert answer.json()["detail"]

    @pytest.mark.parametrize("name", NAMES)
    def test_takes_names_of_what_the_operator_has_and_nothing_else(self, client, name):
        for training in ({**SHORT, "dataset": name}, {**SHORT, "model": name}):
            assert 422 == client.post("/train", json=training).status_code

    @pytest.mark.parametrize(
        "run_id", ["nobody", "..", "~", "*", "tiny", "%00", "%0a", "secret.jsonl", "x" * 10_000]
    )
    def test_knows_no_run_by_another_name(self, client, run_id):
        for method in ("GET", "DELETE"):
            assert client.request(method, f"/train/{run_id}").status_code in (404, 405)
        assert 404 == client.get(f"/train/{run_id}/stream").status_code

    @pytest.mark.parametrize(
        "path",
        [b"/train/../../secret.jsonl", b"/train/%2e%2e%2fsecret.jsonl", b"/train/%00/stream"],
    )
    def test_opens_no_path(self, client, path):
        """As it is on the wire: the client would tidy it."""
        url = httpx.URL(client.base_url).copy_with(raw_path=path)

        assert client.get(url).status_code in (404, 405)


class TestRuns:
    def test_are_queued_trained_streamed_and_cancelled(self, home, client):
        """Two run at a time. Ten clients, one slow, one that comes and goes, have every entry."""
        endless = start(client, ENDLESS)
        short, bad, dropped = (
            start(client, each) for each in (SHORT, {**SHORT, "dataset": "bad.jsonl"}, SHORT)
        )
        assert ["queued"] * 2 == [state_of(client, each) for each in (bad, dropped)]
        assert 202 == client.delete(f"/train/{dropped}").status_code
        reaches(client, dropped, "cancelled")
        assert not log_of(home, dropped).exists()

        loop_of(str(client.base_url))
        streams = asyncio.run(ten_clients(client, endless))
        loop = loop_of(str(client.base_url))
        entries = list(vlog.read(log_of(home, endless)))
        assert "training_interrupted" == entries[-1]["type"]
        for stream in streams:
            assert entries == stream
        assert not [path for path in loop["opened"] if "runs" in path]
        assert loop["longest_cpu_seconds"] < cpu_limit_of(str(client.base_url)), loop

        reaches(client, short, "completed")
        found = client.get(f"/train/{short}").json()
        assert (3, 100.0) == (found["step"], found["progress_percent"])
        assert found["loss"] > 0
        assert vlog.validate(log_of(home, short)).is_valid
        reaches(client, bad, "failed")
        error = client.get(f"/train/{bad}").json()["error"]
        assert error.startswith("'bad.jsonl' has 1 bad row")
        assert "line 2, column 'completion'" in error
        for run_id, state in ((endless, "cancelled"), (short, "completed"), (bad, "failed")):
            assert state == state_of(client, run_id)
            assert 409 == client.delete(f"/train/{run_id}").status_code

    def test_are_known_to_the_next_server(self, home, client):
        before = client.get("/train").json()
        with service(home) as (other, _):
            assert sorted(before, key=str) == sorted(other.get("/train").json(), key=str)

    def test_end_with_the_server_however_it_ends(self, home):
        with service(home) as first, service(home) as second:
            servers = (first, signal.SIGTERM), (second, signal.SIGKILL)
            runs = [(client, start(client, ENDLESS)) for (client, _), _ in servers]
            pids = [pid_of(home, client, run_id) for client, run_id in runs]
            assert all(is_there(pid) for pid in pids)
            for (_, server), number in servers:
                server.send_signal(number)
            wait_for(lambda: not any(is_there(pid) for pid in pids), "the trainings end")

        for _, run_id in runs:
            assert "training_interrupted" == list(vlog.read(log_of(home, run_id)))[-1]["type"]


def pid_of(home, client, run_id):
    """Return the process of a run, when it has trained a step."""
    wait_for(lambda: client.get(f"/train/{run_id}").json()["step"], "a step", seconds=120)
    return next(entry["pid"] for entry in vlog.read(log_of(home, run_id)) if "pid" in entry)


async def ten_clients(client, run_id):
    """Follow a run, cancel it after a while, and return what each client got."""
    url = f"{client.base_url}/train/{run_id}/stream"
    everything = [[] for _ in range(10)]
    slow, leaver, *steady = everything
    done = asyncio.Event()
    limits = httpx.Limits(max_connections=20)
    async with httpx.AsyncClient(timeout=120, limits=limits) as web, asyncio.timeout(120):
        running = [follow(web, url, entries) for entries in steady]
        running.append(come_and_go(web, url, leaver, (1, 10, 200)))
        tasks = [asyncio.create_task(each) for each in running]
        dawdling = asyncio.create_task(follow_slowly(web, url, slow, done))
        await until(lambda: slow and len(leaver) > 250)
        assert not sockets_of(leaver[-1]["pid"])
        assert "running" == (await web.get(f"{client.base_url}/train/{run_id}")).json()["state"]
        assert 202 == (await web.delete(f"{client.base_url}/train/{run_id}")).status_code
        await asyncio.gather(*tasks)
        done.set()
        await dawdling
    return everything


def sockets_of(pid):
    """Return the sockets of a process that could lead to a client."""
    links = [str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()]
    return [link for link in links if link.startswith("socket:")]
