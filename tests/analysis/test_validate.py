"""The validator accepts what the schema says, and names the file, line and reason of the rest."""

import orjson
import pytest
import zstandard

from vlog.analysis.validate import validate
from vlog.errors import LogReadError
from vlog.schema import EVENTS, EventType, Field, fields_of
from vlog.segments import segment_path

VALUES = {
    "string": "x",
    "integer": 1,
    "number": 0.5,
    "boolean": True,
    "array": [1],
    "any": {"x": 1},
}


def value_of(field):
    """Return a valid value of a field."""
    if field.items:
        inner = {each.name: value_of(each) for each in field.items}
        return [inner] if field.kind == "array" else {"key": inner}
    if field.kind == "array" and field.values:
        return [VALUES[field.values]]
    if field.kind == "object":
        free = {"key": VALUES[field.values]} if field.values else {"unknown": [None]}
        return {each.name: value_of(each) for each in field.fields} | ({} if field.fields else free)
    return VALUES[field.kind]


def full_entry(event):
    """Return an entry of an event with every field it can have."""
    entry = {field.name: value_of(field) for field in fields_of(event)}
    common = {
        "timestamp": "2025-01-10T11:30:00.123456+01:00",
        "type": str(event.type),
        "level": "INFO",
        "verbosity": "low",
        "seq": 0,
        "schema_version": 1,
    }
    if event.type is EventType.LOGGING_GAP:
        common |= {"first_seq": 0, "last_seq": 0}
    return entry | common


def reasons_of(log, *entries):
    """Write entries to a log and return why they are not valid."""
    log.write_bytes(b"".join(orjson.dumps(entry) + b"\n" for entry in entries))
    return [problem.reason for problem in validate(log).problems]


class TestValidate:
    def test_accepts_a_whole_run(self, log, sample_run):
        report = validate(sample_run().whole().write(log))

        assert report.is_valid
        assert [] == report.problems
        assert (16, 16, 1) == (report.lines, report.valid, report.runs)
        assert 10 == report.types["training_step_complete"]
        assert report.is_complete
        assert [] == report.torn

    @pytest.mark.parametrize("event", EVENTS.values(), ids=str)
    def test_accepts_every_event_with_all_its_fields(self, log, event):
        assert [] == reasons_of(log, full_entry(event))

    @pytest.mark.parametrize("event", EVENTS.values(), ids=str)
    def test_accepts_unknown_keys_anywhere(self, log, event):
        entry = full_entry(event)
        for section in [entry, *(value for value in entry.values() if isinstance(value, dict))]:
            if section is not entry.get("non_finite"):
                section["key_of_tomorrow"] = {"x": [None]}

        assert [] == reasons_of(log, entry)

    @pytest.mark.parametrize(
        ("event", "field"),
        [(event, field) for event in EVENTS.values() for field in event.fields],
        ids=lambda each: each.name if isinstance(each, Field) else str(each.type),
    )
    def test_refuses_a_field_of_another_type(self, log, event, field):
        """Every field of every event is checked, and named."""
        wrong = 7 if field.kind in {"string", "boolean", "object", "array"} else "text"
        entry = full_entry(event) | {field.name: wrong}

        (reason,) = reasons_of(log, entry)

        assert reason.startswith("Expected `")
        assert reason.endswith(f"at `$.{field.name}`")

    @pytest.mark.parametrize(
        ("event", "name"),
        [
            (event, field.name)
            for event in EVENTS.values()
            for field in fields_of(event)
            if field.required and field.name != "schema_version"
        ],
        ids=str,
    )
    def test_refuses_an_entry_without_a_required_field(self, log, event, name):
        entry = full_entry(event)
        del entry[name]

        assert [f"Object missing required field `{name}`"] == reasons_of(log, entry)

    @pytest.mark.parametrize("name", ["rank", "pid", "seq", "verbosity", "step", "epoch"])
    def test_refuses_a_run_without_one_of_the_common_fields(self, log, name):
        entry = full_entry(EVENTS[EventType.STEP_BEGIN])
        del entry[name]

        assert [f"Object missing required field `{name}`"] == reasons_of(log, entry)

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"step": "3"}, "Expected `int`, got `str` - at `$.step`"),
            ({"step": -1}, "Expected `int` >= 0 - at `$.step`"),
            ({"step": None}, "Expected `int`, got `null` - at `$.step`"),
            ({"message": None}, "Expected `str`, got `null` - at `$.message`"),
            ({"timestamp": "2025-01-10T11:30:00"}, "timezone component - at `$.timestamp`"),
            ({"timestamp": "yesterday"}, "Invalid RFC3339 encoded datetime - at `$.timestamp`"),
            (
                {"level": "INFORMATION"},
                "at `$.level`. Expected one of: DEBUG, INFO, WARNING, ERROR.",
            ),
            ({"verbosity": "LOW"}, "at `$.verbosity`. Expected one of: low, medium, high, ultra."),
            ({"type": "training_stop"}, "Unknown type 'training_stop'. Expected one of: system_"),
            ({"type": 7}, "Unknown type 7. Expected one of: system_"),
            ({"timing": {}}, "Object missing required field `epoch_seconds` - at `$.timing`"),
            ({"timing": {"epoch_seconds": -0.5}}, "`float` >= 0.0 - at `$.timing.epoch_seconds`"),
            (
                {"progress": {"progress_percent": 101}},
                "<= 100.0 - at `$.progress.progress_percent`",
            ),
            ({"non_finite": {"metrics.loss": 1}}, "got `int` - at `$.non_finite[...]`"),
        ],
        ids=str,
    )
    def test_says_what_is_wrong_and_where(self, log, changes, reason):
        entry = full_entry(EVENTS[EventType.EPOCH_COMPLETE]) | {"schema_version": 1} | changes

        (found,) = reasons_of(log, entry)

        assert reason in found

    @pytest.mark.parametrize(
        "changes", [{"epoch": 1}, {"epoch": None}, {"metrics": {"loss": None, "x": "y"}}], ids=str
    )
    def test_accepts_integers_for_numbers_and_null_where_it_may_stand(self, log, changes):
        entry = full_entry(EVENTS[EventType.EPOCH_COMPLETE]) | {"schema_version": 1} | changes

        assert [] == reasons_of(log, entry)

    def test_accepts_the_flat_entries_of_the_standard_log(self, log):
        """Without a run only the four common fields are required."""
        common = {"timestamp": "2025-01-10T11:30:00+01:00", "level": "INFO", "message": "x"}
        numbers = {"step": 1, "epoch": 0.5, "loss": 0.5, "step_time": 1.5, "remaining_steps": 9}

        assert [] == reasons_of(log, *({"type": kind} | common | numbers for kind in EVENTS))

    def test_checks_the_types_of_what_a_flat_entry_has(self, log):
        entry = {"timestamp": "2025-01-10T11:30:00Z", "level": "INFO", "message": "x"}

        assert ["Expected `int`, got `str` - at `$.step`"] == reasons_of(
            log, entry | {"type": "epoch_complete", "step": "3"}
        )

    @pytest.mark.parametrize(
        "raw",
        [
            b"{]",
            b"7",
            b"[]",
            b'"x"',
            b"null",
            b"\0}",
            b"\xff",
            b'{"x":NaN}',
            b"[" * 5000,
            b'{"":' * 5000,
        ],
    )
    def test_names_a_line_that_is_no_entry(self, log, sample_run, raw):
        sample_run().whole().write(log)
        content = log.read_bytes().splitlines(keepends=True)
        log.write_bytes(b"".join([*content[:3], raw, b"\n", *content[3:]]))

        report = validate(log)

        assert (17, 16, 1, False) == (
            report.lines,
            report.valid,
            report.problem_count,
            report.is_valid,
        )
        assert (str(log), 4) == (report.problems[0].file, report.problems[0].line)
        assert report.problems[0].reason.startswith("not an entry: ")

    def test_names_missing_entries_by_their_numbers(self, log, sample_run):
        run = sample_run().whole()
        del run.entries[12]
        del run.entries[4:7]

        report = validate(run.write(log))

        assert [
            (5, "seq 4 to 6 of run run-a, rank 0 missing before this entry"),
            (10, "seq 12 of run run-a, rank 0 missing before this entry"),
        ] == [(problem.line, problem.reason) for problem in report.problems]

    def test_names_entries_that_come_again(self, log, sample_run):
        run = sample_run().whole()
        run.entries.insert(5, run.entries[3])

        report = validate(run.write(log))

        assert ["seq 3 of run run-a, rank 0 comes again (seq 4 has been there)"] == [
            problem.reason for problem in report.problems
        ]

    def test_counts_each_run_and_rank_by_itself(self, log, sample_run):
        runs = [sample_run("a").whole(), sample_run("b").whole(), sample_run("b").whole()]
        for entry in runs[2].entries:
            entry["rank"] = 1
        mixed = [
            entry
            for entries in zip(*(run.entries for run in runs), strict=True)
            for entry in entries
        ]

        assert [] == reasons_of(log, *mixed)
        assert 2 == validate(log).runs

    def test_wants_the_schema_version_in_the_first_entry_of_a_run(self, log, sample_run):
        run = sample_run().whole()
        del run.entries[0]

        assert [
            "seq 0 of run run-a, rank 0 missing before this entry",
            "the first entry of run run-a, rank 0 has no `schema_version`",
        ] == [problem.reason for problem in validate(run.write(log)).problems]

    def test_refuses_a_schema_version_that_it_does_not_know(self, log, sample_run):
        run = sample_run().whole()
        run.entries[0]["schema_version"] = 2

        (problem,) = validate(run.write(log)).problems

        assert "schema version 2 is newer than 1: upgrade vlog" == problem.reason

    def test_accepts_a_log_whose_oldest_segments_were_removed(self, log, sample_run):
        """The bound on a log's total size removes the beginning of its first run."""
        run = sample_run().whole()
        run.entries, rest = run.entries[5:9], run.entries[9:]
        run.write(segment_path(log, 3))
        content = segment_path(log, 3).read_bytes()
        segment_path(log, 3).with_suffix(".000003.zst").write_bytes(
            zstandard.ZstdCompressor().compress(content)
        )
        segment_path(log, 3).unlink()
        run.entries = rest

        assert [] == validate(run.write(log)).problems

    def test_names_a_torn_last_line_without_calling_the_log_invalid(self, log, sample_run):
        sample_run().whole().write(log)
        with log.open("ab") as stream:
            stream.write(b'{"timestamp":')

        report = validate(log)

        assert report.is_valid
        (torn,) = report.torn
        assert (16, 17) == (report.lines, torn.line)
        assert "cut off after 13 bytes" == torn.reason

    def test_accepts_a_last_line_without_newline(self, log, sample_run):
        sample_run().whole().write(log)
        log.write_bytes(log.read_bytes().rstrip())

        report = validate(log)

        assert (True, 16, []) == (report.is_valid, report.valid, report.torn)

    def test_names_a_damaged_segment(self, log, sample_run):
        sample_run().whole().write(log)
        segment_path(log, 1).with_suffix(".000001.gz").write_bytes(b"rubbish")

        (problem,) = validate(log).problems

        assert problem.file.endswith("run.jsonl.000001.gz")
        assert "damaged from here on" in problem.reason

    def test_keeps_some_problems_and_counts_all(self, log):
        log.write_bytes(b"rubbish\n" * 500)

        report = validate(log, max_problems=3)

        assert (3, 500) == (len(report.problems), report.problem_count)

    def test_calls_an_empty_log_invalid(self, log):
        log.write_bytes(b"")

        report = validate(log)

        assert not report.is_valid
        assert "no entries: the log is empty" == report.problems[0].reason

    def test_refuses_a_missing_log(self, log):
        with pytest.raises(LogReadError):
            validate(log)


class TestFamily:
    """A log of several ranks: each file by itself."""

    def ranks(self, log, sample_run):
        runs = [sample_run("a").whole(), sample_run("a").whole()]
        for entry in runs[1].entries:
            entry["rank"] = 1
        return runs, log.with_name("run.rank1.jsonl")

    def test_is_valid_where_each_file_is(self, log, sample_run):
        runs, rank1 = self.ranks(log, sample_run)
        runs[0].write(log)
        runs[1].write(rank1)

        report = validate(log)

        assert (True, 32, 32, 1) == (report.is_valid, report.lines, report.valid, report.runs)
        assert [(str(log), 16, 1), (str(rank1), 16, 1)] == [
            (file.path, file.lines, file.runs) for file in report.files
        ]
        assert 20 == report.types["training_step_complete"]

    def test_says_in_which_file_an_entry_is_missing(self, log, sample_run):
        runs, rank1 = self.ranks(log, sample_run)
        del runs[1].entries[4]
        runs[0].write(log)
        runs[1].write(rank1)

        report = validate(log)

        assert [True, False] == [file.is_valid for file in report.files]
        assert [(str(rank1), 5, "seq 4 of run a, rank 1 missing before this entry")] == [
            (problem.file, problem.line, problem.reason) for problem in report.problems
        ]

    def test_does_not_take_entries_of_the_wrong_file_for_a_whole_run(self, log, sample_run):
        """Merged, the entries would be complete; in its own file one is missing."""
        runs, rank1 = self.ranks(log, sample_run)
        strayed = runs[1].entries.pop(4)
        runs[0].entries.insert(4, strayed)
        runs[0].write(log)
        runs[1].write(rank1)

        assert [2, 1] == [file.problem_count for file in validate(log).files]

    def test_names_the_torn_end_of_each_file(self, log, sample_run):
        runs, rank1 = self.ranks(log, sample_run)
        for run, path in zip(runs, (log, rank1), strict=True):
            run.write(path)
            with path.open("ab") as stream:
                stream.write(b'{"tim')

        assert [str(log), str(rank1)] == [torn.file for torn in validate(log).torn]

    def test_checks_one_file_alone_on_request(self, log, sample_run):
        runs, rank1 = self.ranks(log, sample_run)
        runs[0].write(log)
        rank1.write_bytes(b"rubbish\n")

        assert validate(log, family=False).is_valid
        assert not validate(rank1).is_valid
        assert not validate(log).is_valid
