"""A logging configuration as it is read: from a YAML file, with the line of every key."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from vlog.config.values import KeyPath  # noqa: TC001 - a dataclass has it
from vlog.errors import ConfigurationError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

_FORM = "a mapping with `version: 1`, `handlers` and `loggers`; `vlog init` writes one"


@dataclass(frozen=True)
class Source:
    """A configuration, and where it came from.

    Attributes:
        name: What to call it in a message.
        content: The configuration.
        lines: The line of each key, from 1; empty where it came from no file.
    """

    name: str
    content: dict[str, Any]
    lines: dict[KeyPath, int] = field(default_factory=dict)

    def place(self, path: KeyPath) -> str:
        """Return the name, and the line of the key or of the nearest one above it."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.lines:
                return f"{self.name}, line {self.lines[path[:length]]}"
        return self.name


def default_configuration() -> str:
    """Return the text of the default `logging.yaml`."""
    return resources.files("vlog").joinpath("logging.yaml").read_text(encoding="utf-8")


def load(path_or_dict: str | os.PathLike[str] | dict[str, Any] | None) -> Source:
    """Return the configuration that is meant: a YAML file, a dict, or the default for None.

    Raises:
        ConfigurationError: the file cannot be read, is not YAML in UTF-8, has a key twice, or
            holds no mapping.
    """
    if isinstance(path_or_dict, dict):
        return Source("The configuration", path_or_dict)
    if path_or_dict is None:
        return _parse("The default configuration", default_configuration())
    try:
        name, text = str(Path(path_or_dict)), Path(path_or_dict).read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"{path_or_dict} cannot be read: {error.strerror}. Give the path of a YAML file; "
            "`vlog init` writes one."
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"{path_or_dict} is not text in UTF-8: {error.reason} at byte {error.start}. "
            "Save it as UTF-8."
        ) from error
    except (TypeError, ValueError) as error:
        raise ConfigurationError(
            f"The configuration is {path_or_dict!r}. Expected the path of a YAML file, a dict, or "
            "None for the default configuration."
        ) from error
    return _parse(name, text)


def _parse(name: str, text: str) -> Source:
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        keys = list(_keys(loader, node, (), set()))
        content = loader.construct_document(node) if node is not None else None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{name}, line {mark.line + 1}" if mark else name
        what = ", ".join(part for part in (error.context, error.problem) if part)
        raise ConfigurationError(f"{place}: not valid YAML: {what}. {_remedy(what)}") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ConfigurationError(f"{name} is not valid YAML: {error}.") from error
    if content is None:
        raise ConfigurationError(f"{name} is empty. Expected {_FORM}.")
    if not isinstance(content, dict):
        raise ConfigurationError(f"{name} holds a {type(content).__name__}. Expected {_FORM}.")
    return Source(name, content, _lines(name, keys))


def _lines(name: str, keys: list[tuple[KeyPath, int]]) -> dict[KeyPath, int]:
    lines: dict[KeyPath, int] = {}
    for path, line in keys:
        if path in lines and path[-1] != "<<":
            raise ConfigurationError(
                f"{name}, line {line}: the key {'.'.join(path)} stands there a second time (first "
                f"in line {lines[path]}), and only one would count. Remove one, or rename it."
            )
        lines[path] = line
    return lines


def _remedy(what: str) -> str:
    if r"\t" in what:
        return "YAML is indented by spaces: replace the tab."
    if "tag:yaml.org,2002:python" in what:
        return "A configuration runs no code: name a factory under `()` by its dotted path."
    return "Check the indentation, and that quotes and brackets are closed."


def _keys(
    loader: yaml.SafeLoader, node: yaml.Node | None, path: KeyPath, seen: set[int]
) -> Iterator[tuple[KeyPath, int]]:
    """Yield each key and its line, also where it stands twice."""
    if not isinstance(node, yaml.MappingNode) or id(node) in seen:
        return
    seen.add(id(node))  # an alias may lead to the mapping that it stands in
    for key, value in node.value:
        own = (*path, _key_text(loader, key))
        yield own, key.start_mark.line + 1
        yield from _keys(loader, value, own, seen)


def _key_text(loader: yaml.SafeLoader, key: yaml.Node) -> str:
    """Return the key as the checks name it: `on` without quotes is the key True."""
    is_plain = key.tag.rpartition(":")[2] in ("bool", "int", "float", "null")
    return str(loader.construct_object(key) if is_plain else key.value)
