"""The four verbosities are stdlib levels, and take nobody's number away."""

import logging
import subprocess
import sys

import pytest

from vlog.errors import ConfigurationError
from vlog.verbosity import Verbosity


def output_of(script):
    """Return what `script` prints in a fresh interpreter."""
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return result.stdout.strip()


class TestParse:
    @pytest.mark.parametrize("value", ["high", "HIGH", " High ", Verbosity.HIGH])
    def test_takes_a_name_in_any_case_or_a_verbosity(self, value):
        assert Verbosity.HIGH is Verbosity.parse(value)

    @pytest.mark.parametrize("value", ["hgih", "", "INFO", None, 14, True])
    def test_refuses_anything_else_and_names_what_is_allowed(self, value):
        with pytest.raises(ConfigurationError) as refusal:
            Verbosity.parse(value)

        assert (f"Unknown verbosity {value!r}. Expected one of: low, medium, high, ultra.") == str(
            refusal.value
        )


class TestNumbers:
    def test_are_those_of_the_design(self):
        assert {"low": 24, "medium": 18, "high": 14, "ultra": 6} == {
            each.label: int(each) for each in Verbosity
        }

    def test_let_info_pass_from_medium_on_and_warning_always(self):
        passing = [each.label for each in Verbosity if each <= logging.INFO]

        assert ["medium", "high", "ultra"] == passing
        assert all(each < logging.WARNING for each in Verbosity)


class TestLevelNames:
    def test_can_be_written_in_a_configuration(self):
        handler = logging.NullHandler()
        handler.setLevel("HIGH")

        assert Verbosity.HIGH == handler.level
        assert ["LOW", "MEDIUM", "HIGH", "ULTRA"] == [
            logging.getLevelName(int(each)) for each in Verbosity
        ]

    def test_of_somebody_else_stay(self):
        """A number that has a name when vlog is imported keeps it; the others get theirs."""
        script = (
            "import logging; logging.addLevelName(14, 'NOTE'); import vlog.verbosity;"
            "print(logging.getLevelName(14), logging.getLevelName(6))"
        )

        assert "NOTE ULTRA" == output_of(script)

    def test_of_the_standard_library_stay(self):
        script = (
            "import logging; before = logging.getLevelNamesMapping(); import vlog.verbosity;"
            "after = logging.getLevelNamesMapping();"
            "print(all(after[name] == number for name, number in before.items()))"
        )

        assert "True" == output_of(script)
