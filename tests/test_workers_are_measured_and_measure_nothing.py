"""DataLoader workers, forked or spawned, have no thread, no reading and no entry of vlog.

Their memory is in the trainer's `children`.
"""

import json

import pytest
from processes import train_in
from trainers import entries_of, of_type

SCRIPT = """
import json, os
import psutil, torch
from pathlib import Path
from vlog.resources.children import Children

class Telling(Texts):
    "Says, from inside a worker, which threads and descriptors it has."
    def __getitem__(self, index):
        item = super().__getitem__(index)
        if torch.utils.data.get_worker_info() is not None:
            if not hasattr(self, "ballast"):
                self.ballast = bytearray(b"1") * (64 * 2**20)
            Path(f"worker-{os.getpid()}.json").write_text(json.dumps({
                "threads": [thread.name for thread in threading.enumerate()],
            }))
            time.sleep(0.005)
        return item

class Compare(TrainerCallback):
    "Notes what psutil sees of the workers in the middle of the run."
    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == 80:
            children = psutil.Process().children(recursive=True)
            sizes = [child.memory_info().rss for child in children]
            Path("psutil.json").write_text(json.dumps([len(sizes), sum(sizes) / 2**30]))

if __name__ == "__main__":
    torch.multiprocessing.set_start_method("METHOD", force=True)
    Children.pace_seconds = 0.05
    callback = VerboseLoggingCallback(
        "ultra", "log.jsonl", reading_interval_seconds=0.05, overhead_budget_percent=0,
        console=True,
    )
    make_trainer(
        [callback, Compare()], max_steps=150, train=Telling(600), dataloader_num_workers=2,
    ).train()
"""


@pytest.fixture(scope="module", params=["fork", "spawn"])
def folder(request, tmp_path_factory):
    """Train with workers of that kind; return what it left behind."""
    home = tmp_path_factory.mktemp(request.param)
    train_in(home, SCRIPT.replace("METHOD", request.param))
    return home


def workers_of(folder):
    return [json.loads(path.read_text()) for path in folder.glob("worker-*.json")]


def test_a_worker_has_no_thread_of_vlog(folder):
    workers = workers_of(folder)

    assert len(workers) >= 2
    for worker in workers:
        assert not [name for name in worker["threads"] if name.startswith("vlog")]


def test_every_entry_is_the_trainer_s(folder):
    entries = entries_of(folder / "log.jsonl")

    assert 1 == len({entry["pid"] for entry in entries})
    assert list(range(len(entries))) == [entry["seq"] for entry in entries]
    assert not (folder / "verbose_logging_errors.log").exists()


def test_their_memory_is_in_children(folder):
    count, memory_gb = json.loads((folder / "psutil.json").read_text())
    readings = {
        step["step"]: step["resource_usage"]["children"]
        for step in of_type(entries_of(folder / "log.jsonl"), "training_step_complete")
        if "children" in step.get("resource_usage", {})
    }
    found = readings[100]

    assert found["count"] == count >= 2
    assert found["memory_gb"] == pytest.approx(memory_gb, rel=0.2)
    assert found["memory_gb"] > 2 * 64 / 1024
