"""`repair` saves every entry that is there, names what it could not, and changes nothing else."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import orjson
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import vlog
from vlog.analysis.repair_report import Kind
from vlog.errors import LogFileError, LogReadError
from vlog.segments import segment_path

CHECKED_ZSTD = zstandard.ZstdCompressor(write_checksum=True).compress
LOG, NEW = Path("run.jsonl"), Path("run.repaired.jsonl")


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    """The lines of a real run."""
    log = tmp_path_factory.mktemp("real") / "run.jsonl"
    with vlog.training_run(total_steps=6, log_file=log, console=False, sources=[]) as run:
        for step in run.steps():
            run.log(loss=1 / step if step else 1.0)
    found = log.read_bytes().splitlines(keepends=True)
    assert len(found) > 8
    return found


def write(*parts, to=LOG):
    to.write_bytes(b"".join(parts))
    return to


def mend(path=LOG, new=None):
    """Repair a log; return the report and the lines of the new one."""
    report = vlog.repair(path, new)
    return report, Path(report.new).read_bytes().splitlines(keepends=True)


def found(report):
    """Return what was found, by kind and line."""
    return [(str(each.kind), each.line) for each in report.findings]


def gaps_in(new):
    return [
        (entry["first_seq"], entry["last_seq"], entry["dropped"], entry["reason"])
        for entry in map(orjson.loads, new)
        if entry["type"] == "logging_gap"
    ]


class TestWholeLog:
    def test_is_taken_over_byte_for_byte(self, lines):
        write(*lines)
        report, new = mend()

        assert lines == new
        assert (True, 0, None) == (report.is_valid, report.finding_count, report.findings_file)
        assert [LOG, NEW] == sorted(Path().iterdir())
        assert len(lines) == report.files[0].kept

    def test_keeps_types_and_keys_of_a_newer_version(self, lines):
        """They are no damage; the result is as valid as the log was."""
        odd = b'{"type": "of_tomorrow",  "a":1e2}\r\n'
        write(*lines, odd)
        report, new = mend()

        assert [*lines, odd] == new
        assert not report.is_valid

    def test_loses_no_file_to_a_newer_one(self, lines):
        write(*lines)
        for name in (NEW, NEW.with_name("run.repaired.findings.jsonl")):
            name.write_text("mine")
            with pytest.raises(LogFileError, match="exists already, and nothing is overwritten"):
                vlog.repair(LOG)
            assert "mine" == name.read_text()
            name.unlink()
        with pytest.raises(LogFileError, match="exists already"):
            vlog.repair(LOG, LOG)
        assert lines == LOG.read_bytes().splitlines(keepends=True)
        assert [LOG] == list(Path().iterdir())

    @pytest.mark.parametrize("name", ["x.rank3.jsonl", "x.jsonl.000001", "x.jsonl.zst"])
    def test_takes_no_name_that_stands_for_something_else(self, lines, name):
        write(*lines)
        with pytest.raises(LogFileError, match="a plain name, such as"):
            vlog.repair(LOG, name)

    def test_is_as_private_as_it_was(self, lines):
        write(*lines)
        LOG.chmod(0o600)
        mend()

        assert 0o600 == NEW.stat().st_mode & 0o777

    def test_refuses_what_cannot_be_read_twice(self):
        os.mkfifo("pipe")
        with pytest.raises(LogReadError, match="a pipe or a device"):
            vlog.repair("pipe", "new")
        with pytest.raises(LogReadError, match="does not exist"):
            vlog.repair("nothing")
        assert [Path("pipe")] == list(Path().iterdir())


class TestTornEnd:
    def test_is_left_out_wherever_it_was_cut(self, lines, tmp_path):
        """At every byte of the last two lines: no reader raises, and nothing whole is lost."""
        lines = lines[:4]
        whole = b"".join(lines)
        new = tmp_path / "new.jsonl"
        for size in range(len(whole) - len(lines[-1]) - len(lines[-2]), len(whole)):
            write(whole[:size])
            kept = [line for line in lines if whole.find(line) + len(line) - 1 <= size]
            report = vlog.validate(LOG)

            assert len(kept) == len(list(vlog.read(LOG)))
            assert (True, len(kept)) == (report.is_valid, report.valid)
            if size % 20 == 0:  # each one waits for the disk
                mended, _ = mend(new=new)
                assert kept == new.read_bytes().splitlines(keepends=True)
                assert (True, len(report.torn)) == (mended.is_valid, mended.finding_count)
                new.unlink()
                Path(mended.findings_file or new).unlink(missing_ok=True)

    def test_is_left_out_where_the_next_start_set_it_apart(self, lines):
        write(*lines[:5], lines[5][:99], b"\n", *lines[5:])
        report, new = mend()

        assert lines == new
        assert [("torn", 6)] == found(report)
        assert vlog.validate(LOG).is_valid

    def test_of_nul_bytes_costs_no_memory(self, lines):
        """64 MiB of them, as in any file that a crash of the machine left longer than its data."""
        write(*lines)
        with LOG.open("r+b") as stream:
            stream.truncate(2**26)
        tracemalloc.start()
        report, new = mend()

        assert tracemalloc.get_traced_memory()[1] < 2**24
        tracemalloc.stop()
        assert lines == new
        nuls = 2**26 - sum(map(len, lines))
        assert [f"{nuls} NUL bytes"] == [each.reason for each in report.findings]


class TestDamage:
    def test_of_glued_lines_is_undone(self, lines):
        write(lines[0], lines[1].rstrip(), lines[2].rstrip(), b"\0\0", *lines[3:5], *lines[5:])
        report, new = mend()

        assert lines == new
        assert [("mended", 2)] * 3 == found(report)
        assert [len(lines[0]), len(lines[0] + lines[1]) - 1] == [
            each.byte for each in report.findings[:2]
        ]

    def test_of_the_ends_is_undone(self, lines):
        write(b"\xef\xbb\xbf", b"".join(lines).rstrip())
        report, new = mend()

        assert (lines, True) == (new, report.is_valid)
        assert [("mended", 1)] == found(report)

    def test_of_a_byte_costs_one_entry_and_is_named(self, lines):
        """The other lines are kept, and a gap entry stands where one is missing."""
        write(*lines[:5], lines[5].replace(b":", b"\x01", 1), *lines[6:])
        report, new = mend()

        assert lines[:5] == new[:5]
        assert lines[6:] == new[6:]
        assert [(5, 5, 1, "damaged: line 6 of run.jsonl")] == gaps_in(new)
        assert (True, 1, 1) == (report.is_valid, report.files[0].lost, report.files[0].missing)
        (finding,) = report.findings
        assert (Kind.LOST, str(LOG), 6, sum(map(len, lines[:5]))) == (
            finding.kind, finding.file, finding.line, finding.byte
        )  # fmt: skip
        assert finding.reason.startswith("not an entry: ")
        assert finding.beginning.startswith('{"timestamp"\\x01"')

    def test_of_a_string_keeps_the_rest_of_the_entry(self, lines):
        write(*lines[:5], lines[5].replace(b"Step", b"St\xffp", 1), *lines[6:])
        report, new = mend()

        assert lines[5].decode().replace("Step", "St�p", 1) == new[5].decode()
        assert (["bytes that are no UTF-8 became U+FFFD"], True) == (
            [each.reason for each in report.findings],
            report.is_valid,
        )

    def test_of_many_lines_is_named_whole_in_a_file(self, lines):
        write(*lines[:3], b"rubbish\n" * 300, *lines[3:])
        report, new = mend()
        all_findings = [
            orjson.loads(line) for line in Path(report.findings_file).read_bytes().splitlines()
        ]

        assert lines == new
        assert (100, 300, 300) == (
            len(report.findings),
            report.finding_count,
            report.files[0].lost,
        )
        assert [*range(4, 304)] == [each["line"] for each in all_findings]
        assert {"rubbish"} == {each["beginning"] for each in all_findings}

    def test_shows_no_secret_and_no_escape(self, lines):
        secret = "hunter22" * 4
        write(*lines, f'{{"password": "{secret}", \x1b[31m\n'.encode())
        report, _ = mend()

        assert r"\x1b[31m" in report.findings[0].beginning
        assert secret not in Path(report.findings_file).read_text()

    def test_by_duplicates_is_undone(self, lines):
        """The same bytes again, one after the other or a whole part of the log."""
        write(*lines[:4], lines[3], *lines[4:], *lines[2:6])
        report, new = mend()

        assert (lines, True) == (new, report.is_valid)
        assert ["duplicate"] * 5 == [kind for kind, _ in found(report)]

    def test_keeps_entries_of_one_number_that_differ(self, lines):
        other = lines[3].replace(b'"message":"', b'"message":"not ', 1)
        write(*lines[:4], other, *lines[4:])
        report, new = mend()

        assert [*lines[:4], other, *lines[4:]] == new
        assert not report.is_valid

    def test_says_of_no_entry_that_comes_late_that_it_is_missing(self, lines):
        write(*lines[:4], *lines[5:], lines[4])
        report, new = mend()

        assert [*lines[:4], *lines[5:], lines[4]] == new
        assert not report.is_valid

    def test_explains_what_is_missing_without_a_trace(self, lines):
        write(*lines[:4], *lines[6:])
        report, new = mend()

        assert [(4, 5, 2, "nothing in the log says why")] == gaps_in(new)
        assert report.is_valid

    def test_is_undone_once(self, lines):
        """The new log has nothing to mend."""
        write(*lines[:4], b"rubbish\n", *lines[6:])
        mend()
        report, new = mend(NEW, "again.jsonl")

        assert NEW.read_bytes() == b"".join(new)
        assert 0 == report.finding_count

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
    @given(data=st.data())
    def test_of_any_kind_raises_nothing_and_invents_nothing(self, lines, data, tmp_path):
        """Each entry of the new log was in the old one, or is a gap; all whole lines are kept."""
        pieces = st.sampled_from(lines) | st.binary() | st.just(bytes(50)) | st.just(b"\n")
        bad = data.draw(st.lists(st.tuples(st.integers(0, len(lines) - 1), pieces), max_size=6))
        mixed = list(lines)
        for place, raw in bad:
            mixed[place] = raw
        for path in tmp_path.iterdir():
            path.unlink()
        write(*mixed)
        before = LOG.read_bytes()
        _, new = mend()

        assert before == LOG.read_bytes()
        ours = [line for line in new if b'"logging_gap"' not in line]
        assert all(line.rstrip() in before for line in ours)
        assert set(before.splitlines(keepends=True)) & set(lines) <= set(new)


class TestSegments:
    @pytest.mark.parametrize("pack", [("", bytes), (".gz", gzip.compress),
                                      (".zst", zstandard.ZstdCompressor().compress)])  # fmt: skip
    def test_are_joined_in_order(self, lines, pack):
        ending, compress = pack
        Path(f"{segment_path(LOG, 1)}{ending}").write_bytes(compress(b"".join(lines[:3])))
        write(*lines[3:5], to=segment_path(LOG, 2))
        write(*lines[5:])
        report, new = mend()

        assert (lines, 0) == (new, report.finding_count)

    @pytest.mark.parametrize(
        "pack", [(".gz", gzip.compress), (".zst", zstandard.ZstdCompressor().compress)]
    )
    def test_are_saved_up_to_their_end(self, lines, pack):
        """Many entries, so that a part of them comes before the cut."""
        ending, compress = pack
        many = self.many(lines)
        packed = compress(b"".join(many[:1900]))
        segment = Path(f"{segment_path(LOG, 1)}{ending}")
        segment.write_bytes(packed[: len(packed) // 2])
        write(*many[1900:])
        report, new = mend()
        before = len(new) - 101

        assert 200 < before < 1900
        assert many[:before] == new[:before]
        assert many[1900:] == new[-100:]
        ((first, last, count, reason),) = gaps_in(new)
        assert (before, 1899, 1900 - before) == (first, last, count)
        assert reason.endswith(f"of {segment.name}")
        assert (True, ["lost"]) == (report.is_valid, [kind for kind, _ in found(report)])
        assert sum(map(len, many[:before])) == report.findings[0].byte

    @pytest.mark.parametrize("pack", [(".gz", gzip.compress), (".zst", CHECKED_ZSTD)])
    def test_with_a_wrong_byte_are_named(self, lines, pack):
        """Where it is, no checksum says: what can be decompressed is kept."""
        ending, compress = pack
        many = self.many(lines)
        packed = bytearray(compress(b"".join(many[:1900])))
        packed[len(packed) // 2] ^= 0xFF
        segment = Path(f"{segment_path(LOG, 1)}{ending}")
        segment.write_bytes(packed)
        write(*many[1900:])
        report, new = mend()

        assert many[:200] == new[:200]
        assert many[1900:] == new[-100:]
        assert "damaged from here on, perhaps before" in Path(report.findings_file).read_text()

    def many(self, lines):
        first, step = orjson.loads(lines[0]), orjson.loads(lines[5])
        noise = [{"seq": seq, "x": os.urandom(60).hex()} for seq in range(1, 2000)]
        return [orjson.dumps(entry) + b"\n" for entry in [first, *(step | each for each in noise)]]

    def test_that_are_missing_are_named(self, lines):
        write(*lines[:3], to=segment_path(LOG, 1))
        write(*lines[5:7], to=segment_path(LOG, 3))
        write(*lines[7:])
        report, new = mend()

        assert [("lost", 0)] == found(report)
        assert report.findings[0].file.endswith("run.jsonl.000002")
        assert [(3, 4, 2, "damaged: run.jsonl.000002 is not there")] == gaps_in(new)
        assert report.is_valid

    def test_that_were_removed_for_their_size_are_no_damage(self, lines):
        write(*lines[3:5], to=segment_path(LOG, 2))
        write(*lines[5:])
        report, new = mend()

        assert [(0, 2, 3, "the oldest segments of the log were removed")] == gaps_in(new)
        assert (True, 0) == (report.is_valid, report.finding_count)

    def test_are_repaired_alone_on_request(self, lines):
        segment = segment_path(LOG, 7)
        write(*lines[:3], b"rubbish\n", to=segment)
        report, new = mend(segment)

        assert ("run.000007.repaired.jsonl", lines[:3]) == (report.new, new)


class TestRanks:
    def rank1(self, lines):
        return [line.replace(b'"rank":0', b'"rank":1', 1) for line in lines]

    def test_become_a_new_file_each(self, lines):
        rank1 = self.rank1(lines)
        write(*lines[:3], b"rubbish\n", *lines[3:])
        write(*rank1, b'{"torn', to=Path("run.rank1.jsonl"))
        report, new = mend()

        assert lines == new
        assert rank1 == Path("run.repaired.rank1.jsonl").read_bytes().splitlines(keepends=True)
        assert [("lost", 4), ("torn", len(lines) + 1)] == found(report)
        assert vlog.validate(NEW).is_complete
        assert 2 == len(vlog.validate(NEW).files)
        assert 2 * len(lines) == len(list(vlog.read(NEW)))

    def test_are_repaired_alone_on_request(self, lines):
        write(*lines)
        write(*self.rank1(lines), to=Path("run.rank1.jsonl"))

        assert "run.repaired.rank1.jsonl" == vlog.repair("run.rank1.jsonl").new
        assert "x.jsonl" == vlog.repair("run.rank1.jsonl", "x.jsonl").new
        assert not NEW.exists()


FULL = """
import os, sys, vlog
os.chdir(sys.argv[1])
try:
    vlog.repair(sys.argv[2], "new.jsonl")
except vlog.errors.LogFileError as error:
    print(error)
"""


class TestFullDisk:
    def test_leaves_nothing_behind(self, lines, tmp_path):
        disk = tmp_path / "disk"
        disk.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(disk)]
        if subprocess.run(mount, capture_output=True, check=False).returncode:
            pytest.skip("mounting needs root")
        try:
            write(*lines, lines[5] * 200)
            script = f"import vlog.errors{FULL}"
            done = subprocess.run(
                [sys.executable, "-c", script, str(disk), str(LOG.absolute())],
                capture_output=True,
                text=True,
                check=True,
            )
            assert "cannot be written: No space left on device. Nothing" in done.stdout
            assert [] == list(disk.iterdir())
        finally:
            subprocess.run(["umount", str(disk)], check=True)
