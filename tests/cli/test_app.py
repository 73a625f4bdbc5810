"""The commands: what they print, where, and with which exit code."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from vlog.errors import MissingExtraError
from vlog.schema import EVENTS

HOSTILE = "\x1b]0;owned\x07\x9b31m\u202eevil\u2066 [red]x[/red]"


def hostile_log(sample_run, path):
    """Write a run with escapes in everything that is shown of it."""
    run = sample_run(HOSTILE, host=HOSTILE).begin(resumed_from=HOSTILE)
    run.entries[0]["environment"]["command_line"] = [HOSTILE]
    run.entries[0]["environment"]["versions"] = {"python": HOSTILE}
    run.entries[1]["model"]["class"] = HOSTILE
    run.train(3).add("resource_warning", HOSTILE, "WARNING", alert=HOSTILE)
    run.add("evaluation_complete", metrics={HOSTILE: 1.0}, timing={"evaluation_seconds": 1.0})
    run.save(HOSTILE)
    run.add(HOSTILE, HOSTILE, HOSTILE, HOSTILE)
    exception = {"type": HOSTILE, "message": HOSTILE, "stack": HOSTILE}
    return run.end("training_failed", exception=exception).write(path)


def acts(text):
    return any(character in text for character in "\x1b\x07\x9b\u202e\u2066")


class TestEveryCommand:
    @pytest.mark.parametrize("command", ["summary", "validate", "tail"])
    @pytest.mark.parametrize("kind", ["missing", "folder"])
    def test_says_what_cannot_be_read(self, vlog, tmp_path, command, kind):
        path = tmp_path / "missing.jsonl" if kind == "missing" else tmp_path
        result = vlog(command, path)

        assert (2, "") == (result.returncode, result.stdout)
        assert result.stderr.startswith(f"error: {path} ")
        assert 1 == result.stderr.count("\n")

    @pytest.mark.parametrize("command", ["summary", "validate", "tail"])
    @pytest.mark.parametrize(
        "content", [b"", os.urandom(3000), b"\0" * 999, b'{"a', b"{}\n", b"[]"]
    )
    def test_takes_any_file_without_a_traceback(self, vlog, tmp_path, command, content):
        path = tmp_path / "any.jsonl"
        path.write_bytes(content)
        result = vlog(command, path)

        assert result.returncode in (0, 1, 2)
        assert "Traceback" not in result.stderr
        assert content == path.read_bytes()

    @pytest.mark.parametrize("command", ["summary", "validate", "tail", "levels"])
    def test_prints_json_on_request(self, vlog, log, command):
        result = vlog(command, "--json", *([] if command == "levels" else [log]))

        assert (0, "") == (result.returncode, result.stderr)
        for text in result.stdout.splitlines() if command == "tail" else [result.stdout]:
            json.loads(text)

    @pytest.mark.parametrize(
        "arguments",
        [["summary"], ["tail", "-n", "4"], ["tail", "--raw"], ["summary", "--json"], ["validate"]],
        ids=" ".join,
    )
    def test_shows_escapes_instead_of_executing_them(
        self, terminal, sample_run, tmp_path, arguments
    ):
        """On a terminal only our own colours are left, and markup stays text."""
        path = hostile_log(sample_run, tmp_path / "x\x1b[31m.jsonl")
        drawn, _ = terminal(*arguments, path, columns=400)

        assert not acts(drawn)
        assert "evil" in drawn
        assert "--json" in arguments or "--raw" in arguments or "\\x1b" in drawn
        assert "validate" in arguments or "[red]x[/red]" in drawn

    def test_prints_no_escapes_into_a_pipe(self, vlog, sample_run, tmp_path):
        path = hostile_log(sample_run, tmp_path / "run.jsonl")

        assert not acts(vlog("summary", path).stdout)
        assert not acts(vlog("tail", path).stdout)

    @pytest.mark.parametrize("command", ["summary", "validate", "levels"])
    def test_draws_colours_on_a_terminal_and_none_in_a_pipe(self, terminal, vlog, log, command):
        arguments = [] if command == "levels" else [log]
        _, has_colours = terminal(command, *arguments)

        assert has_colours
        assert not acts(vlog(command, *arguments).stdout)

    def test_ends_quietly_when_nobody_reads(self, log):
        """As in `vlog tail ... | head -1`."""
        command = [sys.executable, "-m", "vlog", "tail", "--json", "-n", "100000", str(log)]
        log.write_bytes(log.read_bytes() * 2000)
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            process.stdout.readline()
            process.stdout.close()
            errors = process.stderr.read()

        assert (141, b"") == (process.returncode, errors)

    def test_prints_what_an_ascii_output_cannot_take(self, vlog, log):
        result = vlog("tail", log, env=os.environ | {"PYTHONIOENCODING": "ascii"})

        assert (0, "") == (result.returncode, result.stderr)
        assert "\\u2705 Step" in result.stdout

    def test_knows_its_version(self, vlog):
        import vlog as package

        assert f"vlog {package.__version__}\n" == vlog("--version").stdout

    def test_explains_itself(self, vlog):
        result = vlog("--help")

        assert 0 == result.returncode
        assert all(
            name in result.stdout
            for name in ("summary", "validate", "tail", "levels", "init", "demo")
        )

    def test_refuses_an_unknown_command(self, vlog):
        result = vlog("sumary")

        assert (2, "") == (result.returncode, result.stdout)
        assert "No such command" in result.stderr


class TestSummaryCommand:
    @pytest.mark.parametrize("arguments", [[], ["--json"]])
    def test_says_that_objects_are_no_entries(self, vlog, tmp_path, arguments):
        path = tmp_path / "other.jsonl"
        path.write_text('{"a": 1}\n{"type": "other"}\n')
        result = vlog("summary", path, *arguments)

        assert (2, "") == (result.returncode, result.stdout)
        assert f"{path} holds 2 JSON objects but no entry of vlog" in result.stderr

    def test_prints_plain_text_into_a_pipe(self, vlog, log):
        """Every section is there, nothing is cut at 80 columns."""
        long_path = "out/" + "x" * 120
        log.write_bytes(log.read_bytes().replace(b"out/checkpoint-10", long_path.encode()))
        result = vlog("summary", log)

        assert (0, "") == (result.returncode, result.stderr)
        for name in ("Run", "Progress", "Loss", "Time", "Resources", "Alerts", "Files"):
            assert f"\n{name}\n" in f"\n{result.stdout}"
        assert "  state       COMPLETE\n" in result.stdout
        assert f": {long_path}\n" in result.stdout
        assert "at step 5: 10 s to go; it took 20 s\n" in result.stdout

    def test_fits_on_a_terminal_of_80_columns(self, terminal, log, sample_run):
        sample_run("run-with-a-long-name-" * 3).begin().train(3).write(log)
        drawn, _ = terminal("summary", log)

        assert 80 >= max(map(len, drawn.splitlines()))
        assert "ENDED ABNORMALLY" in drawn
        text = " ".join(drawn.split())
        assert "no end entry; killed, out of memory, power loss, or a full disk" in text

    def test_prints_the_last_run_unless_told_otherwise(self, vlog, log, sample_run):
        sample_run("run-b").begin().train(3).write(log)

        assert "ENDED ABNORMALLY" in vlog("summary", log).stdout
        assert "state       COMPLETE" in vlog("summary", log, "--run", "run-a").stdout

    def test_prints_the_run_alone_as_json(self, vlog, log, sample_run):
        sample_run("run-b").begin().write(log)
        found = json.loads(vlog("summary", log, "--json", "--run", "run-a").stdout)

        assert ["run-a"] == [run["run_id"] for run in found["runs"]]

    def test_refuses_a_run_that_is_not_there(self, vlog, log):
        result = vlog("summary", log, "--run", "run-x")

        assert (2, "") == (result.returncode, result.stdout)
        assert "error: No run 'run-x' in this log. Expected one of: run-a.\n" == result.stderr

    def test_refuses_a_log_without_entries(self, vlog, tmp_path):
        path = tmp_path / "empty.jsonl"
        path.write_bytes(b"")
        result = vlog("summary", path)

        assert (2, "") == (result.returncode, result.stdout)
        assert result.stderr.startswith(f"error: {path} has no entries")

    def test_reads_a_log_from_a_pipe(self, log):
        script = f'"{sys.executable}" -m vlog summary <(cat "{log}")'
        result = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)

        assert (0, "") == (result.returncode, result.stderr)
        assert "COMPLETE" in result.stdout

    def test_names_a_rank_that_was_killed(self, vlog, ranks_log):
        """Its state, where it was seen last, and which ranks raised an alert."""
        shown = vlog("summary", ranks_log).stdout

        assert "\n  ranks       2\n" in shown
        assert "\n0     complete          10 " in shown
        assert "\n1     ended abnormally  6 " in shown
        assert "\n  rank 1: no end entry, last seen at step 6 (2025-01-10" in shown
        assert "\n  heat  rank 1: at step 6, not over by then: Hot!\n" in shown

    def test_names_no_rank_of_a_single_one(self, vlog, log):
        assert "rank" not in vlog("summary", log.name).stdout

    def test_says_which_ranks_are_not_there(self, vlog, log):
        content = log.read_bytes()
        log.write_bytes(content.replace(b'"host":{', b'"launcher":{"world_size":"4"},"host":{'))

        assert (
            "ranks       1 of 4 are in this log; no entries of ranks 1 to 3\n"
            in vlog("summary", log).stdout
        )


class TestValidateCommand:
    def test_says_of_each_rank_whether_it_is_valid(self, vlog, ranks_log):
        """A file that the pattern of a shell names once more is checked once."""
        rank1 = ranks_log.with_name("run.rank1.jsonl")
        rank1.write_bytes(rank1.read_bytes().replace(b'"step":3,', b'"step":"3",'))
        result = vlog("validate", ranks_log, rank1)

        assert 1 == result.returncode
        assert [
            f"valid    {ranks_log}: 16 of 16 lines are valid, 1 run",
            f"INVALID  {rank1}: 1 problem; 10 of 11 lines are valid",
            f"  {rank1}:6: Expected `int`, got `str` - at `$.step`",
        ] == result.stdout.splitlines()

    def test_prints_a_report_of_each_rank_as_json(self, vlog, ranks_log):
        found = json.loads(vlog("validate", "--json", ranks_log).stdout)

        assert [True, True] == [log["is_valid"] for log in found["logs"]]
        assert ranks_log.with_name("run.rank1.jsonl") == Path(found["logs"][1]["path"])

    def test_passes_valid_logs(self, vlog, log):
        result = vlog("validate", log, log)

        assert (0, "") == (result.returncode, result.stderr)
        assert [
            f"valid    {log}: 16 of 16 lines are valid, 1 run"
        ] * 2 == result.stdout.splitlines()

    def test_names_file_line_and_reason(self, vlog, log):
        log.write_bytes(log.read_bytes().replace(b'"step":3,', b'"step":"3",') + b'{"torn')
        result = vlog("validate", log)

        assert (1, "") == (result.returncode, result.stderr)
        assert [
            f"INVALID  {log}: 1 problem; 15 of 16 lines are valid",
            f"  {log}:6: Expected `int`, got `str` - at `$.step`",
            f"  {log}:17: torn: cut off after 6 bytes",
        ] == result.stdout.splitlines()

    def test_checks_the_other_logs_when_one_cannot_be_read(self, vlog, log, tmp_path):
        result = vlog("validate", tmp_path / "missing", log)

        assert 2 == result.returncode
        assert result.stdout.startswith("valid ")
        assert "missing does not exist" in result.stderr

    def test_prints_its_verdict_as_json(self, vlog, log):
        log.write_bytes(b"rubbish\n" * 3)
        result = vlog("validate", log, "--json")
        found = json.loads(result.stdout)

        assert (1, False) == (result.returncode, found["is_valid"])
        assert (3, 0, 3) == tuple(
            found["logs"][0][name] for name in ("lines", "valid", "problem_count")
        )


class TestRepair:
    def damage(self, log):
        lines = log.read_bytes().splitlines(keepends=True)
        lines[3] = lines[3].replace(b":", b"\x1b", 1)
        log.write_bytes(b"".join([*lines[:8], lines[7], *lines[8:], b'{"torn']))

    def test_says_what_became_of_the_log(self, vlog, log):
        self.damage(log)
        result = vlog("validate", log.name, "--repair", cwd=log.parent)
        lines = result.stdout.splitlines()

        assert (0, "") == (result.returncode, result.stderr)
        assert (
            "repaired run.jsonl into run.repaired.jsonl: 15 entries kept, 1 lost, 1 torn, "
            "1 left out that came again, 1 missing by their seq"
        ) == lines[0]
        assert lines[1].startswith("  lost      run.jsonl:4 (byte ")
        assert r'{"timestamp"\x1b"' in lines[1]
        assert lines[2].startswith("  duplicate run.jsonl:9 (byte ")
        assert "seq 7 of run run-a, rank 0 comes again, the same" in lines[2]
        assert lines[3].startswith("  torn      run.jsonl:18 (byte ")
        assert [
            "  run.repaired.findings.jsonl names all of them",
            (
                "valid    run.repaired.jsonl: 16 of 16 lines are valid, 1 run; "
                "not complete: 1 entry missing"
            ),
            (
                "  run.repaired.jsonl:4: 1 entry missing, seq 3 of run run-a, rank 0: "
                "damaged: line 4 of run.jsonl"
            ),
        ] == lines[4:]

    @pytest.mark.parametrize("order", [("--repair", "LOG", "NEW"), ("LOG", "--repair", "NEW")])
    def test_writes_the_file_that_it_is_given(self, vlog, log, tmp_path, order):
        new = tmp_path / "new.jsonl"
        names = {"LOG": log, "NEW": new}

        assert 0 == vlog("validate", *(names.get(word, word) for word in order)).returncode
        assert log.read_bytes() == new.read_bytes()

    def test_shows_some_findings_and_counts_the_others(self, vlog, log):
        log.write_bytes(log.read_bytes() + b"rubbish\n" * 50)
        result = vlog("validate", log, "--repair")

        assert 20 == result.stdout.count("  lost  ")
        assert "  ... and 30 more\n" in result.stdout

    def test_fails_where_something_is_wrong_still(self, vlog, log):
        log.write_bytes(log.read_bytes().replace(b'"step":3,', b'"step":"3",'))
        result = vlog("validate", log, "--repair", "--json")
        report = json.loads(result.stdout)

        assert (1, False) == (result.returncode, report["is_valid"])
        assert (16, 1) == (
            report["files"][0]["kept"],
            report["files"][0]["validation"]["problem_count"],
        )

    def test_overwrites_nothing(self, vlog, log):
        (log.parent / "mine.jsonl").write_text("mine")
        result = vlog("validate", log, "--repair", log.parent / "mine.jsonl")

        assert (2, "") == (result.returncode, result.stdout)
        assert "exists already, and nothing is overwritten" in result.stderr
        assert "mine" == (log.parent / "mine.jsonl").read_text()

    def test_takes_one_log_at_a_time(self, vlog, log):
        result = vlog("validate", "--repair", log, "new", "more")

        assert (2, "") == (result.returncode, result.stdout)
        assert "--repair was given 3 files. Expected one log" in result.stderr


class TestLevelsCommand:
    def test_has_every_event(self, vlog):
        result = vlog("levels")

        for kind, event in EVENTS.items():
            assert f"{kind}  " in result.stdout
            assert event.about in result.stdout

    def test_fits_on_a_terminal_of_80_columns(self, terminal):
        """Names stay whole, and no word at the right edge is lost."""
        drawn, _ = terminal("levels")

        assert 80 >= max(map(len, drawn.splitlines()))
        assert all(f"\n{kind} " in drawn for kind in EVENTS)
        assert "First entry of a run: where and with what it runs." in " ".join(
            line[60:].strip() for line in drawn.splitlines()
        )

    def test_marks_the_verbosities_of_an_event(self, vlog):
        lines = vlog("levels").stdout.splitlines()
        (step,) = (line for line in lines if line.startswith("training_step_complete  "))

        assert ["-", "x", "x", "x", "INFO"] == step.split()[1:6]

    def test_has_the_fields_that_come_later(self, vlog):
        fields = json.loads(vlog("levels", "--json").stdout)["fields"]

        assert {
            "type": "training_step_complete",
            "field": "phases",
            "verbosity": "high",
            "about": "where the time of the run went so far",
        } in fields


class TestInitCommand:
    def test_writes_the_default_configuration(self, vlog, tmp_path):
        from importlib.resources import files

        result = vlog("init", cwd=tmp_path)

        assert (0, "wrote logging.yaml\n") == (result.returncode, result.stdout)
        assert (
            files("vlog").joinpath("logging.yaml").read_bytes()
            == (tmp_path / "logging.yaml").read_bytes()
        )

    def test_overwrites_only_when_told_to(self, vlog, tmp_path):
        path = tmp_path / "mine.yaml"
        path.write_text("mine")
        refused = vlog("init", path)

        assert (2, "mine") == (refused.returncode, path.read_text())
        assert f"error: {path} exists already. --force overwrites it.\n" == refused.stderr
        assert 0 == vlog("init", path, "--force").returncode
        assert "version: 1" in path.read_text()

    def test_writes_into_a_folder(self, vlog, tmp_path):
        result = vlog("init", tmp_path, "--json")

        assert {"path": str(tmp_path / "logging.yaml")} == json.loads(result.stdout)

    def test_refuses_a_folder_that_is_not_there(self, vlog, tmp_path):
        result = vlog("init", tmp_path / "no" / "logging.yaml")

        assert (2, "") == (result.returncode, result.stdout)
        assert "cannot be written" in result.stderr


class TestDemoCommand:
    @pytest.fixture
    def demo(self, monkeypatch, log):
        """Put a demo in place that trains nothing, and return its calls."""
        import types

        calls = []

        def run_demo(folder, steps, verbosity):
            print("step 1 of 10")
            calls.append((str(folder), steps, verbosity))
            return log

        monkeypatch.setitem(sys.modules, "vlog.demo", types.SimpleNamespace(run_demo=run_demo))
        return calls

    def run(self, *arguments):
        from typer.testing import CliRunner

        from vlog.cli.app import app

        return CliRunner().invoke(app, ["demo", *arguments])

    def test_ends_with_the_summary_and_the_path(self, demo, log):
        result = self.run("--folder", "x", "--steps", "7", "--verbosity", "low")

        assert [("x", 7, "low")] == demo
        assert "COMPLETE" in result.stdout
        assert result.stdout.endswith(f"The log: {log}\n")

    def test_keeps_its_progress_out_of_the_json(self, demo):
        result = self.run("--json")

        assert [("vlog-demo", 200, "high")] == demo
        assert "run-a" == json.loads(result.stdout)["runs"][0]["run_id"]
        assert "step 1 of 10\n" == result.stderr

    def test_says_what_to_install(self, monkeypatch, demo):
        def run_demo(*_):
            raise MissingExtraError("Install it with: pip install x")

        monkeypatch.setattr(sys.modules["vlog.demo"], "run_demo", run_demo)
        result = self.run()

        assert (2, "error: Install it with: pip install x\n") == (result.exit_code, result.stderr)
