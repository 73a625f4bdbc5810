"""What somebody sees who watches a training, on a terminal and elsewhere."""

import io
import logging
import logging.config
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from screens import in_pipe, on_terminal

from vlog.errors import ConfigurationError
from vlog.handlers import ConsoleHandler
from vlog.record import make_record

LONG_NAME = "qwen3-0.6b-sft-on-alpaca-cleaned-lr2e-5-bs64-seed-42-" * 3
BAR = "━"


def entry(message, level="INFO", verbosity="low"):
    return {"type": "training_start", "level": level, "message": message, "verbosity": verbosity}


def held(loss=0.5, percent=10):
    progress = {"progress_percent": percent, "total_steps": 100}
    return {"metrics": {"loss": loss}, "timing": {}, "progress": progress}


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """Give a run more than half a second for its end: the machine may be busy."""
    monkeypatch.setattr("vlog.handlers.console._FINISH_SECONDS", 20)


@pytest.fixture
def stream():
    return io.StringIO()


@pytest.fixture
def console(stream):
    """A console of plain lines, whose problems fail the test."""
    problems = []
    handler = ConsoleHandler(stream, report=lambda *problem: problems.append(problem))
    yield handler
    handler.close()
    assert not problems


def lines_of(stream):
    """Return the lines without the time in front."""
    return [line[10:] for line in stream.getvalue().splitlines()]


def is_live(row):
    return BAR in row or "%" in row


class TestOptions:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"stream": "stderr"}, "stream is 'stderr'. Expected a text stream, or None"),
            ({"live": "yes"}, "live is 'yes'. Expected True, False, or None"),
            (
                {"every_seconds": 0},
                "every_seconds is 0. Expected seconds, above 0 and up to 86,400.",
            ),
            ({"every_seconds": True}, "every_seconds is True. Expected seconds"),
            ({"every_seconds": float("nan")}, "every_seconds is nan. Expected seconds"),
        ],
    )
    def test_are_refused_if_they_cannot_be_used(self, options, message):
        with pytest.raises(ConfigurationError) as refusal:
            ConsoleHandler(**options)

        assert str(refusal.value).startswith(message)

    def test_come_from_a_configuration(self, capsys):
        logging.config.dictConfig(
            {
                "version": 1,
                "disable_existing_loggers": False,
                "handlers": {
                    "c": {"class": "vlog.handlers.ConsoleHandler", "stream": "ext://sys.stdout"}
                },
                "loggers": {"vlog": {"handlers": ["c"], "level": "ULTRA", "propagate": False}},
            }
        )
        logging.getLogger("vlog.app").info("hello")

        assert capsys.readouterr().out.endswith("  hello\n")


class TestRecords:
    def handle(self, console, message, *args, level=logging.INFO, name="app", **options):
        console.handle(logging.LogRecord(name, level, "", 0, message, args, None, **options))

    def test_of_ours_are_milestones_and_warnings(self, console, stream):
        for verbosity in ("low", "medium", "high", "ultra"):
            console.handle(make_record("vlog", entry(f"info {verbosity}", "INFO", verbosity)))
            console.handle(make_record("vlog", entry(f"bad {verbosity}", "WARNING", verbosity)))
        console.handle(make_record("vlog", entry("worse", "ERROR", "medium")))

        assert [
            "info low",
            "WARNING bad low",
            "WARNING bad medium",
            "WARNING bad high",
            "WARNING bad ultra",
            "ERROR worse",
        ] == lines_of(stream)

    def test_of_ours_need_no_record_unless_they_are_shown_or_somebody_looks(self, console):
        assert console.take(entry("info", "INFO", "high"))
        assert not console.take(entry("milestone", "INFO", "low"))
        assert not console.take(entry("bad", "WARNING", "high"))

        console.addFilter(lambda _record: True)
        assert not console.take(entry("info", "INFO", "high"))
        assert not type("Mine", (ConsoleHandler,), {})().take(entry("info", "INFO", "high"))

    def test_have_the_time_of_day(self, console, stream):
        record = make_record("vlog", entry("now"))
        console.handle(record)

        assert f"{time.strftime('%H:%M:%S', time.localtime(record.created))}  now\n" == (
            stream.getvalue()
        )

    def test_of_others_are_all_shown(self, console, stream):
        self.handle(console, "%d of %d", 1, 2, level=logging.DEBUG)

        assert ["1 of 2"] == lines_of(stream)

    def test_of_others_bring_their_traceback_below(self, console, stream):
        try:
            int("x\n12:00:00  a forged line")
        except ValueError:
            record = logging.LogRecord("app", 40, "", 0, "it failed", (), sys.exc_info())
        record.exc_info[1].add_note("a note\n12:00:00  another one")
        console.handle(record)
        first, *rest = stream.getvalue().splitlines()

        assert "ERROR it failed" == first[10:]
        assert "  Traceback (most recent call last):" == rest[0]
        assert "  12:00:00  another one" == rest[-1]
        assert all(line.startswith("  ") for line in rest)

    def test_do_not_act_on_the_terminal(self, console, stream):
        hostile = "\x1b[2J\nforged\x9b\u202e"
        self.handle(console, hostile)
        console.handle(make_record("vlog", entry(hostile)))

        assert ["\\x1b[2J\\nforged\\x9b\\u202e"] * 2 == lines_of(stream)

    def test_of_others_have_no_secrets(self, console, stream):
        self.handle(console, "login with password=%s", "hunter22hunter22")

        assert "hunter22" not in stream.getvalue()
        assert "login with" in stream.getvalue()

    def test_that_are_very_long_are_cut(self, console, stream):
        self.handle(console, "x" * 100_000)

        assert ["x" * 2000 + "... (100,000 characters)"] == lines_of(stream)

    def test_are_written_by_a_formatter_that_is_set(self, console, stream):
        console.setFormatter(logging.Formatter("%(name)s|%(message)s"))
        self.handle(console, "one\ntwo")
        console.handle(make_record("vlog", entry("ours")))

        assert "app|one\n  two\nvlog|ours\n" == stream.getvalue()

    def test_whose_arguments_do_not_fit_are_shown_with_them(self, console, stream):
        self.handle(console, "%d", "no number")

        assert ["%d <arguments ['no number']: raised TypeError>"] == lines_of(stream)

    def test_that_cannot_be_shown_are_reported(self, stream, capsys):
        problems = []
        console = ConsoleHandler(stream, report=lambda *problem: problems.append(problem))
        console.setFormatter(logging.Formatter("%(not_there)s"))
        self.handle(console, "hi")

        assert [("a record could not be shown on the console", ValueError)] == [
            (what, type(error)) for what, error in problems
        ]
        assert ("", "") == tuple(capsys.readouterr())

    def test_that_report_a_problem_of_the_console_are_not_reported_themselves(self, stream):
        """Else a formatter that always raises, on the logger of the reports, had no end."""
        console = ConsoleHandler(stream, report=lambda *_: pytest.fail("reported"))
        console.setFormatter(logging.Formatter("%(not_there)s"))
        self.handle(console, "hi", name="vlog.errors")


class TestRuns:
    def threads(self):
        return [each for each in threading.enumerate() if each.name == "vlog-console"]

    def test_share_one_thread_until_the_last_has_ended(self, console):
        console.start()
        console.start()
        assert 1 == len(self.threads())
        console.finish()
        assert 1 == len(self.threads())
        console.finish()
        assert [] == self.threads()

    def test_may_end_more_often_than_they_began(self, console):
        console.finish()
        console.start()
        console.finish()
        console.finish()

        assert [] == self.threads()

    def test_are_ended_by_close(self, console, stream):
        console.start()
        console.start()
        console.show_step("run", 10, held(), None)
        console.close()

        assert [] == self.threads()
        assert ["10%  10/100  loss 0.5000  run"] == lines_of(stream)

    def test_show_what_waits_when_they_end(self, console, stream):
        console.start()
        console.show_step("run", 10, held(), None)
        console.handle(make_record("vlog", entry("done")))
        console.finish()

        assert ["done", "10%  10/100  loss 0.5000  run"] == lines_of(stream)

    def test_show_the_one_that_made_a_step_last(self, console, stream):
        console.start()
        console.show_step("one", 10, held(), None)
        console.show_step("two", 20, {"metrics": {}, "timing": {}, "progress": {}}, None)
        console.finish()

        assert ["step 20  two"] == lines_of(stream)

    def test_keep_the_loss_of_an_earlier_step(self, console, stream):
        console.start()
        console.show_step("run", 10, held(0.25), None)
        for step in (11, 12):
            console.show_step("run", step, held() | {"metrics": {}}, None)
        console.finish()

        assert "loss 0.2500" in stream.getvalue()

    def test_keep_a_loss_that_came_after_the_step(self, console, stream):
        """The trainer logs a step behind its end."""
        console.start()
        late = held() | {"metrics": {}}
        console.show_step("run", 10, late, None)
        late["metrics"]["loss"] = 0.125
        console.show_step("run", 11, held() | {"metrics": {}}, None)
        console.finish()

        assert "loss 0.1250" in stream.getvalue()

    def test_without_a_step_show_none(self, console, stream):
        console.start()
        console.finish()

        assert "" == stream.getvalue()

    def test_show_no_progress_beside_the_bar_of_somebody_else(self, console, stream):
        console.start()
        console.stand_back()
        console.show_step("run", 10, held(), None)
        console.handle(make_record("vlog", entry("milestone")))
        console.finish()
        assert ["milestone"] == lines_of(stream)
        console.start()
        console.finish()
        assert ["milestone"] == lines_of(stream)
        console.start()
        console.show_step("run", 10, held(), None)
        console.finish()
        assert ["milestone", "10%  10/100  loss 0.5000  run"] == lines_of(stream)

    def test_go_on_when_something_could_not_be_drawn(self, stream):
        problems = []
        console = ConsoleHandler(stream, report=lambda *problem: problems.append(problem))
        console.start()
        console.show_step("run", "ten", {"metrics": {}, "progress": {"total_steps": 3}}, None)
        console.handle(make_record("vlog", entry("a milestone")))
        console.finish()
        console.close()

        assert {"the progress could not be drawn on the console"} == {what for what, _ in problems}
        assert ["a milestone"] == lines_of(stream)


class TestPipe:
    SCRIPT = """
console = ConsoleHandler()
tell(console, "begin")
console.start()
for number in range(1, 201):
    show(console, number, total=200)
    if number % 50 == 0:
        tell(console, f"milestone {number}")
tell(console, "hot", "WARNING")
console.finish()
"""

    def test_gets_few_lines_without_control_characters(self):
        done = in_pipe(self.SCRIPT)
        lines = done.stderr.decode().splitlines()

        assert (0, b"") == (done.returncode, done.stdout)
        assert "".join(lines).isprintable()
        assert 6 + 1 <= len(lines) <= 6 + 2
        assert lines[-1][10:].startswith("100% 200/200  loss 0.5000")

    def test_that_takes_ascii_alone_gets_replacements(self):
        script = "console = ConsoleHandler()\ntell(console, '🎉 done')\n" + self.SCRIPT
        done = in_pipe(script, environment={"PYTHONIOENCODING": "ascii"})

        assert (0, True) == (done.returncode, done.stderr.isascii())
        assert b"  ? done\n" in done.stderr

    @pytest.mark.parametrize("how", ["2>&-", "2>/dev/full"])
    def test_that_is_closed_or_full_is_left_alone(self, how):
        from screens import PRELUDE

        command = ["bash", "-c", f'"$0" -c "$1" {how}', sys.executable, PRELUDE + self.SCRIPT]
        done = subprocess.run(command, capture_output=True, timeout=60, check=False)

        assert (0, b"", b"") == (done.returncode, done.stdout, done.stderr)

    def test_that_nobody_reads_is_left_alone(self):
        from screens import PRELUDE

        command = [sys.executable, "-c", PRELUDE + self.SCRIPT + "print('end')"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        process.stderr.close()

        assert b"end\n" == process.stdout.read()
        process.stdout.close()
        assert 0 == process.wait(60)

    @pytest.mark.parametrize("close", ["os.close(2)", "sys.stderr.close()"])
    def test_closed_in_mid_run_is_left_alone(self, close):
        closing = "\n    if number == 120:\n        time.sleep(0.4)\n        {close}"
        line = "\n    show(console, number, total=200)"
        script = self.SCRIPT.replace(line, line + closing.format(close=close)) + "print('end')"
        done = in_pipe(script)

        assert (0, b"end\n") == (done.returncode, done.stdout)
        assert b"milestone 100" in done.stderr
        assert b"milestone 150" not in done.stderr


class TestFork:
    def test_draws_nothing_and_does_not_wait_for_the_parents_locks(self):
        script = """
console = ConsoleHandler()
console.start()
show(console, 1)
time.sleep(0.4)
held, is_over = threading.Event(), threading.Event()
def hold():
    with console.lock, console._guard:
        held.set()
        is_over.wait()
holder = threading.Thread(target=hold)
holder.start()
held.wait()
child = os.fork()
if child == 0:
    console.start()
    show(console, 99)
    time.sleep(0.6)
    tell(console, "from the child", "WARNING")
    console.finish()
    console.close()
    os._exit(len([each for each in threading.enumerate() if "vlog" in each.name]))
is_over.set()
holder.join()
status = os.waitpid(child, 0)[1]
show(console, 2)
console.finish()
sys.exit(os.waitstatus_to_exitcode(status))
"""
        done = in_pipe(script)
        lines = [line[10:] for line in done.stderr.decode().splitlines()]

        assert 0 == done.returncode, "a thread is left in the child"
        assert ["1%", "WARNING", "2%"] == [line.split()[0] for line in lines]


class TestTerminal:
    BEGIN = "console = ConsoleHandler()\nconsole.start()\n"

    def test_has_lines_above_one_live_line(self):
        script = f"""{self.BEGIN}
tell(console, "🚀 Training starts")
show(console, 42, name={LONG_NAME!r}, usage={{"memory": {{"usage_percent": 45.2}}}})
tell(console, "Memory is at 95 %", "WARNING")
wait()
"""
        with on_terminal(script) as screen:
            rows = screen.shows("42/100")

            assert ["🚀 Training starts", "WARNING Memory is at 95 %"] == [
                row[10:] for row in rows[:2]
            ]
            assert [
                "",
                "━━━━──────  42%  42/100  loss 0.5000  ETA 0:14  250 ms/step  mem 45%  qwen3-0.…",
            ] == rows[2:]
            assert ("brown", "green") == (screen.colour_of("WARNING"), screen.colour_of(BAR))
            screen.end()

    @pytest.mark.parametrize(
        ("columns", "expected"),
        [
            (
                80,
                "━━━━──────  42%  42/100  loss nan  ETA 0:14  250 ms/step  qwen3-0.6b-sft-on-al…",
            ),
            (40, "━━━━──────  42%  42/100  loss nan"),
            (20, " 42%  loss nan"),
        ],
    )
    def test_has_what_fits_into_its_columns(self, columns, expected):
        script = f"{self.BEGIN}\nshow(console, 42, float('nan'), name={LONG_NAME!r})\nwait()"
        with on_terminal(script, columns) as screen:
            assert ["", expected] == screen.shows("nan")
            assert (0, 0) == screen.cursor
            assert "red" == screen.colour_of("nan")
            screen.end()

    @pytest.mark.parametrize("columns", [20, 40, 79, 80, 81])
    def test_keeps_wide_characters_on_one_row(self, columns):
        script = f"{self.BEGIN}\nshow(console, 42, name='漢字' * 40)\nwait()\n"
        with on_terminal(script, columns) as screen:
            assert 2 == len(screen.shows("42%"))
            screen.end()

    def test_has_one_live_line_after_it_was_resized(self):
        script = f"""{self.BEGIN}
tell(console, "begin")
for number in (10, 20, 30):
    show(console, number, name={LONG_NAME!r})
    wait()
console.finish()
"""
        with on_terminal(script) as screen:
            screen.shows(" 10%")
            for columns, step in ((40, " 20%"), (100, " 30%")):
                screen.resize(columns)
                screen.go_on()
                rows = screen.shows(step)
                assert 1 == sum(map(is_live, rows)), rows
                assert columns > len(rows[-1])
            assert 0 == screen.end()

    def test_is_redrawn_at_the_new_size_without_a_step(self):
        script = f"{self.BEGIN}\nshow(console, 10)\nwait()\n"
        with on_terminal(script, 40) as screen:
            screen.shows(" 10%")
            screen.resize(80)

            assert 2 == len(screen.shows("ETA"))
            screen.end()

    def test_leaves_the_last_state_as_a_line(self):
        script = f"""{self.BEGIN}
show(console, 99)
tell(console, "nearly")
time.sleep(0.6)
show(console, 100)
tell(console, "done")
console.finish()
print("$ ", end="")
"""
        with on_terminal(script) as screen:
            assert 0 == screen.end()
            nearly, done, last, prompt = screen.rows
            assert ("nearly", "done", "$") == (nearly[10:], done[10:], prompt)
            assert last.startswith(f"{'━' * 10} 100% 100/100")
            assert (3, 2) == screen.cursor

    def test_keeps_what_the_program_prints(self):
        """Each print has a row of its own, above the live line."""
        script = f"""{self.BEGIN}
for number in range(1, 6):
    show(console, number)
    wait()
    print(f"printed {{number}}", file=sys.stderr if number % 2 else sys.stdout, flush=True)
show(console, 6)
wait()
"""
        with on_terminal(script) as screen:
            for number in range(1, 6):
                screen.shows(f" {number}/100")
                screen.go_on()
            rows = screen.shows(" 6/100")

            assert [f"printed {number}" for number in range(1, 6)] == rows[:5]
            assert ["", True] == [rows[5], is_live(rows[6])]
            assert 7 == len(rows)
            screen.end()

    def test_keeps_the_beginning_of_a_row(self):
        script = f"""{self.BEGIN}
print("loading ...", end="", flush=True)
show(console, 1)
wait()
print(" done", flush=True)
show(console, 2)
wait()
"""
        with on_terminal(script) as screen:
            assert "loading ..." == screen.shows("  1/100")[0]
            assert (0, 11) == screen.cursor
            screen.go_on()
            rows = screen.shows("  2/100")
            assert ["loading ... done", ""] == rows[:2]
            assert 3 == len(rows)
            screen.end()

    def test_scrolls_at_the_bottom_of_the_screen(self):
        script = f"""{self.BEGIN}
for number in range(1, 41):
    print(f"printed {{number}}")
    tell(console, f"told {{number}}")
    show(console, number)
    time.sleep(0.02)
wait()
"""
        with on_terminal(script, rows=10) as screen:
            screen.shows(" 40/100")
            text = "\n".join(screen.scrolled)

            assert all(f"told {number}\n" in text for number in range(1, 41))
            assert all(f"printed {number}" in text for number in range(1, 41))
            assert is_live(screen.rows[-1])
            assert 10 == len(screen.rows)
            screen.end()

    def test_shows_a_flood_of_lines_or_says_how_many_are_missing(self):
        script = f"""{self.BEGIN}
for number in range(20_000):
    tell(console, f"line {{number}}")
show(console, 100)
wait()
console.finish()
"""
        with on_terminal(script) as screen:
            screen.shows("line 19999")
            assert 0 == screen.end()
            rows = screen.scrolled
            told = [int(row.split()[2]) for row in rows if " line " in row]
            missing = [
                int(row.split()[1].replace(",", "")) for row in rows if "could not be shown" in row
            ]

            assert sorted(told) == told
            assert 19_999 == told[-1]
            assert 20_000 == len(told) + sum(missing)
            assert is_live(rows[-1])

    def test_that_is_held_does_not_hold_the_training(self):
        script = f"""{self.BEGIN}
show(console, 1)
wait()
for number in range(2, 101):
    tell(console, "x" * 1000)
    show(console, number)
    time.sleep(0.01)
began = time.monotonic()
console.finish()
tell(console, "a line behind the end")
open("took", "w").write(str(time.monotonic() - began))
"""
        with on_terminal(script, FINISH_SECONDS="0.5") as screen:
            screen.shows("1/100")
            screen.press("\x13")  # Ctrl-S
            screen.go_on()

            assert 0 == screen.process.wait(20)
            assert 5 > float(Path("took").read_text())

    def test_that_nobody_reads_does_not_hold_the_training(self):
        script = f"""{self.BEGIN}
for number in range(3000):
    tell(console, "x" * 2000)
    show(console, number, total=3000)
console.finish()
"""
        with on_terminal(script, FINISH_SECONDS="0.5") as screen:
            assert 0 == screen.process.wait(30)

    def test_goes_on_when_it_is_released(self):
        script = f"""{self.BEGIN}
show(console, 1)
wait()
for number in range(2, 51):
    tell(console, f"told {{number}}")
    show(console, number)
wait()
console.finish()
"""
        with on_terminal(script) as screen:
            screen.shows("1/100")
            screen.press("\x13")
            screen.go_on()
            time.sleep(0.6)
            screen.press("\x11")  # Ctrl-Q
            screen.shows("50/100")

            assert [f"told {number}" for number in range(2, 51)] == [
                row[10:] for row in screen.scrolled if "told" in row
            ]
            assert 0 == screen.end()

    def test_that_goes_away_is_left_alone(self):
        script = f"""
import signal
signal.signal(signal.SIGHUP, signal.SIG_IGN)
{self.BEGIN}
show(console, 1)
wait()
for number in range(2, 10):
    tell(console, f"told {{number}}")
    show(console, number)
    time.sleep(0.1)
console.finish()
"""
        with on_terminal(script) as screen:
            screen.shows("1/100")
            screen.hang_up()
            screen.go_on()

            assert 0 == screen.process.wait(20)

    @pytest.mark.parametrize(
        ("environment", "has_colours"), [({}, True), ({"NO_COLOR": "1"}, False)]
    )
    def test_has_no_colours_with_no_color(self, environment, has_colours):
        script = f"{self.BEGIN}\nshow(console, 1, float('nan'))\ntell(console, 'x', 'ERROR')\n"
        with on_terminal(script + "console.finish()", **environment) as screen:
            screen.end()

            assert has_colours is (b"\x1b[1;31m" in screen.raw)
            assert has_colours is (b"\x1b[0m" in screen.raw)

    def test_that_is_dumb_gets_plain_lines(self):
        script = f"{self.BEGIN}\nshow(console, 1)\ntell(console, 'x', 'ERROR')\nconsole.finish()"
        with on_terminal(script, TERM="dumb") as screen:
            screen.end()

            assert b"\x1b" not in screen.raw
            assert b"1%" in screen.raw

    def test_gets_no_live_line_if_none_is_wanted(self):
        script = """
console = ConsoleHandler(live=False)
console.start()
show(console, 1)
console.finish()
"""
        with on_terminal(script) as screen:
            screen.end()

            assert b"\x1b" not in screen.raw

    def test_that_the_shell_has_gets_no_live_line(self):
        """As with `python train.py &`."""
        script = f"""
import fcntl, signal, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
if os.fork() == 0:
    os.setpgid(0, 0)
    {self.BEGIN.replace(chr(10), chr(10) + "    ")}
    show(console, 1)
    time.sleep(0.6)
    console.finish()
    os._exit(0)
os.wait()
"""
        with on_terminal(script) as screen:
            screen.end()

            assert b"\x1b[?7l" not in screen.raw
            assert b"1%" in screen.raw

    def test_of_ascii_has_a_bar_of_ascii(self):
        script = f"{self.BEGIN}\nshow(console, 42, name='é' * 100)\nwait()"
        with on_terminal(script, PYTHONIOENCODING="ascii") as screen:
            assert screen.shows("42%")[1].startswith("####------  42%")
            assert screen.raw.isascii()
            screen.end()

    def test_stays_readable_when_a_run_fails(self):
        script = f"{self.BEGIN}\nshow(console, 42)\ntime.sleep(0.5)\nraise ValueError('x')\n"
        with on_terminal(script) as screen:
            assert 1 == screen.end()
            assert ["ValueError: x"] == [row for row in screen.rows if row == "ValueError: x"]


class TestTqdm:
    """Bars of the program keep their rows, and neither side garbles the other."""

    @pytest.mark.parametrize("bars", [1, 2])
    def test_keeps_its_bars_above_the_live_line(self, bars):
        script = f"""
from tqdm import tqdm
console = ConsoleHandler()
console.start()
shown = [tqdm(total=50, desc=f"bar {{n}}", mininterval=0) for n in range({bars})]
for number in range(1, 51):
    show(console, number)
    for each in shown:
        each.update()
    if number % 10 == 0:
        tell(console, f"told {{number}}")
    time.sleep(0.03)
wait()
for each in shown:
    each.close()
tell(console, "end")
console.finish()
"""
        with on_terminal(script, rows=20) as screen:
            # The last line, the bars and the live line are drawn one after the other.
            rows = screen.until(
                lambda rows: (
                    len(rows) > 5 + bars
                    and any("told 50" in row for row in rows)
                    and " 50/100" in rows[-1]
                ),
                "all of it",
            )
            assert [f"told {number}" for number in range(10, 51, 10)] == [
                row[10:] for row in rows[:5]
            ]
            for number in range(bars):
                assert rows[5 + number].startswith(f"bar {number}: 100%|")
                assert "50/50" in rows[5 + number]
            assert [True] == [is_live(row) and "/100" in row for row in rows[5 + max(bars, 1) :]]
            assert 0 == screen.end()
            assert 1 == sum(" 50/100" in row for row in screen.rows)
            assert "end" == screen.rows[-2][10:]

    def test_has_lines_above_its_bar_when_the_console_stands_back(self):
        script = """
from tqdm import tqdm
console = ConsoleHandler()
console.start()
console.stand_back()
for number in tqdm(range(1, 21), mininterval=0):
    show(console, number)
    tell(console, f"told {number}")
    time.sleep(0.03)
console.finish()
print("after")
"""
        with on_terminal(script, rows=40) as screen:
            assert 0 == screen.end()
            rows = screen.rows
            assert [f"told {number}" for number in range(1, 21)] == [
                row[10:] for row in rows if "told" in row
            ]
            assert 1 == sum("20/20" in row for row in rows)
            assert "after" == rows[-1]
            assert 22 == len(rows)


def test_importing_handlers_does_not_load_rich():
    code = "import sys, vlog.handlers; vlog.handlers.ConsoleHandler(); print('rich' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "False\n" == done.stdout
