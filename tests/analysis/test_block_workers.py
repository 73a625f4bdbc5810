"""Many lines are decoded by other processes, and the summary stays the same whatever they do."""

import os
import select
import signal
import sys
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

import vlog
from vlog.analysis import block_workers
from vlog.analysis.summary import summarize
from vlog.reader import read_blocks

STEPS = 2_000


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """A run of some hundred blocks' worth of steps, with an odd line in the midst."""
    path = tmp_path_factory.mktemp("logs") / "run.jsonl"
    with vlog.training_run(STEPS, "ultra", path, console=False) as run:
        for step in range(STEPS):
            with run.step(samples=8):
                run.log(loss=1 / (step + 1), learning_rate=5e-5)
            if step == STEPS // 3:
                run.log(rubbish={"nested": [1, 2, 3]})
    lines = path.read_bytes().splitlines(keepends=True)
    lines.insert(len(lines) // 2, b"no entry\n")
    path.write_bytes(b"".join(lines))
    return path


@pytest.fixture
def few(monkeypatch):
    """A log of which little is much, on a machine with two processors."""
    monkeypatch.setattr(block_workers, "_FEW_BYTES", 1)
    monkeypatch.setattr(block_workers, "_GROUP_BYTES", 2**18)
    monkeypatch.setattr(block_workers, "_processors", lambda: 2)
    patient = SimpleNamespace(poll=PatientPoll, POLLIN=select.POLLIN)
    monkeypatch.setattr(block_workers, "select", patient)


class PatientPoll:
    """Waits for a process to begin: a log so small would be read before that."""

    def __init__(self):
        self._poll = select.poll()
        self.register = self._poll.register

    def poll(self, milliseconds):
        return self._poll.poll(milliseconds or 60_000)


def alone(log, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(block_workers, "_processors", lambda: 1)
        return repr(summarize(log))


def children():
    return psutil.Process().children()


@pytest.mark.usefixtures("few")
class TestWithFacts:
    def test_finds_what_one_process_finds(self, log, monkeypatch):
        expected = alone(log, monkeypatch)

        assert expected == repr(summarize(log))
        assert "eta_check=EtaCheck(step=1000" in expected
        assert summarize(log).unreadable_lines == 1

    def test_has_most_blocks_decoded_elsewhere_and_in_order(self, log):
        found = list(block_workers.with_facts(read_blocks(log)))
        decoded = [facts for _, facts in found if facts is not None]

        assert len(decoded) > len(found) / 2
        assert [block for block, _ in found] == list(read_blocks(log))
        for block, facts in found:
            assert facts is None or facts.count == len(block.lines)

    def test_goes_on_without_a_worker_that_is_killed(self, log, monkeypatch):
        expected, seen = alone(log, monkeypatch), []

        def with_a_kill(blocks):
            for part in block_workers.with_facts(blocks):
                seen.append(part)
                if len(seen) == 8:
                    for child in children():
                        os.kill(child.pid, signal.SIGKILL)
                yield part

        monkeypatch.setattr("vlog.analysis.summary.with_facts", with_a_kill)

        assert expected == repr(summarize(log))
        assert len([facts for _, facts in seen if facts is not None]) < len(seen) / 2

    @pytest.mark.parametrize("python", ["/nowhere/python", "", None, "/bin/false"])
    def test_goes_on_where_no_process_is_to_be_had(self, log, monkeypatch, python):
        expected = alone(log, monkeypatch)
        monkeypatch.setattr(sys, "executable", python)

        assert expected == repr(summarize(log))

    def test_goes_on_without_a_worker_that_is_stopped(self, log, monkeypatch):
        expected, seen = alone(log, monkeypatch), []
        monkeypatch.setattr(block_workers, "_PATIENCE_SECONDS", 0.5)

        def with_a_stop(blocks):
            for part in block_workers.with_facts(blocks):
                seen.append(part)
                if len(seen) == 8:
                    os.kill(children()[0].pid, signal.SIGSTOP)
                yield part

        monkeypatch.setattr("vlog.analysis.summary.with_facts", with_a_stop)

        assert expected == repr(summarize(log))
        assert any(facts is not None for _, facts in seen[20:])

    @pytest.mark.parametrize("answer", [b"hello, world\n" * 3, b"\1\0\0\0x", b"\xff" * 5000, b""])
    def test_goes_on_where_somebody_else_answers(self, log, monkeypatch, tmp_path, answer):
        expected = alone(log, monkeypatch)
        other = tmp_path / "python"
        other.write_text(
            f"#!{sys.executable}\nimport os, sys\nos.write(int(sys.argv[-1]), {answer!r})\n"
        )
        other.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(other))

        assert expected == repr(summarize(log))

    def test_follows_a_lower_rank_that_comes_later(self, log, monkeypatch, tmp_path):
        lines = log.read_bytes().splitlines(keepends=True)
        higher = [line.replace(b'"rank":0', b'"rank":1') for line in lines]
        both = tmp_path / "both.jsonl"
        both.write_bytes(b"".join([*higher, *lines]))

        assert alone(both, monkeypatch) == repr(summarize(both))

    def test_leaves_no_process_behind(self, log):
        before, descriptors = set(children()), set(Path("/proc/self/fd").iterdir())
        summarize(log)
        parts = block_workers.with_facts(read_blocks(log))
        for _ in range(8):
            next(parts)
        assert set(children()) > before

        parts.close()

        assert before == set(children())
        assert descriptors == set(Path("/proc/self/fd").iterdir())


def test_a_small_log_needs_no_process(log, monkeypatch):
    monkeypatch.setattr(block_workers, "_Worker", None)

    assert summarize(log).entries > STEPS
