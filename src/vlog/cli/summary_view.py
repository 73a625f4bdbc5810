"""`vlog summary` as people read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vlog.analysis.fields import integer_at, number_at, object_at, text_at
from vlog.analysis.run_summary import State
from vlog.budget import REMEDY, SPARE_READING_SECONDS
from vlog.cli.ranks_view import STATE_STYLES, moment, print_ranks, rank_names, ranks_text
from vlog.cli.screen import Cell
from vlog.units import NONE, duration, gigabytes, number, percent, size, whole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vlog.analysis.run_summary import Alert, Gpu, Missing, Overhead, Range, RunSummary
    from vlog.analysis.summary import Summary
    from vlog.cli.screen import Screen

    Rows = Iterator[tuple[str, Cell]]

_VERSIONS = ("python", "vlog-training", "torch", "transformers", "trl", "cuda")
_BAR_CELLS = 20
_MAX_FILES = 8
_MB = 2**20
_JOULES_PER_KWH = 3.6e6


def print_summary(screen: Screen, summary: Summary, run: RunSummary | None) -> None:
    """Print what is known of a run and its log."""
    if len(summary.runs) > 1:
        _print_runs(screen, summary, run)
    if run is None:
        screen.line(Cell("No run is in this log: only log records.", "yellow"))
    else:
        _print_run(screen, run)
    screen.section("Files")
    screen.pairs(_files(summary, run))


def _print_run(screen: Screen, run: RunSummary) -> None:
    screen.section("Run")
    screen.pairs(_run(run))
    print_ranks(screen, run)
    screen.section("Progress")
    screen.pairs(_progress(run))
    screen.section("Loss")
    screen.pairs(_loss(run))
    screen.section("Time")
    screen.pairs(_time(run))
    _print_phases(screen, run)
    if run.resources.readings:
        screen.section("Resources")
        screen.pairs(_resources(run))
    screen.section("Alerts")
    if run.alerts:
        screen.pairs(_alert(alert, run) for alert in run.alerts)
    else:
        screen.line(Cell("  none", "green"))
    severe = {level: run.records.get(level, 0) for level in ("ERROR", "WARNING")}
    if any(severe.values()):
        counts = ", ".join(f"{whole(count)} {level}" for level, count in severe.items() if count)
        screen.pairs([("log records", Cell(f"{counts}; `vlog tail --type log_record`", "yellow"))])


def _print_runs(screen: Screen, summary: Summary, focus: RunSummary | None) -> None:
    screen.section(f"Runs in this log: {len(summary.runs)}")
    screen.line()
    screen.table(
        ["run", "started", "steps", "last loss", "state"],
        [
            [
                Cell(run.run_id or NONE, "bold" if run is focus else ""),
                Cell(moment(run.time.started)),
                Cell(_out_of(run.progress.step, run.progress.total_steps)),
                Cell(number(run.loss.last)),
                Cell(run.state, STATE_STYLES[run.state]),
            ]
            for run in summary.runs
        ],
    )


def _run(run: RunSummary) -> Rows:
    started = run.started
    yield "state", Cell(run.state.upper(), STATE_STYLES[run.state])
    yield "", Cell(run.ending)
    if run.missing.gaps:
        yield "", Cell(_missing(run.missing), "bold red")
    yield from _names(run)
    host = f" on {started.host}" if started.host else ""
    yield "started", Cell(f"{moment(run.time.started)}{host}")
    last = (
        "last entry"
        if run.state in (State.RUNNING, State.ENDED_ABNORMALLY, State.UNKNOWN)
        else "ended"
    )
    yield last, Cell(moment(run.time.last))
    if started.command:
        yield "command", Cell(" ".join(started.command))
    versions = [
        f"{name} {started.versions[name]}" for name in _VERSIONS if name in started.versions
    ]
    if versions:
        yield "versions", Cell(", ".join(versions))
    commit = text_at(started.git, "commit")
    if commit:
        yield "git", Cell(f"{text_at(started.git, 'branch') or 'detached'} at {commit[:10]}")
    if run.model:
        yield "model", Cell(_model(run.model))
    for name in ("train", "eval"):
        dataset = object_at(run.dataset, name)
        if dataset:
            yield f"{name} data", Cell(_dataset(dataset))
    if started.verbosity:
        yield "verbosity", Cell(started.verbosity)


def _names(run: RunSummary) -> Rows:
    if run.run_id is not None:
        rank = f", rank {run.rank}" if run.rank and len(run.ranks) == 1 else ""
        yield "run", Cell(f"{run.run_id}{rank}")
    if len(run.ranks) > 1 or (run.started.world_size or 1) > 1:
        yield "ranks", Cell(ranks_text(run))
    for name, value in run.started.links.items():
        yield name.replace("_", " "), Cell(value)


def _missing(missing: Missing) -> str:
    count = missing.entries  # a flat entry of the standard log does not say how many
    entries = "1 entry" if count == 1 else f"{whole(count)} entries" if count else "entries"
    entries += " missing"
    if missing.first is not None and missing.last is not None:
        entries += f", {moment(missing.first)} to {moment(missing.last)}"
    gaps = f" (the last of {whole(missing.gaps)} gaps)" if missing.gaps > 1 else ""
    return f"{entries}: {missing.reason}{gaps}"


def _model(model: dict[str, Any]) -> str:
    name = (text_at(model, "class") or "?").rpartition(".")[2]
    total, trainable = (number_at(model, f"{which}_parameters") for which in ("total", "trainable"))
    if total is None:
        return name
    if trainable is None or trainable == total:
        return f"{name}, {whole(total)} parameters"
    share = percent(100 * trainable / total) if total else NONE
    return f"{name}, {whole(total)} parameters, {whole(trainable)} of them trained ({share})"


def _dataset(dataset: dict[str, Any]) -> str:
    name = (text_at(dataset, "type") or "?").rpartition(".")[2]
    count = integer_at(dataset, "size")
    return f"{name}, size unknown" if count is None else f"{name}, {whole(count)} samples"


def _progress(run: RunSummary) -> Rows:
    progress, evaluations, checkpoints = run.progress, run.evaluations, run.checkpoints
    share = percent(progress.percent) if progress.percent is not None else ""
    steps = _out_of(progress.step, progress.total_steps)
    if progress.start_step and progress.step is not None:
        steps += f" ({whole(max(progress.step - progress.start_step, 0))} in this run)"
        share = f", {share}" if share else ""
    else:
        share = f" ({share})" if share else ""
    yield "steps", Cell(f"{steps}{share}")
    if progress.epoch is not None:
        of = f" of {number(progress.num_epochs)}" if progress.num_epochs else ""
        yield "epoch", Cell(f"{number(progress.epoch)}{of}")
    if progress.samples:
        tokens = f", {whole(progress.tokens)} tokens" if progress.tokens else ""
        yield "samples", Cell(f"{whole(progress.samples)}{tokens}")
    yield "evaluations", Cell(whole(evaluations.count))
    written = size(checkpoints.total_size_mb * _MB)
    made = f", {written} in all" if checkpoints.total_size_mb else ""
    yield "checkpoints", Cell(f"{whole(checkpoints.count)}{made}")


def _loss(run: RunSummary) -> Rows:
    loss, evaluations = run.loss, run.evaluations
    yield "first, last", Cell(f"{number(loss.first)} → {number(loss.last)}")
    yield "best", Cell(_at_step(loss.best, loss.best_step))
    if loss.non_finite:
        yield (
            "not finite",
            Cell(f"{whole(loss.non_finite)} steps had a loss that was nan or infinite", "bold red"),
        )
    yield "learning rate", Cell(number(run.learning_rate))
    yield "gradient norm", Cell(number(run.grad_norm))
    if evaluations.best_loss is not None:
        yield "best eval_loss", Cell(_at_step(evaluations.best_loss, evaluations.best_step))
    metrics = [name for name in evaluations.last if number_at(evaluations.last, name) is not None]
    quality = [name for name in metrics if not name.endswith(("_runtime", "_per_second", "epoch"))]
    for name in quality[:8]:
        yield f"last {name}", Cell(number(number_at(evaluations.last, name)))


def _time(run: RunSummary) -> Rows:
    time, step = run.time, run.time.step_time
    yield "training", Cell(duration(time.duration_seconds))
    yield "step, median", Cell(f"{duration(step.median)} (mean {duration(step.mean)})")
    extremes = [("fastest", step.min), ("95 % below", step.p95), ("slowest", step.max)]
    known = [f"{name} {duration(value)}" for name, value in extremes if value is not None]
    if known:
        yield "", Cell(", ".join(known), "dim")
    rates = [("samples", time.samples_per_second), ("tokens", time.tokens_per_second)]
    throughput = ", ".join(f"{number(rate)} {name}/s" for name, rate in rates if rate)
    if throughput:
        yield "throughput", Cell(throughput)
    check = time.eta_check
    if check is not None:
        actual = check.actual_minutes
        came = "not at its end" if actual is None else f"it took {duration(60 * actual)}"
        predicted = duration(60 * check.predicted_minutes)
        yield "ETA check", Cell(f"at step {whole(check.step)}: {predicted} to go; {came}")
    yield from _overhead(run.overhead)


_SHED = {
    "micro_batches": "micro-batches",
    "resources": f"resources but for one reading in {SPARE_READING_SECONDS:g} s",
}


def _overhead(overhead: Overhead) -> Rows:
    for place, cell in enumerate(_overhead_lines(overhead)):
        yield "" if place else "vlog itself", cell


def _overhead_lines(overhead: Overhead) -> Iterator[Cell]:
    if overhead.training_thread_seconds is not None:
        yield Cell(_cost(overhead))
    elif overhead.shed or overhead.is_exceeded:
        yield Cell("what it cost in all stands in an end entry, which is not there")
    budget = f"its budget of {number(overhead.budget_percent)} %"
    if overhead.shed:
        left_out = ", ".join(_SHED.get(name, name) for name in overhead.shed)
        steps = whole(overhead.shed_steps)
        yield Cell(f"to keep {budget} it left out {left_out}, in {steps} steps", "yellow")
    if overhead.is_exceeded:
        yield Cell(f"it was above {budget} with nothing left to leave out", "yellow")
        yield Cell(REMEDY, "yellow")
    if overhead.failed:
        times = f"reports of trouble inside vlog: {whole(overhead.failed)}"
        yield Cell(f"{times}, in verbose_logging_errors.log", "bold red")


def _cost(overhead: Overhead) -> str:
    share = _fine_percent(overhead.training_thread_percent)
    text = f"{duration(overhead.training_thread_seconds)} ({share})"
    if overhead.per_step_seconds is not None:
        text += f", {duration(overhead.per_step_seconds)}"
        if overhead.bytes_per_step is not None:
            text += f" and {size(overhead.bytes_per_step)}"
        text += " a step"
    threads = overhead.thread_cpu_seconds or overhead.monitor_cpu_seconds
    return f"{text}; {duration(threads)} of processor time beside it" if threads else text


def _fine_percent(value: float | None) -> str:
    return NONE if value is None else f"{number(round(value, 2))} %"


def _print_phases(screen: Screen, run: RunSummary) -> None:
    phases, total = run.time.phases, run.time.duration_seconds
    if not phases or not total:
        return
    screen.line()
    rows = []
    for name, seconds in phases.items():
        share = 100 * seconds / total
        bar = "█" * round(_BAR_CELLS * min(share, 100) / 100) if screen.is_terminal else ""
        cells = f"{duration(seconds):>12} {percent(share):>8}  "
        rows.append((name.replace("_", " "), cells, bar))
    width = max(len(name) for name, *_ in rows)
    for name, cells, bar in rows:
        screen.line(Cell(f"  {name:<{width}}", "dim"), Cell(cells), Cell(bar, "cyan"))


def _resources(run: RunSummary) -> Rows:
    resources = run.resources
    yield "memory", Cell(_range(resources.memory_percent, percent))
    if resources.memory_total_gb is not None:
        whose = "the container's limit" if resources.memory_scope == "cgroup" else "the host"
        yield "", Cell(f"of {gigabytes(resources.memory_total_gb)}, {whose}", "dim")
    if resources.memory_used_gb.peak is not None:
        yield "", Cell(_range(resources.memory_used_gb, gigabytes), "dim")
    yield "process memory", Cell(_range(resources.process_memory_gb, gigabytes))
    if resources.children_memory_gb.peak:
        yield "its children", Cell(_range(resources.children_memory_gb, gigabytes))
    yield "processor", Cell(_range(resources.cpu_percent, percent))
    for mount, used in resources.disks.items():
        yield f"disk {mount}", Cell(f"{_range(used, percent)} used")
    for name, gpu in resources.gpus.items():
        yield from _gpu(name, gpu)
    for name, why in resources.missing.items():
        if "." not in name:  # a whole section
            yield name, Cell(f"not read: {why}", "dim")
    yield "readings", Cell(whole(resources.readings), "dim")


def _gpu(name: str, gpu: Gpu) -> Rows:
    yield f"gpu {name}", Cell(gpu.product or NONE)
    for label, values, unit in (
        ("memory", gpu.memory_percent, percent),
        ("utilization", gpu.utilization_percent, percent),
        ("temperature", gpu.temperature_celsius, lambda value: f"{number(value)} °C"),
        ("power", gpu.power_watts, lambda value: f"{number(value)} W"),
    ):
        if values.peak is not None:
            yield "", Cell(f"{label}: {_range(values, unit)}")
    if gpu.energy_joules:
        yield "", Cell(f"energy: {number(gpu.energy_joules / _JOULES_PER_KWH)} kWh")


def _range(values: Range, unit: Any) -> str:
    return f"mean {unit(values.mean)}, peak {unit(values.peak)}"


def _alert(alert: Alert, run: RunSummary) -> tuple[str, Cell]:
    times = f"{alert.count} times, first " if alert.count > 1 else ""
    step = (
        f"at step {alert.first_step}" if alert.first_step is not None else "before the first step"
    )
    if alert.is_active:
        over, style = "not over by then", "yellow"
    else:
        over, style = f"over after {duration(alert.active_seconds)}", ""
    message = f": {alert.message}" if alert.message else ""
    name = f"{alert.name} ({alert.subject})" if alert.subject else alert.name
    ranks = f"{rank_names(alert.ranks)}: " if len(run.ranks) > 1 else ""
    return name, Cell(f"{ranks}{times}{step}, {over}{message}", style)


def _files(summary: Summary, run: RunSummary | None) -> Rows:
    plain = [file for file in summary.files if not file.is_segment]
    for place, file in enumerate(plain[:_MAX_FILES]):
        yield "" if place else "log", Cell(f"{file.path} ({size(file.bytes)})")
    if len(plain) > _MAX_FILES:
        left_out = plain[_MAX_FILES:]
        total = sum(file.bytes for file in left_out)
        yield "", Cell(f"and {whole(len(left_out))} more ({size(total)})")
    segments = [file for file in summary.files if file.is_segment]
    if segments:
        total = sum(file.bytes for file in segments)
        yield "segments", Cell(f"{len(segments)} older, from {segments[0].path} ({size(total)})")
    if run is not None and run.checkpoints.last_path:
        where = f"at step {run.checkpoints.last_step}: {run.checkpoints.last_path}"
        yield "last checkpoint", Cell(where)
    whose = ""
    if run is not None and len(run.ranks) > 1:
        whose = f"; rank {run.rank} has in this run:"
    yield "entries", Cell(f"{whole(summary.entries)}{whose}")
    if summary.unreadable_lines:
        unreadable = f"{whole(summary.unreadable_lines)} lines; `vlog validate` names them"
        yield "unreadable", Cell(unreadable, "yellow")
    if summary.missing.gaps:
        yield "of no run", Cell(_missing(summary.missing), "bold red")
    for name, count in (run.types if run is not None else summary.types).items():
        yield f"  {name}", Cell(f"{count:>8,}", "dim")


def _at_step(value: float | None, step: int | None) -> str:
    at = f" at step {whole(step)}" if value is not None and step is not None else ""
    return f"{number(value)}{at}"


def _out_of(done: int | None, total: int | None) -> str:
    return f"{whole(done)} of {whole(total)}" if total else whole(done)
