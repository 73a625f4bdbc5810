"""An app keeps its own logging: what it says, and where, is the same with a recorded run in it.

Each app is a script that runs twice: alone, and with its loop recorded.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from vlog import validate

LOG = "run.jsonl"

# `steps(...)` is the app's loop, recorded if the environment says so.
PRELUDE = """
import json, logging, logging.config, os, sys, warnings

def steps(number=3, **options):
    if "RECORDED" not in os.environ:
        yield from range(1, number + 1)
        return
    import vlog
    options = {"console": False, "sources": [], **options}
    with vlog.training_run(number, log_file="run.jsonl", **options) as run:
        for step in run.steps():
            yield step
            run.log(loss=1.0 / step)
"""

PLAIN = """
log = logging.getLogger("shop.orders")
for step in steps(capture=["shop", "shop.orders", "root", "py.warnings"]):
    log.info("order %d", step, extra={"customer": "c%d" % step})
    logging.getLogger("shop").debug("never shown")
    warnings.warn("slow")
    try:
        1 / 0
    except ZeroDivisionError:
        log.exception("it broke")
print("done")
"""

BASIC_CONFIG = """
logging.basicConfig(level=logging.INFO, format="%(levelname)s:%(name)s:%(message)s")
"""

DICT_CONFIG = """
class Json(logging.Formatter):
    def format(self, record):
        known = logging.makeLogRecord({}).__dict__
        extras = {key: repr(value) for key, value in record.__dict__.items() if key not in known}
        return json.dumps({"level": record.levelname, "text": record.getMessage(), **extras})

logging.config.dictConfig({
    "version": 1,
    "formatters": {"json": {"()": Json}, "line": {"format": "%(levelname)s %(message)s"}},
    "handlers": {
        "out": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout",
                "formatter": "line"},
        "file": {"class": "logging.FileHandler", "filename": "app.log", "mode": "w",
                 "formatter": "json"},
    },
    "root": {"level": "INFO", "handlers": ["file", "out"]},
})
"""

# Whoever asks whether a logger has handlers gets the same answer.
CONFIGURED_LATE = """
for step in steps(capture=["shop", "shop.orders", "root", "torch", "py.warnings"]):
    log = logging.getLogger("shop.orders")
    if step == 1:
        logging.getLogger("torch").warning("by the last resort")
        if not log.handlers and not log.hasHandlers() and not logging.root.handlers:
            log.addHandler(logging.StreamHandler(sys.stdout))
    if step == 2:
        logging.warning("makes basicConfig")
        logging.captureWarnings(True)
    warnings.warn("in step")
    log.warning("order %d", step)
logging.config.dictConfig({"version": 1})
logging.getLogger("torch").warning("after the run")
logging.getLogger("trl").warning("was made after dictConfig")
"""

STRUCTLOG = """
import structlog
shared = [structlog.contextvars.merge_contextvars, structlog.stdlib.add_log_level]
if "print" in sys.argv:
    structlog.configure(processors=[*shared, structlog.processors.KeyValueRenderer()],
                        logger_factory=structlog.PrintLoggerFactory())
else:
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger)
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.JSONRenderer()]))
    logging.root.addHandler(handler)
    logging.root.setLevel(logging.INFO)
log = structlog.get_logger("shop")
structlog.contextvars.bind_contextvars(request="r1")
for step in steps(capture=["shop", "root"]):
    log.info("order", number=step)
    logging.getLogger("stdlib").warning("plain %d", step)
"""

LOGURU = """
from loguru import logger
logger.remove()
logger.add(sys.stdout, format="{level} {message} {extra}")
logger.add("app.log", format="{level} {message}")

class Intercept(logging.Handler):
    def emit(self, record):
        logger.opt(exception=record.exc_info).log(record.levelname, record.getMessage())

logging.basicConfig(handlers=[Intercept()], level=logging.INFO)
if "RECORDED" in os.environ:
    import vlog.handlers
    logger.add(vlog.handlers.CaptureHandler(), format="{message}")
for step in steps(capture=[]):
    logger.bind(number=step).info("order {}", step)
    logging.getLogger("stdlib").warning("plain %d", step)
    try:
        1 / 0
    except ZeroDivisionError:
        logger.exception("it broke")
"""

UVICORN = """
import asyncio, socket, threading
import httpx, uvicorn

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    if scope["path"] == "/broken":
        raise RuntimeError("no such order")
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})

gate = socket.create_server(("127.0.0.1", 0))
port = gate.getsockname()[1]
formats = uvicorn.config.LOGGING_CONFIG["formatters"]
formats["access"]["fmt"] = '%(levelprefix)s "%(request_line)s" %(status_code)s'
uvicorn.Config(app)              # makes its loggers
loop = steps(capture=["uvicorn", "uvicorn.access", "uvicorn.error"])
next(loop)                       # the run has begun: uvicorn calls dictConfig after it
server = uvicorn.Server(uvicorn.Config(app, use_colors=False))
thread = threading.Thread(target=server.run, kwargs={"sockets": [gate]})
thread.start()
with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
    for path in ("/one", "/two", "/broken"):
        client.get(path)
server.should_exit = True
thread.join()
for _ in loop:
    pass
"""


def run_app(script, folder, *arguments, **environment):
    """Run an app in a folder of its own; return what it printed and what its files hold."""
    folder.mkdir()
    path = folder / "app.py"
    path.write_text(PRELUDE + script, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "app.py", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONWARNINGS": "always::UserWarning", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    files = {
        each.name: each.read_bytes()
        for each in folder.iterdir()
        if each.is_file() and not each.name.startswith(("app.py", LOG, f".__{LOG}"))
    }
    return done.stdout, done.stderr, files


def both(script, folder, *arguments):
    """Run an app alone and recorded; return what it put out each time, and the run's entries."""
    alone = run_app(script, folder / "app", *arguments)
    (folder / "app").rename(folder / "alone")  # a warning names the path of the script
    recorded = run_app(script, folder / "app", *arguments, RECORDED="1")
    return alone, recorded, entries_in(folder / "app")


def entries_in(folder):
    assert [] == validate(folder / LOG).problems
    return [json.loads(line) for line in (folder / LOG).read_text("utf-8").splitlines()]


def taken(entries):
    """Return logger, level, message and step of what was taken from other loggers."""
    return [
        (each["logger"], each["level"], each["message"], each["step"])
        for each in entries
        if each["type"] == "log_record"
    ]


@pytest.mark.parametrize("configuration", [BASIC_CONFIG, DICT_CONFIG])
class TestPlainLogging:
    def test_says_the_same_and_is_taken_once(self, tmp_path, configuration):
        alone, recorded, entries = both(configuration + PLAIN, tmp_path)

        assert alone == recorded
        assert "order 2" in "".join(alone[:2])
        assert [
            (logger, level, text, step)
            for step in (0, 1, 2)
            for logger, level, text in (
                ("shop.orders", "INFO", f"order {step + 1}"),
                ("py.warnings", "WARNING", "UserWarning: slow"),
                ("shop.orders", "ERROR", "it broke"),
            )
        ] == taken(entries)
        first, _, broken = [each for each in entries if each["type"] == "log_record"][:3]
        assert {"customer": "c1"} == first["fields"]
        assert broken["fields"]["exception"].endswith("ZeroDivisionError: division by zero")


class TestAnAppConfiguredLate:
    def test_finds_every_logger_as_if_nobody_listened(self, tmp_path):
        alone, recorded, entries = both(CONFIGURED_LATE, tmp_path)

        assert alone == recorded
        assert "WARNING:root:makes basicConfig" in alone[1]
        assert "by the last resort\n" in alone[1]
        assert "was made after dictConfig\n" in alone[1]
        texts = [text.split("\n")[0] for _, _, text, _ in taken(entries)]
        assert 3 == sum("in step" in text for text in texts)
        assert [f"order {step}" for step in (1, 2, 3)] == [
            text for text in texts if text.startswith("order")
        ]
        assert 1 == texts.count("makes basicConfig")


class TestStructlog:
    def test_over_stdlib_says_the_same_and_is_taken_once(self, tmp_path):
        alone, recorded, entries = both(STRUCTLOG, tmp_path)

        assert alone == recorded
        assert '{"event": "plain 3", "request": "r1", "level": "warning"}' in alone[0]
        assert ["shop", "stdlib"] * 3 == [logger for logger, *_ in taken(entries)]

    def test_over_print_says_the_same(self, tmp_path):
        alone, recorded, entries = both(STRUCTLOG, tmp_path, "print")

        assert alone == recorded
        assert "number=3" in alone[0]
        assert ["stdlib"] * 3 == [logger for logger, *_ in taken(entries)]


class TestLoguru:
    def test_says_the_same_and_its_sink_takes_each_record(self, tmp_path):
        alone, recorded, entries = both(LOGURU, tmp_path)

        assert alone == recorded
        assert b"INFO order 3\n" in alone[2]["app.log"]
        assert [
            (level, text, step)
            for step in (0, 1, 2)
            for level, text in (
                ("INFO", f"order {step + 1}"),
                ("WARNING", f"plain {step + 1}"),
                ("ERROR", "it broke"),  # loguru has the traceback in the text as well
            )
        ] == [(level, text.split("\n")[0], step) for _, level, text, step in taken(entries)]
        fields = [each["fields"] for each in entries if each["type"] == "log_record"]
        assert {"number": 1} == fields[0]["extra"]
        assert "ZeroDivisionError: division by zero" in fields[2]["exception"]


class TestUvicorn:
    def test_says_the_same_and_is_taken_though_it_configures_itself_later(self, tmp_path):
        alone, recorded, entries = both(UVICORN, tmp_path)
        differs = ("process [", "http://")  # its pid and port
        masked = [
            [line for line in text.splitlines() if not any(each in line for each in differs)]
            for text in (alone[1], recorded[1])
        ]

        assert alone[0] == recorded[0]
        assert 'INFO:     "GET /one HTTP/1.1" 200' in alone[0]
        assert masked[0] == masked[1]
        assert "RuntimeError: no such order" in masked[0]
        texts = [text for logger, _, text, _ in taken(entries) if logger == "uvicorn.error"]
        assert 1 == texts.count("Application startup complete.")
        assert 1 == texts.count("Exception in ASGI application\n")
        accesses = [text for logger, _, text, _ in taken(entries) if logger == "uvicorn.access"]
        assert 3 == len(accesses)
