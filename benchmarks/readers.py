"""Reading a large log: vlog against the parsers underneath, DuckDB and Polars on the same file.

Run it alone to print the table, with `--write README.md` to put it between its marks there.
DuckDB and Polars are left out where they are not installed.
"""

from __future__ import annotations

import argparse
import datetime as dt
import importlib.metadata
import importlib.util
import os
import platform
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import orjson
import zstandard
from tables import publish

import vlog
from vlog.segments import open_segment

if TYPE_CHECKING:
    from collections.abc import Callable

RECORDED_STEPS = 1_000
NUMBERS = re.compile(
    rb'\{"timestamp":"(?P<time>[^"]+)"(.*?"seq":)(?P<seq>\d+)(.*?"step":)(?P<step>\d+)(,.*)',
    re.DOTALL,
)


class Narrow(msgspec.Struct):
    """As much of an entry as the aggregate needs."""

    type: str
    step: int
    timing: dict[str, object] | None = None


def record(folder: Path, steps: int) -> list[bytes]:
    """Return the lines of a real Trainer run at ultra, which leaves nothing out.

    It is a process of its own: what a process inherits from a large one counts as its memory.
    """
    command = [sys.executable, __file__, "--record", str(folder), str(steps)]
    subprocess.run(command, check=True, stdout=sys.stderr)
    return (folder / "recorded.jsonl").read_bytes().splitlines(keepends=True)


def train(folder: Path, steps: int) -> None:
    import torch  # noqa: PLC0415 - not in the processes that are measured
    import transformers  # noqa: PLC0415

    torch.manual_seed(0)
    torch.set_num_threads(1)
    transformers.logging.disable_progress_bar()
    ids = torch.randint(0, 256, (400, 32))
    data = [{"input_ids": row, "labels": row} for row in ids]
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2}
    log = folder / "recorded.jsonl"
    trainer = transformers.Trainer(
        model=transformers.LlamaForCausalLM(
            transformers.LlamaConfig(vocab_size=256, **sizes, **heads)
        ),
        args=transformers.TrainingArguments(
            str(folder / "out"),
            max_steps=steps,
            per_device_train_batch_size=4,
            gradient_accumulation_steps=2,
            logging_steps=1,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            use_cpu=True,
        ),
        train_dataset=data,
        callbacks=[vlog.VerboseLoggingCallback("ultra", str(log), overhead_budget_percent=0)],
    )
    trainer.remove_callback(transformers.trainer_callback.PrinterCallback)
    trainer.train()


def grow(lines: list[bytes], log: Path, size: float) -> None:
    """Write the run with its steps again and again, as one long run of about `size` bytes."""
    kinds = [orjson.loads(line)["type"] for line in lines]
    first = kinds.index("step_begin")
    last = len(kinds) - kinds[::-1].index("training_step_complete")
    course, end = (
        [NUMBERS.fullmatch(line) for line in part] for part in (lines[first:last], lines[last:])
    )
    began, ended = (time_of(course[place]["time"]) for place in (0, -1))
    steps = int(course[-1]["step"]) - int(course[0]["step"]) + 1

    def again(match: re.Match[bytes], times: int) -> bytes:
        _, before, seq, between, step, rest = match.groups()
        moment = time_of(match["time"]) + times * (ended - began)
        numbers = (int(seq) + times * len(course), between, int(step) + times * steps, rest)
        stamp = moment.isoformat(timespec="microseconds").encode()
        return b'{"timestamp":"%s"%s%d%s%d%s' % (stamp, before, *numbers)

    with log.open("wb") as stream:
        stream.writelines(lines[:first])
        times = 0
        while stream.tell() < size or not times:
            stream.writelines(again(match, times) for match in course)
            times += 1
        stream.writelines(again(match, times - 1) for match in end)


def time_of(stamp: bytes) -> dt.datetime:
    return dt.datetime.fromisoformat(stamp.decode())


def with_orjson(path: str) -> None:
    for line in open_segment(Path(path)):
        orjson.loads(line)


def with_msgspec(path: str) -> None:
    decode = msgspec.json.Decoder(Narrow).decode
    for line in open_segment(Path(path)):
        decode(line)


def with_read(path: str) -> None:
    for _ in vlog.read(path):
        pass


def with_validate(path: str) -> None:
    if not vlog.validate(path).is_valid:
        raise SystemExit("the log is not valid")


def with_summarize(path: str) -> None:
    vlog.summarize(path)


def with_command(path: str) -> None:
    vlog.summarize(path, may_fork=True)


def with_duckdb(path: str) -> None:
    import duckdb  # noqa: PLC0415

    columns = "{type: 'VARCHAR', step: 'BIGINT', timing: 'STRUCT(step_time_seconds DOUBLE)'}"
    source = f"read_json('{path}', format='newline_delimited', columns={columns})"
    values = "type, count(*), max(step), avg(timing.step_time_seconds)"
    duckdb.sql(f"SELECT {values} FROM {source} GROUP BY type").fetchall()  # noqa: S608


def with_polars(path: str) -> None:
    import polars as pl  # noqa: PLC0415

    schema = {
        "type": pl.String,
        "step": pl.Int64,
        "timing": pl.Struct({"step_time_seconds": pl.Float64}),
    }
    seconds = pl.col("timing").struct.field("step_time_seconds")
    pl.scan_ndjson(path, schema=schema).group_by("type").agg(
        pl.len(), pl.col("step").max(), seconds.mean()
    ).collect(engine="streaming")


READERS: dict[str, tuple[Callable[[str], None], str, str | None]] = {
    "orjson": (with_orjson, "`orjson.loads` of each line", None),
    "msgspec": (with_msgspec, "msgspec, each line into a struct of 3 fields", None),
    "read": (with_read, "`vlog.read`", None),
    "validate": (with_validate, "`vlog.validate`", None),
    "summarize": (with_summarize, "`vlog.summarize`", None),
    "command": (with_command, "the same with `may_fork`, as in `vlog summary`", None),
    "duckdb": (with_duckdb, "DuckDB, 3 columns, grouped by type", "duckdb"),
    "polars": (with_polars, "Polars, 3 columns, grouped by type", "polars"),
}


def child(name: str, path: str) -> None:
    """Read once, and print the seconds, and the peak memory in KiB: its own, a helper's."""
    began = time.perf_counter()
    READERS[name][0](path)
    seconds = time.perf_counter() - began
    # What `getrusage` says would be the parent's if that is larger.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    helper = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(seconds, status.partition("VmHWM:")[2].split()[0], helper)


class Reading(NamedTuple):
    """What one reading took.

    Attributes:
        seconds: From the call to its end.
        peak_mb: Memory of its process at the most.
        helper_mb: Of the largest process that it has started; 0 if it starts none.
    """

    seconds: float
    peak_mb: float
    helper_mb: float

    @property
    def memory_text(self) -> str:
        """The memory in MB; in brackets behind a plus that of each helper."""
        return f"{self.peak_mb:.0f}" + (f" + {self.helper_mb:.0f} each" if self.helper_mb else "")


def measured(name: str, path: Path) -> Reading | None:
    """Return what a reader takes in a fresh process.

    None if it cannot read the file, or is not installed.
    """
    package = READERS[name][2]
    if package is not None and importlib.util.find_spec(package) is None:
        return None
    command = [sys.executable, __file__, "--child", name, str(path)]
    process = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=package is None)
    if process.returncode:
        return None
    seconds, peak, helper = map(float, process.stdout.split())
    return Reading(seconds, peak / 1024, helper / 1024)


def rows(path: Path, size: float, rounds: int, small: Path | None) -> list[str]:
    """Return a row for each reader; in a round each of them reads the same file once."""
    found: list[dict[str, Reading | None]] = []
    for number in range(rounds):
        print(f"{path.name}: round {number + 1} of {rounds}", file=sys.stderr)
        found.append({name: measured(name, path) for name in READERS})
    return [row(name, found, size, small) for name in READERS]


def row(name: str, found: list[dict[str, Reading | None]], size: float, small: Path | None) -> str:
    _, label, package = READERS[name]
    own = [each[name] for each in found if each[name] is not None]
    if len(own) < len(found):
        return f"| {label} | not installed, or cannot read it | | |"
    speeds = [
        each["orjson"].seconds / reading.seconds for each, reading in zip(found, own, strict=True)
    ]
    memory = max(own, key=lambda reading: reading.peak_mb).memory_text
    if small is not None and package is None:
        memory = f"{memory} ({measured(name, small).memory_text})"
    spread = f"{statistics.median(speeds):.2f} ({min(speeds):.2f} to {max(speeds):.2f})"
    rate = size / statistics.median(reading.seconds for reading in own) / 1e6
    return f"| {label} | {spread} | {rate:.0f} | {memory} |"


def compress(log: Path, segment: Path) -> float:
    """Compress a log as rotation does, and return how many times smaller it is."""
    with log.open("rb") as source, segment.open("wb") as target:
        zstandard.ZstdCompressor(level=3).copy_stream(source, target)
    return log.stat().st_size / segment.stat().st_size


def machine() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next((line.split(": ")[1] for line in lines if line.startswith("model name")), "CPU")
    packages = ["orjson", "msgspec", "zstandard", "duckdb", "polars"]
    versions = [
        f"{name} {importlib.metadata.version(name)}"
        for name in packages
        if importlib.util.find_spec(name)
    ]
    versions.insert(0, f"Python {platform.python_version()}")
    return f"{model}, {os.cpu_count()} cores, {', '.join(versions)}"


def table(gigabytes: float, rounds: int) -> str:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = record(folder, min(RECORDED_STEPS, int(gigabytes * 5_000)))
        log, small = folder / "run.jsonl", folder / "small.jsonl"
        segment = folder / "packed.jsonl.000001.zst"
        grow(lines, log, gigabytes * 1e9)
        grow(lines, small, gigabytes * 1e8)
        size, ratio = log.stat().st_size, compress(log, segment)
        plain = rows(log, size, rounds, small)
        packed = rows(segment, size, rounds, None)
    head = "| reader | speed | MB of JSON a second | peak MB |\n|---|---:|---:|---:|"
    return "\n".join(
        [
            f"Readers of a log of {size / 1e9:.2f} GB: a Trainer's run at ultra, steps repeated",
            f"({machine()}).",
            f"Speed: that of the first row is 1; median of {rounds} rounds, lowest and highest.",
            "Each reading is a process of its own; in brackets its memory on a tenth of the log,",
            "behind a plus that of each process that it starts.",
            "",
            head,
            *plain,
            "",
            f"The same as a compressed segment (zstd, {ratio:.1f} times smaller):",
            "",
            head,
            *packed,
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gb", type=float, default=1.0, help="size of the log")
    parser.add_argument("--rounds", type=int, default=3, help="readings of each")
    parser.add_argument("--quick", action="store_true", help="0.05 GB, one round")
    parser.add_argument("--write", type=Path, help="the Markdown file whose table to replace")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--record", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(*options.child)
        return
    if options.record:
        train(Path(options.record[0]), int(options.record[1]))
        return
    text = table(0.05, 1) if options.quick else table(options.gb, options.rounds)
    publish(text, "readers", options.write)


if __name__ == "__main__":
    main()
