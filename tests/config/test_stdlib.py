"""What stdlib's classes would take, and then fail at with every record, is refused before."""

import logging
import queue
from pathlib import Path

import pytest
from outputs import VERBOSE, messages_in, refusal_of

from vlog.config import configure

FILE = "class: logging.handlers.RotatingFileHandler, filename: my.log"
TIMED = "class: logging.handlers.TimedRotatingFileHandler, filename: my.log"
STREAM = "class: logging.StreamHandler"
LOG = "class: vlog.handlers.RotatingJsonlHandler, filename: my.jsonl"

# The options of a handler `h`, the key at fault with what is said of it, and the remedy.
HANDLERS = {
    "count as a text": (f"{FILE}, backupCount: lots", "h.backupCount is 'lots'", "a whole number"),
    "size with a unit": (f"{FILE}, maxBytes: 10MB", "h.maxBytes is '10MB'", "10485760 for 10 MiB"),
    "size as a switch": (f"{FILE}, maxBytes: true", "h.maxBytes is true", "a whole number"),
    "count below 0": (f"{FILE}, backupCount: -1", "h.backupCount is -1", "0 or more"),
    "switch as a text": (f"{FILE}, delay: maybe", "h.delay is 'maybe'", "true or false"),
    "unknown encoding": (f"{FILE}, encoding: utf-9", "h.encoding is 'utf-9'", "such as utf-8"),
    "encoding of bytes": (f"{FILE}, encoding: hex", "h.encoding is 'hex'", "a text encoding"),
    "error handler": (f"{FILE}, errors: nope", "h.errors is 'nope'", "such as backslashreplace"),
    "unknown mode": (f"{FILE}, mode: q", "h.mode is 'q'", "one of: a, w, x, a+, w+, x+"),
    "mode for bytes": (f"{FILE}, mode: ab", "h.mode is 'ab'", "one of: a, w"),
    "unknown time": (f"{TIMED}, when: hourly", "h.when is 'hourly'", "one of: S, M, H, D"),
    "no interval": (f"{TIMED}, interval: 0", "h.interval is 0", "1 or more"),
    "time of a day": (f"{TIMED}, atTime: 12:30", "h.atTime is 750", "Expected a datetime.time"),
    "stream as a text": (f"{STREAM}, stream: stdout", "h.stream is 'stdout'", "ext://sys.stdout"),
    "closed stream": (
        f"{STREAM}, stream: 'ext://config.test_stdlib.CLOSED'", "h.stream is ", "ext://sys.stderr",
    ),
    "stream to read": (
        f"{STREAM}, stream: 'ext://config.test_stdlib.READ_ONLY'", "h.stream is ", "to write to",
    ),
    "a base": ("class: logging.Handler", "h.class: 'Handler' is only the base", "StreamHandler"),
    "a base of files": (
        "class: logging.handlers.BaseRotatingHandler, filename: my.log, mode: a",
        "h.class: 'BaseRotatingHandler' is only the base", "Expected a class derived from it",
    ),
    "a base as a factory": ("(): logging.Handler", "h.(): 'Handler' is only the base", "derived"),
    "attribute": (
        f"{STREAM}, .: {{terminatr: x}}", "h...terminatr: Unknown attribute", "mean 'terminator'?",
    ),
    "attributes as a text": (f"{STREAM}, .: x", "h.. is 'x'", "Expected a mapping"),
    "no queue": ("class: logging.handlers.QueueHandler", "h.queue is missing", "Add `queue: ...`"),
    "port": (
        "class: logging.handlers.SocketHandler, host: x, port: http", "h.port is 'http'",
        "the number of a port",
    ),
    "method": (
        "class: logging.handlers.HTTPHandler, host: x, url: /, method: PUT", "h.method is 'PUT'",
        "method must be GET or POST",
    ),
    "capacity": (
        "class: logging.handlers.MemoryHandler, capacity: all", "h.capacity is 'all'",
        "a whole number",
    ),
    "endless size": (f"{LOG}, max_mb: .inf", "h.max_mb is inf", "Expected a number of MiB"),
    "size that is none": (f"{LOG}, total_mb: .nan", "h.total_mb is nan", "a number of MiB"),
    "total below one": (
        f"{LOG}, max_mb: 8, total_mb: 4", "h.total_mb is 4, less than max_mb (8)", "max_mb or more",
    ),
    "plain text in a log": (
        f"{LOG}, formatter: plain", "h.formatter: 'plain' writes plain text, and a log holds JSON",
        "Expected one with `(): vlog.handlers.JsonlFormatter`",
    ),
    "name too long": (f"{LOG.replace('my', 'n' * 240)}", "h.filename: The name", "at most "),
    "NUL": (f'{FILE.replace("my.log", chr(34) + "a" + chr(92) + "0" + chr(34))}', "h.filename: Log",
            "has a NUL in it"),
}  # fmt: skip

FORMATTERS = {
    "date as a number": ("datefmt: 3", "datefmt is 3", "'%H:%M:%S'"),
    "format as a list": ("format: [a]", "format is ['a']", "a text such as"),
    "misspelled field": ("format: '%(mesage)s'", "format: Unknown field 'mesage'", "'message'?"),
    "misspelled in braces": (
        "format: '{levlname}', style: '{'",
        "format: Unknown field 'levlname'",
        "'levelname'?",
    ),
    "text as a number": ("format: '%(message)d'", "format is '%(message)d'", "fits no record"),
    "no field": ("format: text", "format is 'text', which cannot be used", "nvalid format"),
    "open brace": (
        "format: '{message', style: '{'",
        "format is '{message', which cannot",
        "expected '}'",
    ),
    "unknown style": ("style: x", "style is 'x'", "one of: %, {, $"),
    "validate": ("validate: 'no'", "validate is 'no'", "true or false"),
    "factory": ("(): logging.Formatter, fmt: '%(mesage)s'", "fmt: Unknown field", "'message'?"),
    "option of a factory": ("(): logging.Formatter, fnt: x", "fnt is 'x'", "unexpected keyword"),
}
FILTERS = {
    "factory": ("(): logging.Filter, nam: x", "nam: Unknown option 'nam'", "Did you mean 'name'?"),
    "no factory": ("nam: x", "nam: Unknown key 'nam'", "Did you mean 'name'?"),
    "number": ("name: 3", "name is 3", "the name of a logger"),
}
CLOSED = Path(__file__).open()  # noqa: SIM115 - it is closed in the next line
CLOSED.close()


class ReadOnly:
    """A stream as `sys.stdin` is."""

    def write(self, text):
        raise OSError(text)

    def writable(self):
        return False


READ_ONLY = ReadOnly()
QUEUE = queue.Queue()


def refusal_in_yaml(section, options):
    """Return the refusal of a configuration whose line 4 has the options."""
    text = "version: 1\nformatters: {plain: {format: '%(message)s'}}\n"
    text = text.replace("formatters:", "x-formatters:") if section == "formatters" else text
    Path("my.yaml").write_text(f"{text}{section}:\n  h: {{{options}}}\n")
    return refusal_of(configure, "my.yaml")


class TestAMistakeThatStdlibWouldTake:
    @pytest.mark.parametrize("name", HANDLERS)
    def test_in_a_handler_is_refused(self, name):
        options, key, remedy = HANDLERS[name]
        message = refusal_in_yaml("handlers", options)

        assert message.startswith(f"my.yaml, line 4: handlers.{key}")
        assert remedy in message
        assert ["my.yaml"] == [path.name for path in Path.cwd().iterdir()]

    @pytest.mark.parametrize("name", FORMATTERS)
    def test_in_a_formatter_is_refused(self, name):
        options, key, remedy = FORMATTERS[name]
        message = refusal_in_yaml("formatters", options)

        assert message.startswith(f"my.yaml, line 4: formatters.h.{key}")
        assert remedy in message

    @pytest.mark.parametrize("name", FILTERS)
    def test_in_a_filter_is_refused(self, name):
        options, key, remedy = FILTERS[name]
        message = refusal_in_yaml("filters", options)

        assert message.startswith(f"my.yaml, line 4: filters.h.{key}")
        assert remedy in message

    @pytest.mark.parametrize("section", ["handlers", "formatters", "filters", "loggers"])
    @pytest.mark.parametrize(("name", "shown"), [("7", "7"), ("on", "true"), ("~", "nothing")])
    def test_in_a_name_is_refused(self, section, name, shown):
        Path("my.yaml").write_text(f"version: 1\n{section}:\n  x: {{}}\n  {name}: {{}}\n")
        message = refusal_of(configure, "my.yaml")

        assert message.startswith(f"my.yaml, line 4: {section}.")
        assert f"is named {shown}, which is no text. Put the name in quotes" in message

    def test_of_a_version_is_refused(self):
        Path("my.yaml").write_text("version: true\n")

        assert refusal_of(configure, "my.yaml").startswith("my.yaml, line 1: version is true.")

    def test_of_a_handler_to_change_is_refused(self):
        configure()
        Path("my.yaml").write_text(
            "version: 1\nincremental: true\nhandlers:\n  verbos: {level: LOW}\n"
        )
        message = refusal_of(configure, "my.yaml")

        assert message.startswith("my.yaml, line 4: handlers.verbos: Unknown handler 'verbos'.")
        assert "Did you mean 'verbose'?" in message


class TestWhatIsNoMistake:
    @pytest.mark.parametrize(
        "handler",
        [
            f"{FILE}, maxBytes: 10, backupCount: 2, encoding: Latin-1, mode: at, delay: true",
            f"{TIMED}, when: w0, interval: 2, utc: true, .: {{suffix: '%Y', mine: 1}}",
            f"{STREAM}, stream: 'ext://sys.stdout', .: {{terminator: ''}}",
            "class: logging.handlers.MemoryHandler, capacity: 5, flushLevel: 40",
            "class: logging.handlers.SocketHandler, host: localhost, port: 9",
            "class: logging.NullHandler",
            "class: logging.handlers.QueueHandler, queue: 'ext://config.test_stdlib.QUEUE'",
        ],
    )
    def test_in_a_handler_is_taken(self, handler):
        Path("my.yaml").write_text(
            f"version: 1\nhandlers:\n  h: {{{handler}}}\nroot: {{handlers: [h]}}\n"
        )
        before = logging.root.handlers[:]
        try:
            configure("my.yaml")
        finally:
            made = logging.root.handlers[:]
            logging.root.handlers[:] = before
            for each in set(made) - set(before):
                each.close()

        assert 1 == len(made)

    @pytest.mark.parametrize(
        "formatter",
        [
            "format: '%(message)s %(request_id)s %(thread_name)s'",
            "format: '%(asctime)s %(levelname)s', datefmt: '%H'",
            "format: '{levelno:>5} {message}', style: '{'",
            "format: text, validate: false",
            "(): logging.Formatter, format: '%(message)s'",
            "(): logging.Formatter, fmt: '%(messages)s', defaults: {messages: x}",
            "class: vlog.handlers.JsonlFormatter",
        ],
    )
    def test_in_a_formatter_is_taken(self, formatter):
        Path("my.yaml").write_text(f"version: 1\nformatters:\n  f: {{{formatter}}}\n")
        configure("my.yaml")

    def test_in_a_log_of_lines_of_json_is_taken(self):
        formatter = {"class": "pythonjsonlogger.orjson.OrjsonFormatter", "format": "%(message)s"}
        handler = {"class": "vlog.handlers.RotatingJsonlHandler", "filename": VERBOSE}
        configure(
            {
                "version": 1,
                "formatters": {"theirs": formatter},
                "handlers": {"h": {**handler, "formatter": "theirs"}},
                "loggers": {"vlog": {"level": "HIGH", "handlers": ["h"]}},
            }
        )
        logging.getLogger("vlog").warning("as theirs")

        assert ["as theirs"] == messages_in(VERBOSE)


@pytest.mark.parametrize("name", ["RotatingJsonlHandler", "ErrorLogHandler"])
def test_a_tilde_is_the_home_folder(name, monkeypatch):
    Path("home").mkdir()
    monkeypatch.setenv("HOME", str(Path("home").absolute()))
    handler = {"class": f"vlog.handlers.{name}", "filename": "~/my.log"}
    config = {"version": 1, "handlers": {"h": handler}, "loggers": {"vlog": {"handlers": ["h"]}}}
    configure(config)
    logging.getLogger("vlog").warning("at home")

    assert "at home" in Path("home/my.log").read_text()


@pytest.mark.parametrize("path", ["a\0b", "~a\0b", "a\0/b", "a\ud800", "n" * 300, f"{'d' * 300}/n"])
@pytest.mark.parametrize("handler", ["logging.FileHandler", "vlog.handlers.ErrorLogHandler", None])
def test_a_path_that_can_be_no_file_is_refused(path, handler):
    if handler is None:
        message = refusal_of(configure, log_file=path)
    else:
        handlers = {"h": {"class": handler, "filename": path}}
        message = refusal_of(configure, {"version": 1, "handlers": handlers})

    assert "og file" in message
    assert [] == list(Path.cwd().iterdir())


def test_a_tilde_and_the_home_folder_are_one_file(monkeypatch):
    monkeypatch.setenv("HOME", str(Path.cwd()))
    files = {"a": "~/my.jsonl", "b": "my.jsonl"}
    log = {"class": "vlog.handlers.RotatingJsonlHandler"}
    handlers = {name: {**log, "filename": file} for name, file in files.items()}

    assert "is the file of handlers.a already" in refusal_of(
        configure, {"version": 1, "handlers": handlers}
    )
