"""Every entry says which run it belongs to, and the time stands in front."""

from vlog.clock import iso_timestamp
from vlog.processors import AddContext, Stamp


class TestAddContext:
    def test_adds_the_run(self):
        entry = AddContext({"run_id": "r", "rank": 0, "pid": 7})(None, "info", {"message": "a"})

        assert {"message": "a", "run_id": "r", "rank": 0, "pid": 7} == entry

    def test_lets_nothing_else_stand_for_the_run(self):
        entry = AddContext({"run_id": "r"})(None, "info", {"run_id": "somebody's"})

        assert {"run_id": "r"} == entry


class TestStamp:
    def test_puts_the_envelope_in_front_in_reading_order(self, clock):
        entry = {
            "metrics": {}, "step": 1, "epoch": 0.5, "seq": 0, "pid": 7, "rank": 0, "run_id": "r",
            "verbosity": "high", "message": "m", "level": "INFO", "type": "t",
        }  # fmt: skip
        stamped = Stamp(clock)(None, "info", dict(entry))

        assert [
            "timestamp", "type", "level", "message", "run_id", "rank", "pid", "seq", "verbosity",
            "step", "epoch", "metrics",
        ] == list(stamped)  # fmt: skip
        assert entry | {"timestamp": iso_timestamp(clock.wall())} == stamped

    def test_leaves_out_what_is_not_there(self, clock):
        assert ["timestamp", "type"] == list(Stamp(clock)(None, "info", {"type": "t"}))

    def test_follows_the_clock(self, clock):
        stamp = Stamp(clock)
        first = stamp(None, "info", {})["timestamp"]
        clock.advance(1.5)

        assert first < stamp(None, "info", {})["timestamp"]
