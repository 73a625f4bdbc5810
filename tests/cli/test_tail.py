"""`vlog tail` shows the last entries and those to come, as far as they are asked for."""

import signal
import subprocess
import sys

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlog.cli.tail import pretty_line
from vlog.errors import ConfigurationError
from vlog.filters import Filter
from vlog.segments import segment_path
from vlog.verbosity import Verbosity

RANKS = ("rank 0", "rank 1")


def line_of(entry):
    return "".join(str(cell.text) for cell in pretty_line(entry))


class TestLine:
    def test_of_a_record_says_whose_it_is_and_its_keys(self):
        entry = {
            "type": "log_record",
            "level": "ERROR",
            "message": "lost",
            "logger": "app.data",
            "fields": {
                "rows": 10,
                "exception": "Traceback\n  ...\nKeyError: 'x'",
                "long": "y" * 99,
            },
        }
        line = line_of(entry)

        assert line.endswith(
            f"lost  [app.data]  rows=10  exception=KeyError: 'x'  long={'y' * 60}..."
        )


class TestFilter:
    @pytest.mark.parametrize(
        ("level", "passed"), [("DEBUG", 4), ("INFO", 3), ("warning", 2), ("ERROR", 1)]
    )
    def test_passes_a_level_and_worse(self, level, passed):
        wanted = Filter.parse([], level, None)
        entries = [{"level": each} for each in ("DEBUG", "INFO", "WARNING", "ERROR")]

        assert passed == sum(map(wanted.accepts, entries))

    @pytest.mark.parametrize(
        ("verbosity", "passed"), [("low", 1), ("medium", 2), ("HIGH", 3), ("ultra", 4)]
    )
    def test_passes_a_tier_and_coarser(self, verbosity, passed):
        wanted = Filter.parse([], None, verbosity)
        entries = [{"verbosity": each.label} for each in Verbosity]

        assert passed == sum(map(wanted.accepts, entries))

    def test_passes_the_types_that_are_named(self):
        wanted = Filter.parse(["epoch_begin", "EPOCH_COMPLETE"], None, None)

        assert [True, True, False] == [
            wanted.accepts({"type": each}) for each in ("epoch_begin", "epoch_complete", None)
        ]

    @pytest.mark.parametrize("entry", [{}, {"level": 3, "verbosity": []}, {"level": "FATAL"}])
    def test_passes_what_it_cannot_judge(self, entry):
        assert Filter.parse([], "ERROR", "low").accepts(entry)

    def test_names_the_nearest_and_the_allowed(self):
        with pytest.raises(
            ConfigurationError, match=r"'epoch_bgin'\. Did you mean 'epoch_begin'\? Expected one of"
        ):
            Filter.parse(["epoch_bgin"], None, None)
        with pytest.raises(ConfigurationError, match=r"'WARN'\. Did you mean 'WARNING'\?"):
            Filter.parse([], "warn", None)
        with pytest.raises(ConfigurationError, match=r"'hgih'\. Expected one of: low, medium"):
            Filter.parse([], None, "hgih")


class TestPrettyLine:
    def test_has_the_numbers_that_the_message_does_not_say(self, sample_run):
        entry = sample_run().begin().train(2).entries[-1]

        assert line_of(entry).endswith(
            "  INFO     medium       2  ✅ Step 2 completed - Loss: 2.000000"
            "  lr 0.0002  grad 1.5  2 s/step  mem 62.0 %"
        )

    def test_has_the_numbers_of_a_flat_entry(self):
        entry = {"level": "INFO", "message": "x", "step": 3, "loss": 0.25, "step_time": 0.5}

        assert "-  INFO     -            3  x  loss 0.25  500 ms/step" == line_of(entry)

    @given(
        st.dictionaries(
            st.sampled_from(
                ["timestamp", "level", "verbosity", "step", "message", "metrics", "loss"]
            ),
            st.recursive(
                st.none() | st.integers() | st.floats() | st.text(),
                lambda inner: st.lists(inner) | st.dictionaries(st.just("loss"), inner),
            ),
        )
    )
    def test_takes_fields_of_any_type(self, entry):
        assert isinstance(line_of(entry), str)


class TestTailCommand:
    def test_prints_the_last_entries(self, vlog, log):
        result = vlog("tail", log, "-n", 3)

        assert (0, "") == (result.returncode, result.stderr)
        assert [True, True, True] == [
            message in line
            for message, line in zip(
                ("✅ Step 10 completed", "model_checkpoint_save", "training_complete"),
                result.stdout.splitlines(),
                strict=True,
            )
        ]

    @pytest.mark.parametrize("option", ["--json", "--raw"])
    def test_prints_the_lines_as_they_are(self, vlog, log, option):
        result = vlog("tail", log, "-n", 2, option)

        assert b"".join(log.read_bytes().splitlines(keepends=True)[-2:]).decode() == result.stdout

    def test_counts_the_entries_that_are_asked_for(self, vlog, log):
        result = vlog("tail", log, "--json", "-n", 2, "--type", "training_step_complete")

        assert [9, 10] == [orjson.loads(line)["step"] for line in result.stdout.splitlines()]

    def test_refuses_an_unknown_type(self, vlog, log):
        result = vlog("tail", log, "--type", "epoch")

        assert (2, "") == (result.returncode, result.stdout)
        assert "error: Unknown type 'epoch'. Did you mean 'epoch_begin'? Expected" in result.stderr

    def test_says_how_many_lines_it_left_out(self, vlog, log):
        log.write_bytes(b"rubbish\n" + log.read_bytes() + b'{"torn')
        result = vlog("tail", log, "--level", "DEBUG")

        assert 10 == len(result.stdout.splitlines())
        assert result.stderr.startswith("note: left out 1 line of")

    def test_does_not_wrap_on_a_terminal(self, terminal, log):
        drawn, _ = terminal("tail", log, "-n", 2, columns=40)

        assert 2 == len(drawn.splitlines())

    def test_follows_across_a_rotation_until_ctrl_c(self, log):
        """It ends without a word and with the exit code of an interrupt."""
        command = [sys.executable, "-m", "vlog", "tail", "-f", "--json", "-n", "1", str(log)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            first = process.stdout.readline()
            log.rename(segment_path(log, 1))
            log.write_bytes(b'{"n":1}\n')
            with log.open("ab") as stream:
                stream.write(b'{"n":2}\n')
            followed = [process.stdout.readline(), process.stdout.readline()]
            process.send_signal(signal.SIGINT)
            errors = process.stderr.read()

        assert "training_complete" == orjson.loads(first)["type"]
        assert [b'{"n":1}\n', b'{"n":2}\n'] == followed
        assert (130, b"") == (process.returncode, errors)

    def test_waits_for_a_log_that_is_not_there_yet(self, tmp_path):
        log = tmp_path / "later.jsonl"
        command = [sys.executable, "-m", "vlog", "tail", "-f", "--json", str(log)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            note = process.stderr.readline()
            log.write_bytes(b'{"n":1}\n')
            first = process.stdout.readline()
            process.send_signal(signal.SIGINT)

        assert note.startswith(b"note: waiting for ")
        assert b'{"n":1}\n' == first

    def test_shows_the_ranks_of_several(self, vlog, ranks_log):
        lines = vlog("tail", ranks_log, "-n", 100).stdout.splitlines()

        assert [16, 11] == [sum(f"  {rank} " in line for line in lines) for rank in RANKS]
        assert "rank 1" not in vlog("tail", ranks_log, "--json").stdout

    def test_shows_no_rank_of_a_single_one(self, vlog, log):
        assert "rank" not in vlog("tail", log).stdout

    def test_follows_a_rank_that_comes_later(self, log):
        rank1 = log.with_name("run.rank1.jsonl")
        command = [sys.executable, "-m", "vlog", "tail", "-f", "-n", "1", str(log)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            first = process.stdout.readline()
            rank1.write_bytes(b'{"rank":1,"message":"one"}\n')
            second = process.stdout.readline()
            rank1.rename(segment_path(rank1, 1))
            rank1.write_bytes(b'{"rank":1,"message":"two"}\n')
            third = process.stdout.readline()
            process.send_signal(signal.SIGINT)

        assert "rank" not in first
        assert [True, True] == ["rank 1 " in line for line in (second, third)]
        assert ["one", "two"] == [line.split()[-1] for line in (second, third)]
