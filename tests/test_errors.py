"""Errors say what was got, what is allowed and what to do."""

import pytest

from vlog.errors import ConfigurationError, refuse_unknown


class TestRefuseUnknown:
    def test_names_the_nearest_option_and_all(self):
        with pytest.raises(ConfigurationError) as refusal:
            refuse_unknown({"standrad_log": 1}, ["log_file", "standard_log"])

        assert (
            "Unknown option 'standrad_log'. Did you mean 'standard_log'? "
            "Expected one of: log_file, standard_log."
        ) == str(refusal.value)

    def test_says_nothing_of_a_name_that_is_near_none(self):
        with pytest.raises(ConfigurationError) as refusal:
            refuse_unknown(["zzz"], ["log_file"], "key")

        assert "Unknown key 'zzz'. Expected one of: log_file." == str(refusal.value)

    def test_takes_what_is_known(self):
        refuse_unknown({}, ["log_file"])
        refuse_unknown({"log_file": 1}, ["log_file"])
