"""What the classes that a configuration names take: vlog's own are tried, stdlib's looked at.

Trying one of vlog's makes an object and throws it away: none of them opens or creates a file
before its first record.
"""

from __future__ import annotations

import importlib
import inspect
import logging
import logging.handlers
import os
from difflib import get_close_matches
from logging.config import BaseConfigurator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import vlog.handlers
from vlog.config.values import BadKeyError, KeyPath, refuse_unknown_key, shown, value_at
from vlog.errors import ConfigurationError, LogFileError, unknown_name
from vlog.handlers.files import check_writable

if TYPE_CHECKING:
    from collections.abc import Callable

_EXAMPLES = {
    logging.Handler: "vlog.handlers.RotatingJsonlHandler",
    logging.Formatter: "vlog.handlers.JsonlFormatter",
    logging.Filter: "logging.Filter",
}


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
    if not (own or stdlib) or _is_derived(factory, logging.handlers.QueueHandler):
        return
    options = {key: value_at(part, key, path) for key in part if key not in others}
    if not _is_derived(factory, logging.Formatter):  # theirs hand options on, and name none
        _check_names(factory, options, path, others)
    if own:
        _try(factory, options, path)
    elif _is_derived(factory, logging.FileHandler):
        _check_stdlib_file(options["filename"], (*path, "filename"))
    if files is not None and isinstance(options.get("filename"), (str, os.PathLike)):
        is_log = _is_derived(factory, vlog.handlers.RotatingJsonlHandler)
        _check_one_writer(options["filename"], is_log, path, files)


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


def _try(factory: Callable[..., Any], options: dict[str, Any], path: KeyPath) -> None:
    """Make one; if that fails, find the option at fault by leaving out the others."""
    if "filename" in options:
        _check_is_path(options["filename"], (*path, "filename"))
    error = _failure(factory, options)
    if error is None:
        return
    needed = {name: options[name] for name in ("filename",) if name in options}
    for name in (*needed, *options):
        failure = _failure(factory, {**needed, name: options[name]})
        if failure is not None:
            text = str(failure)
            if text.startswith(f"{name} is "):
                text = f"It is {text.removeprefix(f'{name} is ')}"
            elif not isinstance(failure, ConfigurationError):
                text = f"It is {shown(options[name])}, which cannot be used: {failure}."
            raise BadKeyError((*path, name), text) from failure
    raise BadKeyError(path, str(error)) from error


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
    if file.exists() and not (file.is_file() or file.is_dir()):
        return  # /dev/stdout and the like: vlog cannot rotate them, stdlib can write them
    try:
        check_writable(file)
    except LogFileError as error:
        raise BadKeyError(path, str(error)) from error


def _check_one_writer(
    filename: Any, is_log: bool, path: KeyPath, files: dict[str, tuple[str, bool]]
) -> None:
    file = os.path.realpath(filename)
    other, is_others_log = files.get(file, ("", False))
    if other and (is_log or is_others_log):
        raise BadKeyError(
            (*path, "filename"),
            f"{shown(str(filename))} is the file of {other} already, and one handler writes one "
            "file. Give another file, or use one of the two handlers in both places.",
        )
    files[file] = (".".join(path), is_log)


def _is_derived(factory: object, base: type) -> bool:
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
