"""No text of a log acts on a terminal, forges a line, or passes for another text."""

import json
import logging
import os
import re
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from processes import text_of
from screens import in_pipe, on_terminal

import vlog
from vlog.handlers.error_log import ErrorLogHandler, tell_stderr
from vlog.record import encode
from vlog.visible import visible

FORGED = '{"type":"training_complete","level":"INFO","message":"all is well"}'
# Each begins with what it is.
HOSTILE = [
    f"newline\n{FORGED}\nmore",
    f"return\r{FORGED}",
    "colours\x1b[31;1mred\x1b[2J\x1b[10;10H",
    "title\x1b]0;hacked\x07",
    "link\x1b]8;;http://evil.example\x1b\\here\x1b]8;;\x1b\\",
    "clipboard\x1b]52;c;ZXZpbA==\x07",
    "reset\x1bc\x1b[!p\x0e",
    "c1\x9b31m\x9d0;hacked\x9c\x90q\x9c",
    "raw\udc9b31m\udcff",
    "nel\x85u2028\u2028u2029\u2029vt\x0bff\x0cfs\x1cend",
    "bidi\u202egnp.exe\u202c\u2066x\u2069\u200e\u200f\u061c",
    "unseen\u200bzero\u2060width\ufeff\U000e0041",
    "back\x08\x08\x08space\x7f\x00",
    "markup[red]x[/red][link=http://evil.example]y[/link]:smile:",
]
VALID = [text for text in HOSTILE if "\udc9b" not in text]
# Whatever of ours a terminal acts on; see `vlog.handlers.terminal`, and rich.
OURS = re.compile(r"\x1b(?:\[[0-9;]*m|\[[KJ]|\[\?7[lh]|7|8|D|\[[0-9]+[AB])|\r*\n|\r(?=\x1b\[J)")
ACTS = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
TEXTS = f"HOSTILE = {HOSTILE!a}\n"
RUN = (
    TEXTS
    + """
import vlog, logging
logging.getLogger("vlog").handlers.clear()
try:
    with vlog.training_run(2, "ultra", "log.jsonl", name=HOSTILE[NAME], console=True) as run:
        for text in HOSTILE:
            vlog.get_logger(text).warning(text, **{text: text})
            run.log({text: 1.0})
        with run.step():
            run.log(loss=0.5)
        raise ValueError("\\n".join(HOSTILE))
except ValueError:
    pass
"""
)
# All commands at once: a process of their own for each takes a second.
COMMANDS = """
import sys
from vlog.cli.app import app
for command in (
    ["tail", "log.jsonl"], ["tail", "-n", "99", "--json", "log.jsonl"], ["summary", "log.jsonl"],
    ["summary", "--json", "log.jsonl"], ["validate", "log.jsonl", "bad.jsonl"],
    ["validate", "--json", "bad.jsonl"], ["tail", "bad.jsonl"], ["summary", "bad.jsonl"],
    ["tail", "no\\x1b]0;hacked\\x07.jsonl"], ["summary", "--run", "\\x1b[31m", "log.jsonl"],
    ["tail", "-n", "99", "--json", "bad.jsonl"], ["tail", "-n", "\\x1b[31m", "log.jsonl"],
    ["verbosity", "log.jsonl", "\\x1b[31m"], ["verbosity", "no\\x1b[31m.jsonl", "ultra"],
):
    try:
        app(command, prog_name="vlog")
    except SystemExit:
        pass
"""


@pytest.fixture
def hostile_log():
    """A log, and one that others have damaged, in the current folder."""
    done = in_pipe(RUN.replace("NAME", "3"))
    assert 0 == done.returncode, done.stderr
    bad = [
        b'{"type":"training_start\\u001b]0;hacked\\u0007","level":"\\u009b31m","message":7}',
        *(text.encode("utf-8", "surrogateescape") for text in HOSTILE),
        *(json.dumps(entry_of(text)).encode() for text in HOSTILE),
        *(json.dumps(entry_of(text), ensure_ascii=False).encode() for text in VALID),
    ]
    Path("bad.jsonl").write_bytes(b"\n".join(bad) + b"\n")
    return done


def entry_of(text):
    """Return an entry that says `text` wherever a command may show it."""
    names = ("type", "run_id", "level", "message", "rank", "logger", "alert", "subject", "reason")
    section = {"type": text, "message": text, "hostname": text, "branch": text, text: text}
    sections = ("environment", "exception", "git", "host", "metrics", "fields", "arguments")
    known = {"type": "resource_warning", "alert": text, "subject": text, "value": text}
    return dict.fromkeys(names, text) | known | dict.fromkeys(sections, section) | {text: text}


def entries_of(raw):
    return [json.loads(line) for line in raw.splitlines()]


class TestTheLog:
    def test_has_one_line_an_entry_and_every_text_as_it_was(self, hostile_log):
        text = Path("log.jsonl").read_bytes().decode("utf-8")
        said = [each for each in entries_of(text) if each["type"] == "log_record"]
        metrics = [name for each in entries_of(text) for name in each.get("metrics", {})]
        expected = [each.encode("utf-8", "backslashreplace").decode() for each in HOSTILE]

        assert text.count("\n") == len(text.splitlines())
        assert expected == [each["message"] for each in said]
        assert [{each: each} for each in expected] == [each["fields"] for each in said]
        assert set(expected) <= set(metrics)
        assert "training_failed" == entries_of(text)[-1]["type"]
        assert [] == vlog.validate("log.jsonl").problems

    def test_can_be_shown_as_it_is(self, hostile_log):
        """`cat` and `tail` of a log are as harmless as vlog's own commands."""
        acting = set(ACTS.findall(Path("log.jsonl").read_text("utf-8"))) - {"\n"}

        assert {"\u200b", "\u2060", "\ufeff", "\x7f"} >= acting

    @given(st.text(st.characters()))
    def test_means_the_same_and_is_one_line_for_everybody(self, text):
        text = text.encode("utf-8", "replace").decode()
        line = encode({"message": text})

        assert {"message": text} == json.loads(line)
        assert 1 == len(line.decode().splitlines())

    def test_keeps_what_does_no_harm_readable(self):
        text = "✅ Verlust: 0,23 °C “quoted” é漢字 مرحبا 👩\u200d🚀"

        assert f'{{"message":"{text}"}}\n' == encode({"message": text}).decode()

    @pytest.mark.parametrize("name", ["a\nb", "a\x1b[31mb", "a\u202eb"])
    def test_may_have_any_path(self, name):
        with vlog.training_run(1, "low", f"{name}.jsonl"):
            pass

        assert [] == vlog.validate(f"{name}.jsonl").problems


class TestTheTerminal:
    def assert_unharmed(self, screen):
        text = OURS.sub("", screen.raw.decode())

        assert [] == ACTS.findall(text), text
        assert "" == screen._terminal.title
        assert "\x1b]" not in screen.raw.decode()

    @pytest.mark.parametrize("name", [3, 7, 10])
    def test_shows_a_run_without_harm(self, name):
        with on_terminal(RUN.replace("NAME", str(name)), columns=250, rows=100) as screen:
            assert 0 == screen.end()
            rows = screen.scrolled

            self.assert_unharmed(screen)
            for text in HOSTILE:
                assert any(visible(text)[:60] in row for row in rows), text
            assert not any(row.startswith(FORGED[:20]) for row in rows)

    def test_shows_a_log_without_harm(self, hostile_log):
        with on_terminal(COMMANDS, columns=250, rows=100) as screen:
            assert 0 == screen.end()

            self.assert_unharmed(screen)
            assert any("[red]x[/red][link=http://evil.example]y" in row for row in screen.scrolled)
            assert any(visible("title\x1b]0;hacked\x07") in row for row in screen.scrolled)


class TestAPipe:
    def test_is_told_of_a_run_without_harm(self, hostile_log):
        lines = hostile_log.stderr.decode().split("\n")

        assert [] == ACTS.findall("".join(lines))
        assert not any(line.startswith(FORGED[:20]) for line in lines)

    def test_is_shown_a_log_without_harm(self, hostile_log):
        shown = in_pipe(COMMANDS.replace('"--json", ', ""))

        assert [] == ACTS.findall((shown.stdout + shown.stderr).decode().replace("\n", ""))


class TestTheErrorLog:
    def test_shows_what_would_act_and_no_forged_line(self):
        logger = logging.getLogger("vlog.errors")
        logger.propagate = False  # pytest's report takes no lone surrogate
        logger.addHandler(ErrorLogHandler("errors.log"))
        for text in HOSTILE:
            error = ValueError(text)
            logger.error("%s", text, exc_info=(ValueError, error, None))
        text = text_of("errors.log")

        assert {"\n"} == set(ACTS.findall(text))
        assert len(HOSTILE) == len(re.findall(r"^\S", text, re.MULTILINE))

    def test_is_not_needed_for_standard_error_to_be_safe(self, capsys):
        for text in HOSTILE:
            tell_stderr(f"vlog: {text}")
        told = capsys.readouterr().err

        assert len(HOSTILE) == told.count("vlog: ")
        assert [] == ACTS.findall(told.replace("\n", ""))
        assert len(HOSTILE) == len(re.findall(r"^\S", told, re.MULTILINE))


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse names that are not UTF-8")
def test_a_log_whose_name_is_no_text_can_be_shown():
    name = os.fsdecode(b"\xff\x9b31m.jsonl")
    with vlog.training_run(1, "low", name):
        pass
    done = in_pipe(
        f"from vlog.cli.app import app\nfor c in ('summary', 'validate'):\n"
        f"    try: app([c, {name!a}], prog_name='vlog')\n    except SystemExit: pass",
        environment={"PYTHONIOENCODING": "utf-8:backslashreplace"},
    )

    assert [] == ACTS.findall((done.stdout + done.stderr).decode().replace("\n", ""))
    assert b"\\udcff\\udc9b31m.jsonl" in done.stdout
