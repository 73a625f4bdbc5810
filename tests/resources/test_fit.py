"""What cannot be true does not get into a reading, and costs no other field."""

import math

import pytest

from vlog.resources.fit import fit


def gaps_of(name, values):
    return {path: str(error) for path, error in fit(name, values)[1].items()}


class TestFit:
    def test_passes_what_the_schema_allows(self):
        values = {"usage_percent": 50, "scope": "host", "per_core_percent": [1.0, 2]}

        assert (values, {}) == fit("cpu", values)

    @pytest.mark.parametrize(
        ("value", "reason"),
        [
            (math.nan, "nan is not a finite number"),
            (-math.inf, "-inf is not a finite number"),
            (-1.0, "-1.0 is below 0"),
            (101.0, "101.0 is above 100"),
            ("50", "a str stands where number is expected"),
            (True, "a bool stands where number is expected"),
            (None, "a NoneType stands where number is expected"),
            (object(), "a object stands where number is expected"),
            ([1], "a list stands where number is expected"),
        ],
    )
    def test_leaves_out_a_value_that_cannot_be_true_and_says_why(self, value, reason):
        found, gaps = fit("memory", {"usage_percent": value, "used_gb": 1.0})

        assert {"used_gb": 1.0} == found
        assert {"usage_percent": reason} == {path: str(error) for path, error in gaps.items()}

    def test_forgives_what_rounding_does(self):
        assert {} == gaps_of("cpu", {"usage_percent": 100.0000001})

    def test_looks_into_lists_of_objects(self):
        devices = [{"index": 0, "memory_usage_percent": 900.0}, {"index": 1}]
        found, gaps = fit("gpu", {"devices": devices})

        assert {"devices": [{"index": 0}, {"index": 1}]} == found
        assert ["devices[0].memory_usage_percent"] == list(gaps)

    @pytest.mark.parametrize(
        ("name", "values", "expected", "gap"),
        [
            ("gpu", {"devices": ["rubbish", [1], {"index": 5}]}, {"devices": [{"index": 5}]},
             "devices[0]"),
            ("gpu", {"devices": [{"throttle_reasons": [["a"], "b"]}]},
             {"devices": [{"throttle_reasons": ["b"]}]}, "devices[0].throttle_reasons[0]"),
            ("gpu", {"devices": [{"index": 3, "temperature_celsius": 255}]},
             {"devices": [{"index": 3}]}, "devices[3].temperature_celsius"),
            ("temperatures", {"sensors": {"a": 5, "b": {"celsius": "hot"}, "c": {"celsius": 5}}},
             {"sensors": {"b": {}, "c": {"celsius": 5}}}, "sensors.a"),
            ("disk", {"file_systems": ["/"]}, {"file_systems": []}, "file_systems[0]"),
            ("cpu", {"per_core_percent": [1.0, "x"]}, {"per_core_percent": [1.0]},
             "per_core_percent[1]"),
        ],
    )  # fmt: skip
    def test_holds_what_is_inside_lists_and_free_objects_too(self, name, values, expected, gap):
        found, gaps = fit(name, values)

        assert expected == found
        assert gap in gaps

    def test_takes_any_finite_numbers_and_texts_of_a_source_that_it_does_not_know(self):
        values = {"x": -5, "y": {"deep": [1.5, "text", {"z": None}]}, "on": True}

        assert (values, {}) == fit("mine", values)

    @pytest.mark.parametrize(
        ("value", "reason"),
        [
            (2**70, "it has more than 64 bits"),
            ("x" * 2000, "it has 2000 characters"),
            (object(), "a object is no number or text"),
            (b"raw", "a bytes is no number or text"),
        ],
    )
    def test_leaves_out_what_no_line_of_json_can_hold(self, value, reason):
        assert {"x": reason} == gaps_of("mine", {"x": value})

    def test_leaves_out_an_item_of_a_list_alone(self):
        assert {"x": [1.0]} == fit("mine", {"x": [math.nan, 1.0]})[0]
        assert {"x[0]": "nan is not a finite number"} == gaps_of("mine", {"x": [math.nan, 1.0]})

    def test_leaves_out_a_lone_surrogate_and_a_key_that_is_no_text(self):
        found, gaps = fit("mine", {"x": "\ud800", 3: 1, "y": 2})

        assert {"y": 2} == found
        assert ["x", "3"] == list(gaps)

    @pytest.mark.parametrize("rubbish", [None, 3, "text", [{"x": 1}]])
    def test_refuses_what_is_no_dict(self, rubbish):
        with pytest.raises(TypeError, match="not a dict of fields"):
            fit("mine", rubbish)
