"""What the classes that a configuration names take: vlog's own and stdlib's are tried.

Trying one makes an object and throws it away. None of vlog's opens or creates a file before its
first record, and stdlib's are told to delay it; those that connect at once are only looked at.
"""

from __future__ import annotations

import importlib
import inspect
import logging
import logging.handlers
import os
import sys
from difflib import get_close_matches
from logging.config import BaseConfigurator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import vlog.handlers
from vlog.config.stdlib import check_format, check_values
from vlog.config.values import BadKeyError, KeyPath, refuse_unknown_key, shown, value_at
from vlog.errors import ConfigurationError, LogFileError, unknown_name
from vlog.handlers.files import check_writable, expand_home

if TYPE_CHECKING:
    from collections.abc import Callable

_EXAMPLES = {
    logging.Handler: "vlog.handlers.RotatingJsonlHandler",
    logging.Formatter: "vlog.handlers.JsonlFormatter",
    logging.Filter: "logging.Filter",
}
_CONNECTING = (logging.handlers.SysLogHandler, logging.handlers.NTEventLogHandler)


def check_factory(part: dict[str, Any], path: KeyPath, base: type) -> Callable[..., Any]:
    """Return what makes the handler, formatter or filter that `part` describes.

    Args:
        part: The mapping.
        path: Where it stands.
        base: `logging.Handler`, `logging.Formatter` or `logging.Filter`.

    Raises:
        BadKeyError: it is not named, cannot be imported, or makes something else.
    """
    key = "()" if "()" in part else "class"
    value = value_at(part, key, path)
    if value is None:
        raise BadKeyError(
            (*path, "class"),
            f"It is missing. Add the dotted path of a class, such as `class: {_EXAMPLES[base]}`, "
            "or of a factory under `()`.",
        )
    factory = _resolve(value, (*path, key), base) if isinstance(value, str) else value
    is_class = isinstance(factory, type)
    others = tuple(other for other in _EXAMPLES if other is not base)
    if (
        not callable(factory)
        or (is_class and issubclass(factory, others) and not issubclass(factory, base))
        or (base is logging.Handler and key == "class" and not _is_derived(factory, base))
    ):
        raise BadKeyError(
            (*path, key),
            f"{shown(value)} is no {base.__name__.lower()}. Expected a class derived from "
            f"logging.{base.__name__}, such as {_EXAMPLES[base]}.",
        )
    made: Callable[..., Any] = factory
    return made


def check_options(
    factory: Callable[..., Any],
    part: dict[str, Any],
    path: KeyPath,
    others: tuple[str, ...],
    files: dict[str, tuple[str, bool]] | None = None,
) -> None:
    """Refuse options that a class of vlog's or of stdlib's does not take.

    Args:
        factory: The class; any other is passed over.
        part: The mapping with its options.
        path: Where that stands.
        others: The keys of the mapping that are no options.
        files: The handlers that have been checked, by their file: who, and whether it is one of
            vlog's logs. This one is added.

    Raises:
        BadKeyError: an option is unknown, is missing, has a value that it cannot take, or is a file
            that another handler writes.
    """
    own, stdlib = _is_of(factory, "vlog"), _is_of(factory, "logging")
    is_queue = _is_derived(factory, logging.handlers.QueueHandler)
    if not (own or stdlib) or (is_queue and sys.version_info >= (3, 12)):  # dictConfig makes queues
        return
    options = {key: value_at(part, key, path) for key in part if key not in others}
    _check_names(factory, options, path, others)
    if stdlib:
        check_values(options, path)
    if stdlib and _is_derived(factory, logging.FileHandler):
        _check_stdlib_file(options["filename"], (*path, "filename"))
        _try(factory, {**options, "delay": True}, part, path)
    elif not _is_derived(factory, _CONNECTING):
        _try(factory, options, part, path)
    if files is not None and isinstance(options.get("filename"), (str, os.PathLike)):
        file = expand_home(options["filename"]) if own else options["filename"]
        _check_one_writer(file, is_log(factory), path, files)


def check_formatter(factory: Callable[..., Any], part: dict[str, Any], path: KeyPath) -> None:
    """Refuse options that a formatter of vlog's or of stdlib's does not take.

    Args:
        factory: The class; any other is passed over.
        part: The mapping with its options, made by its `class` or by a factory under `()`.
        path: Where that stands.

    Raises:
        BadKeyError: an option has a value that it cannot take, or fits no record.
    """
    if not (_is_of(factory, "vlog") or _is_of(factory, "logging")):
        return
    options = {key: value_at(part, key, path) for key in part if key not in ("class", "()", ".")}
    check_values(options, path)

    def make(**options: Any) -> Any:
        if "format" in options:  # dictConfig's name of the first argument
            options["fmt"] = options.pop("format")
        return factory(**options)

    _try(make, options, part, path)
    if _is_of(factory, "logging"):
        key = "fmt" if "fmt" in options else "format"
        check_format(make(**options), key, path, options.get("defaults") or ())


def is_log(factory: object) -> bool:
    """Return whether `factory` makes the handler of a log."""
    return _is_derived(factory, vlog.handlers.RotatingJsonlHandler)


def is_plain(formatter: dict[str, Any], path: KeyPath) -> bool:
    """Return whether the formatter that is described at `path` is one of stdlib's."""
    is_named = "()" in formatter or "class" in formatter
    return not is_named or _is_of(check_factory(formatter, path, logging.Formatter), "logging")


def _check_names(
    factory: Callable[..., Any], options: dict[str, Any], path: KeyPath, others: tuple[str, ...]
) -> None:
    parameters = inspect.signature(factory).parameters
    allowed = (*parameters, *(name for name in others if name.isidentifier() and name != "class"))
    for name in options:
        refuse_unknown_key(path, name, allowed, what="option")
    for name, parameter in parameters.items():
        if parameter.default is parameter.empty and name not in options:
            raise BadKeyError(
                (*path, name), f"It is missing. Add `{name}: ...`: the handler needs it."
            )


def _try(
    factory: Callable[..., Any], options: dict[str, Any], part: dict[str, Any], path: KeyPath
) -> None:
    """Make one; if that fails, find the option at fault by leaving out the others."""
    if "filename" in options:
        _check_is_path(options["filename"], (*path, "filename"))
    error = _failure(factory, options)
    if error is None:
        _check_attributes(factory, options, part, path)
        return
    named = [name for name in options if str(error).startswith(f"{name} is ")]
    always = (*_required(factory), "style")  # a format means nothing without its style
    needed = {name: options[name] for name in always if name in options}
    for name in (*named, *needed, *options):
        failure = error if name in named else _failure(factory, {**needed, name: options[name]})
        if failure is not None:
            text = str(failure)
            if text.startswith(f"{name} is "):
                text = f"It is {text.removeprefix(f'{name} is ')}"
            elif not isinstance(failure, ConfigurationError):
                text = f"It is {shown(options[name])}, which cannot be used: {failure}."
            raise BadKeyError((*path, name), text) from failure
    raise BadKeyError(path, str(error)) from error


def _required(factory: Callable[..., Any]) -> list[str]:
    parameters = inspect.signature(factory).parameters.values()
    named = [each for each in parameters if each.kind is not each.VAR_KEYWORD]
    return [each.name for each in named if each.default is each.empty]


def _check_attributes(
    factory: Callable[..., Any], options: dict[str, Any], part: dict[str, Any], path: KeyPath
) -> None:
    """Refuse an attribute to set, under `.`, that is nearly one that the object has.

    Any other is passed over, as it may be anybody's own.
    """
    given = value_at(part, ".", path)
    if given is None:
        return
    if not isinstance(given, dict):
        raise BadKeyError(
            (*path, "."),
            f"It is {shown(given)}. Expected a mapping: `attribute: value` lines, indented below.",
        )
    made = factory(**options)
    if isinstance(made, logging.Handler):
        made.close()
    known = [name for name in dir(made) if not name.startswith("_")]
    for name in given:
        near = get_close_matches(str(name), known, 1, cutoff=0.8)
        if name not in known and near:
            raise BadKeyError(
                (*path, ".", str(name)), f"Unknown attribute. Did you mean {near[0]!r}?"
            )


def _failure(factory: Callable[..., Any], options: dict[str, Any]) -> Exception | None:
    """Return what is raised when one is made with `options`."""
    try:
        made = factory(**options)
    except Exception as error:  # noqa: BLE001 - the caller raises it
        return error
    if isinstance(made, logging.Handler):
        made.close()
    return None


def _check_is_path(value: object, path: KeyPath) -> None:
    if not isinstance(value, (str, os.PathLike)) or not os.fspath(value):
        raise BadKeyError(path, f"It is {shown(value)}. Expected the path of a file.")


def _check_stdlib_file(value: Any, path: KeyPath) -> None:
    _check_is_path(value, path)
    file = Path(value).absolute()
    is_there = os.path.exists(file)  # noqa: PTH110 - pathlib raises for a name too long
    if is_there and not (file.is_file() or file.is_dir()):
        return  # /dev/stdout and the like: vlog cannot rotate them, stdlib can write them
    try:
        check_writable(file)
    except LogFileError as error:
        raise BadKeyError(path, str(error)) from error


def _check_one_writer(
    filename: Any, is_a_log: bool, path: KeyPath, files: dict[str, tuple[str, bool]]
) -> None:
    file = os.path.realpath(filename)
    other, is_others_log = files.get(file, ("", False))
    if other and (is_a_log or is_others_log):
        raise BadKeyError(
            (*path, "filename"),
            f"{shown(str(filename))} is the file of {other} already, and one handler writes one "
            "file. Give another file, or use one of the two handlers in both places.",
        )
    files[file] = (".".join(path), is_a_log)


def _is_derived(factory: object, base: type | tuple[type, ...]) -> bool:
    return isinstance(factory, type) and issubclass(factory, base)


def _is_of(factory: object, package: str) -> bool:
    return isinstance(factory, type) and factory.__module__.split(".")[0] == package


def _resolve(dotted: str, path: KeyPath, base: type) -> Any:
    try:
        return BaseConfigurator({}).resolve(dotted)
    except Exception as error:  # an import runs anybody's code
        raise BadKeyError(path, _unresolved(dotted, base, error)) from error


def _unresolved(dotted: str, base: type, error: Exception) -> str:
    module, _, _ = dotted.rpartition(".")
    try:
        names = _classes(module, base)
    except Exception:  # noqa: BLE001 - the message has the first error, which is the same
        known = [each for name in _MODULES for each in _classes(name, base)]
        same = [each for each in known if each.endswith(f".{dotted.rpartition('.')[2]}")]
        near = same or get_close_matches(dotted, known, 1, cutoff=0.7)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        why = error.__cause__ or error
        return (
            f"{dotted!r} cannot be imported: {why}.{hint} Expected the dotted path of a "
            f"{base.__name__.lower()} in an installed module."
        )
    if names:
        return unknown_name(base.__name__.lower(), dotted, names)
    return f"There is no {dotted!r}. Expected the dotted path of a {base.__name__.lower()}."


_MODULES = ("vlog.handlers", "logging", "logging.handlers")


def _classes(module: str, base: type) -> list[str]:
    """Return the dotted paths of the public classes in `module` that derive from `base`."""
    found = vars(importlib.import_module(module))
    return [
        f"{module}.{name}"
        for name, value in found.items()
        if not name.startswith("_") and _is_derived(value, base)
    ]
