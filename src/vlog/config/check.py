"""Whether a logging configuration can be applied, asked before anything of it is.

It looks at what it knows: the form of dictConfig here, vlog's own classes and stdlib's in
`classes`. What other people's handlers, formatters and filters take is theirs to say.
"""

from __future__ import annotations

import logging
import logging.handlers
import re
from difflib import get_close_matches
from logging.config import BaseConfigurator
from typing import TYPE_CHECKING, Any

from vlog.config.classes import (
    check_factory,
    check_formatter,
    check_options,
    is_log,
    is_plain,
)
from vlog.config.redaction import SECTION as REDACTION
from vlog.config.rollback import known_handlers
from vlog.config.stdlib import check_handles
from vlog.config.values import (
    BadKeyError,
    KeyPath,
    mapping_at,
    refuse_unknown_key,
    shown,
    value_at,
)
from vlog.errors import unknown_name

if TYPE_CHECKING:
    from collections.abc import Iterable

_SECTIONS = ("formatters", "filters", "handlers", "loggers")
_SWITCHES = ("disable_existing_loggers", "incremental")
_LOGGER_KEYS = ("level", "handlers", "filters", "propagate")
_FORMATTER_KEYS = ("class", "format", "datefmt", "style", "validate", "defaults")
_OF_HANDLERS = ("class", "()", ".", "level", "formatter", "filters")

Section = dict[str, dict[str, Any]]


def check_form(config: dict[str, Any]) -> None:
    """Refuse what has not the form of a dictConfig: version, sections, mappings, lists.

    Raises:
        BadKeyError: the first that is found.
    """
    tree = BaseConfigurator(config).config
    if "version" not in tree:
        raise BadKeyError(("version",), "It is missing. Add `version: 1`.")
    if tree["version"] != 1 or isinstance(tree["version"], bool):
        raise BadKeyError(
            ("version",), f"It is {shown(tree['version'])}. Expected the number 1, without quotes."
        )
    for key in tree:
        if not str(key).startswith(("x-", "_")):
            referred = re.findall(r"cfg://(\w+)", str(config))
            allowed = ("version", *_SECTIONS, "root", REDACTION, *_SWITCHES, *referred)
            refuse_unknown_key((), key, allowed, "A key that only holds anchors begins with `x-`.")
    for key in _SWITCHES:
        _check_switch(tree, key, ())
    for key in _SECTIONS:
        section = mapping_at(tree, key, (key,))
        for name in section:
            _check_is_text(name, (key, str(name)))
            mapping_at(section, name, (key, str(name)))
    for path, part in _loggers(tree):
        for key in ("handlers", "filters"):
            _check_list(part, key, path)


def check_parts(config: dict[str, Any]) -> None:
    """Refuse what cannot be applied in a configuration that has the form of one.

    Raises:
        BadKeyError: the first that is found: levels, then the parts as dictConfig comes to them.
    """
    tree = BaseConfigurator(config).config  # resolves cfg:// and ext:// where a value is taken
    formatters, filters, handlers = (mapping_at(tree, key, (key,)) for key in _SECTIONS[:3])
    loggers = _loggers(tree)
    for path, part in (*((("handlers", str(name)), handlers[name]) for name in handlers), *loggers):
        _check_level(part, path)
    for path, part in loggers:
        for key in part:
            refuse_unknown_key(path, key, _LOGGER_KEYS)
        _check_switch(part, "propagate", path)
    if value_at(tree, "incremental", ()):
        _check_known(handlers)
        return
    for name in formatters:
        _check_formatter(formatters[name], ("formatters", str(name)))
    for name in filters:
        _check_filter(filters[name], ("filters", str(name)))
    files: dict[str, tuple[str, bool]] = {}
    for name in handlers:
        path = ("handlers", str(name))
        _check_references(handlers[name], path, formatters, filters, handlers)
        factory = check_factory(handlers[name], path, logging.Handler)
        check_handles(factory, (*path, "()" if "()" in handlers[name] else "class"))
        check_options(factory, handlers[name], path, _OF_HANDLERS, files)
    for path, part in loggers:
        _check_names(part, "handlers", path, handlers)
        _check_names(part, "filters", path, filters)
    _check_own_name(mapping_at(tree, "loggers", ("loggers",)))


def _check_own_name(loggers: dict[str, Any]) -> None:
    """Refuse a logger that is nearly `vlog`: the runs would pass its handlers over."""
    near = get_close_matches("vlog", [name for name in loggers if "." not in name], 1, cutoff=0.8)
    if near and "vlog" not in loggers:
        raise BadKeyError(
            ("loggers", near[0]), "Did you mean 'vlog'? Runs are written by that logger's handlers."
        )


def _loggers(tree: dict[str, Any]) -> list[tuple[KeyPath, dict[str, Any]]]:
    loggers = mapping_at(tree, "loggers", ("loggers",))
    found: list[tuple[KeyPath, dict[str, Any]]] = [
        (("loggers", str(name)), loggers[name]) for name in loggers
    ]
    if tree.get("root") is not None:
        found.append((("root",), mapping_at(tree, "root", ("root",))))
    return found


def _check_is_text(name: object, path: KeyPath) -> None:
    if not isinstance(name, str):
        raise BadKeyError(
            path,
            f"It is named {shown(name)}, which is no text. Put the name in quotes: without them, "
            "YAML reads a number, null, or yes, no, on and off as true and false.",
        )


def _check_known(handlers: Section) -> None:
    """Refuse handlers that are not there, whose levels `incremental` is to change."""
    known = known_handlers()
    for name in handlers:
        if name not in known:
            text = unknown_name("handler", name, known) if known else "No handler has a name."
            raise BadKeyError(
                ("handlers", name), f"{text} With `incremental`, only levels of handlers change."
            )


def _check_switch(part: dict[str, Any], key: str, path: KeyPath) -> None:
    value = value_at(part, key, path)
    if value not in (None, True, False):
        raise BadKeyError(
            (*path, key),
            f"It is {shown(value)}. Expected true or false, without quotes.",
        )


def _check_level(part: dict[str, Any], path: KeyPath) -> None:
    level = value_at(part, "level", path)
    names = logging.getLevelNamesMapping()
    if level is None or (isinstance(level, int) and not isinstance(level, bool)):
        return
    if isinstance(level, str) and level in names:
        return
    near = get_close_matches(str(level).strip().upper(), names, 1)
    hint = f" Did you mean {near[0]}?" if near else ""
    allowed = sorted(names.keys() - {"WARN", "FATAL"}, key=names.__getitem__)
    raise BadKeyError(
        (*path, "level"),
        f"Unknown level {shown(level)}.{hint} Expected a number or one of: {', '.join(allowed)}.",
    )


def _check_list(part: dict[str, Any], key: str, path: KeyPath) -> None:
    value = value_at(part, key, path)
    if value is not None and not isinstance(value, (list, tuple)):
        raise BadKeyError(
            (*path, key), f"It is {shown(value)}. Expected a list of names, such as [{value}]."
        )


def _check_names(part: dict[str, Any], key: str, path: KeyPath, defined: Iterable[str]) -> None:
    """Refuse a list that names something that the section `key` does not define."""
    _check_list(part, key, path)
    for name in value_at(part, key, path) or ():
        is_filter = callable(name) or callable(getattr(name, "filter", None))
        if not (key == "filters" and is_filter):
            _check_name(name, (*path, key), defined, key)


def _check_name(name: object, path: KeyPath, defined: Iterable[str], section: str) -> None:
    names = [str(each) for each in defined]
    if name in list(defined):
        return
    what = section.removesuffix("s")
    near = get_close_matches(str(name), names, 1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    known = f"Defined there: {', '.join(names)}." if names else "Nothing is defined there."
    raise BadKeyError(path, f"There is no {what} {shown(name)} under `{section}`.{hint} {known}")


def _check_references(
    handler: dict[str, Any], path: KeyPath, formatters: Section, filters: Section,
    handlers: Section,
) -> None:  # fmt: skip
    formatter = value_at(handler, "formatter", path)
    if formatter:
        _check_name(formatter, (*path, "formatter"), formatters, "formatters")
        _check_writes_json(handler, path, formatters[formatter])
    _check_names(handler, "filters", path, filters)
    if "target" in handler and "class" in handler:
        factory = check_factory(handler, path, logging.Handler)
        if isinstance(factory, type) and issubclass(factory, logging.handlers.MemoryHandler):
            target = value_at(handler, "target", path)
            _check_name(target, (*path, "target"), handlers, "handlers")


def _check_writes_json(handler: dict[str, Any], path: KeyPath, formatter: dict[str, Any]) -> None:
    """Refuse a formatter of stdlib's for a log that is to hold JSON."""
    if not is_log(check_factory(handler, path, logging.Handler)):
        return
    if is_plain(formatter, ("formatters", str(handler["formatter"]))):
        raise BadKeyError(
            (*path, "formatter"),
            f"{shown(handler['formatter'])} writes plain text, and a log holds JSON. Expected one "
            "with `(): vlog.handlers.JsonlFormatter` or `(): vlog.handlers.StandardFormatter`; the "
            "first is taken if `formatter` is left out.",
        )


def _check_formatter(part: dict[str, Any], path: KeyPath) -> None:
    factory: Any = logging.Formatter
    if "()" in part or "class" in part:
        factory = check_factory(part, path, logging.Formatter)
    if "()" not in part:
        for key in part:
            refuse_unknown_key(path, key, _FORMATTER_KEYS)
    style = value_at(part, "style", path)
    if "style" in part and style not in ("%", "{", "$"):
        raise BadKeyError((*path, "style"), f"It is {shown(style)}. Expected one of: %, {{, $.")
    check_formatter(factory, part, path)


def _check_filter(part: dict[str, Any], path: KeyPath) -> None:
    if "()" in part:
        factory = check_factory(part, path, logging.Filter)
        check_options(factory, part, path, ("()", "."))
        return
    for key in part:
        refuse_unknown_key(path, key, ("name", "()"))
    check_options(logging.Filter, part, path, ())
