"""Whatever happens to writers, disk and files, in any order: the log is what a model says.

The model knows of each writer how many entries it was given, and how many of them must be in the
kernel: those given while nothing was wrong and nothing waited. Of the others it knows what is
promised: they are on the disk once and in order, or a gap in their place names them; only a writer
that is killed, or that ends while its disk fails, takes its last ones with it.

Nothing is really lost that somebody else deletes: it is moved away first, to be counted too.

`VLOG_EXAMPLES=5000` looks further than the suite, whose examples are always the same.
"""

import errno
import json
import os
import shutil
import tempfile
from collections import defaultdict
from pathlib import Path

import hypothesis.strategies as st
import pytest
from faulty_disk import FaultyDisk, leave_retries_to_the_test
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

import vlog.handlers.rotating as rotating_module
from vlog.handlers import RotatingJsonlHandler
from vlog.handlers.keeper import SegmentKeeper, tidy
from vlog.record import encode, make_record
from vlog.segments import is_same_file, last_number, log_of, open_segment, segment_path

EXAMPLES = int(os.environ.get("VLOG_EXAMPLES", "0"))
MB = 2**20
WRITERS = 3  # at a time
SIZES = st.sampled_from([0, 10, 100, 700, 3000])
WHICH = st.integers(0, WRITERS - 1)
ERRORS = st.sampled_from([errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS])


class Writer:
    """A process that writes the log, as far as a handler of its own is one.

    Attributes:
        handler: Its handler.
        name: The run that it writes.
        given: How many entries it was given.
        safe: How many of them must be in the log, or named by a gap, whatever comes.
        is_gone: Whether it took with it what waited.
    """

    def __init__(self, name, log, options):
        self.name = name
        self.handler = RotatingJsonlHandler(log, report=lambda *_: None, **options)
        self.given = self.safe = 0
        self.is_gone = False

    def write(self, size):
        self.handler.handle(make_record("vlog", self.entry(size)))
        self.given += 1

    def size_of_line(self, size):
        return len(encode(self.entry(size)))

    def entry(self, size):
        """Return its next entry."""
        return {
            "timestamp": "2026-01-01T00:00:00.000000+00:00",
            "type": "step_begin",
            "level": "INFO",
            "message": "x" * size,
            "run_id": self.name,
            "rank": 0,
            "pid": os.getpid(),
            "seq": self.given,
            "verbosity": "ultra",
            "step": self.given,
            "epoch": None,
        }

    @property
    def waits(self):
        return self.handler._waiting > 0


class Log(RuleBasedStateMachine):
    """A folder with a log, those who write it, and what happens to them."""

    @initialize(
        max_mb=st.sampled_from([0, 1500 / MB, 5000 / MB]),
        buffer_mb=st.sampled_from([16, 0, 4000 / MB]),
        compress=st.sampled_from(["none", "zstd", "gzip"]),
        shared=st.booleans(),
    )
    def begin(self, **options):
        self.patch = pytest.MonkeyPatch()
        self.disk = FaultyDisk(self.patch)
        leave_retries_to_the_test(self.patch)
        self.patch.setattr(SegmentKeeper, "wake", lambda _: None)  # `time_passes` does the work
        self.patch.setattr(rotating_module, "tell_stderr", lambda _: None)
        self.options = options
        self.home = Path(tempfile.mkdtemp(dir=Path.cwd()))
        for name in ("logs", "away", "elsewhere"):
            (self.home / name).mkdir()
        self.log = self.home / "logs" / "log.jsonl"
        self.writers, self.gone = [], []
        self.moves, self.taken = 0, {}
        self.tears = 0  # half lines that nobody can complete any more, at most
        self.start()

    # What the model knows

    @property
    def is_well(self):
        """Whether nothing stands in the way of a write."""
        disk = self.disk
        return disk.room is None and disk.open_error is None and self.log.parent.is_dir()

    @property
    def has_two_names(self):
        """Whether it is a segment too, after a kill: who took it away would leave it as that."""
        return is_same_file(segment_path(self.log, last_number(self.log)), self.log)

    def note(self):
        """All that was given to whoever says that nothing waits must be there from now on."""
        for writer in self.writers:
            if not writer.waits:
                writer.safe = writer.given

    def disturb(self):
        """Something comes between the two halves of each line that is half written."""
        self.tears += sum(writer.waits for writer in self.writers)

    def take(self, path):
        """Move what is at `path`, to be counted in the end; nobody may write it from now on."""
        self.moves += 1
        away = path.rename(self.home / "away" / str(self.moves))
        for file in [away, *away.rglob("*")]:
            if file.is_file() and not file.is_symlink():
                self.taken[file] = file.stat().st_size

    def writer(self, which):
        return self.writers[which % len(self.writers)]

    # Writers

    @precondition(lambda self: len(self.writers) < WRITERS)
    @rule()
    def start(self):
        """One more process begins; before, somebody makes the path one that it accepts."""
        self.log.parent.mkdir(exist_ok=True)
        if not self.log.is_file():
            self.take_away()
        name = f"run{len(self.writers) + len(self.gone)}"
        self.writers.append(Writer(name, self.log, self.options))

    @precondition(lambda self: self.writers)
    @rule(which=WHICH, sizes=st.lists(SIZES, min_size=1, max_size=6))
    def write(self, which, sizes):
        writer = self.writer(which)
        if self.options["shared"]:
            self.disturb()
        is_safe = self.is_well and not writer.waits
        for size in sizes:
            writer.write(size)
        if is_safe:
            assert not writer.waits
        self.note()

    @precondition(lambda self: self.writers)
    @rule(which=WHICH, size=SIZES, end=st.sampled_from([0, 1, 2, 0.5, -2, -1]), error=ERRORS)
    def write_as_the_disk_fills(self, which, size, end, error):
        """There is room for a line, up to its byte `end`."""
        whole = self.writer(which).size_of_line(size)
        self.disk.fail(error, int(whole * end) if end == 0.5 else end % whole)
        self.write(which, [size])
        self.time_passes(which)  # in vain

    @precondition(lambda self: self.writers)
    @rule(which=WHICH)
    def time_passes(self, which):
        """What the threads do: they try again, and compress segments."""
        if self.options["shared"]:
            self.disturb()
        self.writer(which).handler._try_again()
        self.note()
        suffix = {"zstd": ".zst", "gzip": ".gz", "none": ""}[self.options["compress"]]
        for path in {writer.handler.path for writer in self.writers}:
            if path.parent.is_dir():
                tidy(path, 2**40, suffix)

    @precondition(lambda self: self.writers)
    @rule(which=WHICH)
    def recover(self, which):
        """All works again, and what waits is written."""
        self.disk.mend()
        self.log.parent.mkdir(exist_ok=True)
        if self.options["shared"]:
            self.disturb()
        self.writer(which).handler.flush()
        assert not self.writer(which).waits
        self.note()

    @precondition(lambda self: self.writers)
    @rule(which=WHICH, how=st.sampled_from(["closes", "ends", "is killed", "in a rotation"]))
    def stop(self, which, how):
        """A run ends, and its file is closed until another entry comes; or its process does."""
        writer = self.writer(which)
        if how == "in a rotation":
            self.leave_half_a_rotation(writer)
        if how.startswith("i") or self.options["shared"] or len(self.writers) > 1:
            self.disturb()
        if how.startswith("i"):
            writer.handler.let_go()  # closes, and writes nothing
        else:
            writer.handler.close()
            assert not (self.is_well and writer.waits)
            self.note()
        if how != "closes":
            self.tears += writer.waits
            writer.is_gone = True
            self.writers.remove(writer)
            self.gone.append(writer)

    def leave_half_a_rotation(self, writer):
        """Do as much of one as a kill between two of its steps leaves."""
        path = writer.handler.path
        if writer.handler.stream is None or not path.is_file() or self.options["shared"]:
            return
        if not path.read_bytes().endswith(b"\n"):  # a rotation would have ended the line before
            return
        os.link(path, segment_path(path, last_number(path) + 1))
        path.with_name(f"{path.name}.next.part").touch()

    # The disk

    @precondition(lambda self: self.writers and self.disk.open_error is None)
    @rule(error=st.sampled_from([errno.EMFILE, errno.ENOSPC, errno.EROFS, errno.ENOENT]))
    def refuse_to_open(self, error):
        self.disk.open_error = error

    @precondition(lambda self: self.disk.room is not None or self.disk.open_error is not None)
    @rule()
    def free(self):
        self.disk.mend()

    # Other people

    @precondition(lambda self: self.writers and self.log.parent.is_dir())
    @precondition(lambda self: not self.has_two_names)
    @rule(which=WHICH, whole=st.sampled_from([False, False, True]))
    def rename(self, which, whole):
        """The log is taken away, or its whole folder: to delete them is no different."""
        self.take_away(whole=whole)
        self.write(which, [0])

    def take_away(self, *, whole=False):
        self.disturb()
        if whole:
            self.take(self.log.parent)
        elif os.path.lexists(self.log):
            self.take(self.log)

    @precondition(lambda self: self.writers and self.log.is_file() and not self.log.is_symlink())
    @precondition(lambda self: not self.has_two_names)
    @rule(which=WHICH)
    def copy_and_truncate(self, which):
        self.disturb()
        content = self.log.read_bytes()
        os.truncate(self.log, 0)
        copy = self.home / "elsewhere" / "copy"
        copy.write_bytes(content)
        self.take(copy)
        self.write(which, [0])

    @precondition(lambda self: self.writers and self.log.parent.is_dir())
    @precondition(lambda self: not self.has_two_names)
    @rule(
        kind=st.sampled_from(["folder", "pipe", "link", "link to nothing", "circle"]), which=WHICH
    )
    def replace(self, kind, which):
        self.take_away()
        target = self.home / "elsewhere" / f"log{self.moves}.jsonl"
        if kind == "folder":
            self.log.mkdir()
        elif kind == "pipe":
            os.mkfifo(self.log)
        elif kind == "circle":
            self.log.symlink_to(self.log)
        else:
            if kind == "link":
                target.touch()
            self.log.symlink_to(target)
        self.write(which, [0])

    # What must be there in the end

    def teardown(self):
        if not hasattr(self, "patch"):
            return
        try:
            self.end_all()
            self.check()
        finally:
            for writer in self.writers:
                writer.handler.let_go()
            self.patch.undo()
            shutil.rmtree(self.home)

    def end_all(self):
        self.disk.mend()
        self.log.parent.mkdir(exist_ok=True)
        for writer in self.writers:
            if self.options["shared"]:
                self.disturb()
            writer.handler.close()
            assert not writer.waits
            writer.safe = writer.given
        self.take_away()
        self.start()
        self.writers[-1].write(0)
        self.writers[-1].handler.close()
        assert [] == list(self.log.parent.glob("log.jsonl.*.part"))

    def check(self):
        found, torn = self.read_all()
        for writer in [*self.writers, *self.gone]:
            self.check_writer(writer, found.pop(writer.name, []))
        assert {} == found
        assert self.taken == {path: path.stat().st_size for path in self.taken}
        assert len(torn) <= self.tears

    def check_writer(self, writer, logs):
        """`logs` has what each log has of it: the first and last `seq` of entries and gaps."""
        for ranges in logs:
            assert sorted(ranges) == ranges
        expected = 0
        for first, last in sorted(each for ranges in logs for each in ranges):
            assert expected == first
            expected = last + 1
            assert first == last or self.options["buffer_mb"] < 16  # else all fits
        assert writer.safe <= expected <= writer.given
        assert writer.is_gone or writer.given == expected

    def read_all(self):
        """Return, by run, what each log has of it; and the lines that are no entries."""
        found, torn, seen = defaultdict(lambda: defaultdict(list)), [], set()
        paths = (path for path in self.home.rglob("*") if not path.is_symlink() and path.is_file())
        for path in sorted(paths, key=lambda path: (log_of(path), path == log_of(path), path)):
            if path.stat().st_ino in seen or path.suffix == ".part":
                continue
            seen.add(path.stat().st_ino)
            for raw in _lines_of(path):
                try:
                    entry = json.loads(raw)
                except ValueError:
                    torn.append((path, raw))
                    continue
                found[entry["run_id"]][log_of(path)].append(_range_of(entry))
        return {run: list(logs.values()) for run, logs in found.items()}, torn


def _lines_of(path):
    with open_segment(path) as stream:
        content = stream.read()
    assert content.endswith(b"\n") or ".jsonl." not in path.name  # or readers take it for cut
    return [line for line in content.split(b"\n") if line]


def _range_of(entry):
    """Return the first and the last `seq` that an entry stands for."""
    if entry["type"] != "logging_gap":
        return entry["seq"], entry["seq"]
    assert entry["last_seq"] == entry["seq"]
    assert entry["last_seq"] - entry["first_seq"] + 1 == entry["dropped"]
    return entry["first_seq"], entry["last_seq"]


TestLog = Log.TestCase
TestLog.settings = settings(
    max_examples=EXAMPLES or 150,
    stateful_step_count=50 if EXAMPLES else 30,
    derandomize=not EXAMPLES,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
