"""An entry travels in a record of the stdlib, through queues too."""

import logging
import logging.handlers
import pickle
import queue

import orjson
import pytest

from vlog.handlers import JsonlFormatter
from vlog.record import encode, entry_of, make_record
from vlog.resources import Reading

READING = Reading(1, 2.0, {"memory": {"usage_percent": 5.5}}, b'{"memory":{"usage_percent":5.5}}')


def make_entry(**fields):
    return {
        "type": "training_step_complete",
        "level": "INFO",
        "message": "Step 1: 100% done",
        "verbosity": "medium",
        **fields,
    }


class TestMakeRecord:
    @pytest.mark.parametrize(
        ("level", "verbosity", "expected"),
        [("INFO", "low", 24), ("INFO", "ultra", 6), ("DEBUG", "high", 14),
         ("WARNING", "low", logging.WARNING), ("ERROR", "ultra", logging.ERROR)],
    )  # fmt: skip
    def test_has_the_number_of_the_tier_or_of_what_is_worse(self, level, verbosity, expected):
        record = make_record("vlog", make_entry(level=level, verbosity=verbosity))

        assert expected == record.levelno

    def test_is_text_for_everybody_elses_formatter(self):
        record = make_record("vlog", make_entry())

        assert "MEDIUM vlog Step 1: 100% done" == logging.Formatter(
            "%(levelname)s %(name)s %(message)s"
        ).format(record)

    def test_comes_from_the_apps_record_factory(self):
        def factory(*args, **kwargs):
            record = logging.LogRecord(*args, **kwargs)
            record.request = "r1"
            return record

        assert "r1" == make_record("vlog", make_entry(), factory).request


class TestEntryOf:
    def test_is_the_entry_itself(self):
        entry = make_entry()

        assert entry is entry_of(make_record("vlog", entry))

    def test_is_none_of_a_foreign_record(self):
        assert entry_of(logging.makeLogRecord({"msg": "hi"})) is None

    @pytest.mark.parametrize("extra", [[], {}, {"type": "mine"}, "text", 3])
    def test_is_none_of_a_foreign_record_with_an_extra_of_that_name(self, extra):
        assert entry_of(logging.makeLogRecord({"msg": "hi", "_vlog_entry": extra})) is None


class TestEncode:
    def test_is_one_line_with_the_reading_spliced_in(self):
        line = encode({"message": "a\nb", "resource_usage": READING})

        assert b'{"message":"a\\nb","resource_usage":{"memory":{"usage_percent":5.5}}}\n' == line

    def test_refuses_what_was_not_normalized(self):
        with pytest.raises(TypeError) as refusal:
            encode({"fields": object()})

        assert "object was not normalized" in str(refusal.value.__cause__ or refusal.value)


class TestQueueHandler:
    def test_passes_an_entry_with_a_reading_through_a_pickle(self):
        entries = queue.SimpleQueue()
        handler = logging.handlers.QueueHandler(entries)
        handler.handle(make_record("vlog", make_entry(resource_usage=READING)))
        record = pickle.loads(pickle.dumps(entries.get_nowait()))

        assert make_entry(resource_usage=READING.values) == orjson.loads(
            JsonlFormatter().format(record)
        )
