"""Every record becomes one line of valid JSON, ours as it is and others' as `log_record`."""

import logging
import sys

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlog.gap import Gap, Origin
from vlog.handlers import JsonlFormatter, StandardFormatter
from vlog.record import make_record

ENTRY = {
    "timestamp": "2025-01-10T11:30:00.123456+00:00",
    "type": "training_step_complete",
    "level": "INFO",
    "message": "Step 42 done",
    "run_id": "r",
    "seq": 3,
    "verbosity": "medium",
    "step": 42,
    "epoch": 1.5,
    "timing": {"step_time_seconds": 2.5, "avg_step_time_seconds": 2.0, "eta_minutes": 45.5},
    "progress": {"progress_percent": 42.0, "remaining_steps": 58, "total_steps": 100},
    "metrics": {"loss": None, "learning_rate": 0.001, "grad_norm": 1.5, "mine": 7},
    "non_finite": {"metrics.loss": "nan"},
}


def formatted(record, formatter=None):
    return orjson.loads((formatter or JsonlFormatter()).format(record))


def foreign(msg="hi", *args, levelno=logging.INFO, exc_info=None, **extra):
    """Return the record that a logger of an app would make."""
    logger = logging.getLogger("app.module")
    return logger.makeRecord(
        logger.name, levelno, "file.py", 7, msg, args, exc_info, "function", extra
    )


class RaisingText:
    def __str__(self):
        raise ZeroDivisionError

    __repr__ = __str__


class TestOurEntries:
    def test_are_written_as_they_are(self):
        record = make_record("vlog", ENTRY)

        assert orjson.dumps(ENTRY) + b"\n" == JsonlFormatter().format_line(record)
        assert orjson.dumps(ENTRY).decode() == JsonlFormatter().format(record)

    def test_evaluations_and_ends_have_their_numbers_in_the_standard_log(self):
        envelope = {"level": "INFO", "message": "m", "verbosity": "low", "step": 3}
        evaluation = {
            "type": "evaluation_complete",
            **envelope,
            "metrics": {"eval_loss": 0.5, "step": 99, "note": "text"},
        }
        end = {
            "type": "training_complete",
            **envelope,
            "statistics": {"final_loss": 0.25, "steps": 3, "duration_seconds": 2.0},
        }

        assert formatted(make_record("vlog", evaluation), StandardFormatter()) == {
            "type": "evaluation_complete",
            "level": "INFO",
            "message": "m",
            "step": 3,
            "eval_loss": 0.5,
        }
        assert {"final_loss": 0.25, "duration_seconds": 2.0}.items() <= formatted(
            make_record("vlog", end), StandardFormatter()
        ).items()

    def test_are_flat_in_the_standard_log(self):
        assert {
            "timestamp": "2025-01-10T11:30:00.123456+00:00",
            "type": "training_step_complete",
            "level": "INFO",
            "message": "Step 42 done",
            "step": 42,
            "epoch": 1.5,
            "loss": None,
            "learning_rate": 0.001,
            "grad_norm": 1.5,
            "step_time": 2.5,
            "avg_step_time": 2.0,
            "eta_minutes": 45.5,
            "progress_percent": 42.0,
            "remaining_steps": 58,
        } == formatted(make_record("vlog", ENTRY), StandardFormatter())

    def test_of_the_standard_log_has_the_numbers_of_a_gap(self):
        origin = Origin("2026-01-01T00:00:00+00:00", "a run", 0, 1, 7, 3, 0.5)
        gap = Gap(origin, origin, "OSError: full").entry("2026-01-01T00:00:01+00:00")
        flat = formatted(make_record("vlog", gap), StandardFormatter())

        names = ("dropped", "first_seq", "last_seq", "first_dropped", "last_dropped", "reason")
        assert {name: gap[name] for name in names} == {name: flat[name] for name in names}
        assert flat.keys() == {*names, "timestamp", "type", "level", "message", "step", "epoch"}

    def test_have_no_key_in_the_standard_log_for_what_is_not_known(self):
        entry = {"type": "training_start", "level": "INFO", "message": "go", "verbosity": "low"}

        assert ["type", "level", "message"] == list(
            formatted(make_record("vlog", entry), StandardFormatter())
        )


class TestForeignRecords:
    def test_become_log_record_entries(self):
        entry = formatted(foreign("took %d s at 100%%", 3, color="red", n=2))

        assert {
            "type": "log_record",
            "level": "INFO",
            "message": "took 3 s at 100%",
            "logger": "app.module",
            "fields": {"color": "red", "n": 2},
        } == {key: value for key, value in entry.items() if key != "timestamp"}

    def test_have_no_fields_without_extras(self):
        assert ["timestamp", "type", "level", "message", "logger"] == list(formatted(foreign()))

    @pytest.mark.parametrize(
        ("number", "level"),
        [(5, "DEBUG"), (10, "DEBUG"), (20, "INFO"), (25, "INFO"), (30, "WARNING"),
         (40, "ERROR"), (50, "ERROR")],
    )  # fmt: skip
    def test_have_the_severity_of_their_level(self, number, level):
        assert level == formatted(foreign(levelno=number))["level"]

    def test_overwrite_nothing_by_their_extras(self):
        """python-json-logger would let an extra stand in for `level` and `timestamp`."""
        extras = {"timestamp": 0, "type": "fake", "level": "FAKE", "logger": "fake", "run_id": 1}
        entry = formatted(foreign(**extras))

        assert extras == entry["fields"]
        assert ("log_record", "INFO", "app.module") == tuple(
            entry[key] for key in ("type", "level", "logger")
        )
        assert "run_id" not in entry

    def test_keep_extras_that_begin_with_an_underscore(self):
        assert {"_id": 4} == formatted(foreign(_id=4))["fields"]

    def test_keep_exception_and_stack(self):
        try:
            raise ValueError("no \ud800 token hf_" + "b2" * 17)  # noqa: TRY301 - to be caught here
        except ValueError:
            record = foreign(exc_info=sys.exc_info())
        record.stack_info = "Stack (most recent call last): here"
        fields = formatted(record)["fields"]

        assert fields["exception"].startswith("Traceback (most recent call last):")
        assert fields["exception"].endswith("ValueError: no \\ud800 token <redacted>")
        assert "Stack (most recent call last): here" == fields["stack"]

    def test_keep_an_exception_that_was_formatted_before_a_pickle(self):
        record = foreign()
        record.exc_text = "Traceback: somewhere"

        assert {"exception": "Traceback: somewhere"} == formatted(record)["fields"]

    def test_lose_their_secrets(self):
        entry = formatted(
            foreign("login %s", "password=hunter22", api_key="abc", url="http://a:bcdef@host")
        )

        assert "login password=<redacted>" == entry["message"]
        assert {"api_key": "<redacted>", "url": "http://a:<redacted>@host"} == entry["fields"]

    def test_name_numbers_that_are_not_finite(self):
        entry = formatted(foreign(loss=float("nan"), more={"a": float("inf")}))

        assert {"loss": None, "more": {"a": None}} == entry["fields"]
        assert {"fields.loss": "nan", "fields.more.a": "inf"} == entry["non_finite"]

    def test_are_one_line_whatever_their_text(self):
        line = JsonlFormatter().format_line(foreign("a\nb\r\u2028c"))

        assert 1 == line.count(b"\n")
        assert "a\nb\r\u2028c" == orjson.loads(line)["message"]

    def test_whose_arguments_do_not_fit_keep_both(self):
        message = formatted(foreign("%d of %d", "one"))["message"]

        assert "%d of %d <arguments ['one']: raised TypeError>" == message

    def test_whose_text_raises_say_so(self):
        message = formatted(foreign(RaisingText()))["message"]

        assert "<RaisingText: raised ZeroDivisionError>" in message

    def test_are_flat_in_the_standard_log(self):
        assert ["timestamp", "type", "level", "message"] == list(
            formatted(foreign(color="red"), StandardFormatter())
        )

    def test_take_the_options_of_python_json_logger(self):
        formatter = JsonlFormatter(static_fields={"host": "a"}, rename_fields={"n": "number"})

        assert {"host": "a", "number": 2} == formatted(foreign(n=2), formatter)["fields"]


TEXT = st.text(st.characters(), max_size=50)
VALUE = st.recursive(
    st.none() | st.integers() | st.floats() | TEXT | st.builds(RaisingText) | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
# What `Logger.makeRecord` itself refuses.
EXTRA_NAME = TEXT.filter(lambda name: name not in vars(logging.makeLogRecord({})) and name)


RECORDS = st.builds(
    logging.LogRecord,
    name=TEXT,
    level=st.integers(0, 60),
    pathname=st.just("file.py"),
    lineno=st.just(0),
    msg=VALUE,
    args=st.lists(VALUE, max_size=2).map(tuple),
    exc_info=st.none(),
)


@given(record=RECORDS, extra=st.dictionaries(EXTRA_NAME, VALUE, max_size=4))
@pytest.mark.parametrize("formatter", [JsonlFormatter(), StandardFormatter()])
def test_any_foreign_record_is_one_valid_line(formatter, record, extra):
    vars(record).update(extra)
    line = formatter.format_line(record)

    assert line.endswith(b"\n")
    assert 1 == line.count(b"\n")
    assert "log_record" == orjson.loads(line)["type"]
