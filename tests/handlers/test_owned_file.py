"""A file that one process owns or several share: whoever interferes, each line is there once."""

import errno
import fcntl
import os

import pytest

import vlog.handlers.owned_file
from vlog.handlers.owned_file import OwnedFileHandler, put_right
from vlog.segments import is_same_file, list_segments, segment_path

LINE_BYTES = len(b"100\n")


@pytest.fixture
def log(tmp_path):
    return tmp_path / "run.jsonl"


@pytest.fixture
def told():
    """What the handlers of the test told."""
    return []


@pytest.fixture
def open_file(log, told):
    """Make handlers of the log, each as if by another process; close them in the end."""
    handlers = []

    def make(lines=0, *, shared=False):
        handlers.append(
            OwnedFileHandler(
                log,
                lines * LINE_BYTES,
                is_shared=shared,
                tell=lambda text, error: told.append((text, error)),
            )
        )
        return handlers[-1]

    yield make
    for handler in handlers:
        handler.close()


def append(handler, *numbers):
    for number in numbers:
        handler.append(b"%d\n" % number)


def numbers_in(log):
    """Return the numbers in the segments and the file, as a reader finds them."""
    paths = [*(each.path for each in list_segments(log)), log]
    return [int(line) for path in paths for line in path.read_bytes().split()]


def other_files(log):
    known = {log, *(each.path for each in list_segments(log))}
    return {path.name for path in log.parent.iterdir() if path not in known}


def before(monkeypatch, name, act):
    """Have `act` called each time before `os.<name>` is."""
    call = getattr(os, name)

    def patched(*args, **options):
        act()
        return call(*args, **options)

    monkeypatch.setattr(os, name, patched)


class TestOwnership:
    def test_ends_when_the_owner_closes(self, log, open_file):
        first, second = open_file(), open_file()
        append(first, 101)
        first.close()
        append(second, 102)

        assert [101, 102] == numbers_in(log)
        assert log == second.path

    def test_of_each_name_is_one_handlers(self, log, open_file, told):
        for number in (101, 102, 103):
            append(open_file(), number)
        own = f"run.pid{os.getpid()}"

        assert [101] == numbers_in(log)
        assert [102] == numbers_in(log.with_name(f"{own}.jsonl"))
        assert [103] == numbers_in(log.with_name(f"{own}-2.jsonl"))
        beside = "is being written already, by another handler of this process; this process writes"
        assert [
            (f"{log} {beside} {own}.jsonl beside it", None),
            (f"{log} {beside} {own}-2.jsonl beside it", None),
        ] == told

    def test_stays_while_the_file_is_set_aside(self, log, open_file, monkeypatch, told):
        """Whoever asks at any instant finds a file at the path, and finds it locked."""
        other = open_file()
        before(monkeypatch, "rename", lambda: append(other, 900))
        append(open_file(lines=1), 101, 102, 103)
        append(open_file(), 901)

        assert [101, 102, 103] == numbers_in(log)
        assert 2 == len(told)

    def test_leaves_a_lock_that_came_too_late(self, log, open_file, monkeypatch):
        """The file is set aside after it was opened and before it is locked."""
        first, second = open_file(lines=1), open_file()
        append(first, 101)
        lock = vlog.handlers.owned_file.portalocker.lock
        todo = [lambda: (append(first, 102), first.close())]

        def lock_late(*args):
            if todo:
                todo.pop()()
            lock(*args)

        monkeypatch.setattr(vlog.handlers.owned_file.portalocker, "lock", lock_late)
        append(second, 103)

        assert [101, 102, 103] == numbers_in(log)
        assert [101] == [int(segment.path.read_bytes()) for segment in list_segments(log)]


@pytest.mark.parametrize("shared", [False, True], ids=["owned", "shared"])
class TestSettingAside:
    @pytest.mark.parametrize("step", ["link", "open", "rename", "unlink"])
    def test_shows_each_line_once_at_every_instant(self, log, open_file, monkeypatch, shared, step):
        seen = []
        handler = open_file(lines=2, shared=shared)
        append(handler, 101, 102)
        before(monkeypatch, step, lambda: seen.append(numbers_in(log)))
        append(handler, 103)

        assert {(101, 102)} == {tuple(numbers) for numbers in seen}
        assert [101, 102, 103] == numbers_in(log)

    @pytest.mark.parametrize(
        "instant", ["before link", "after link", "before rename", "after rename"]
    )
    def test_that_an_interrupt_cuts_short_is_done_again(
        self, log, open_file, monkeypatch, shared, instant
    ):
        handler = open_file(lines=2, shared=shared)
        append(handler, 101, 102)
        when, step = instant.split()
        call = getattr(os, step)

        def interrupted(*args):
            if when == "after":
                call(*args)
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(os, step, interrupted)
            with pytest.raises(KeyboardInterrupt):
                append(handler, 103)
        append(handler, 104, 105)

        assert [101, 102, 104, 105] == numbers_in(log)
        assert [1] == [segment.number for segment in list_segments(log)]
        assert set() == other_files(log)

    def test_leaves_a_file_alone_that_came_to_the_path(
        self, log, open_file, monkeypatch, shared, told
    ):
        handler = open_file(lines=2, shared=shared)
        append(handler, 101, 102)

        def replace():
            log.rename(log.with_name("old"))
            log.write_bytes(b"900\n")

        with monkeypatch.context() as patch:
            before(patch, "link", replace)
            append(handler, 103)
        append(handler, 104)

        assert [900] == numbers_in(log)[:1]
        assert {101, 102, 103, 104} <= {*numbers_in(log), *numbers_in(log.with_name("old"))}
        assert errno.ESTALE == told[0][1].errno


class TestSettingAsideWithoutLinks:
    def test_renames(self, log, open_file, monkeypatch):
        def refuse(*_):
            raise PermissionError(errno.EPERM, "no links here")

        monkeypatch.setattr(os, "link", refuse)
        append(open_file(lines=2), *range(101, 108))

        assert [*range(101, 108)] == numbers_in(log)
        assert [1, 2, 3] == [segment.number for segment in list_segments(log)]


class TestSharing:
    def test_puts_all_lines_into_one_file(self, log, open_file, told):
        handlers = [open_file(lines=3, shared=True) for _ in range(3)]
        for number in range(101, 131):
            append(handlers[number % 3], number)

        assert [*range(101, 131)] == numbers_in(log)
        assert [*range(1, 10)] == [segment.number for segment in list_segments(log)]
        assert (set(), []) == (other_files(log), told)

    def test_ends_when_the_lock_is_held_for_too_long(self, log, open_file, monkeypatch, told):
        monkeypatch.setattr(vlog.handlers.owned_file, "WAIT_SECONDS", 0.01)
        holder, other = open_file(shared=True), open_file(shared=True)
        append(holder, 101)
        holder._do_lock()
        append(other, 102, 103)
        holder._do_unlock()
        append(holder, 104)
        append(other, 105)

        beside = log.with_name(f"run.pid{os.getpid()}.jsonl")
        assert [101, 104] == numbers_in(log)
        assert [102, 103, 105] == numbers_in(beside)
        (said,) = [text for text, _ in told]
        assert said == (
            f"{log} is held by another process, or by many in turn; "
            f"this process writes {beside.name} beside it"
        )

    def test_begins_again_after_a_close(self, log, open_file, monkeypatch):
        monkeypatch.setattr(vlog.handlers.owned_file, "WAIT_SECONDS", 0.01)
        holder, other = open_file(shared=True), open_file(shared=True)
        append(holder, 101)
        holder._do_lock()
        append(other, 102)
        other.close()
        holder._do_unlock()
        append(other, 103)

        assert [101, 103] == numbers_in(log)

    def test_does_not_wait_for_who_compresses_the_file_that_was_set_aside(
        self, log, open_file, told
    ):
        first, second = open_file(lines=1, shared=True), open_file(lines=1, shared=True)
        append(first, 101)
        append(second, 102)
        with segment_path(log, 1).open("r+b") as compressed:
            fcntl.flock(compressed, fcntl.LOCK_EX)
            append(first, 103)

        assert [101, 102, 103] == numbers_in(log)
        assert [] == told

    def test_goes_on_with_a_rotation_in_which_another_was_killed(self, log, open_file):
        handler = open_file(lines=2, shared=True)
        append(handler, 101)
        os.link(log, segment_path(log, 1))
        log.with_name("run.jsonl.next.part").touch()
        append(handler, 102, 103)

        assert [101, 102, 103] == numbers_in(log)
        assert [1] == [segment.number for segment in list_segments(log)]
        assert set() == other_files(log)

    def test_gives_the_lock_back_when_the_start_fails(self, log, open_file, monkeypatch):
        def fail(*_):
            raise KeyboardInterrupt

        first, second = open_file(shared=True), open_file(shared=True)
        with monkeypatch.context() as patch:
            patch.setattr(vlog.handlers.owned_file, "put_right", fail)
            with pytest.raises(KeyboardInterrupt):
                append(first, 101)
        append(second, 102)
        append(first, 103)

        assert [102, 103] == numbers_in(log)

    def test_goes_on_where_nothing_can_be_put_right(self, log, open_file, told):
        log.with_name("run.jsonl.next.part").mkdir()
        append(open_file(), 101)

        assert [101] == numbers_in(log)
        assert [f"what an earlier process left of {log} cannot be put right"] == [
            text for text, _ in told
        ]


class TestPutRight:
    def test_undoes_a_rotation_that_was_cut_short(self, log):
        log.write_bytes(b"102\n")
        segment_path(log, 1).write_bytes(b"101\n")
        os.link(log, segment_path(log, 2))
        log.with_name("run.jsonl.next.part").touch()

        assert 1 == put_right(log)
        assert [101, 102] == numbers_in(log)
        assert not is_same_file(segment_path(log, 2), log)
        assert set() == other_files(log)

    def test_leaves_alone_what_is_right(self, log):
        log.write_bytes(b"102\n")
        segment_path(log, 4).write_bytes(b"101\n")

        assert 4 == put_right(log)
        assert [101, 102] == numbers_in(log)
