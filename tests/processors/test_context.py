"""Every entry says which run it belongs to, and the time stands in front."""

from vlog.clock import iso_timestamp
from vlog.processors import AddContext, Stamp


class TestAddContext:
    def test_adds_the_run_and_counts_from_zero(self):
        add_context = AddContext({"run_id": "r", "rank": 0, "pid": 7})
        entries = [add_context(None, "info", {"message": "a"}) for _ in range(3)]

        assert [0, 1, 2] == [entry["seq"] for entry in entries]
        assert {"message": "a", "run_id": "r", "rank": 0, "pid": 7, "seq": 0} == entries[0]

    def test_counts_each_run_by_itself(self):
        AddContext({})(None, "info", {})

        assert 0 == AddContext({})(None, "info", {})["seq"]


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
