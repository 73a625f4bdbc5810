"""A refused configuration changes nothing, and one that is taken harms nobody else's logging."""

import logging
import subprocess
import sys
from pathlib import Path

import foreign_handlers
import pytest
from outputs import messages_in, refusal_of

from vlog.config import configure
from vlog.errors import ConfigurationError


@pytest.fixture
def app():
    """An app's logger, as its own set-up made it: a file of mode "w", which opens only once."""
    logger = logging.getLogger("app_of_mine")
    handler = logging.FileHandler("app.log", mode="w")
    handler.name = "of the app"
    handler.setLevel(logging.INFO)
    logger.addHandler(handler)
    logger.addFilter(lambda record: record.levelno != logging.ERROR)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    yield logger
    handler.close()
    logging._handlers.pop("of the app", None)
    logger.handlers.clear()
    logger.filters.clear()
    logger.setLevel(logging.NOTSET)
    logger.propagate, logger.disabled = True, False


def breaks_half_way(**parts):
    """Return what the check lets pass, because the class is not ours, and dictConfig does not."""
    return {
        "version": 1,
        "disable_existing_loggers": True,
        "handlers": {
            "a": {"class": "logging.FileHandler", "filename": "a.log"},
            "of the app": {"class": "logging.NullHandler"},
            "verbose": {"class": "foreign_handlers.Broken", "filename": "b.log"},
        },
        "loggers": {"app_of_mine": {"level": "ERROR", "handlers": ["a"], "propagate": True}},
    } | parts


class Incomparable:
    """A filter that no logger takes beside another one."""

    __hash__ = None

    def __eq__(self, other):
        raise TypeError(other)

    def filter(self, record):
        return record


class Unchangeable(logging.NullHandler):
    """A handler whose level cannot be ERROR."""

    def setLevel(self, level):  # noqa: N802 - stdlib's name
        if level == logging.ERROR:
            raise RuntimeError(level)
        super().setLevel(level)


def state(logger):
    return (
        logger.level, logger.propagate, logger.disabled, logger.handlers[:], logger.filters[:],
        [handler.level for handler in logger.handlers],
    )  # fmt: skip


class TestARefusedConfiguration:
    def test_leaves_loggers_and_handlers_as_they_were(self, app):
        configure()
        loggers = [app, logging.getLogger("vlog"), logging.getLogger("vlog.errors"), logging.root]
        before = [state(logger) for logger in loggers]
        names = dict(logging._handlers)
        refusal_of(configure, breaks_half_way())
        app.info("still here")
        logging.getLogger("vlog").warning("here too")

        assert before == [state(logger) for logger in loggers]
        assert names == dict(logging._handlers)
        assert "still here\n" == Path("app.log").read_text()
        assert ["here too"] == messages_in("verbose_training_logs.jsonl")

    def test_leaves_loggers_as_they_were_when_they_are_what_is_refused(self, app):
        mine = {"level": 50, "propagate": True, "filters": ["f"]}
        loggers = {"app_of_mine": mine, "other": {"filters": [Incomparable(), Incomparable()]}}
        before = state(app)
        refusal_of(
            configure, breaks_half_way(handlers={}, loggers=loggers, filters={"f": {"name": "x"}})
        )

        assert before == state(app)

    def test_closes_the_files_that_it_opened(self):
        refusal_of(configure, breaks_half_way())

        assert foreign_handlers.Broken.made.stream is None

    def test_opens_and_creates_nothing_when_the_check_finds_it(self):
        Path("folder").mkdir()
        refusal_of(
            configure,
            {
                "version": 1,
                "handlers": {
                    "a": {"class": "logging.FileHandler", "filename": "a.log"},
                    "b": {"class": "vlog.handlers.RotatingJsonlHandler", "filename": "folder"},
                },
            },
        )

        assert ["folder"] == [path.name for path in Path.cwd().iterdir()]

    def test_is_put_back_when_it_is_interrupted(self, app):
        def interrupt():
            raise KeyboardInterrupt

        before = state(app)
        with pytest.raises(KeyboardInterrupt):
            configure(breaks_half_way(handlers={"a": {"()": interrupt}}))

        assert before == state(app)
        assert app.handlers[0] is logging._handlers["of the app"]

    def test_removes_the_files_that_it_created(self):
        Path("a.log").touch()
        handlers = {
            "a": {"class": "logging.FileHandler", "filename": "a.log"},
            "new": {"class": "logging.FileHandler", "filename": "new.log"},
            "z": {"class": "foreign_handlers.Broken", "filename": "b.log"},
        }
        refusal_of(configure, breaks_half_way(handlers=handlers, loggers={}))

        assert ["a.log"] == [path.name for path in Path.cwd().iterdir()]

    def test_keeps_what_was_written_meanwhile(self):
        def write_and_break():
            Path("new.log").write_text("kept")
            raise RuntimeError

        handlers = {
            "new": {"class": "logging.FileHandler", "filename": "new.log"},
            "z": {"()": write_and_break},
        }
        refusal_of(configure, breaks_half_way(handlers=handlers, loggers={}))

        assert "kept" == Path("new.log").read_text()

    def test_puts_the_levels_of_handlers_back(self, app):
        stubborn = Unchangeable()
        stubborn.name = "stubborn"
        refusal_of(
            configure,
            {
                "version": 1,
                "incremental": True,
                "handlers": {"of the app": {"level": "ERROR"}, "stubborn": {"level": "ERROR"}},
            },
        )
        stubborn.close()

        assert logging.INFO == app.handlers[0].level


class TestAConfiguration:
    def test_leaves_the_app_s_own_files_open(self, app):
        configure()
        app.info("still here")

        assert "still here\n" == Path("app.log").read_text()
        assert app.handlers[0] is logging._handlers["of the app"]

    def test_closes_what_it_replaces(self):
        configure()
        old = logging.getLogger("vlog").handlers[0]
        logging.getLogger("vlog").warning("one")
        configure()
        logging.getLogger("vlog").warning("two")

        assert old.stream is None
        assert ["one", "two"] == messages_in("verbose_training_logs.jsonl")
        assert [] == list(Path.cwd().glob("*pid*"))

    def test_knows_the_new_handlers_by_their_names(self):
        configure()
        configure()

        assert logging.getLogger("vlog").handlers[0] is logging._handlers["verbose"]

    def test_lets_the_app_s_buffers_be_written_at_exit(self):
        script = (
            "import logging, logging.handlers, vlog\n"
            "target = logging.FileHandler('app.log', mode='w')\n"
            "target.name = 'target'\n"
            "logging.root.addHandler(logging.handlers.MemoryHandler(99, target=target))\n"
            "vlog.configure()\n"
            "logging.warning('kept')\n"
        )
        subprocess.run([sys.executable, "-c", script], check=True, timeout=60)

        assert "kept\n" == Path("app.log").read_text()

    def test_reports_a_handler_that_cannot_be_closed(self, capsys):
        handler = logging.NullHandler()
        handler.close = lambda: 1 / 0
        logging.getLogger("vlog").addHandler(handler)
        configure()

        assert "could not be closed: ZeroDivisionError" in capsys.readouterr().err


def test_a_refusal_is_a_value_error():
    with pytest.raises(ValueError, match="version is missing") as refusal:
        configure({})

    assert isinstance(refusal.value, ConfigurationError)
