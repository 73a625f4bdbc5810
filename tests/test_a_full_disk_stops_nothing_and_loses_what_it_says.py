"""A disk that is full stops no training; what the log lacks then, it names to the entry."""

import json
from pathlib import Path
from statistics import median

from small_disk import run_on_small_disk
from trainers import of_type

import vlog
from vlog.handlers.backlog import _OVERHEAD
from vlog.segments import list_segments

BUFFER_MB = 0.1

# Every entry that the log is given, with the time that took it, on a disk that is not full.
TAP = """
import json, time
import vlog
import vlog.handlers.rotating as rotating
from vlog.record import entry_of, make_record
WHOLE = {"overhead_budget_percent": 0}  # nothing is left out of entries
# A close that waits for something in vain fails the test.
rotating._KEEPER_SECONDS = rotating._RETRY_SECONDS = 600
Handler, given, handlers = rotating.RotatingJsonlHandler, open("given.jsonl", "w", 1), set()

def tapped(method, entry_in):
    def tap(self, told):
        handlers.add(self)
        with self.lock:
            start = time.perf_counter()
            done = method(self, told)
            took = time.perf_counter() - start
            if done is not False:
                note(self, entry_in(told), took)
        return done
    return tap

def note(self, entry, took):
    kept = {key: entry.get(key) for key in ("type", "seq", "step", "timestamp")}
    size = len(self._line(make_record("vlog", entry)))
    kept |= {"took": took, "waits": self._waiting > 0, "size": size}
    print(json.dumps({**kept, "log": str(self.path)}), file=given)

Handler.take = tapped(Handler.take, lambda entry: entry)
Handler.emit = tapped(Handler.emit, entry_of)

def free_and_wait():
    free()
    wait_until(lambda: not any(handler._waiting for handler in handlers))

def run_loop(steps, at, **options):
    "A loop that calls `at[step]` in front of that step."
    with vlog.training_run(steps, "ultra", "disk/log.jsonl", **WHOLE, **options) as run:
        for step in range(1, steps + 1):
            at.get(step, int)()
            with run.step():
                run.log(loss=1.0, text="x" * 500)
"""


def given_to(name):
    lines = Path("given.jsonl").read_text().splitlines()
    return [each for each in map(json.loads, lines) if each["log"].endswith(name)]


def lines_of(path):
    """Return the entries of a file, every line of which must be one."""
    text = path.read_bytes()
    assert text.endswith(b"\n")
    return [json.loads(line) for line in text.splitlines()]


def assert_lacks_nothing_but_its_gaps(entries, given):
    """Every entry stands there once, in order, but those that a gap in their place names."""
    assert list(range(len(given))) == [each["seq"] for each in given]
    expected = 0
    for entry in entries:
        if entry["type"] == "logging_gap":
            missing = given[expected : entry["seq"] + 1]
            first, last = missing[0], missing[-1]
            assert (len(missing), first["seq"], last["seq"]) == (
                entry["dropped"], entry["first_seq"], entry["last_seq"],
            )  # fmt: skip
            assert (first["timestamp"], last["timestamp"], last["step"]) == (
                entry["first_dropped"], entry["last_dropped"], entry["step"],
            )  # fmt: skip
            assert "OSError: [Errno 28] No space left on device" == entry["reason"]
        else:
            assert (expected, entry["type"], entry["timestamp"]) == (
                entry["seq"], given[expected]["type"], given[expected]["timestamp"],
            )  # fmt: skip
        expected = entry["seq"] + 1
    assert len(given) == expected


class TestATrainer:
    def test_trains_on_and_its_log_names_what_it_lacks(self):
        """Twice the disk is full: for so long that all fits the buffer, and for longer."""
        done = run_on_small_disk(
            TAP
            + f"BUFFER = {BUFFER_MB}"
            + """
class Faults(TrainerCallback):
    def on_step_end(self, args, state, control, **kwargs):
        {5: fill, 8: free_and_wait, 12: fill, 50: free_and_wait}.get(state.global_step, int)()
callback = VerboseLoggingCallback(
    "ultra", "disk/log.jsonl", buffer_mb=BUFFER, console=True, **WHOLE
)
trainer = make_trainer([Faults(), callback], max_steps=60)
trainer.train()
print(trainer.state.global_step)
""",
            trains=True,
        )

        assert (0, "60") == (done.code, done.out.split()[-1]), done.err
        entries, given = lines_of(done.disk / "log.jsonl"), given_to("log.jsonl")
        assert_lacks_nothing_but_its_gaps(entries, given)
        gaps = of_type(entries, "logging_gap")
        assert 1 == len(gaps)
        assert 12 < gaps[0]["step"] < 50
        report = vlog.validate(done.disk / "log.jsonl")
        assert (True, False) == (report.is_valid, report.is_complete)
        waited = [each for each in given if each["waits"] and each["seq"] > gaps[0]["seq"]]
        sizes = [each["size"] + _OVERHEAD for each in waited]
        assert BUFFER_MB * 2**20 - 2 * max(sizes) < sum(sizes) <= BUFFER_MB * 2**20

        # Nobody waits for the disk: to have an entry wait takes no longer than to write one.
        full, free = (
            median(each["took"] for each in given if each["waits"] is waits)
            for waits in (True, False)
        )
        print(f"{gaps[0]['dropped']} dropped, {len(waited)} kept, {full / free:.2f} x the time")
        assert full < 20 * free

    def test_trains_to_its_end_on_a_disk_that_stays_full(self):
        done = run_on_small_disk(
            TAP
            + """
callback = VerboseLoggingCallback(
    "ultra", "disk/log.jsonl", buffer_mb=0.1, standard_log=True, **WHOLE
)
trainer = make_trainer([At(5, fill), callback], max_steps=40)
trainer.train()
print(trainer.state.global_step)
""",
            trains=True,
        )

        assert (0, "40") == (done.code, done.out.split()[-1]), done.err
        assert "Traceback" not in done.err
        for name in ("log.jsonl", "training_logs.jsonl"):
            told = [line.split(f"/{name} ")[1] for line in done.told if f"/{name} " in line]
            assert ["cannot be written", "is not complete"] == [
                said.split(": OSError: [Errno 28]")[0] for said in told
            ]
        assert 1 == sum("cannot be written either" in line for line in done.told)
        seqs = [entry["seq"] for entry in vlog.read(done.disk / "log.jsonl")]
        assert list(range(len(seqs))) == seqs
        told = next(line for line in done.told if "/log.jsonl is not complete" in line)
        waiting, dropped = [int(word) for word in told.split() if word.isdigit()][-2:]
        assert len(given_to("log.jsonl")) - len(seqs) == waiting + dropped


class TestALoop:
    def run(self, steps, at, **options):
        names = ", ".join(f"{step}: {call}" for step, call in at.items())
        given = ", ".join(f"{key}={value!r}" for key, value in options.items())
        done = run_on_small_disk(f"{TAP}\nrun_loop({steps}, {{{names}}}, {given})\n")
        assert 0 == done.code, done.err
        assert "Traceback" not in done.err
        return done

    def test_has_every_entry_that_fits_the_buffer(self):
        done = self.run(60, {10: "fill", 40: "free_and_wait"}, standard_log=True, console=True)

        entries = lines_of(done.disk / "log.jsonl")
        assert_lacks_nothing_but_its_gaps(entries, given_to("/log.jsonl"))
        assert [] == of_type(entries, "logging_gap")
        assert vlog.validate(done.disk / "log.jsonl").is_complete
        flat = lines_of(done.disk / "training_logs.jsonl")
        steps = [each["step"] for each in of_type(flat, "training_step_complete")]
        assert list(range(1, 61)) == steps

    def test_names_every_outage_in_a_gap_of_its_own(self):
        at = {5: "fill", 30: "free_and_wait", 35: "fill", 60: "free_and_wait"}
        done = self.run(65, at, buffer_mb=0.02)

        entries = lines_of(done.disk / "log.jsonl")
        assert_lacks_nothing_but_its_gaps(entries, given_to("log.jsonl"))
        assert 2 == len(of_type(entries, "logging_gap"))

    def test_says_on_its_disk_too_what_happened(self):
        done = self.run(30, {5: "fill", 15: "free_and_wait"})

        text = (done.disk / "verbose_logging_errors.log").read_text()
        assert 1 == text.count("cannot be written: OSError: [Errno 28]")
        assert 1 == text.count("is written again")
        assert [1, 1, 1] == [
            sum(words in line for line in done.told)
            for words in ("cannot be written:", "cannot be written either", "is written again")
        ]
        assert 3 == len(done.told)

    def test_writes_what_waits_when_the_process_ends_if_it_can_then(self):
        done = run_on_small_disk(
            TAP
            + """
run_loop(30, {20: fill})
free()
"""
        )

        assert 0 == done.code, done.err
        entries = lines_of(done.disk / "log.jsonl")
        assert_lacks_nothing_but_its_gaps(entries, given_to("log.jsonl"))
        assert vlog.validate(done.disk / "log.jsonl").is_complete

    def test_rotates_across_the_outage(self):
        """The disk fills when a segment is about to be set aside, and compressed."""
        at = {step: call for step in range(10, 90, 20) for step, call in (
            (step, "fill"), (step + 7, "free_and_wait"))}  # fmt: skip
        done = self.run(100, at, max_mb=0.02, total_mb=1)

        log = done.disk / "log.jsonl"
        problems = []
        entries = list(vlog.read(log, on_problem=lambda *problem: problems.append(problem)))
        assert [] == problems
        assert_lacks_nothing_but_its_gaps(entries, given_to("log.jsonl"))
        segments = list_segments(log)
        assert len(segments) > 4
        assert all(segment.is_compressed for segment in segments)
        assert [] == list(done.disk.glob("*.part"))

    def test_keeps_to_its_total_size(self):
        at = {10: "fill", 30: "free_and_wait", 50: "fill", 70: "free_and_wait"}
        done = self.run(100, at, max_mb=0.02, total_mb=0.05, compress="none")

        log = done.disk / "log.jsonl"
        seqs = [entry["seq"] for entry in vlog.read(log)]
        assert list(range(seqs[0], len(given_to("log.jsonl")))) == seqs
        assert seqs[0] > 0
        assert sum(each.path.stat().st_size for each in list_segments(log)) < 0.05 * 2**20

    def test_that_shares_its_log_has_every_entry(self):
        done = run_on_small_disk(
            TAP
            + """
import logging
vlog.configure({"version": 1, "handlers": {"file": {
    "class": "vlog.handlers.RotatingJsonlHandler", "filename": "disk/log.jsonl", "shared": True}},
    "loggers": {"vlog": {"handlers": ["file"], "level": "ULTRA"}}})
with vlog.training_run(40, "ultra", **WHOLE) as run:
    for step in range(1, 41):
        {10: fill, 30: free_and_wait}.get(step, int)()
        with run.step():
            run.log(loss=1.0, text="x" * 500)
"""
        )

        assert 0 == done.code, done.err
        assert_lacks_nothing_but_its_gaps(
            [entry for entry in lines_of(done.disk / "log.jsonl") if "run_id" in entry],
            [each for each in given_to("log.jsonl") if each["seq"] is not None],
        )


class TestAHandler:
    def test_of_an_app_is_closed_and_ends_with_the_process(self):
        done = run_on_small_disk("""
from test_a_disk_that_fails_stops_nothing import emit
from vlog.handlers import RotatingJsonlHandler
handler = RotatingJsonlHandler("disk/log.jsonl")
fill()
emit(handler, *range(100))
handler.close()
emit(handler, *range(100))
""")

        assert 0 == done.code, done.err
        assert "Traceback" not in done.err
        for text in (
            "log.jsonl cannot be written:",
            "verbose_logging_errors.log cannot be written",
        ):
            assert 1 == sum(text in line for line in done.told)


class TestASegment:
    def test_that_cannot_be_compressed_stays_as_it_is_until_it_can(self):
        done = run_on_small_disk("""
import random
from pathlib import Path
from vlog.handlers.keeper import tidy
log, segment = Path("disk/log.jsonl"), Path("disk/log.jsonl.000001")
segment.write_bytes(random.Random(1).randbytes(200_000))
content = segment.read_bytes()
fill()
try:
    tidy(log, 10**9, ".zst")
except OSError as error:
    print(error.errno)
assert segment.read_bytes() == content
print(sorted(path.name for path in log.parent.iterdir()))
free()
tidy(log, 10**9, ".zst")
print(sorted(path.name for path in log.parent.iterdir()))
""")

        assert ["28", "['filler', 'log.jsonl.000001']", "['log.jsonl.000001.zst']"] == (
            done.out.splitlines()
        ), done.err

    def test_that_cannot_be_begun_leaves_the_old_file_to_grow(self):
        """One inode is left: it takes the segment's name, and none is left for the new file."""
        done = run_on_small_disk("""
import subprocess
subprocess.run(["mount", "-o", "remount,nr_inodes=20", "disk"], check=True)
from test_a_disk_that_fails_stops_nothing import emit
from vlog.handlers import RotatingJsonlHandler
handler = RotatingJsonlHandler("disk/log.jsonl", max_mb=1 / 1024, compress="none")
emit(handler, *range(3))
others = []
try:
    while True:
        others.append(pathlib.Path(f"disk/other{len(others)}"))
        others[-1].touch()
except OSError:
    others.pop().unlink(missing_ok=True)
others.pop().unlink()
emit(handler, *range(3, 40))
print(sorted(path.name for path in pathlib.Path("disk").glob("log*")))
for other in others:
    other.unlink()
emit(handler, *range(40, 60))
handler.close()
""")

        assert "['log.jsonl']" == done.out.strip(), done.err
        log = done.disk / "log.jsonl"
        assert list(range(60)) == [int(entry["message"]) for entry in vlog.read(log)]
        assert len(list_segments(log)) > 0
        assert 1 == sum("could not be set aside" in line for line in done.told)
