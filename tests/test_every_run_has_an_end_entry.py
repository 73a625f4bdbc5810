"""Whatever ends a run, short of a kill, its last entry says what it was."""

from __future__ import annotations

import signal

import pytest
from processes import run, start, text_of, wait_for
from trainers import entries_of

SLOW = """
trainer = make_trainer([VerboseLoggingCallback("high", "log.jsonl")],
                       train=Texts(400, before=lambda index: time.sleep(0.02)), max_steps=200)
"""


def end_of(path="log.jsonl"):
    return entries_of(path)[-1]


class TestSignal:
    @pytest.mark.parametrize(
        ("number", "reason"),
        [(signal.SIGTERM, "signal SIGTERM"), (signal.SIGINT, "KeyboardInterrupt")],
    )
    def test_a_signal_is_an_interruption_and_still_ends_the_process(self, number, reason):
        process = start(SLOW + "trainer.train()")
        wait_for(lambda: "Step 3 completed" in text_of("log.jsonl"), "step 3", process)
        process.send_signal(number)
        process.communicate(timeout=60)

        assert ("training_interrupted", reason) == (end_of()["type"], end_of()["reason"])
        assert process.returncode == -number

    def test_a_second_signal_does_not_cut_the_end_short(self):
        process = start(SLOW + "trainer.train()")
        wait_for(lambda: "Step 3 completed" in text_of("log.jsonl"), "step 3", process)
        for _ in range(5):
            process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)

        assert "signal SIGTERM" == end_of()["reason"]
        assert process.returncode == -signal.SIGTERM

    def test_a_ctrl_c_while_the_run_is_opened_ends_it_and_leaves_nothing_behind(self):
        code, out, error = run("""
import vlog.recorder
from vlog import recorder as module
describe = module.Recorder.start
def start(self, *args, **kwargs):
    os.kill(os.getpid(), signal.SIGINT)
    describe(self, *args, **kwargs)
module.Recorder.start = start
callback = VerboseLoggingCallback("high", "log.jsonl", console=True)
trainer = make_trainer([callback], disable_tqdm=False)
before = list(trainer.callback_handler.callbacks)
try:
    trainer.train()
except KeyboardInterrupt:
    print("caught", before == trainer.callback_handler.callbacks)
time.sleep(0.5)
print([thread.name for thread in threading.enumerate() if thread.name.startswith("vlog")])
""")

        assert (0, ["caught True", "[]"]) == (code, out.splitlines()), error
        assert ("training_interrupted", "KeyboardInterrupt") == (
            end_of()["type"], end_of()["reason"]
        )  # fmt: skip

    def test_a_handler_of_the_app_keeps_the_signal(self):
        code, out, _ = run("""
signal.signal(signal.SIGTERM, lambda *_: print("mine", flush=True))
trainer = make_trainer([VerboseLoggingCallback("high", "log.jsonl"),
                        At(2, lambda: os.kill(os.getpid(), signal.SIGTERM))])
trainer.train()
print(signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL)
""")

        assert (0, ["mine", "True"]) == (code, out.split("\n")[:2])
        assert end_of()["type"] == "training_complete"

    def test_training_in_a_thread_is_ended_by_its_own_exception(self):
        code, _, err = run("""
def work():
    make_trainer([VerboseLoggingCallback("high", "log.jsonl"), At(2, lambda: 1 / 0)]).train()
thread = threading.Thread(target=work)
thread.start(); thread.join()
""")

        assert code == 0
        assert "ZeroDivisionError" in err
        assert (end_of()["type"], end_of()["exception"]["type"]) == (
            "training_failed",
            "ZeroDivisionError",
        )


class TestExit:
    def test_an_exit_inside_the_training_is_an_interruption(self):
        code, _, _ = run("""
make_trainer([VerboseLoggingCallback("high", "log.jsonl"), At(2, lambda: sys.exit(7))]).train()
""")

        assert (7, "SystemExit") == (code, end_of()["reason"])

    def test_an_uncaught_exception_is_recorded_and_shown(self):
        code, _, err = run("""
make_trainer([VerboseLoggingCallback("high", "log.jsonl"), At(2, lambda: 1 / 0)]).train()
""")

        assert code == 1
        assert "ZeroDivisionError: division by zero" in err
        assert end_of()["exception"]["message"] == "division by zero"

    def test_a_hook_that_the_app_chains_behind_ours_is_called_once(self):
        code, _, err = run("""
def chain():
    before = sys.excepthook
    def hook(*args):
        print("the app's hook", file=sys.stderr)
        before(*args)
    sys.excepthook = hook

make_trainer([VerboseLoggingCallback("high", "log.jsonl"), At(2, chain)]).train()
make_trainer([VerboseLoggingCallback("high", "log.jsonl"), At(2, lambda: 1 / 0)]).train()
""")

        assert (1, 1) == (code, err.count("the app's hook"))
        assert "ZeroDivisionError: division by zero" in err
        assert "RecursionError" not in err
        assert end_of()["type"] == "training_failed"

    @pytest.mark.parametrize(
        ("act", "kind"),
        [
            ("1 / 0", "training_failed"),
            ("sys.exit(3)", "training_interrupted"),
        ],
    )
    def test_a_late_callback_sees_what_nobody_catches(self, act, kind):
        run(f"""
trainer = make_trainer([At(2, lambda: {act})])
trainer.add_callback(VerboseLoggingCallback("high", "log.jsonl"))
trainer.train()
""")

        assert kind == end_of()["type"]

    def test_a_late_callback_ends_a_caught_run_at_the_interpreters_exit(self):
        run("""
trainer = make_trainer([At(2, lambda: 1 / 0)])
trainer.add_callback(VerboseLoggingCallback("high", "log.jsonl"))
try:
    trainer.train()
except ZeroDivisionError:
    pass
""")

        assert ("training_interrupted", "interpreter exit") == (
            end_of()["type"],
            end_of()["reason"],
        )
