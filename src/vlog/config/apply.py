"""Apply a logging configuration to the process.

Global state: `configure` applies a dictConfig to stdlib logging and the rules of redaction, or
leaves all of it as it was.
"""

from __future__ import annotations

import logging.config
from typing import TYPE_CHECKING, Any, Unpack

from vlog.config.check import check_form, check_parts
from vlog.config.file import Source, load
from vlog.config.overrides import Draft, Overrides
from vlog.config.redaction import rules_of
from vlog.config.rollback import all_or_nothing, no_new_files
from vlog.config.values import BadKeyError, KeyPath
from vlog.environment_settings import VARIABLES, from_environment
from vlog.errors import ConfigurationError, refuse_unknown
from vlog.redaction import put_in_force

if TYPE_CHECKING:
    import os

    from vlog.redaction import Rules


def configure(
    path_or_dict: str | os.PathLike[str] | dict[str, Any] | None = None,
    **overrides: Unpack[Overrides],
) -> None:
    """Apply a logging configuration to the whole process, or change nothing at all.

    It is `logging.config.dictConfig` with five differences. Mistakes are found before anything is
    changed. The common settings can be overridden: by environment variables (see
    `vlog.environment_settings`), and these by arguments. `disable_existing_loggers` is false if
    it is left out. A handler that is still attached to a logger afterwards is not closed. A section
    `redaction` says what else is secret (see `vlog.set_redaction`); without it, what was said
    before stays.

    Args:
        path_or_dict: A YAML file or a dict in the form of dictConfig. None takes the default
            configuration, the one that `vlog init` writes.
        **overrides: `verbosity_level`, `log_file`, `standard_log`, `console`, `max_mb`,
            `total_mb`, `compress`; see `vlog.config.Overrides`.

    Raises:
        ConfigurationError: the file cannot be read, is no YAML or has a mistake, an override or
            environment variable has a wrong value or nothing to act on. The message names the key.
    """
    try:
        refuse_unknown(overrides, Overrides.__annotations__, "override")
        source = load(path_or_dict)
        config, rules = _prepared(source, overrides)
        _apply(config, rules, source.name)
    except ConfigurationError as error:
        text = f"{error} What was configured before stays."
        raise ConfigurationError(text) from error.__cause__


def _prepared(source: Source, overrides: Overrides) -> tuple[dict[str, Any], Rules | None]:
    """Return the configuration to apply, checked, with all that overrides it; and its redaction."""
    origins: dict[KeyPath, str] = {}
    try:
        check_form(source.content)
        draft = Draft(source.content, source.name)
        origins = draft.origins
        for option, (value, label) in _given(draft, overrides).items():
            draft.lay_over(option, value, label)
        check_parts(draft.config)
        rules = rules_of(draft.config)
    except BadKeyError as mistake:
        if mistake.path in origins:
            text = mistake.about(origins[mistake.path])
        else:
            text = f"{source.place(mistake.path)}: {mistake}"
        raise ConfigurationError(text) from mistake.__cause__
    return {"disable_existing_loggers": False} | draft.config, rules


def _given(draft: Draft, overrides: Overrides) -> dict[str, tuple[Any, str]]:
    """Return each setting that is given, in the order of `Overrides`, and what gave it."""
    given: dict[str, tuple[Any, str]] = {}
    if not draft.config.get("incremental"):  # which changes levels alone
        for option, value in from_environment().items():
            # Without handlers on `vlog`, runs write files of their own, and obey the variables.
            if draft.has_outputs or option == "verbosity_level":
                given[option] = (value, VARIABLES[option])
    given |= {option: (value, option) for option, value in overrides.items() if value is not None}
    return {option: given[option] for option in Overrides.__annotations__ if option in given}


def _apply(config: dict[str, Any], rules: Rules | None, name: str) -> None:
    try:
        is_incremental = bool(config.get("incremental"))
        files = [handler.get("filename") for handler in config["handlers"].values()]
        with no_new_files(files), all_or_nothing(is_incremental=is_incremental):
            logging.config.dictConfig(config)
            if rules is not None:
                put_in_force(rules)
    except Exception as error:  # a class or factory of anybody's may raise anything
        cause = f"{error}: {error.__cause__}" if error.__cause__ else str(error)
        raise ConfigurationError(f"{name} cannot be applied: {cause.rstrip('.')}.") from error
