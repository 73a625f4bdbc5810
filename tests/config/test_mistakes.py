"""A mistake in a configuration names its key, what was got, and what to do instead."""

import logging
from pathlib import Path

import pytest
from outputs import STANDARD, VERBOSE, messages_in, refusal_of

from vlog.config import configure, default_configuration

# What is changed in the default configuration: a text of it, what stands there in its place, the
# key that the message names (with what it says about it), and the remedy in the message.
MISTAKES = {
    "no version": ("version: 1", "", "version is missing", "Add `version: 1`"),
    "version 2": ("version: 1", "version: 2", "version is 2", "Expected the number 1"),
    "version text": ("version: 1", "version: '1'", "version is '1'", "without quotes"),
    "unknown section": ("\nhandlers:", "\nhandler:", "handler: Unknown key", "mean 'handlers'?"),
    "an option of a callback": (
        "version: 1", "version: 1\nverbosity_level: high", "verbosity_level: Unknown key",
        "Expected one of: version, formatters, filters, handlers, loggers, root",
    ),
    "section without content": (
        "formatters:\n", "formatters:\nx-was:\n", "formatters has nothing in it",
        "Expected a mapping",
    ),
    "handlers as a list": (
        "handlers:\n  #", "handlers: [verbose]\nx-was:\n  #", "handlers is ['verbose']",
        "Expected a mapping",
    ),
    "handler as a text": (
        "  console:\n", "  console: vlog.handlers.ConsoleHandler\n  x:\n",
        "handlers.console is 'vlog.handlers.ConsoleHandler'", "Expected a mapping",
    ),
    "no class": (
        "    class: vlog.handlers.ConsoleHandler\n", "", "handlers.console.class is missing",
        "such as `class: vlog.handlers.RotatingJsonlHandler`",
    ),
    "unknown class of vlog": (
        "vlog.handlers.RotatingJsonlHandler", "vlog.handlers.RotatingJsonHandler",
        "handlers.verbose.class: Unknown handler 'vlog.handlers.RotatingJsonHandler'",
        "Did you mean 'vlog.handlers.RotatingJsonlHandler'?",
    ),
    "unknown class of stdlib": (
        "vlog.handlers.ConsoleHandler", "logging.StreamHandlr",
        "handlers.console.class: Unknown handler", "Did you mean 'logging.StreamHandler'?",
    ),
    "class without a module": (
        "vlog.handlers.ConsoleHandler", "ConsoleHandler",
        "handlers.console.class: 'ConsoleHandler' cannot be imported",
        "Did you mean 'vlog.handlers.ConsoleHandler'?",
    ),
    "unknown module": (
        "vlog.handlers.ConsoleHandler", "nowhere.ConsoleHandler",
        "handlers.console.class: 'nowhere.ConsoleHandler' cannot be imported: No module named",
        "Expected the dotted path of a handler in an installed module",
    ),
    "class of no handler": (
        "vlog.handlers.ConsoleHandler", "vlog.handlers.JsonlFormatter",
        "handlers.console.class: 'vlog.handlers.JsonlFormatter' is no handler",
        "Expected a class derived from logging.Handler",
    ),
    "unknown option of vlog's": (
        "max_mb", "max_size", "handlers.verbose.max_size: Unknown option",
        "Expected one of: filename, max_mb, total_mb, compress",
    ),
    "unknown option of stdlib's": (
        "    class: vlog.handlers.ErrorLogHandler\n    filename:",
        "    class: logging.FileHandler\n    filname:",
        "handlers.errors.filname: Unknown option", "Did you mean 'filename'?",
    ),
    "missing option of stdlib's": (
        "    class: vlog.handlers.ErrorLogHandler\n    filename: verbose_logging_errors.log",
        "    class: logging.FileHandler", "handlers.errors.filename is missing",
        "Add `filename: ...`",
    ),
    "misspelled level key": (
        "    level: LOW", "    lvel: LOW", "handlers.console.lvel", "Did you mean 'level'?",
    ),
    "size as a text": (
        "max_mb: 512", "max_mb: big", "handlers.verbose.max_mb is 'big'",
        "Expected a number of MiB, 0 or more",
    ),
    "unknown compression": (
        "compress: zstd", "compress: zip", "handlers.verbose.compress: Unknown", "zstd, gzip, none",
    ),
    "negative time": (
        "every_seconds: 30", "every_seconds: -1", "handlers.console.every_seconds is -1",
        "Expected seconds, above 0",
    ),
    "stream as a text": (
        "# stream: ext://sys.stdout", "stream: stdout", "handlers.console.stream is 'stdout'",
        "in YAML: ext://sys.stdout",
    ),
    "reference to nothing": (
        "# stream: ext://sys.stdout", "stream: ext://sys.stdot",
        "handlers.console.stream: 'ext://sys.stdot' leads nowhere",
        "Expected ext:// and the dotted path",
    ),
    "no filename": (
        "    filename: verbose_training_logs.jsonl\n", "", "handlers.verbose.filename is missing",
        "Add `filename: ...`",
    ),
    "filename as a number": (
        "filename: training_logs.jsonl", "filename: 3", "handlers.standard.filename is 3",
        "Expected the path of a file",
    ),
    "file in no folder": (
        "filename: training_logs.jsonl", "filename: no/x.jsonl", "handlers.standard.filename",
        "does not exist. Create it first (mkdir -p",
    ),
    "folder as a file": (
        "filename: training_logs.jsonl", "filename: .", "handlers.standard.filename",
        "is a folder. Give the path of a file in it.",
    ),
    "stdlib's file in no folder": (
        "    class: vlog.handlers.ErrorLogHandler\n    filename: ",
        "    class: logging.FileHandler\n    filename: no/",
        "handlers.errors.filename", "does not exist. Create it first",
    ),
    "two logs on one file": (
        "filename: training_logs.jsonl", "filename: ./verbose_training_logs.jsonl",
        "handlers.standard.filename: './verbose_training_logs.jsonl' is the file of",
        "handlers.verbose already, and one handler writes one file. Give another file",
    ),
    "unknown level of a handler": (
        "level: ULTRA", "level: HGIH", "handlers.verbose.level: Unknown level 'HGIH'",
        "Did you mean HIGH?",
    ),
    "level in small letters": (
        "level: LOW ", "level: low ", "handlers.console.level: Unknown level 'low'",
        "Did you mean LOW?",
    ),
    "unknown level of a logger": (
        "level: WARNING", "level: WARN1NG", "loggers.vlog.errors.level: Unknown level",
        "Did you mean WARNING? Expected a number or one of: NOTSET, ULTRA, DEBUG, HIGH",
    ),
    "unknown level of root": (
        "loggers:\n", "root:\n  level: HGIH\nloggers:\n", "root.level: Unknown level",
        "Did you mean HIGH?",
    ),
    "level as a switch": (
        "level: MEDIUM", "level: on", "handlers.standard.level: Unknown level true",
        "Expected a number or one of",
    ),
    "level as a list": (
        "level: MEDIUM", "level: [MEDIUM]", "handlers.standard.level: Unknown level ['MEDIUM']",
        "Did you mean MEDIUM?",
    ),
    "unknown formatter": (
        "formatter: jsonl", "formatter: json",
        "handlers.verbose.formatter: There is no formatter 'json' under `formatters`",
        "Did you mean 'jsonl'? Defined there: jsonl, standard.",
    ),
    "unknown handler": (
        "[verbose, standard", "[verbos, standard",
        "loggers.vlog.handlers: There is no handler 'verbos'", "Did you mean 'verbose'?",
    ),
    "unknown filter": (
        "    handlers: [errors]", "    handlers: [errors]\n    filters: [secrets]",
        "loggers.vlog.errors.filters: There is no filter 'secrets'", "Nothing is defined there",
    ),
    "handlers as a text": (
        "handlers: [errors]", "handlers: errors", "loggers.vlog.errors.handlers is 'errors'",
        "Expected a list of names, such as [errors]",
    ),
    "propagate as a text": (
        "propagate: false      #", "propagate: 'no'  #", "loggers.vlog.propagate is 'no'",
        "Expected true or false, without quotes",
    ),
    "switch as a text": (
        "disable_existing_loggers: false", "disable_existing_loggers: 'no'",
        "disable_existing_loggers is 'no'", "Expected true or false",
    ),
    "unknown key of a logger": (
        "handlers: [errors]", "handlres: [errors]", "loggers.vlog.errors.handlres: Unknown key",
        "Did you mean 'handlers'?",
    ),
    "unknown formatter class": (
        "vlog.handlers.StandardFormatter", "vlog.handlers.StandardFormater",
        "formatters.standard.(): Unknown formatter",
        "Did you mean 'vlog.handlers.StandardFormatter'?",
    ),
    "handler as a formatter": (
        "(): vlog.handlers.StandardFormatter", "class: vlog.handlers.ConsoleHandler",
        "formatters.standard.class: 'vlog.handlers.ConsoleHandler' is no formatter",
        "such as vlog.handlers.JsonlFormatter",
    ),
    "unknown option of a formatter": (
        "(): vlog.handlers.StandardFormatter", "(): vlog.handlers.StandardFormatter\n    hue: red",
        "formatters.standard.hue is 'red', which cannot be used", "unexpected keyword",
    ),
    "unknown key of a formatter": (
        "(): vlog.handlers.StandardFormatter", "formt: x", "formatters.standard.formt: Unknown key",
        "Did you mean 'format'?",
    ),
    "key twice": (
        "level: MEDIUM\n", "level: MEDIUM\n    level: LOW\n",
        "the key handlers.standard.level stands there a second time", "Remove one",
    ),
    "section twice": (
        "loggers:\n", "handlers: {}\nloggers:\n", "the key handlers stands there a second time",
        "Remove one",
    ),
    "tab": ("  verbose:\n", "\tverbose:\n", "not valid YAML: ", "replace the tab"),
    "indentation": (
        "    formatter: jsonl\n", "   formatter: jsonl\n", "not valid YAML: ",
        "Check the indentation",
    ),
    "open bracket": ("console]", "console", "not valid YAML: ", "brackets are closed"),
    "code": (
        "version: 1", "version: !!python/object/apply:os.mkdir [made]", "not valid YAML: ",
        "A configuration runs no code",
    ),
    "second document": ("formatters:", "---\nformatters:", "not valid YAML: ", "another document"),
}  # fmt: skip


def line_of(message):
    place, _, _ = message.partition(": ")
    return int(place.removeprefix("my.yaml, line "))


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_names_its_place_its_key_and_the_remedy(name):
    before, after, key, remedy = MISTAKES[name]
    default = default_configuration()
    assert before in default
    start = default[: default.index(before)].count("\n") + 1
    Path("my.yaml").write_text(default.replace(before, after, 1))
    configure()
    message = refusal_of(configure, "my.yaml")
    logging.getLogger("vlog").warning("still here")

    assert message.partition(": ")[2].startswith(key) or name == "no version"
    assert key in message
    assert remedy in message
    assert message.endswith(" What was configured before stays.")
    assert ["still here"] == messages_in(VERBOSE) == messages_in(STANDARD)
    if name != "no version":
        near = start + before.count("\n") + after.count("\n") + 1
        assert start - 5 <= line_of(message) <= near
    assert not Path("made").exists()


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "my.yaml is empty. Expected a mapping with `version: 1`"),
        (b"# nothing\n", "my.yaml is empty."),
        (b"- 1", "my.yaml holds a list. Expected a mapping with `version: 1`"),
        (b"x", "my.yaml holds a str."),
        (b"\xff\xfev", "my.yaml is not text in UTF-8: invalid start byte at byte 0. Save it as"),
        (b"version: 2026-99-99", "my.yaml is not valid YAML: month must be in 1..12."),
        (b"version: \x00", "my.yaml is not valid YAML: "),
        (b"[" * 1500, "my.yaml is not valid YAML: "),
    ],
)
def test_what_holds_no_configuration_is_refused(content, what):
    Path("my.yaml").write_bytes(content)

    assert refusal_of(configure, "my.yaml").startswith(what)


@pytest.mark.parametrize(
    ("path", "what"), [("nowhere.yaml", "No such file or directory"), (".", "Is a directory")]
)
def test_a_file_that_cannot_be_read_is_refused(path, what):
    message = refusal_of(configure, path)

    assert message.startswith(f"{path} cannot be read: {what}.")
    assert "`vlog init` writes one" in message


def test_a_byte_order_mark_an_anchor_and_a_merge_are_no_mistakes():
    text = "\ufeffx-file: &file {class: logging.NullHandler, level: LOW}\nversion: 1\n"
    text += "handlers:\n  a: {<<: *file, level: HIGH}\n  b: {<<: *file, <<: *file}\n"
    text += "loggers: {vlog: {handlers: [a, b]}}\n"
    Path("my.yaml").write_text(text, encoding="utf-8")
    configure("my.yaml")

    assert [14, 24] == [handler.level for handler in logging.getLogger("vlog").handlers]


def test_a_mistake_in_a_dict_names_its_key():
    message = refusal_of(configure, {"version": 1, "handlers": {"h": {"class": "no.Handler"}}})

    assert message.startswith("The configuration: handlers.h.class: 'no.Handler' cannot be")


def test_what_an_other_class_refuses_is_told_with_its_name():
    config = {
        "version": 1,
        "handlers": {"h": {"class": "foreign_handlers.Broken", "filename": "x.log"}},
    }

    assert refusal_of(configure, config).startswith(
        "The configuration cannot be applied: Unable to configure handler 'h': no such device."
    )
