"""The lines that wait: in order, bounded, and every one that is dropped is counted."""

import threading

import pytest

from vlog.gap import Origin
from vlog.handlers.backlog import _OVERHEAD, Backlog, Retry

FULL = OSError(28, "No space left on device")
REST = b" is the number of this line\n"
SIZE = 1 + len(REST) + _OVERHEAD
DEADLINE = 10.0


def origin(seq, run_id="a"):
    return Origin(f"2026-01-01T00:00:{seq:02d}", run_id, 0, 7, seq, seq, None)


def add(backlog, *seqs, run_id="a"):
    for seq in seqs:
        backlog.add(b"%d" % seq + REST, origin(seq, run_id), FULL)


def lines_of(backlog):
    return [int(backlog.next_line().split()[0]) for _ in range(backlog.lines)]


class TestBacklog:
    def test_gives_lines_in_order_up_to_its_size(self):
        backlog = Backlog(3 * SIZE)
        add(backlog, 0, 1, 2)

        assert (0, None) == (backlog.gaps, backlog.next_gap())
        assert [0, 1, 2] == lines_of(backlog)
        assert not backlog.is_used

    def test_drops_the_oldest_and_keeps_as_many_as_fit(self):
        backlog = Backlog(3 * SIZE)
        add(backlog, *range(8))
        gap = backlog.next_gap()

        assert (5, origin(0), origin(4)) == (gap.dropped, gap.first, gap.last)
        assert "OSError: [Errno 28] No space left on device" == gap.reason
        assert [5, 6, 7] == lines_of(backlog)
        assert 5 == backlog.dropped

    def test_takes_as_many_again_when_lines_were_taken_out(self):
        backlog = Backlog(3 * SIZE)
        add(backlog, 0, 1, 2)
        assert [0, 1, 2] == lines_of(backlog)
        add(backlog, 3, 4, 5)

        assert 0 == backlog.dropped
        assert [3, 4, 5] == lines_of(backlog)

    def test_counts_each_run_by_itself(self):
        backlog = Backlog(SIZE)
        for seq in range(3):
            add(backlog, seq, run_id="a")
            add(backlog, seq, run_id="b")
        gaps = [backlog.next_gap(), backlog.next_gap()]

        assert [("a", 3, 0, 2), ("b", 2, 0, 1)] == [
            (gap.last.run_id, gap.dropped, gap.first.seq, gap.last.seq) for gap in gaps
        ]
        assert backlog.next_gap() is None
        assert [2] == lines_of(backlog)

    def test_begins_a_new_gap_when_one_was_taken_out(self):
        backlog = Backlog(SIZE)
        add(backlog, 0, 1)
        first = backlog.next_gap()
        add(backlog, 2)
        second = backlog.next_gap()

        assert [(0, 0), (1, 1)] == [(gap.first.seq, gap.last.seq) for gap in (first, second)]

    @pytest.mark.parametrize("size", [0, SIZE - 1])
    def test_counts_lines_for_which_it_is_too_small(self, size):
        backlog = Backlog(size)
        add(backlog, 0, 1)

        assert (0, 1, 2) == (backlog.lines, backlog.gaps, backlog.next_gap().dropped)
        assert not backlog.is_used

    def test_says_that_it_is_used_while_anything_waits(self):
        backlog = Backlog(SIZE)
        assert not backlog.is_used
        add(backlog, 0, 1)
        backlog.next_gap()
        assert backlog.is_used
        backlog.next_line()

        assert not backlog.is_used


class TestRetry:
    def test_tries_until_it_is_ended(self):
        tried = threading.Semaphore(0)

        def attempt():
            tried.release()
            return False

        retry = Retry(attempt)
        assert retry.wake()
        for _ in range(3):
            assert tried.acquire(timeout=DEADLINE)
        retry.stop(DEADLINE)

        assert [] == [each for each in threading.enumerate() if each.name == "vlog-retry"]

    def test_has_one_thread_however_often_it_is_woken(self):
        retry = Retry(lambda: True)
        for _ in range(3):
            assert retry.wake()
        threads = [each for each in threading.enumerate() if each.name == "vlog-retry"]
        retry.stop(DEADLINE)

        assert 1 == len(threads)

    def test_says_so_where_no_thread_can_be_started(self, monkeypatch):
        def refuse(_):
            raise RuntimeError("can't start new thread")

        monkeypatch.setattr(threading.Thread, "start", refuse)

        assert not Retry(lambda: True).wake()
