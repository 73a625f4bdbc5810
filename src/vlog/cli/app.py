"""The commands, their options and exit codes.

0: fine. 1: `validate` found an invalid log, or could not mend all of it. 2: wrong usage, or a file
that cannot be used. 130: stopped by Ctrl-C. 141: nobody reads the output any more.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import importlib.resources
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import vlog
from vlog.cli.screen import Cell, Screen, print_error, print_note
from vlog.errors import ConfigurationError, LogReadError, VlogError
from vlog.schema import EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from vlog.analysis.run_summary import RunSummary
    from vlog.analysis.summary import Summary

INVALID, UNUSABLE, BROKEN_PIPE = 1, 2, 141

app = typer.Typer(
    name="vlog",
    help="Structured logs of model training: look at them, check them, follow them.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

_LOG_HELP = "The log's plain file; one rank's file, or one segment, stands for itself alone."
Log = Annotated[Path, typer.Argument(metavar="LOG", help=_LOG_HELP)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else.")]


def run() -> None:
    """Run the command that the process's arguments name, and exit."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    app(prog_name="python -m vlog" if sys.argv[0].endswith("__main__.py") else "vlog")


def _command(function: Callable[..., None]) -> Callable[..., None]:
    """Register a command whose errors are a line on standard error and an exit code."""

    @functools.wraps(function)
    def guarded(*args: Any, **options: Any) -> None:
        try:
            function(*args, **options)
            sys.stdout.flush()
        except VlogError as error:
            print_error(error)
            raise typer.Exit(UNUSABLE) from error
        except OSError as error:
            # What is left in the buffer would fail once more at the interpreter's exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            if isinstance(error, BrokenPipeError):
                raise typer.Exit(BROKEN_PIPE) from error
            print_error(f"the output cannot be written: {error.strerror}.")
            raise typer.Exit(UNUSABLE) from error

    return app.command()(guarded)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        Screen().line(Cell(f"vlog {vlog.__version__}"))
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    pass


@_command
def summary(
    log: Log,
    run_id: Annotated[
        str | None,
        typer.Option("--run", metavar="RUN_ID", help="The run; the last one if left out."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what ran, how far it came, and how it ended."""
    from vlog.analysis.summary import summarize  # noqa: PLC0415

    _print_summary(summarize(log, may_fork=True), run_id, as_json=as_json)


def _print_summary(found: Summary, run_id: str | None, *, as_json: bool) -> None:
    from vlog.cli.summary_view import print_summary  # noqa: PLC0415

    if not found.entries:
        count = found.unreadable_lines
        what = f"{count} unreadable lines and no entry" if count else "no entries"
        raise LogReadError(f"{found.path} has {what}: it is no log of vlog, or nothing ran yet.")
    if not _is_of_vlog(found):
        objects = "1 JSON object" if found.entries == 1 else f"{found.entries} JSON objects"
        raise LogReadError(
            f"{found.path} holds {objects} but no entry of vlog: give a log of vlog."
        )
    run = _choose_run(found, run_id)
    if as_json:
        found.runs = found.runs if run_id is None or run is None else [run]
        Screen().json(found)
    else:
        print_summary(Screen(), found, run)


def _is_of_vlog(found: Summary) -> bool:
    """Return whether any entry is of a run, or of a type that the schema knows."""
    return any(run.run_id is not None for run in found.runs) or not EVENTS.keys().isdisjoint(
        found.types
    )


def _choose_run(found: Summary, run_id: str | None) -> RunSummary | None:
    if run_id is None:
        return found.last_run
    for each in reversed(found.runs):
        if each.run_id == run_id:
            return each
    known = ", ".join(str(each.run_id) for each in found.runs[-20:])
    raise ConfigurationError(f"No run {run_id!r} in this log. Expected one of: {known}.")


@_command
def validate(
    logs: Annotated[
        list[Path],
        typer.Argument(metavar="LOG...", help="The logs to check. With --repair: LOG [NEW]."),
    ],
    repair: Annotated[
        bool,
        typer.Option(
            "--repair",
            help="Mend LOG into the new file NEW (NAME.repaired.jsonl beside it), and check that. "
            "LOG stays as it is; what could not be kept is named.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check every line, and that no entry is missing; each rank's file by itself.

    Exit code 0: every line is valid, and each entry that is missing has a logging_gap entry in its
    place (it then says "not complete"); lines that a kill cut off are named, and do no harm.
    1: something is wrong, with --repair in the new file still. 2: a file cannot be used.
    """
    if repair:
        _repair(logs, as_json=as_json)
    else:
        _validate(logs, as_json=as_json)


def _repair(logs: list[Path], *, as_json: bool) -> None:
    from vlog.analysis.repair import repair as mend  # noqa: PLC0415
    from vlog.cli.repair_view import print_repair  # noqa: PLC0415

    log, *new = logs
    if len(new) > 1:
        raise ConfigurationError(
            f"--repair was given {len(logs)} files. Expected one log, and perhaps the new file."
        )
    report = mend(log, new[0] if new else None)
    if as_json:
        Screen().json({**dataclasses.asdict(report), "is_valid": report.is_valid})
    else:
        print_repair(Screen(), report)
    if not report.is_valid:
        sys.stdout.flush()
        raise typer.Exit(INVALID)


def _validate(logs: list[Path], *, as_json: bool) -> None:
    from vlog.analysis.validate import validate as check  # noqa: PLC0415
    from vlog.cli.validation_view import print_report  # noqa: PLC0415

    screen, reports, has_errors = Screen(), [], False
    members: set[str] = set()  # files that another log stands for: of `*.jsonl`, say
    for log in logs:
        if str(log) in members:
            continue
        try:
            found = check(log).files
        except LogReadError as error:
            print_error(error)
            has_errors = True
            continue
        reports += found
        members |= {report.path for report in found} - {str(log)}
        for report in found if not as_json else ():
            print_report(screen, report)
    is_valid = all(report.is_valid for report in reports)
    if as_json:
        shown = [
            {
                **dataclasses.asdict(each),
                "is_valid": each.is_valid,
                "is_complete": each.is_complete,
            }
            for each in reports
        ]
        screen.json({"is_valid": is_valid and not has_errors, "logs": shown})
    if has_errors or not is_valid:
        sys.stdout.flush()
        raise typer.Exit(UNUSABLE if has_errors else INVALID)


@_command
def tail(
    log: Log,
    *,
    follow: Annotated[
        bool, typer.Option("-f", "--follow", help="Go on with new entries until Ctrl-C.")
    ] = False,
    count: Annotated[int, typer.Option("-n", "--lines", min=0, help="How many entries.")] = 10,
    types: Annotated[
        list[str] | None, typer.Option("--type", help="Only entries of this type; repeatable.")
    ] = None,
    level: Annotated[
        str | None,
        typer.Option(
            "--level", help="Only this severity and worse: DEBUG, INFO, WARNING or ERROR."
        ),
    ] = None,
    verbosity: Annotated[
        str | None,
        typer.Option(
            "--verbosity", help="Only what this verbosity writes: low, medium, high or ultra."
        ),
    ] = None,
    raw: Annotated[bool, typer.Option("--raw", help="Print the lines as they are.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --raw.")] = False,
) -> None:
    """Print the last entries, one line each."""
    from vlog.cli.tail import Tail  # noqa: PLC0415
    from vlog.filters import Filter  # noqa: PLC0415

    wanted = Filter.parse(types or [], level, verbosity)
    view = Tail(Screen(), wanted, is_raw=raw or as_json)
    if follow:
        view.follow(log, count)
    view.show(log, count)
    if view.unreadable:
        sys.stdout.flush()
        lines = "1 line" if view.unreadable == 1 else f"{view.unreadable} lines"
        print_note(f"left out {lines} of {log} that cannot be read: see `vlog validate`.")


@_command
def verbosity(
    log: Log,
    level: Annotated[str, typer.Argument(metavar="VERBOSITY", help="low, medium, high or ultra.")],
    steps: Annotated[
        int | None,
        typer.Option("--steps", min=1, help="For so many steps; then back to what it was."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Switch what a run that goes on writes, on this machine or over a shared folder."""
    from vlog.cli.verbosity import ask  # noqa: PLC0415
    from vlog.verbosity import Verbosity  # noqa: PLC0415
    from vlog.verbosity_request import VerbosityRequest  # noqa: PLC0415

    request = VerbosityRequest(Verbosity.parse(level), steps)
    taken = ask(log, request)
    if as_json:
        Screen().json(
            {
                "verbosity": request.verbosity.label,
                "steps": steps,
                "taken_by": [str(file) for file in taken],
            }
        )
        return
    how_long = "for the rest of the run" if steps is None else f"for {steps} steps"
    for file in taken:
        Screen().line(Cell(f"{file}: {request.verbosity.label} from now on, {how_long}"))


@_command
def system(as_json: AsJson = False) -> None:
    """Show what the monitor sees here and now, and what not."""
    from vlog.cli.system_view import print_reading  # noqa: PLC0415
    from vlog.resources import Places, default_sources, measure_once  # noqa: PLC0415

    places = Places()
    places.set("log", Path.cwd())
    sources = default_sources(interval_seconds=0.2, places=places, detailed=True)
    reading = measure_once(sources, lambda _what, _error: None)  # faults are in the reading
    if as_json:
        Screen().json({"resource_usage": reading.values, "missing": reading.missing})
    else:
        print_reading(Screen(), reading)


@_command
def levels(as_json: AsJson = False) -> None:
    """Show what each verbosity writes."""
    from vlog.cli.levels import levels as table  # noqa: PLC0415
    from vlog.cli.levels import print_levels  # noqa: PLC0415

    if as_json:
        Screen().json(table())
    else:
        print_levels(Screen())


@_command
def init(
    path: Annotated[
        Path, typer.Argument(metavar="[PATH]", help="The file to write, or a folder for it.")
    ] = Path("logging.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write the default configuration to a file, to be changed."""
    target = path / "logging.yaml" if path.is_dir() else path
    content = importlib.resources.files("vlog").joinpath("logging.yaml").read_bytes()
    try:
        with target.open("wb" if force else "xb") as stream:
            stream.write(content)
    except FileExistsError as error:
        raise ConfigurationError(f"{target} exists already. --force overwrites it.") from error
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise ConfigurationError(f"{target} cannot be written: {why}.") from error
    if as_json:
        Screen().json({"path": str(target)})
    else:
        Screen().line(Cell(f"wrote {target}"))


@_command
def demo(
    folder: Annotated[Path, typer.Option("--folder", help="Where its files go.")] = Path(
        "vlog-demo"
    ),
    steps: Annotated[int, typer.Option("--steps", min=1, help="Training steps.")] = 200,
    verbosity: Annotated[str, typer.Option("--verbosity", help="What is written.")] = "high",
    as_json: AsJson = False,
) -> None:
    """Train a small model on this machine and look at its log."""
    from vlog.analysis.summary import summarize  # noqa: PLC0415
    from vlog.demo import run_demo  # noqa: PLC0415

    # Its progress is for people: with --json it leaves standard output alone.
    with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
        log = run_demo(folder, steps, verbosity)
    _print_summary(summarize(log), None, as_json=as_json)
    if not as_json:
        Screen().line()
        Screen().line(Cell(f"The log: {log}", "bold"))
