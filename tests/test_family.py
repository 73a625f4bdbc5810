"""The files of all ranks and processes of a log are found, and read as one log in order."""

import itertools
import os
import time
from pathlib import Path

import following
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from unlucky_looks import change_during_the_next_look

from vlog.errors import LogReadError
from vlog.family import list_family, merge, telling_fields
from vlog.file_lines import Line
from vlog.reader import growing_lines, read, read_lines
from vlog.segments import segment_path


def line_at(timestamp, name):
    return b'{"timestamp":"%s","name":"%s"}\n' % (timestamp.encode(), name.encode())


def at(second, name, offset="+00:00"):
    return line_at(f"2026-01-10T11:30:{second:02d}.500000{offset}", name)


def names_in(entries):
    return [entry["name"] for entry in entries]


def append(path, *lines):
    with path.open("ab") as stream:
        stream.write(b"".join(lines))


@pytest.fixture
def log(tmp_path):
    return tmp_path / "run.v1.jsonl"


@pytest.fixture
def rank1(log):
    return log.with_name("run.v1.rank1.jsonl")


class TestListFamily:
    def test_is_ordered_by_rank_and_process(self, log):
        names = [
            "run.v1.jsonl", "run.v1.pid9.jsonl", "run.v1.pid77.jsonl", "run.v1.pid77-2.jsonl",
            "run.v1.rank2.jsonl", "run.v1.rank2.pid8.jsonl", "run.v1.rank10.jsonl",
        ]  # fmt: skip
        for name in reversed(names):
            log.with_name(name).touch()

        assert names == [path.name for path in list_family(log)]

    def test_finds_a_file_that_is_rotated_while_it_looks(self, log, rank1, monkeypatch):
        log.touch()
        rank1.touch()
        segment = segment_path(rank1, 1)
        change_during_the_next_look(monkeypatch, rank1, lambda: rank1.rename(segment))

        assert [log, rank1] == list_family(log)

    @pytest.mark.parametrize(
        "name",
        [
            "run.v1.rank.jsonl", "run.v1.rank1.json", "run.v1.rank1.jsonl.bak", "run.jsonl",
            "run.v1.pid7.rank1.jsonl", "run.v1.rank1.rank2.jsonl", "run.v1.pid7-.jsonl",
            "run.v1-rank1.jsonl", "runXv1.rank1.jsonl", "run.v1.rank1.extra.jsonl",
            "run.v1.rank1.jsonl.000001.zst.part", "run.v1.rank1.jsonl.01", "run.v1.rankx.jsonl",
            ".__run.v1.rank1.jsonl.lock", "other.run.v1.rank1.jsonl", "run.v1.rank1.jsonl\n",
        ],
    )  # fmt: skip
    def test_leaves_foreign_files_alone(self, log, name):
        log.touch()
        log.with_name(name).touch()

        assert [log] == list_family(log)

    def test_leaves_folders_alone(self, log, rank1):
        log.touch()
        rank1.mkdir()

        assert [log] == list_family(log)

    @pytest.mark.parametrize("ending", ["", ".zst", ".gz"])
    def test_has_a_file_of_which_only_segments_are_left(self, log, rank1, ending):
        Path(f"{segment_path(rank1, 3)}{ending}").touch()

        assert [rank1] == list_family(log)

    @pytest.mark.parametrize(
        "name", ["run.v1.rank1.jsonl", "run.v1.pid7.jsonl", "run.v1.jsonl.000001.zst"]
    )
    def test_is_the_file_of_one_process_alone(self, log, name):
        path = log.with_name(name)
        for each in (log, path, path.with_name(f"{path.stem}.pid5.jsonl")):
            each.touch()

        assert [path] == list_family(path)

    def test_takes_a_name_as_it_is(self, tmp_path):
        log = tmp_path / "run[1]*.jsonl"
        rank1 = tmp_path / "run[1]*.rank1.jsonl"
        rank1.touch()

        assert [rank1] == list_family(log)

    def test_is_the_name_itself_where_nothing_is(self, log):
        assert [log] == list_family(log)
        assert [log / "x"] == list_family(log / "x")


class TestTellingFields:
    @pytest.mark.parametrize(
        ("names", "expected"),
        [
            (["run.jsonl"], ()),
            (["run.jsonl", "run.rank1.jsonl"], ("rank",)),
            (["run.jsonl", "run.pid7.jsonl"], ("pid",)),
            (["run.rank1.pid7-2.jsonl"], ("rank", "pid")),
        ],
    )
    def test_are_what_the_names_differ_in(self, names, expected):
        assert expected == telling_fields(map(Path, names))


class TestMerge:
    def test_is_lazy(self):
        """It holds one line of each file, and takes the next when that is asked for."""
        taken = []

        def endless(second):
            for number in itertools.count(second, 2):
                taken.append(number)
                yield Line(Path("x"), 1, at(number % 60, str(number)))

        merged = merge([endless(0), endless(1)])
        first = [next(merged) for _ in range(10)]

        assert 10 == len(first)
        assert len(taken) <= 12

    def test_hands_on_the_lines_of_a_single_file(self):
        """No work is added to a log of one file."""
        lines = iter([])

        assert merge([lines]) is lines

    @given(
        st.lists(
            st.lists(
                st.sampled_from([b"\n", b"{}\n", b'{"timestamp":"x"}\n', b"\xff\n"])
                | st.datetimes(timezones=st.timezones() | st.just(None)).map(
                    lambda each: b'{"timestamp":"%s"}\n' % each.isoformat().encode()
                )
            ),
            max_size=4,
        )
    )
    def test_keeps_every_line_and_the_order_in_each_file(self, files):
        sources = [
            [Line(Path(str(place)), number, raw) for number, raw in enumerate(lines)]
            for place, lines in enumerate(files)
        ]
        merged = list(merge([iter(lines) for lines in sources]))

        assert sorted(itertools.chain(*sources)) == sorted(merged)
        for place, lines in enumerate(sources):
            assert lines == [line for line in merged if line.path == Path(str(place))]


class TestRead:
    def test_merges_the_ranks_by_time(self, log, rank1):
        append(log, at(1, "a"), at(4, "d"), at(5, "e"))
        append(rank1, at(2, "b"), at(3, "c"), at(6, "f"))

        assert list("abcdef") == names_in(read(log))

    def test_reads_one_file_alone_on_request(self, log, rank1):
        append(log, at(1, "a"))
        append(rank1, at(2, "b"))

        assert ["a"] == names_in(read(log, family=False))
        assert ["b"] == names_in(read(rank1))

    def test_merges_segments_and_processes_too(self, log, rank1):
        append(segment_path(log, 1), at(1, "a"), at(3, "c"))
        append(log, at(5, "e"))
        packed = Path(f"{segment_path(rank1, 1)}.zst")
        packed.write_bytes(zstandard.compress(at(2, "b") + at(4, "d")))
        append(rank1, at(7, "g"))
        append(log.with_name("run.v1.pid7.jsonl"), at(6, "f"))

        assert list("abcdefg") == names_in(read(log))

    def test_needs_no_file_of_rank_0(self, log, rank1):
        append(rank1, at(1, "a"))

        assert ["a"] == names_in(read(log))

    def test_compares_instants_and_not_texts(self, log, rank1):
        """Hosts of two time zones, and a clock that goes back an hour at the end of summer time."""
        append(
            log,
            line_at("2026-10-25T02:59:00.000000+02:00", "a"),
            line_at("2026-10-25T02:00:30.000000+01:00", "c"),
        )
        append(
            rank1,
            line_at("2026-10-25T01:00:00.000000Z", "b"),
            line_at("2026-10-24T21:01:00.000000-04:00", "d"),
        )

        assert list("abcd") == names_in(read(log))

    def test_keeps_the_order_of_a_file_whose_clock_goes_back(self, log, rank1):
        append(log, at(1, "a"), at(5, "c"), at(3, "d"), at(6, "e"))
        append(rank1, at(4, "b"), at(7, "f"))

        assert list("abcdef") == names_in(read(log))

    @pytest.mark.parametrize(
        "line",
        [
            b'{"name":"x"}\n', b'{"name":"x","timestamp":"2026-01-10T11:30:59+00:00"}\n',
            b'{"timestamp":"yesterday","name":"x"}\n', b'{"timestamp":1768044659,"name":"x"}\n',
            b'{"timestamp":"\xc3\xbc","name":"x"}\n',
        ],
    )  # fmt: skip
    def test_leaves_what_has_no_time_in_its_place(self, log, rank1, line):
        append(log, at(1, "a"), line, at(4, "d"))
        append(rank1, at(2, "b"), at(3, "c"))

        assert list("axbcd") == names_in(read(log))

    def test_finds_the_time_behind_spaces(self, log, rank1):
        append(log, at(1, "a").replace(b'":"', b'": "'), at(3, "c").replace(b"{", b" { "))
        append(rank1, at(2, "b"))

        assert list("abc") == names_in(read(log))

    def test_reads_a_time_without_offset_as_local(self, log, rank1, monkeypatch):
        monkeypatch.setenv("TZ", "UTC-5")
        time.tzset()
        append(log, line_at("2026-01-10T16:30:02", "b"))
        append(rank1, at(1, "a"), at(3, "c"))
        found = names_in(read(log))
        monkeypatch.undo()
        time.tzset()

        assert list("abc") == found

    def test_passes_over_the_torn_end_of_each_file(self, log, rank1):
        append(log, at(1, "a"), b'{"timestamp":"2026-0')
        append(rank1, at(2, "b"), b'{"tim')
        problems = []

        assert ["a", "b"] == names_in(read(log, on_problem=lambda *what: problems.append(what)))
        assert [] == problems

    def test_closes_the_files_when_it_is_abandoned(self, log, rank1):
        append(log, at(1, "a"), at(2, "b"))
        append(rank1, at(1, "a"), at(2, "b"))
        before = len(list(Path("/proc/self/fd").iterdir()))

        next(read(log))

        assert before == len(list(Path("/proc/self/fd").iterdir()))

    def test_names_the_file_that_cannot_be_read(self, log, rank1, monkeypatch):
        append(log, at(1, "a"))
        append(rank1, at(1, "a"))
        monkeypatch.setattr(os, "access", lambda path, _mode: path != rank1)

        with pytest.raises(LogReadError, match=r"rank1\.jsonl cannot be read: permission denied"):
            read(log)

    def test_says_of_each_line_where_it_stands(self, log, rank1):
        append(log, at(1, "a"), at(3, "b"))
        append(rank1, at(2, "c"))

        assert [(log.name, 1), (rank1.name, 1), (log.name, 2)] == [
            (line.path.name, line.number) for line in read_lines(log)
        ]


def follow_through(log, *acts, **options):
    """Return the names that `follow` yields while `acts` happen, one before each look."""
    return names_in(following.follow_through(log, *acts, **options))


class TestFollow:
    def test_picks_up_a_rank_that_comes_later(self, log, rank1):
        assert list("abcd") == follow_through(
            log,
            lambda: append(log, at(1, "a")),
            lambda: append(rank1, at(2, "b")),
            lambda: (append(rank1, at(4, "d")), append(log, at(3, "c"))),
        )

    def test_picks_up_rank_0_when_that_comes_last(self, log, rank1):
        assert list("ab") == follow_through(
            log, lambda: append(rank1, at(1, "a")), lambda: append(log, at(2, "b"))
        )

    def test_goes_on_across_the_rotation_of_each(self, log, rank1):
        def rotate(path, name):
            path.rename(segment_path(path, 1))
            append(path, at(3, name))

        assert list("abcd") == follow_through(
            log,
            lambda: (append(log, at(1, "a")), append(rank1, at(2, "b"))),
            lambda: rotate(log, "c"),
            lambda: rotate(rank1, "d"),
        )

    def test_can_begin_with_the_next_entry_of_each(self, log, rank1):
        """A rank that comes later is new from its first entry on."""
        append(log, at(1, "x"))
        append(rank1, at(1, "y"))
        rank2 = log.with_name("run.v1.rank2.jsonl")

        assert list("abc") == follow_through(
            log,
            lambda: append(rank1, at(2, "a")),
            lambda: append(log, at(3, "b")),
            lambda: append(rank2, at(4, "c")),
            from_start=False,
        )

    def test_follows_one_file_alone_on_request(self, log, rank1):
        assert ["a"] == follow_through(
            log,
            lambda: (append(log, at(1, "a")), append(rank1, at(2, "b"))),
            family=False,
        )

    def test_knows_the_files_that_it_reads(self, log, rank1):
        append(log, at(1, "a"))
        lines = growing_lines(log)
        list(lines.poll())
        append(rank1, at(1, "a"))
        list(lines.poll())
        lines.close()

        assert [log, rank1] == lines.files
