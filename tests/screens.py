"""A program on a terminal, whose screen can be read: a pseudo-terminal behind an emulator."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from contextlib import contextmanager, suppress

import pyte

PRELUDE = """
import logging, os, sys, threading, time
from vlog.handlers import ConsoleHandler
from vlog.handlers import console as module
from vlog.record import make_record

# A busy machine may take longer than the half second that a run has for its end.
module._FINISH_SECONDS = float(os.environ.get("FINISH_SECONDS", "20"))

def show(console, number, loss=0.5, total=100, name="run", usage=None, **timing):
    timing = {"step_time_seconds": 0.25, "eta_minutes": (total - number) / 240} | timing
    progress = {"progress_percent": 100 * number / total, "total_steps": total}
    metrics = {} if loss is None else {"loss": loss}
    held = {"metrics": metrics, "timing": timing, "progress": progress}
    console.show_step(name, number, held, usage)

def tell(console, message, level="INFO", verbosity="low"):
    entry = {"type": "training_start", "level": level, "message": message, "verbosity": verbosity}
    console.handle(make_record("vlog", entry))

def wait():
    "Wait until the test lets the program go on."
    os.read(int(os.environ["GATE"]), 1)

"""


class Screen:
    """What a terminal shows of a program, and the terminal's keys."""

    def __init__(self, script, columns, rows, environment):
        self._gate = os.pipe()
        self._terminal = pyte.HistoryScreen(columns, rows, history=100_000, ratio=0.5)
        self._stream = pyte.ByteStream(self._terminal)
        self.raw = b""
        self._reader, writer = pty.openpty()
        self._set_size(columns, rows)
        self.process = subprocess.Popen(
            [sys.executable, "-c", PRELUDE + script],
            stdin=writer,
            stdout=writer,
            stderr=writer,
            pass_fds=[self._gate[0]],
            start_new_session=True,
            env=_environment(environment) | {"GATE": str(self._gate[0])},
        )
        os.close(writer)

    def close(self):
        with suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        self.hang_up()
        for descriptor in self._gate:
            os.close(descriptor)

    def press(self, key):
        """Type a key."""
        os.write(self._reader, key.encode())
        time.sleep(0.05)

    def hang_up(self):
        """Close the terminal."""
        if self._reader is not None:
            os.close(self._reader)
        self._reader = None

    def go_on(self):
        """Let the program go on behind `wait()`."""
        os.write(self._gate[1], b".")

    def resize(self, columns, rows=24):
        """Change the size, as a terminal that cuts long rows does."""
        self._terminal.resize(rows, columns)
        self._set_size(columns, rows)

    def shows(self, text, seconds=20):
        """Read until `text` is on the screen, and return the rows."""
        return self.until(lambda rows: any(text in row for row in rows), repr(text), seconds)

    def until(self, condition, what, seconds=20):
        """Read until `condition` of the rows is true, and return them."""
        deadline = time.monotonic() + seconds
        while not condition(self.rows):
            is_open = self._read(0.05)
            if (not is_open and not condition(self.rows)) or time.monotonic() > deadline:
                raise AssertionError(f"never on the screen: {what}\n" + "\n".join(self.rows))
        return self.rows

    def end(self, seconds=20):
        """Let the program go on to its end; return its exit code."""
        self.go_on()
        deadline = time.monotonic() + seconds
        while self._read(0.05):
            assert time.monotonic() < deadline, "it does not end"
        return self.process.wait(5)

    @property
    def rows(self):
        """The rows from the top of the screen to the last one that is not empty."""
        rows = [row.rstrip() for row in self._terminal.display]
        while rows and not rows[-1]:
            rows.pop()
        return rows

    @property
    def scrolled(self):
        """All rows, those too that went off the screen at the top."""
        above = [
            "".join(row[column].data for column in range(self._terminal.columns)).rstrip()
            for row in self._terminal.history.top
        ]
        return above + self.rows

    @property
    def cursor(self):
        """Row and column of the cursor, from 0."""
        return self._terminal.cursor.y, self._terminal.cursor.x

    def colour_of(self, text):
        """Return the colour of the first place where `text` is."""
        for number, row in enumerate(self._terminal.display):
            if text in row:
                return self._terminal.buffer[number][row.index(text)].fg
        raise AssertionError(f"not on the screen: {text!r}")

    def _read(self, seconds):
        if not select.select([self._reader], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self._reader, 65536)
        except OSError:  # Linux says so when the other end is closed
            return False
        self.raw += data
        self._stream.feed(data)
        return bool(data)

    def _set_size(self, columns, rows):
        fcntl.ioctl(self._reader, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def _environment(changes):
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "CI")}
    return kept | {"TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8"} | changes


@contextmanager
def on_terminal(script, columns=80, rows=24, **environment):
    """Run `script` behind the prelude on a terminal."""
    screen = Screen(script, columns, rows, environment)
    try:
        yield screen
    finally:
        screen.close()


def in_pipe(script, **options):
    """Run `script` behind the prelude with a pipe behind it; return the finished process."""
    environment = _environment(options.pop("environment", {}))
    command = [sys.executable, "-c", PRELUDE + script]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "timeout": 60} | options
    return subprocess.run(command, env=environment, check=False, **options)
