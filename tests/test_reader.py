"""The reader returns every entry once and in order, whatever happens to the files."""

import gzip
import itertools
import os
import subprocess
import sys
import textwrap
import tracemalloc
from pathlib import Path

import following
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from unlucky_looks import change_during_the_next_look

import vlog.file_lines
import vlog.lines
from vlog.errors import LogReadError, VlogError
from vlog.handlers.keeper import compress
from vlog.reader import follow, parse, read, read_lines
from vlog.segments import list_segments, segment_path


def lines_of(*numbers):
    return b"".join(b'{"n":%d}\n' % number for number in numbers)


def numbers_in(entries):
    return [entry["n"] for entry in entries]


def write_zst(path, content):
    path.write_bytes(zstandard.ZstdCompressor().compress(content))


class Problems(list):
    def __call__(self, path, line_number, reason, raw):
        self.append((path.name, line_number, reason, raw))


@pytest.fixture
def log(tmp_path):
    return tmp_path / "run.jsonl"


class TestRead:
    def test_returns_the_entries_of_the_segments_before_those_of_the_plain_file(self, log):
        """Segments come by number, whether plain, zst or gz, then the plain file."""
        write_zst(Path(f"{segment_path(log, 2)}.zst"), lines_of(2, 3))
        segment_path(log, 10).write_bytes(lines_of(5))
        with gzip.open(f"{segment_path(log, 3)}.gz", "wb") as stream:
            stream.write(lines_of(4))
        log.write_bytes(lines_of(6, 7))

        assert [2, 3, 4, 5, 6, 7] == numbers_in(read(log))

    def test_reads_the_segments_of_a_log_without_plain_file(self, log):
        segment_path(log, 1).write_bytes(lines_of(1))

        assert [1] == numbers_in(read(str(log)))

    def test_prefers_the_plain_segment_to_its_compressed_twin(self, log):
        segment_path(log, 1).write_bytes(lines_of(1))
        write_zst(Path(f"{segment_path(log, 1)}.zst"), lines_of(1))

        assert [1] == numbers_in(read(log))

    @pytest.mark.parametrize("suffix", ["", ".zst", ".gz"])
    def test_reads_a_single_segment_alone(self, log, suffix):
        """A segment's own path names that segment only."""
        path = Path(f"{segment_path(log, 1)}{suffix}")
        compress = {"": bytes, ".zst": zstandard.ZstdCompressor().compress, ".gz": gzip.compress}
        path.write_bytes(compress[suffix](lines_of(1, 2)))
        log.write_bytes(lines_of(3))

        assert [1, 2] == numbers_in(read(path))

    def test_leaves_foreign_neighbours_alone(self, log):
        """Files that are not segments, parts of one and folders do not belong to the log."""
        log.write_bytes(lines_of(1))
        log.with_name("run.jsonl.bak").write_bytes(lines_of(8))
        log.with_name("run.jsonl.000001.zst.part").write_bytes(b"half")
        segment_path(log, 2).mkdir()
        segment_path(log, 3).symlink_to("nowhere")

        assert [1] == numbers_in(read(log))

    def test_passes_over_a_torn_last_line_without_calling_it_a_problem(self, log):
        log.write_bytes(lines_of(1) + b'{"n":2,"mess')
        problems = Problems()

        assert [1] == numbers_in(read(log, on_problem=problems))
        assert [] == problems

    def test_counts_a_complete_last_line_without_newline(self, log):
        log.write_bytes(lines_of(1) + b'{"n":2}')

        assert [1, 2] == numbers_in(read(log))

    def test_names_what_it_passes_over(self, log):
        """Rubbish in the middle costs its own line and is reported with file and line number."""
        bad = [b"{torn\n", b"\0\0\0\n", b"[1]\n", b'{"n":"\xff"}\n', b"\n", b"7\n"]
        log.write_bytes(lines_of(1) + b"".join(bad) + lines_of(2))
        problems = Problems()

        assert [1, 2] == numbers_in(read(log, on_problem=problems))
        assert [2, 3, 4, 5, 7] == [number for _, number, _, _ in problems]
        assert ("run.jsonl", 4, "a JSON object is expected, this is an array", b"[1]\n") in problems

    def test_calls_a_torn_line_in_a_segment_a_problem(self, log):
        segment_path(log, 1).write_bytes(lines_of(1) + b'{"n":')
        log.write_bytes(lines_of(2))
        problems = Problems()

        assert [1, 2] == numbers_in(read(log, on_problem=problems))
        assert [("run.jsonl.000001", 2)] == [problem[:2] for problem in problems]

    @pytest.mark.parametrize("content", [b"", b"\n", b"\0" * 5000, os.urandom(5000), b"\xff\xfe{"])
    def test_returns_nothing_from_rubbish(self, log, content):
        log.write_bytes(content)

        assert [] == list(read(log))

    @pytest.mark.parametrize("suffix", [".zst", ".gz"])
    def test_returns_what_a_cut_segment_still_holds(self, log, suffix):
        """The entries before the cut come back, the cut is reported, the next file follows."""
        content = b"".join(
            b'{"n":%d,"x":"%s"}\n' % (n, os.urandom(40).hex().encode()) for n in range(9000)
        )
        whole = {".zst": zstandard.ZstdCompressor().compress, ".gz": gzip.compress}[suffix](content)
        Path(f"{segment_path(log, 1)}{suffix}").write_bytes(whole[: len(whole) // 2])
        log.write_bytes(lines_of(9000))
        problems = Problems()

        numbers = numbers_in(read(log, on_problem=problems))

        assert list(range(len(numbers) - 1)) == numbers[:-1]
        assert 9000 == numbers[-1]
        assert 3000 < len(numbers) < 6000
        assert 1 == len(problems)

    @pytest.mark.parametrize("suffix", [".zst", ".gz"])
    @pytest.mark.parametrize("content", [b"", b"no compression at all"])
    def test_reports_a_segment_that_is_not_compressed(self, log, suffix, content):
        Path(f"{segment_path(log, 1)}{suffix}").write_bytes(content)
        log.write_bytes(lines_of(1))
        problems = Problems()

        assert [1] == numbers_in(read(log, on_problem=problems))
        assert 1 == len(problems)

    def test_skips_a_line_that_is_too_long(self, log, monkeypatch):
        """Its length is reported; the lines around it are read."""
        monkeypatch.setattr(vlog.file_lines, "MAX_LINE_BYTES", 100)
        log.write_bytes(
            lines_of(1) + b"x" * 100 + b"\n" + b"y" * 1000 + b"\n" + lines_of(2) + b"z" * 500
        )
        problems = Problems()

        assert [1, 2] == numbers_in(read(log, on_problem=problems))
        assert [(2, b"x" * 100), (3, b"y" * 200), (5, b"z" * 200)] == [
            (number, raw[:200].rstrip()) for _, number, _, raw in problems
        ]

    def test_needs_constant_memory(self, log, monkeypatch):
        """A file without newlines is not held in memory, nor are the entries."""
        monkeypatch.setattr(vlog.file_lines, "MAX_LINE_BYTES", 2**16)
        log.write_bytes(lines_of(*range(100_000)) + b"x" * 2**24)
        tracemalloc.start()

        assert 100_000 == sum(1 for _ in read(log))
        assert tracemalloc.get_traced_memory()[1] < 2**20
        tracemalloc.stop()

    @pytest.mark.parametrize("behind", [b"", b"\n", lines_of(2)])
    def test_passes_over_nul_bytes_without_holding_them(self, log, behind):
        """A crash of the machine leaves them; here 128 MiB that take no room on the disk."""
        log.write_bytes(lines_of(1))
        os.truncate(log, 2**27)
        append(log, behind)
        problems = Problems()
        tracemalloc.start()
        found = numbers_in(read(log, on_problem=problems))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()

        assert [1, 2][: 1 + (behind == lines_of(2))] == found
        assert [(2, b"\n")] * (behind == b"\n") == [problem[1::2] for problem in problems]
        assert peak < 2**23

    @pytest.mark.parametrize("ending", [b"\n", b""])
    def test_returns_an_entry_behind_nul_bytes(self, log, ending):
        log.write_bytes(lines_of(1) + bytes(5000) + b'{"n":2}' + ending)

        assert [1, 2] == numbers_in(read(log))
        line = list(read_lines(log))[1]
        assert (5000, b'{"n":2}' + ending, 8 + 5000) == (line.nuls, line.raw, line.start)

    def test_knows_a_line_too_long_behind_nul_bytes(self, log, monkeypatch):
        monkeypatch.setattr(vlog.file_lines, "MAX_LINE_BYTES", 100)
        log.write_bytes(bytes(250) + b"x" * 200 + b"\n" + lines_of(1))
        problems = Problems()

        assert [1] == numbers_in(read(log, on_problem=problems))
        assert [0] == [line.nuls for line in read_lines(log)]
        assert [1] == [problem[1] for problem in problems]

    def test_finds_a_segment_that_is_compressed_while_it_reads(self, log):
        """A segment that was renamed after it was listed is looked for again."""
        segment_path(log, 1).write_bytes(lines_of(1))
        segment_path(log, 2).write_bytes(lines_of(2))
        log.write_bytes(lines_of(3))
        entries = read(log)
        first = next(entries)

        write_zst(Path(f"{segment_path(log, 2)}.zst"), lines_of(2))
        segment_path(log, 2).unlink()
        log.rename(segment_path(log, 3))
        log.write_bytes(lines_of(4))

        assert [1, 2, 3, 4] == numbers_in([first, *entries])

    def test_finds_a_segment_that_is_compressed_while_it_looks_for_it(self, log, monkeypatch):
        first, second = (segment_path(log, number) for number in (1, 2))
        first.write_bytes(lines_of(1))
        second.write_bytes(lines_of(2))
        log.write_bytes(lines_of(3))
        entries = read(log, family=False)
        change_during_the_next_look(monkeypatch, first, lambda: compress(first, ".zst"))

        assert [1, 2, 3] == numbers_in(entries)
        assert not first.exists()

    def test_can_be_abandoned(self, log):
        """The file of a reader that is not used to its end is closed."""
        log.write_bytes(lines_of(1, 2))

        assert {"n": 1} == next(read(log))

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
    @given(
        plain=st.lists(st.binary() | st.sampled_from([b"\n", b'{"n":1}', b"\0"])).map(b"".join),
        segment=st.binary(),
        suffix=st.sampled_from(["", ".zst", ".gz"]),
    )
    def test_raises_nothing_whatever_the_bytes_are(self, tmp_path, plain, segment, suffix):
        log = tmp_path / "run.jsonl"
        for path in tmp_path.iterdir():
            path.unlink()
        log.write_bytes(plain)
        Path(f"{segment_path(log, 1)}{suffix}").write_bytes(segment)

        assert all(isinstance(entry, dict) for entry in read(log, on_problem=Problems()))
        if not suffix:
            lines = read_lines(log)
            assert segment + plain == b"".join(b"\0" * line.nuls + line.raw for line in lines)

    def test_refuses_what_is_missing_at_the_call(self, log):
        with pytest.raises(
            LogReadError, match=r"run\.jsonl does not exist\. Give the path of a log"
        ):
            read(log)

    def test_refuses_a_folder(self, tmp_path):
        with pytest.raises(LogReadError, match=r"is a folder\. Give a log file in it"):
            read(tmp_path)

    @pytest.mark.parametrize("path", ["x\0y", "x" * 5000])
    def test_refuses_an_impossible_name(self, path):
        with pytest.raises(LogReadError):
            read(path)

    def test_refuses_a_file_without_read_access(self, log, monkeypatch):
        log.write_bytes(lines_of(1))
        monkeypatch.setattr(os, "access", lambda *_: False)

        with pytest.raises(LogReadError, match="permission denied"):
            read(log)

    def test_raises_an_error_of_two_families(self, log):
        with pytest.raises(OSError) as raised:
            read(log)

        assert isinstance(raised.value, VlogError)


class TestReadLines:
    def test_numbers_the_lines_of_each_file_from_1(self, log):
        segment_path(log, 1).write_bytes(b"a\nb\n")
        log.write_bytes(b"c\n\nd")

        found = [(line.path.name, line.number, line.raw, line.is_tail) for line in read_lines(log)]

        assert [
            ("run.jsonl.000001", 1, b"a\n", False),
            ("run.jsonl.000001", 2, b"b\n", False),
            ("run.jsonl", 1, b"c\n", False),
            ("run.jsonl", 2, b"\n", False),
            ("run.jsonl", 3, b"d", True),
        ] == found


class TestParse:
    def test_says_what_is_there_instead_of_an_object(self):
        with pytest.raises(ValueError, match="this is null"):
            parse(b"null\n")


def follow_through(log, *acts, **options):
    """Return the numbers that `follow` yields while `acts` happen, one before each look."""
    return numbers_in(following.follow_through(log, *acts, **options))


def append(path, content):
    with path.open("ab") as stream:
        stream.write(content)


def rotate(log, number, *, is_compressed=False, then=b""):
    """Set the plain file aside as the handler does, and begin a new one with `then`."""
    segment = segment_path(log, number)
    log.rename(segment)
    if is_compressed:
        write_zst(Path(f"{segment}.zst"), segment.read_bytes())
        segment.unlink()
    log.write_bytes(then)


class TestFollow:
    def test_waits_for_the_file(self, tmp_path):
        log = tmp_path / "later" / "run.jsonl"

        assert [1, 2] == follow_through(
            log,
            lambda: None,
            log.parent.mkdir,
            lambda: append(log, lines_of(1)),
            lambda: append(log, lines_of(2)),
        )

    def test_returns_an_entry_when_its_newline_is_there(self, log):
        assert [1, 2, 3] == follow_through(
            log,
            lambda: append(log, b'{"n":1}\n{"n"'),
            lambda: append(log, b":2"),
            lambda: append(log, b'}\n{"n":3}\n{"n":4}'),
        )

    def test_passes_over_nul_bytes_that_the_next_start_set_apart(self, log):
        assert [1, 2, 3] == follow_through(
            log,
            lambda: append(log, lines_of(1) + bytes(5000)),
            lambda: append(log, bytes(5000)),
            lambda: append(log, b"\n" + lines_of(2)),
            lambda: append(log, lines_of(3)),
        )

    def test_goes_on_where_the_numbers_of_segments_begin_again(self, log):
        def delete():
            for segment in list_segments(log):
                segment.path.unlink()

        assert [1, 2, 3, 4, 5] == follow_through(
            log,
            lambda: append(log, lines_of(1)),
            lambda: rotate(log, 7, then=lines_of(2)),
            delete,
            lambda: rotate(log, 1, then=lines_of(3)),
            lambda: rotate(log, 2, then=lines_of(4)),
            lambda: append(log, lines_of(5)),
        )

    def test_returns_what_is_there_when_it_is_told_to_stop(self, log):
        log.write_bytes(lines_of(1, 2))

        assert [1, 2] == numbers_in(follow(log, stop=lambda: True))

    def test_begins_with_the_segments(self, log):
        write_zst(Path(f"{segment_path(log, 1)}.zst"), lines_of(1))
        log.write_bytes(lines_of(2))

        assert [1, 2, 3] == follow_through(log, lambda: None, lambda: append(log, lines_of(3)))

    def test_can_begin_with_the_next_entry(self, log):
        """What stands in the log, a begun line included, is passed over."""
        segment_path(log, 1).write_bytes(lines_of(1))
        log.write_bytes(lines_of(2) + b'{"n":')

        assert [3, 4, 5] == follow_through(
            log,
            lambda: append(log, b"3}\n"),
            lambda: rotate(log, 2, then=lines_of(4)),
            lambda: append(log, lines_of(5)),
            from_start=False,
        )

    @pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 10_000])
    def test_begins_behind_the_last_newline(self, log, size):
        log.write_bytes(b"x" * size + b"\n" + b'{"n":')

        assert [1] == follow_through(log, lambda: append(log, b"1}\n"), from_start=False)

    @pytest.mark.parametrize("is_compressed", [False, True])
    def test_goes_on_across_a_rotation(self, log, is_compressed):
        """What was written just before the rename is not lost, nothing comes twice."""

        def write_and_rotate():
            append(log, lines_of(2))
            rotate(log, 1, is_compressed=is_compressed, then=lines_of(3))

        assert [1, 2, 3, 4] == follow_through(
            log,
            lambda: append(log, lines_of(1)),
            write_and_rotate,
            lambda: append(log, lines_of(4)),
        )

    @pytest.mark.parametrize("is_compressed", [False, True])
    @pytest.mark.parametrize("removed", [(), (1,), (2,), (1, 2), (1, 2, 3)])
    def test_goes_on_across_several_rotations_between_two_looks(self, log, is_compressed, removed):
        """The followed file may be any of the new segments, or be removed by now."""

        def rotate_three_times():
            append(log, lines_of(2))
            for number in (1, 2, 3):
                rotate(log, number, is_compressed=is_compressed, then=lines_of(2 + number))
            for number in removed:
                suffix = ".zst" if is_compressed else ""
                Path(f"{segment_path(log, number)}{suffix}").unlink()

        kept = [number + 2 for number in (1, 2) if number + 1 not in removed]

        assert [1, 2, *kept, 5, 6] == follow_through(
            log,
            lambda: append(log, lines_of(1)),
            rotate_three_times,
            lambda: append(log, lines_of(6)),
        )

    def test_goes_on_when_the_new_file_comes_later(self, log):
        assert [1, 2] == follow_through(
            log,
            lambda: append(log, lines_of(1)),
            lambda: log.rename(segment_path(log, 1)),
            lambda: None,
            lambda: append(log, lines_of(2)),
        )

    def test_returns_nothing_twice_when_its_file_is_compressed_while_it_looks_for_it(
        self, log, monkeypatch
    ):
        first = segment_path(log, 1)

        def rotate_and_compress_soon():
            rotate(log, 1, then=lines_of(2))
            change_during_the_next_look(monkeypatch, first, lambda: compress(first, ".zst"))

        assert [1, 2, 3] == follow_through(
            log,
            lambda: append(log, lines_of(1)),
            rotate_and_compress_soon,
            lambda: append(log, lines_of(3)),
            family=False,
        )
        assert not first.exists()

    def test_leaves_out_nothing_when_rotations_hit_its_beginning(self, log, monkeypatch):
        """It begins behind all of them, not in the middle of the first."""
        log.write_bytes(lines_of(1))
        look = vlog.lines.list_segments

        def rotate_and_look(path):
            monkeypatch.setattr(vlog.lines, "list_segments", look)
            append(log, lines_of(2))
            rotate(log, 1, then=lines_of(3))
            rotate(log, 2, then=lines_of(4))
            return look(path)

        monkeypatch.setattr(vlog.lines, "list_segments", rotate_and_look)

        assert [5] == follow_through(log, lambda: append(log, lines_of(5)), from_start=False)

    def test_starts_again_when_the_file_is_truncated(self, log):
        def truncate():
            log.write_bytes(b"")
            append(log, lines_of(3))

        assert [1, 2, 3, 4] == follow_through(
            log,
            lambda: append(log, lines_of(1, 2) + b'{"n"'),
            truncate,
            lambda: append(log, lines_of(4)),
        )

    def test_notices_a_truncation_after_which_the_file_has_grown(self, log):
        assert [1, 2, 3, 4] == follow_through(
            log,
            lambda: append(log, lines_of(1)),
            lambda: log.write_bytes(lines_of(2, 3, 4)),
        )

    def test_goes_over_to_a_file_that_replaces_it(self, log):
        def replace():
            append(log, lines_of(2))
            other = log.with_name("other")
            other.write_bytes(lines_of(3))
            other.replace(log)

        assert [1, 2, 3] == follow_through(log, lambda: append(log, lines_of(1)), replace)

    def test_passes_over_lines_that_are_no_entries(self, log):
        problems = Problems()

        assert [1, 2] == follow_through(
            log, lambda: append(log, lines_of(1) + b"{torn\n" + lines_of(2)), on_problem=problems
        )
        assert [2] == [number for _, number, _, _ in problems]

    def test_keeps_up_with_a_process_that_rotates(self, log, tmp_path):
        """A writer in another process rotates 60 times as fast as it can: all entries, in order."""
        script = tmp_path / "writer.py"
        script.write_text(textwrap.dedent(WRITER))
        with subprocess.Popen([sys.executable, script, log]) as writer:
            found = numbers_in(
                follow(log, poll_seconds=0.001, stop=lambda: writer.poll() is not None)
            )

        assert 0 == writer.returncode
        assert list(range(6000)) == found
        assert list(range(6000)) == numbers_in(read(log))

    def test_does_not_end_by_itself(self, log):
        log.write_bytes(lines_of(1, 2, 3))

        assert [1, 2] == numbers_in(itertools.islice(follow(log), 2))

    def test_refuses_a_folder_at_the_call(self, tmp_path):
        with pytest.raises(LogReadError, match="is a folder"):
            follow(tmp_path)

    def test_refuses_a_compressed_file(self, log):
        with pytest.raises(LogReadError, match="nothing is added to it"):
            follow(f"{log}.000001.zst")


WRITER = """
    import os, pathlib, sys
    import zstandard
    from vlog.segments import segment_path

    log = pathlib.Path(sys.argv[1])
    for number in range(1, 61):
        with log.open("ab", buffering=0) as stream:
            for entry in range(100 * (number - 1), 100 * number):
                stream.write(b'{"n":%d}\\n' % entry)
        if number == 60:
            break
        segment = segment_path(log, number)
        os.rename(log, segment)
        if number % 2:
            part = pathlib.Path(f"{segment}.zst.part")
            part.write_bytes(zstandard.ZstdCompressor().compress(segment.read_bytes()))
            os.rename(part, f"{segment}.zst")
            segment.unlink()
"""
