"""What is said about entries that are missing: a `logging_gap` explains them, a torn line may."""

import orjson
import pytest

from vlog.analysis.summary import summarize
from vlog.analysis.validate import validate

NO_SPACE = "OSError: [Errno 28] No space left on device"
FROM, TO = "2025-01-10T11:30:12.000000+01:00", "2025-01-10T11:30:16.000000+01:00"


def put_gap(run, first, last, dropped=None):
    """Put a gap in the place of entries `first` to `last` of a run."""
    count = last - first + 1 if dropped is None else dropped
    run.entries[first : last + 1] = [
        run.entries[last]
        | {
            "type": "logging_gap",
            "level": "ERROR",
            "message": f"⛔ {count} entries dropped: {NO_SPACE}",
            "verbosity": "low",
            "dropped": count,
            "first_seq": first,
            "last_seq": last,
            "first_dropped": FROM,
            "last_dropped": TO,
            "reason": NO_SPACE,
        }
    ]
    return run


def reasons(report):
    return [problem.reason for problem in report.problems]


class TestValidate:
    def test_takes_a_gap_for_the_entries_that_it_names(self, log, sample_run):
        report = validate(put_gap(sample_run().whole(), 5, 7).write(log))
        (gap,) = report.gaps

        assert (True, False, []) == (report.is_valid, report.is_complete, report.problems)
        assert (1, 3) == (report.files[0].gap_count, report.files[0].dropped)
        assert (6, 3, NO_SPACE, "run-a", 0) == (
            gap.line, gap.count, gap.reason, gap.run_id, gap.rank
        )  # fmt: skip
        assert (5, 7, FROM, TO) == (gap.first_seq, gap.last_seq, gap.first_time, gap.last_time)

    def test_misses_entries_in_front_of_a_gap(self, log, sample_run):
        run = put_gap(sample_run().whole(), 5, 7)
        del run.entries[4]

        assert ["seq 4 of run run-a, rank 0 missing before this entry"] == reasons(
            validate(run.write(log))
        )

    def test_takes_a_gap_at_the_beginning_of_a_run(self, log, sample_run):
        """The first entry, with the schema version, is among what is missing."""
        assert [] == reasons(validate(put_gap(sample_run().whole(), 0, 2).write(log)))

    def test_takes_a_gap_with_fewer_entries_than_numbers(self, log, sample_run):
        """A handler's level leaves entries out."""
        report = validate(put_gap(sample_run().whole(), 5, 7, dropped=2).write(log))

        assert (True, 2) == (report.is_valid, report.files[0].dropped)

    @pytest.mark.parametrize(
        "changes", [{"dropped": 4}, {"dropped": 0}, {"last_seq": 8}, {"first_seq": 8}], ids=str
    )
    def test_refuses_a_gap_that_contradicts_itself(self, log, sample_run, changes):
        run = put_gap(sample_run().whole(), 5, 7)
        run.entries[5] |= changes

        assert any("impossible" in each for each in reasons(validate(run.write(log))))

    def test_names_entries_that_are_there_although_a_gap_says_otherwise(self, log, sample_run):
        run = put_gap(sample_run().whole(), 5, 7)
        run.entries[5] |= {"first_seq": 4, "dropped": 4}

        assert ["seq 4 of run run-a, rank 0 comes again (seq 4 has been there)"] == reasons(
            validate(run.write(log))
        )

    def test_counts_records_of_no_run(self, log, sample_run):
        sample_run().whole().write(log)
        gap = {"timestamp": FROM, "type": "logging_gap", "level": "ERROR", "message": "x"}
        with log.open("ab") as stream:
            stream.write(orjson.dumps(gap | {"dropped": 2, "reason": NO_SPACE}) + b"\n")
        report = validate(log)

        assert (True, False, 2) == (
            report.is_valid, report.is_complete, report.files[0].dropped
        )  # fmt: skip
        assert report.gaps[0].run_id is None


class TestTornLine:
    """A torn line in the midst of a log: nothing is missing, unless the numbers say so."""

    def write(self, log, *parts):
        log.write_bytes(b"".join(parts))
        return validate(log)

    def lines(self, log, sample_run):
        return sample_run().whole().write(log).read_bytes().splitlines(keepends=True)

    def test_is_no_problem_where_the_next_entry_has_its_number(self, log, sample_run):
        """The write failed half way, and the entry was written again."""
        lines = self.lines(log, sample_run)
        report = self.write(log, *lines[:5], lines[5][:200], b"\n", *lines[5:])

        assert (True, True, 16) == (report.is_valid, report.is_complete, report.lines)
        assert [(6, "cut off after 200 bytes")] == [
            (each.line, each.reason) for each in report.torn
        ]

    def test_is_no_problem_at_the_end_of_a_run(self, log, sample_run):
        """The process was killed in its write; another run goes on behind it."""
        lines = self.lines(log, sample_run)
        other = sample_run("run-b").whole().write(log.with_name("other")).read_bytes()
        report = self.write(log, *lines[:5], lines[5][:200], b"\n", other)

        assert (True, 2, 6) == (report.is_valid, report.runs, report.torn[0].line)

    def test_is_one_where_a_number_is_missing(self, log, sample_run):
        """The entry had been written: its line was damaged afterwards."""
        lines = self.lines(log, sample_run)
        report = self.write(log, *lines[:5], lines[5][:200], b"\n", *lines[6:])

        assert ["seq 5 of run run-a, rank 0 missing before this entry"] == reasons(report)
        assert 1 == len(report.torn)

    @pytest.mark.parametrize("left", [b"", b'{"timestamp":"2025'])
    def test_may_be_nul_bytes(self, log, sample_run, left):
        lines = self.lines(log, sample_run)
        report = self.write(log, *lines[:5], left, bytes(5000), b"\n", *lines[5:])

        assert (True, 6) == (report.is_valid, report.torn[0].line)

    def test_in_front_of_a_whole_entry_loses_nothing(self, log, sample_run):
        lines = self.lines(log, sample_run)
        report = self.write(log, *lines[:5], bytes(5000), *lines[5:], bytes(100))

        assert (True, 16) == (report.is_valid, report.valid)
        assert ["5000 NUL bytes in front of an entry", "100 NUL bytes"] == [
            each.reason for each in report.torn
        ]

    def test_keeps_some_and_counts_all(self, log, sample_run):
        self.lines(log, sample_run)
        with log.open("ab") as stream:
            stream.write(b'{"timest\n' * 50)
        report = validate(log, max_problems=3).files[0]

        assert (3, 50) == (len(report.torn), report.torn_count)


class TestSummarize:
    def test_says_what_is_missing(self, log, sample_run):
        run = put_gap(put_gap(sample_run().whole(), 11, 12), 5, 7)
        missing = summarize(run.write(log)).last_run.missing

        assert (5, 2, NO_SPACE, FROM, TO) == (
            missing.entries, missing.gaps, missing.reason, missing.first, missing.last
        )  # fmt: skip

    def test_makes_no_run_of_records_of_no_run(self, log, sample_run):
        sample_run().whole().write(log)
        gap = {"type": "logging_gap", "level": "ERROR", "message": "x", "dropped": 2}
        with log.open("ab") as stream:
            stream.write(orjson.dumps(gap | {"reason": NO_SPACE}) + b"\n")
        summary = summarize(log)

        assert (1, 0) == (len(summary.runs), summary.last_run.missing.gaps)
        assert (2, 1) == (summary.missing.entries, summary.missing.gaps)
