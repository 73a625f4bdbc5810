"""The common settings, laid over a logging configuration before it is applied."""

from __future__ import annotations

import os
from logging.config import BaseConfigurator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from vlog.config.values import value_at
from vlog.errors import ConfigurationError, check_flag
from vlog.handlers import ConsoleHandler, ErrorLogHandler, RotatingJsonlHandler, StandardFormatter
from vlog.handlers.error_log import ERROR_LOG_NAME
from vlog.handlers.files import expand_home
from vlog.output import DEFAULT_LOG_FILE, STANDARD_LOG_NAME
from vlog.verbosity import Verbosity

if TYPE_CHECKING:
    from vlog.config.values import KeyPath


class Overrides(TypedDict, total=False):
    """The settings; one that is None is not given.

    Attributes:
        verbosity_level: The level of the logger `vlog`.
        log_file: The file of its RotatingJsonlHandler. The standard log and the error log that
            stood in the same folder as the file before go with it.
        standard_log: The file of its RotatingJsonlHandler with a StandardFormatter; True for
            `training_logs.jsonl` beside the log. Either adds one if there is none; False takes
            it off.
        console: Whether it has a ConsoleHandler.
        max_mb: Of every RotatingJsonlHandler: size in MiB at which its file becomes a segment.
        total_mb: The same: size in MiB of all segments above which the oldest are deleted.
        compress: The same: `zstd`, `gzip` or `none`.
    """

    verbosity_level: str | Verbosity | None
    log_file: str | os.PathLike[str] | None
    standard_log: str | os.PathLike[str] | bool | None
    console: bool | None
    max_mb: float | None
    total_mb: float | None
    compress: str | None


class Draft:
    """A copy of a configuration that can be changed.

    Args:
        config: A configuration that has the form of one; it is left as it is.
        name: What to call it in a message.

    Attributes:
        config: The copy.
        origins: What gave the value of a key that was changed, by the key's path.
    """

    def __init__(self, config: dict[str, Any], name: str) -> None:
        tree = BaseConfigurator(config).config
        self.config = dict(config)
        for section in ("formatters", "handlers", "loggers"):
            parts = value_at(tree, section, ()) or {}
            self.config[section] = {
                name: _resolved(parts[name], (section, str(name))) for name in parts
            }
        self.config["root"] = _resolved(value_at(tree, "root", ()) or {}, ("root",))
        self.origins: dict[KeyPath, str] = {}
        self._name = name

    def lay_over(self, option: str, value: Any, label: str) -> None:
        """Change what `option` is about.

        Args:
            option: One of `Overrides`; `log_file` before `standard_log`.
            value: Its value.
            label: What gave it: an argument or an environment variable.

        Raises:
            ConfigurationError: the value cannot be used, or there is nothing that it is about.
        """
        if option == "verbosity_level":
            level = Verbosity.parse(value).name
            self.config["loggers"].setdefault("vlog", {})["level"] = level
        elif option == "log_file":
            self._set_log_file(_path(value, label), label)
        elif option == "standard_log":
            self._set_standard_log(value, label)
        elif option == "console":
            check_flag(label, value)
            self._set_console(value, label)
        else:
            self._set_rotation(option, value, label)

    @property
    def has_outputs(self) -> bool:
        """Whether the logger `vlog` has handlers; without, its runs write files of their own."""
        return bool(self._names())

    def _set_log_file(self, path: str, label: str) -> None:
        logs = [name for name in self._names() if self._is_log(name, standard=False)]
        if len(logs) != 1:
            many = f"are {len(logs)} logs ({', '.join(logs)})"
            raise self._nothing(label, many if logs else "is no vlog.handlers.RotatingJsonlHandler")
        before = self._folder(logs[0])
        self._set(logs[0], "filename", path, label)
        for name, handler in self.config["handlers"].items():
            is_beside = self._is_log(name, standard=True) or self._is(name, ErrorLogHandler)
            if is_beside and self._folder(name) == before != "":
                file = Path(handler.get("filename", ERROR_LOG_NAME)).name
                self._set(name, "filename", str(Path(path).parent / file), label)

    def _set_standard_log(self, value: object, label: str) -> None:
        logs = [name for name in self._names() if self._is_log(name, standard=True)]
        if value is False:
            self._take_off(logs)
            return
        path = self._beside_the_log() if value is True else _path(value, label)
        if not logs:
            standard = {
                "class": "vlog.handlers.RotatingJsonlHandler",
                "formatter": self._standard_formatter(),
                "level": Verbosity.MEDIUM.name,
            }
            logs = [self._add("standard", standard, label)]
        for name in logs:
            self._set(name, "filename", path, label)

    def _set_console(self, value: bool, label: str) -> None:
        consoles = [name for name in self._names() if self._is(name, ConsoleHandler)]
        if not value:
            self._take_off(consoles)
        elif not consoles:
            console = {"class": "vlog.handlers.ConsoleHandler", "level": "LOW"}
            self._add("console", console, label)

    def _set_rotation(self, option: str, value: object, label: str) -> None:
        names = [n for n in self.config["handlers"] if self._is(n, RotatingJsonlHandler)]
        if not names:
            raise self._nothing(label, "is no vlog.handlers.RotatingJsonlHandler", "")
        for name in names:
            self._set(name, option, value, label)

    def _names(self) -> list[str]:
        """Return the handlers of the logger `vlog`."""
        return list(self.config["loggers"].get("vlog", {}).get("handlers") or ())

    def _set(self, handler: str, key: str, value: object, label: str) -> None:
        self.config["handlers"][handler][key] = value
        self.origins["handlers", handler, key] = label

    def _add(self, name: str, handler: dict[str, Any], label: str) -> str:
        if not self.has_outputs:
            raise self._nothing(label, "is no handler")
        while name in self.config["handlers"]:
            name += "_log"
        self.config["handlers"][name] = handler
        self.config["loggers"]["vlog"]["handlers"] = [*self._names(), name]
        return name

    def _take_off(self, names: list[str]) -> None:
        """Take handlers off the logger `vlog`, and away if nobody else uses them."""
        if not names:
            return
        left = [name for name in self._names() if name not in names]
        self.config["loggers"]["vlog"]["handlers"] = left
        users = [*self.config["loggers"].values(), self.config.get("root", {})]
        users += self.config["handlers"].values()
        for name in names:
            if not any(name in (u.get("handlers") or ()) or name == u.get("target") for u in users):
                del self.config["handlers"][name]

    def _standard_formatter(self) -> str:
        formatters = self.config["formatters"]
        for name in formatters:
            if self._is_standard(name):
                return str(name)
        name = "standard"
        while name in formatters:
            name += "_log"
        formatters[name] = {"()": "vlog.handlers.StandardFormatter"}
        return name

    def _beside_the_log(self) -> str:
        for name in self._names():
            if self._is_log(name, standard=False) and self._folder(name):
                file = self.config["handlers"][name].get("filename", DEFAULT_LOG_FILE)
                return str(Path(file).parent / STANDARD_LOG_NAME)
        return STANDARD_LOG_NAME

    def _folder(self, handler: str) -> str:
        """Return the folder of a handler's file; nothing if its file is no path."""
        file = self.config["handlers"][handler].get("filename", ERROR_LOG_NAME)
        is_path = isinstance(file, (str, os.PathLike))
        try:
            return os.path.realpath(Path(expand_home(file)).parent) if is_path else ""
        except ValueError:  # a NUL in it, which the check refuses
            return ""

    def _is_log(self, handler: str, *, standard: bool) -> bool:
        formatter = self._part("handlers", handler).get("formatter")
        is_standard = self._is_standard(formatter)
        return self._is(handler, RotatingJsonlHandler) and is_standard == standard

    def _is_standard(self, formatter: object) -> bool:
        return _is_derived(_factory(self._part("formatters", formatter)), StandardFormatter)

    def _is(self, handler: str, kind: type) -> bool:
        return _is_derived(_factory(self._part("handlers", handler)), kind)

    def _part(self, section: str, name: object) -> dict[str, Any]:
        return next((part for key, part in self.config[section].items() if key == name), {})

    def _nothing(
        self, label: str, found: str, where: str = " on the logger 'vlog'"
    ) -> ConfigurationError:
        return ConfigurationError(
            f"{self._name}: {label} has nothing to act on: there {found}{where}. Change that, or "
            f"leave {label} out."
        )


def _resolved(part: dict[str, Any], path: KeyPath) -> dict[str, Any]:
    return {key: value_at(part, key, path) for key in part}


def _factory(part: dict[str, Any]) -> object:
    return part.get("()", part.get("class"))


def _is_derived(value: object, base: type) -> bool:
    """Return whether `value`, a class or a dotted path, is `base` or derived from it."""
    if isinstance(value, str):
        try:
            value = BaseConfigurator({}).resolve(value)
        except Exception:  # noqa: BLE001 - the check, which comes next, says why
            return False
    return isinstance(value, type) and issubclass(value, base)


def _path(value: object, label: str) -> str:
    if isinstance(value, (str, os.PathLike)) and os.fspath(value):
        return expand_home(value)
    raise ConfigurationError(f"{label} is {value!r}. Expected the path of a file.")
