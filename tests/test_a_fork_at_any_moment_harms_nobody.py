"""A process may be forked at any moment: no child hangs, says its parent's lines or loses its own.

That a worker has no thread of vlog is in
`test_workers_are_measured_and_measure_nothing.py`; a child of a handler that is at rest is in
`handlers/test_rotating.py`.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from writers import LOG, PRELUDE, files, numbers_in, run

import vlog

CHILDREN = 50
WAIT = """
def wait_for_children(children):
    "A child that hangs takes its parent along, by an alarm that nobody handles."
    signal.alarm(30)
    for child in children:
        assert os.waitpid(child, 0)[1] == 0
    signal.alarm(0)
"""
WHILE_A_THREAD_LOGS = f"""
def log_on():
    global number
    while not enough:
        emit(number)
        number += 1
emit(0)  # the log is the parent's
number, enough = 1, False
thread = threading.Thread(target=log_on)
thread.start()
children = []
for child_number in range({CHILDREN}):
    child = os.fork()
    if child == 0:
        emit(-1 - child_number)
        os._exit(0)
    children.append(child)
wait_for_children(children)
enough = True
thread.join()
handler.close()
print(number)
"""
WHILE_LINES_WAIT = """
os.mkdir("logs")
handler = RotatingJsonlHandler("logs/run.jsonl")
emit(1)
os.rename("logs", "away")
emit(2)
emit(3)
os.rename("away", "logs")
handler.acquire()  # so that the thread that tries again does not come first
child = os.fork()
if child == 0:
    emit(10)
    handler.close()
    os._exit(0)
wait_for_children([child])
handler.release()
emit(4)
handler.close()
"""
# A thread that holds every lock of vlog while the process is forked: the child has no such thread.
WHILE_LOCKS_ARE_HELD = """
import vlog, vlog.endings, vlog.output
from vlog.output import _console
training = vlog.training_run(2, log_file="run.jsonl", console=True, sources=[],
                             on_alert=lambda entry: None).start()
loop, recorder = training._run, training._run.recorder
locks = [vlog.output._files._lock, vlog.endings._endings._lock, loop.lock, recorder._log.lock,
         _console()._guard, logging._lock, *(each.lock for each in recorder.handlers)]
held, forked = threading.Event(), threading.Event()
def hold():
    for lock in locks[:-len(recorder.handlers) - 1] + locks[-len(recorder.handlers):]:
        lock.acquire()
    held.set()
    forked.wait()
    for lock in locks:
        try:
            lock.release()
        except RuntimeError:
            pass
thread = threading.Thread(target=hold)
thread.start()
held.wait()
child = os.fork()
if child == 0:
    training.log(loss=1.0)
    vlog.get_logger("child").warning("said in a child")
    training.finish()
    recorder.interrupt("a child leaves the training by an exception")
    with vlog.training_run(1, log_file="run.jsonl", console=True, sources=[]) as own:
        for step in own.steps():
            own.log(loss=2.0)
            vlog.get_logger("child").warning("said in a run")
    sys.exit(0)
forked.set()
wait_for_children([child])
thread.join()
training.finish()
print(child)
"""
IN_A_FORMATTER = """
from vlog.handlers import JsonlFormatter
class Forking(JsonlFormatter):
    "The child goes on from where it was forked, as the parent does."
    child = None
    def format_line(self, record):
        if self.child is None:
            self.child = os.fork()
        return super().format_line(record)
emit(0)  # the log is the parent's
handler.setFormatter(Forking())
emit(1)
emit(2)
if handler.formatter.child:
    wait_for_children([handler.formatter.child])
handler.close()
"""
IN_A_FILTER = """
child = None
def fork(record):
    global child
    if child is None:
        child = os.fork()
    return True
emit(0)  # the log is the parent's
handler.addFilter(fork)
emit(1)
emit(2)
if child:
    wait_for_children([child])
handler.close()
"""
IN_A_SIGNAL_HANDLER = """
children = []
def fork(*_):
    child = os.fork()
    if child == 0:
        signal.setitimer(signal.ITIMER_REAL, 0)
        emit(-1)
        os._exit(0)
    children.append(child)
    if len(children) == 20:
        signal.setitimer(signal.ITIMER_REAL, 0)
signal.signal(signal.SIGALRM, fork)
signal.setitimer(signal.ITIMER_REAL, 0.002, 0.003)
emit(0)
number = 1
while len(children) < 20:
    emit(number)
    number += 1
wait_for_children(children)
handler.close()
print(number, len(children))
"""
# The thread that forks is not the one in whose section vlog keeps signals back.
ENDED_BY_A_SIGNAL = """
import vlog
from vlog.interrupts import deferred_signals
training = vlog.training_run(2, log_file="run.jsonl", console=False, sources=[]).start()
def fork():
    global child
    child = os.fork()
    if child == 0:
        os.write(ready, b"x")
        while True:
            time.sleep(1)
gate, ready = os.pipe()
with deferred_signals:
    thread = threading.Thread(target=fork)
    thread.start()
    thread.join()
os.read(gate, 1)
os.kill(child, signal.SIGTERM)
signal.alarm(30)
assert os.waitpid(child, 0)[1] == signal.SIGTERM
signal.alarm(0)
training.finish()
"""


def run_forking(script):
    return run(script, PRELUDE + WAIT)


def beside(pattern="run.pid*.jsonl"):
    return sorted(Path.cwd().glob(pattern))


class TestAFork:
    def test_while_a_thread_logs_hangs_no_child_and_doubles_no_line(self):
        _, out = run_forking(WHILE_A_THREAD_LOGS)

        assert list(range(int(out))) == numbers_in(LOG)
        assert list(range(-CHILDREN, 0)) == sorted(numbers_in(*beside()))
        assert CHILDREN == len(beside())

    def test_while_lines_wait_leaves_them_to_the_parent(self):
        run_forking(WHILE_LINES_WAIT)

        assert [1, 2, 3, 4, 10] == sorted(numbers_in(*files("logs")))

    def test_while_a_thread_holds_every_lock_lets_the_child_have_a_run_of_its_own(self):
        _, out = run_forking(WHILE_LOCKS_ARE_HELD)
        parents = [entry["type"] for entry in vlog.read(LOG, family=False)]
        (own,) = beside()
        childs = list(vlog.read(own, family=False))

        assert f"run.pid{int(out)}.jsonl" == own.name
        assert "training_complete" == parents[-1]
        assert "log_record" not in parents
        assert ["said in a run"] == [
            entry["message"] for entry in childs if entry["type"] == "log_record"
        ]
        assert "training_complete" == childs[-1]["type"]
        assert [] == vlog.validate(LOG).problems

    @pytest.mark.parametrize("script", [IN_A_FORMATTER, IN_A_FILTER], ids=["formatter", "filter"])
    def test_in_the_midst_of_a_record_has_each_process_write_it_to_its_own_file(self, script):
        run_forking(script)
        (own,) = beside()

        assert [0, 1, 2] == numbers_in(LOG)
        assert [1, 2] == numbers_in(own)

    def test_in_a_signal_handler_harms_no_line(self):
        _, out = run_forking(IN_A_SIGNAL_HANDLER)

        number, children = map(int, out.split())
        assert list(range(number)) == numbers_in(LOG)
        assert [-1] * children == numbers_in(*beside())

    def test_by_another_thread_leaves_a_child_that_a_signal_ends(self):
        run_forking(ENDED_BY_A_SIGNAL)

        assert "training_complete" == list(vlog.read(LOG))[-1]["type"]

    def test_has_what_a_child_says_in_the_file_that_the_app_configured(self):
        run_forking("""
import vlog
vlog.configure(log_file="run.jsonl", standard_log=False, console=False)
with vlog.training_run(1, sources=[]) as training:
    for _ in training.steps():
        child = os.fork()
        if child == 0:
            vlog.get_logger("data").warning("by vlog")
            logging.getLogger("vlog.data").warning("by logging")
            os._exit(0)
        wait_for_children([child])
""")

        (own,) = beside()
        assert ["by vlog", "by logging"] == [entry["message"] for entry in vlog.read(own)]
        assert "log_record" not in [entry["type"] for entry in vlog.read(LOG, family=False)]


TRAIN = """
import os
from records_of_workers import Saying
if __name__ == "__main__":
    import torch
    from trainers import make_trainer
    from vlog import VerboseLoggingCallback
    torch.multiprocessing.set_forkserver_preload(["torch", "structlog"])  # or it takes longer
    for method in ("fork", "spawn", "forkserver"):
        os.mkdir(method)
        os.dup2(os.open(f"{method}/stderr", os.O_WRONLY | os.O_CREAT), 2)
        torch.multiprocessing.set_start_method(method, force=True)
        callback = VerboseLoggingCallback("high", f"{method}/log.jsonl", capture=["app"])
        workers = 2 if method == "fork" else 1  # which load torch, each
        make_trainer(
            [callback], max_steps=6, train=Saying(), dataloader_num_workers=workers
        ).train()
"""
# In a module of its own, and without transformers: a spawned worker imports it.
SAYING = """
import logging
import torch
import vlog
class Saying(torch.utils.data.Dataset):
    def __len__(self):
        return 24
    def __getitem__(self, index):
        logging.getLogger("app").warning("item %d by logging", index)
        vlog.get_logger("data").warning(f"item {index} by vlog")
        ids = torch.full((8,), index)
        return {"input_ids": ids, "labels": ids}
"""
METHODS = ("fork", "spawn", "forkserver")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Train with workers of each kind, one after the other; return the folder of their folders."""
    home = tmp_path_factory.mktemp("trained")
    (home / "train.py").write_text(TRAIN)
    (home / "records_of_workers.py").write_text(SAYING)
    subprocess.run(
        [sys.executable, "-W", "ignore", "train.py"],
        cwd=home,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
        timeout=240,
        check=True,
    )
    return home


@pytest.mark.parametrize("method", METHODS)
class TestWorkersThatLog:
    """What they say is shown as it would be without vlog, and is no part of the run."""

    def test_leave_the_run_s_log_valid_and_its_own(self, trained, method):
        log = trained / method / "log.jsonl"
        entries = [json.loads(line) for line in log.read_text().splitlines()]

        assert [] == vlog.validate(log).problems
        assert list(range(len(entries))) == [entry["seq"] for entry in entries]
        assert "training_complete" == entries[-1]["type"]
        assert {"log_record"}.isdisjoint(entry["type"] for entry in entries)
        assert not (log.parent / "verbose_logging_errors.log").exists()

    def test_are_heard_on_stderr_once_per_record(self, trained, method):
        said = (trained / method / "stderr").read_text()
        for how in ("logging", "vlog"):
            heard = [said.count(f"item {index} by {how}\n") for index in range(24)]
            assert {0, 1} >= set(heard)
            assert sum(heard) >= 12  # of a shuffled data set, whose rest may be fetched too


def test_the_files_of_children_are_of_the_family():
    run_forking(WHILE_A_THREAD_LOGS.replace(str(CHILDREN), "2"))

    assert 3 == len(files())
    assert sorted(numbers_in(*files())) == sorted(int(each["message"]) for each in vlog.read(LOG))
