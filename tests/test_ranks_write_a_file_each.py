"""Each rank of a launch writes a file of its own, whole and valid; read, they are one run."""

import os
import signal
import socket
import subprocess
import sys

import pytest
from processes import PRELUDE, TESTS
from trainers import entries_of, of_type

import vlog
from vlog.analysis.run_summary import State

CALLBACK = 'VerboseLoggingCallback("high", "log.jsonl", console=True, standard_log=True)'
TRAIN = f"""
make_trainer(
    [{CALLBACK}], ddp_backend="gloo", dataloader_num_workers=1, eval_strategy="steps",
    eval_steps=3, evaluate=Texts(4), save_strategy="steps", save_steps=6,
).train()
"""
KILL_RANK_1 = f"""
def die():
    if os.environ["RANK"] == "1":
        os.kill(os.getpid(), signal.SIGKILL)

make_trainer([{CALLBACK}, At(12, die)], max_steps=500, ddp_backend="gloo").train()
"""
NOTEBOOK = f"""
from accelerate import notebook_launcher

callback = {CALLBACK}

def train():
    make_trainer([callback], ddp_backend="gloo").train()

notebook_launcher(train, num_processes=2, use_port="PORT")
"""
LOOP = """
import torch
import vlog
from accelerate import Accelerator

accelerator = Accelerator(cpu=True)
model = torch.nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), 0.1)
model, optimizer, loader = accelerator.prepare(
    model, optimizer, torch.utils.data.DataLoader(torch.randn(64, 4), batch_size=4)
)
with vlog.training_run(total_steps=len(loader), log_file="log.jsonl", console=True) as run:
    for batch in run.steps(loader):
        loss = model(batch).pow(2).mean()
        accelerator.backward(loss)
        optimizer.step()
        optimizer.zero_grad()
        run.log(loss=loss)
"""
ACCELERATE = (
    "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2",
    "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no",
    "--main_process_port",
)  # fmt: skip
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")


def launch(home, script, *launcher):
    """Run `script` in the folder `home`; return its exit code and what it printed."""
    (home / "train.py").write_text(PRELUDE + script, encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", *launcher, "train.py"],
        cwd=home,
        env={**os.environ, "PYTHONPATH": str(TESTS), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        printed, _ = process.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # its ranks too
        raise
    return process.returncode, printed


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def files_in(home):
    return sorted(path.name for path in home.glob("*.*") if path.suffix in (".jsonl", ".log"))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Train on two ranks with DataLoader workers; return the folder, each rank's output in it."""
    home = tmp_path_factory.mktemp("torchrun")
    code, printed = launch(home, TRAIN, *TORCHRUN, "--redirects", "3", "--log-dir", "printed")
    assert code == 0, printed[-3000:]
    return home


class TestTwoRanks:
    def test_write_a_whole_valid_file_each(self, trained):
        names = ["log.jsonl", "log.rank1.jsonl", "training_logs.jsonl"]
        first, second = (entries_of(trained / name) for name in names[:2])

        assert names == files_in(trained)
        assert [True, True] == [vlog.validate(trained / name).is_valid for name in names[:2]]
        assert [{0}, {1}] == [{entry["rank"] for entry in each} for each in (first, second)]
        assert [entry["type"] for entry in first] == [entry["type"] for entry in second]
        assert "training_complete" == first[-1]["type"] == second[-1]["type"]

    def test_are_one_run(self, trained):
        report = vlog.validate(trained / "log.jsonl")

        assert (True, 2, 1) == (report.is_valid, len(report.files), report.runs)
        assert 1 == len({entry["run_id"] for entry in vlog.read(trained / "log.jsonl")})

    def test_leave_nothing_of_their_workers(self, trained):
        """A file has the entries of one process, without a gap."""
        for name in ("log.jsonl", "log.rank1.jsonl"):
            entries = entries_of(trained / name)

            assert 1 == len({entry["pid"] for entry in entries})
            assert list(range(len(entries))) == [entry["seq"] for entry in entries]

    def test_are_read_as_one_log_in_order(self, trained):
        names = ("log.jsonl", "log.rank1.jsonl")
        merged = list(vlog.read(trained / "log.jsonl"))
        times = [entry["timestamp"] for entry in merged]

        assert sorted(times) == times
        for rank, name in enumerate(names):
            assert entries_of(trained / name) == [
                entry for entry in merged if entry["rank"] == rank
            ]

    def test_have_one_console_and_one_standard_log(self, trained):
        printed = {
            rank: "".join(path.read_text() for path in trained.glob(f"printed/*/*/{rank}/*.log"))
            for rank in (0, 1)
        }

        assert "🚀 Training starts" in printed[0]
        assert not [mark for mark in ("🖥", "🚀", "🏁", "🎉", "vlog") if mark in printed[1]]
        steps = of_type(entries_of(trained / "training_logs.jsonl"), "training_step_complete")
        assert list(range(1, 7)) == [entry["step"] for entry in steps]

    def test_are_summed_up_as_one_run(self, trained):
        (run,) = vlog.summarize(trained / "log.jsonl").runs

        assert (State.COMPLETE, 0, 6) == (run.state, run.rank, run.progress.step)
        assert [(0, State.COMPLETE, 6), (1, State.COMPLETE, 6)] == [
            (rank.rank, rank.state, rank.step) for rank in run.ranks
        ]


class TestKilledRank:
    def test_does_no_harm_to_the_log_of_the_other(self, tmp_path):
        """The other one's training fails with it, and its log says so; the summary names it."""
        code, printed = launch(tmp_path, KILL_RANK_1, *TORCHRUN)

        assert code == 1, printed[-3000:]
        assert vlog.validate("log.jsonl").is_valid
        end = entries_of("log.jsonl")[-1]
        assert end["type"] in ("training_failed", "training_interrupted")
        (run,) = vlog.summarize("log.jsonl").runs
        assert [(0, True), (1, False)] == [
            (rank.rank, rank.state in (State.FAILED, State.INTERRUPTED)) for rank in run.ranks
        ]
        assert State.ENDED_ABNORMALLY is run.ranks[1].state
        assert run.ranks[1].step in (11, 12)

        shown = subprocess.run(
            [sys.executable, "-m", "vlog", "summary", "log.jsonl"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert f"rank 1: no end entry, last seen at step {run.ranks[1].step} (" in shown


class TestAccelerate:
    def test_launches_two_ranks_of_a_plain_loop(self, tmp_path):
        code, printed = launch(tmp_path, LOOP, *ACCELERATE, str(free_port()))

        assert code == 0, printed[-3000:]
        assert ["log.jsonl", "log.rank1.jsonl"] == files_in(tmp_path)
        report = vlog.validate("log.jsonl")
        assert (True, 2, 1) == (report.is_valid, len(report.files), report.runs)
        steps = of_type(vlog.read("log.jsonl"), "training_step_complete")
        assert {(rank, step) for rank in (0, 1) for step in range(1, 9)} == {
            (entry["rank"], entry["step"]) for entry in steps
        }
        assert 1 == printed.count("🚀 Training starts")


class TestNotebookLauncher:
    def test_starts_ranks_with_a_callback_that_was_there_before(self, tmp_path):
        """Accelerate forks its ranks from a process whose callback was of rank 0."""
        code, printed = launch(tmp_path, NOTEBOOK.replace("PORT", str(free_port())))

        assert code == 0, printed[-3000:]
        assert ["log.jsonl", "log.rank1.jsonl", "training_logs.jsonl"] == files_in(tmp_path)
        report = vlog.validate("log.jsonl")
        assert (True, 2, 1) == (report.is_valid, len(report.files), report.runs)
        assert 1 == printed.count("🚀 Training starts")
