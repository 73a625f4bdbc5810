"""The section `redaction` of a configuration says what else is secret, and what is not."""

import logging
import logging.config
from pathlib import Path

import pytest
import yaml
from outputs import VERBOSE, messages_in, refusal_of

from vlog.config import configure, default_configuration
from vlog.redaction import REDACTED, redact_text, set_redaction

SECTION = r"""
redaction:
  keys: [badge_number]
  patterns: ['ACME-[0-9]{6}']
  keep: [session_token]
"""
SECRET = "badge_number=ab ACME-123456 session_token=abcdef"
SHOWN = f"badge_number={REDACTED} {REDACTED} session_token=abcdef"

UNCHANGED = f"badge_number=ab ACME-123456 session_token={REDACTED}"


@pytest.fixture(autouse=True)
def no_rules_are_left():
    yield
    set_redaction()


def write(section, name="mine.yaml"):
    Path(name).write_text(default_configuration() + section)
    return name


class TestSection:
    def test_is_in_force_in_everything_that_is_written_from_then_on(self, make_output):
        configure(write(SECTION))
        make_output()
        logging.getLogger("vlog.something").warning("%s", SECRET)

        assert [SHOWN] == messages_in(VERBOSE)

    def test_stands_in_the_default_configuration_for_who_wants_it(self):
        text = default_configuration()
        start = text.index("# redaction:")
        lines = text[start:].splitlines()
        block = [line.removeprefix("# ") for line in lines if line.startswith("# ")]

        configure({"version": 1, **yaml.safe_load("\n".join(block))})

        assert SHOWN == redact_text(SECRET)

    def test_takes_the_place_of_one_before(self):
        configure(write(SECTION))
        configure(write("\nredaction:\n  keys: [pin]\n"))

        assert f"{SECRET[:27]} pin={REDACTED}" == redact_text(f"{SECRET[:27]} pin=12")

    def test_is_not_changed_by_a_configuration_without_it(self):
        configure(write(SECTION))
        configure()

        assert SHOWN == redact_text(SECRET)

    def test_may_refer_to_what_stands_elsewhere(self):
        names = {"mine": ["badge_number"]}
        configure({"version": 1, "_names": names, "redaction": {"keys": "cfg://_names.mine"}})

        assert f"badge_number={REDACTED}" == redact_text("badge_number=ab")

    def test_is_passed_over_by_a_plain_dict_config(self):
        logging.config.dictConfig(yaml.safe_load(default_configuration() + SECTION))

        assert UNCHANGED == redact_text(SECRET)

    def test_goes_with_the_whole_configuration_or_not_at_all(self):
        """The handler is found to be broken when everything else has been checked."""
        section = yaml.safe_load(SECTION)
        broken = {"class": "foreign_handlers.Broken", "filename": "b.log"}
        refusal_of(configure, {"version": 1, "handlers": {"a": broken}, **section})

        assert UNCHANGED == redact_text(SECRET)


class TestMistake:
    @pytest.mark.parametrize(
        ("section", "key", "remedy"),
        [
            ("redaction:", "redaction has nothing in it", "Expected a mapping"),
            ("redaction: [pin]", "redaction is ['pin']", "Expected a mapping"),
            ("redact:\n  keys: [pin]", "redact: Unknown key", "Did you mean 'redaction'?"),
            ("redaction:\n  key: [pin]", "redaction.key: Unknown key", "Did you mean 'keys'?"),
            ("redaction:\n  keys: pin", "redaction.keys is 'pin'", "Expected a list of texts"),
            ("redaction:\n  keys:", "redaction.keys is None", "Expected a list of texts"),
            ("redaction:\n  keys: [1]", "redaction.keys is a list with 1", "in quotes"),
            ("redaction:\n  patterns: ['(']", "redaction.patterns is a list with '('", "Correct"),
            ("redaction:\n  patterns: ['x*']", "redaction.patterns is a list with 'x*'", "`+`"),
            ("redaction:\n  keys: [pin]\n  keep: [pin]", "redaction.keep is a list", "out of one"),
        ],
    )
    def test_names_line_key_and_remedy_and_changes_nothing(self, section, key, remedy):
        configure(write(SECTION))
        message = refusal_of(configure, write(f"\n{section}\n", "bad.yaml"))

        assert key in message
        assert remedy in message
        assert message.startswith("bad.yaml, line ")
        assert message.endswith("What was configured before stays.")
        assert SHOWN == redact_text(SECRET)
