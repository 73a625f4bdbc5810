"""A process that reads the GPU with the stand-in for the driver, and can be told what to do."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
import time
from pathlib import Path

import nvml_stand_in

SCRIPT = """
import json, sys, threading, time
from pathlib import Path
from vlog.clock import SystemClock
from vlog.resources import sampler
from vlog.resources.gpu import nvml_inventory
from vlog.resources.gpu import Gpu

def listen():
    for line in sys.stdin:
        exec(json.loads(line), globals())

interval, retry, root = float(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3])
sampler._RETRY_SECONDS = nvml_inventory.LOOK_SECONDS = retry
gpu = Gpu(SystemClock(), interval, root)
going_on = True
threading.Thread(target=listen, daemon=True).start()
while going_on:
    try:
        fields = gpu.read()
        values, gaps = fields.values, fields.gaps
    except Exception as error:
        values, gaps = {}, {"": error}
    gaps = {name: [type(each).__name__, str(each)] for name, each in gaps.items()}
    print(json.dumps({"at": time.monotonic(), "values": values, "gaps": gaps}), flush=True)
    time.sleep(interval)
gpu.close()
print(json.dumps({"threads": [each.name for each in threading.enumerate()]}), flush=True)
"""


class GpuProcess:
    """Readings of a `Gpu` in a process of its own.

    Attributes:
        readings: All that were looked at so far.
    """

    def __init__(self, library, control, *, interval=0.02, retry=0.1, root="/", **environment):
        self.readings = []
        self._lines = queue.Queue()
        self._process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(interval), str(retry), str(root)],
            env=nvml_stand_in.environment(library, control, **environment),
            cwd=Path(control.path).parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._thread = threading.Thread(target=self._take)
        self._thread.start()

    @property
    def pid(self):
        return self._process.pid

    def next(self):
        """Return the next reading."""
        line = self._lines.get(timeout=30)
        assert line is not None, self._process.stderr.read()
        self.readings.append(json.loads(line))
        return self.readings[-1]

    def until(self, condition, what):
        """Return the first reading from now on for which `condition(reading)` holds."""
        while not self._lines.empty():
            self.next()
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            reading = self.next()
            if condition(reading):
                return reading
        raise AssertionError(f"never happened: {what}; last: {reading}")

    def tell(self, code):
        """Execute `code` in the process."""
        self._process.stdin.write(json.dumps(code) + "\n")
        self._process.stdin.flush()

    def stop(self):
        """Close the source; return the threads that are left then, and the exit code."""
        self.tell("going_on = False")
        last = self.until(lambda line: "threads" in line, "the end")
        return last["threads"], self._process.wait(30)

    def kill(self):
        self._process.kill()
        self._process.wait()
        self._thread.join()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            pipe.close()

    def _take(self):
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(None)
