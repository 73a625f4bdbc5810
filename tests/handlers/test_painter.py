"""Lines, and one about the progress: at a bounded rate where it cannot be redrawn."""

import io
import sys
import time

import pytest

from vlog.handlers.painter import Painter, clock_time
from vlog.handlers.terminal import Part

LINE = (Part("12:00:00  ", "2"), Part("a milestone"))


def shown(step, loss=0.5, name="run"):
    progress = {"progress_percent": step, "total_steps": 100}
    return name, step, {"metrics": {"loss": loss}, "timing": {}, "progress": progress}, None, None


@pytest.fixture
def stream():
    return io.StringIO()


@pytest.fixture
def painter(stream, clock):
    return Painter(stream, None, 30.0, clock)


def lines_of(stream):
    """Return the lines without the time in front."""
    return [line[10:] for line in stream.getvalue().splitlines()]


class Full(io.StringIO):
    """A stream on a disk that is full at times."""

    is_full = True

    def write(self, text):
        if self.is_full:
            raise OSError(28, "No space left on device")
        return super().write(text)


class Unread(io.StringIO):
    """A pipe whose reader has gone."""

    writes = 0

    def write(self, text):
        self.writes += 1
        raise BrokenPipeError(32, "Broken pipe")


class TestPlainLines:
    def test_are_no_more_than_one_in_every_seconds(self, painter, stream, clock):
        for step in range(1, 101):
            painter.turn([], shown(step))
            clock.advance(1.0)

        assert [1, 31, 61, 91] == [int(line.split("%")[0]) for line in lines_of(stream)]

    def test_have_the_time_and_the_numbers(self, painter, stream, clock):
        painter.turn([], shown(7, float("nan")))

        assert f"{clock_time(clock.wall())}  7%   7/100  loss nan  run\n" == stream.getvalue()

    def test_come_at_the_end_and_at_the_next_begin_too(self, painter, stream, clock):
        painter.turn([], shown(1))
        painter.turn([], shown(2), is_final=True)
        painter.turn([], shown(1, name="next"))

        assert ["1%", "2%", "1%"] == [line.split()[0] for line in lines_of(stream)]

    def test_do_not_say_the_same_step_twice(self, painter, stream, clock):
        state = shown(1)
        painter.turn([], state)
        clock.advance(100)
        painter.turn([], state)
        painter.turn([], state, is_final=True)

        assert 1 == len(lines_of(stream))

    def test_have_no_control_characters(self, painter, stream):
        painter.turn([LINE], shown(1))
        painter.turn([LINE], shown(2), is_final=True)

        assert stream.getvalue().replace("\n", "").isprintable()

    def test_stand_behind_the_lines_that_wait(self, painter, stream):
        painter.turn([LINE, LINE], shown(1))

        assert ["a milestone", "a milestone"] == lines_of(stream)[:2]


class TestLines:
    def test_that_were_dropped_are_counted(self, painter, stream):
        painter.turn([LINE], None, dropped=1234)
        painter.turn([LINE], None)

        assert [
            "... 1,234 lines could not be shown",
            "12:00:00  a milestone",
            "12:00:00  a milestone",
        ] == stream.getvalue().splitlines()

    def test_that_a_full_disk_did_not_take_are_counted(self, clock):
        stream = Full()
        painter = Painter(stream, None, 30.0, clock)
        painter.turn([LINE, LINE], None)
        stream.is_full = False
        painter.turn([LINE], None)

        assert "... 2 lines could not be shown" == stream.getvalue().splitlines()[0]

    def test_go_to_what_stderr_is_at_the_time(self, clock, monkeypatch):
        painter = Painter(None, None, 30.0, clock)
        for _ in range(2):
            monkeypatch.setattr(sys, "stderr", io.StringIO())
            painter.turn([LINE], None)

            assert "12:00:00  a milestone\n" == sys.stderr.getvalue()

    def test_go_nowhere_without_a_stderr(self, clock, monkeypatch):
        monkeypatch.setattr(sys, "stderr", None)
        Painter(None, None, 30.0, clock).turn([LINE], shown(1))

    def test_go_nowhere_once_nobody_reads(self, clock):
        stream = Unread()
        painter = Painter(stream, None, 30.0, clock)
        for step in range(3):
            painter.turn([LINE], shown(step))

        assert 1 == stream.writes

    def test_go_nowhere_once_the_stream_is_closed(self, painter, stream):
        stream.close()
        painter.turn([LINE], shown(1), is_final=True)

    def test_are_taken_by_an_ascii_file(self, clock, tmp_path):
        with (tmp_path / "log").open("w", encoding="ascii") as stream:
            painter = Painter(stream, None, 30.0, clock)
            painter.turn([(Part("🎉 done"),)], shown(1))

        first, second = (tmp_path / "log").read_bytes().splitlines()
        assert b"? done" == first
        assert second.isascii()

    def test_pass_a_stream_that_is_no_file_of_the_system(self, clock, tmp_path):
        """A file that compresses has a descriptor, but what goes there is not text."""
        import gzip

        with gzip.open(tmp_path / "log.gz", "wt", encoding="utf-8") as stream:
            Painter(stream, None, 30.0, clock).turn([LINE], None)
        with gzip.open(tmp_path / "log.gz", "rt", encoding="utf-8") as stream:
            assert "12:00:00  a milestone\n" == stream.read()


class TestLiveLine:
    def test_is_redrawn_only_if_something_changed(self, stream, clock):
        painter = Painter(stream, True, 30.0, clock)
        state = shown(1)
        painter.turn([], state)
        before = stream.getvalue()
        painter.turn([], state)

        assert before == stream.getvalue()
        painter.turn([], shown(2))
        assert before != stream.getvalue()

    def test_is_never_wrapped(self, stream, clock):
        """Whatever width a wide character has for this terminal, and in the midst of a resize."""
        Painter(stream, True, 30.0, clock).turn([], shown(7))

        assert "\x1b[?7l╸─────────   7%   7/100  loss 0.5000  run\x1b[?7h" in stream.getvalue()

    def test_stays_as_a_line_once(self, stream, clock):
        painter = Painter(stream, True, 30.0, clock)
        state = shown(7)
        painter.turn([], state, is_final=True)
        before = stream.getvalue()
        painter.turn([], state, is_final=True)

        assert before == stream.getvalue()
        assert "╸─────────   7%   7/100  loss 0.5000  run\r\n" == before


class TestClockTime:
    def test_is_local(self):
        now = time.time()

        assert time.strftime("%H:%M:%S", time.localtime(now)) == clock_time(now)
