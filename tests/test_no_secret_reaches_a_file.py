"""No secret reaches a file, another handler or a screen; what only looks like one stays.

One process does what trainings and apps do, with a secret in every place; then every byte that it
has written is searched.
"""

import contextlib
import dataclasses
import gzip
import json
import logging
import logging.config
import os
import subprocess
import sys
import warnings
from pathlib import Path

import planted_secrets as planted
import processes
import pytest
import zstandard
from planted_secrets import BY_SHAPE, HARMLESS, HARMLESS_CONFIG, NESTED, TEXTS

import vlog
from vlog.values import MAX_TEXT

REDACTED = "<redacted>"
SHAPES = list(BY_SHAPE.values())
PRINTED = {**NESTED, "wandb": {"api_key": NESTED["wandb"]["api_key"]}}  # `key` alone says nothing
NAME = BY_SHAPE["hugging face"]

APP = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "jsonl": {"()": "vlog.handlers.JsonlFormatter"},
        "text": {"format": "%(levelname)s %(message)s"},
    },
    "handlers": {
        "file": {"class": "logging.FileHandler", "filename": "app.jsonl", "formatter": "jsonl"},
        "screen": {"class": "logging.StreamHandler", "formatter": "jsonl"},
        "text": {"class": "logging.FileHandler", "filename": "app.txt", "formatter": "text"},
    },
    "loggers": {"vlog": {"level": "DEBUG", "handlers": ["text"]}},
    "root": {"level": "DEBUG", "handlers": ["file", "screen"]},
}
RUNS = {
    "version": 1,
    "redaction": {"keys": ["badge number".replace(" ", "_")], "patterns": ["ACME-[0-9x]{6}"]},
    "formatters": {
        "jsonl": {"()": "vlog.handlers.JsonlFormatter"},
        "standard": {"()": "vlog.handlers.StandardFormatter"},
    },
    "handlers": {
        "verbose": {
            "class": "vlog.handlers.RotatingJsonlHandler", "formatter": "jsonl",
            "filename": "configured.jsonl",
        },
        "standard": {
            "class": "vlog.handlers.RotatingJsonlHandler", "formatter": "standard",
            "filename": "configured_standard.jsonl",
        },
        "console": {"class": "vlog.handlers.ConsoleHandler", "level": "INFO"},
        "errors": {"class": "vlog.handlers.ErrorLogHandler", "filename": "configured_errors.log"},
    },
    "loggers": {
        "vlog": {"level": "ULTRA", "handlers": ["verbose", "standard", "console"]},
        "vlog.errors": {"handlers": ["errors"], "propagate": False},
    },
}  # fmt: skip


@dataclasses.dataclass
class Login:
    user: str
    password: str


class Unlucky:
    """A value whose text has a secret at the place where it is cut."""

    def __init__(self, text):
        self.text = text

    def __repr__(self):
        return f"Unlucky({self.text})"


def raise_all(texts=TEXTS):
    """Raise an exception with a cause and a note, which quote all secrets."""
    cause = ValueError("\n".join(texts[::2]))
    cause.add_note("\n".join(texts[::3]))
    raise RuntimeError("\n".join(texts)) from cause


def say_all(logger):
    """Say every secret by a stdlib logger, in each way that there is."""
    for text in TEXTS:
        logger.info("said: %s", text)
        logger.warning(text, extra={"more": {"text": [text]}, "raw": text.encode()})
    logger.info("named %(a)s", {"a": TEXTS[0]})
    logger.info("%s and %s", PRINTED, Login("me", NESTED["database"]["password"]))
    logger.info("does not fit: %d", SHAPES[1])
    logger.info("nested", extra={"config": NESTED, "hub_token": NESTED["hub_token"]})
    logging.getLogger(f"app.{NAME}").info("a name of a logger")
    try:
        raise_all()
    except RuntimeError:
        logger.exception("it failed", stack_info=True)


def say_all_by_structlog(log):
    for text in TEXTS:
        log.info(text, text=text, nested={"deep": [text]}, **{"a key": {text: 1}})
    log.bind(config=NESTED).info("%s", PRINTED, login=Login("me", NESTED["database"]["password"]))
    for margin in range(0, 40, 5):  # about where a repr, and a text, are cut
        at_begin, at_end = "x " * (80 - margin // 2), " x" * (MAX_TEXT // 4 - margin // 2)
        log.info("cut", value=Unlucky(f"{at_begin}{NAME}{at_end}"))
        log.info(
            "cut", text=f"{'x ' * (MAX_TEXT // 4 - margin // 2)}{NAME}{at_end * 2}{NAME}{at_end}"
        )
    try:
        raise_all()
    except RuntimeError:
        log.exception("it failed")


def train():
    """Train with the Trainer, until it fails with an exception that quotes all secrets."""
    from trainers import make_trainer, small_model
    from transformers import TrainerCallback

    class Trouble(TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            if state.global_step == 2:
                raise_all()
            say_all(logging.getLogger("library.of_mine"))
            say_all_by_structlog(vlog.get_logger("train"))
            warnings.warn(TEXTS[0], stacklevel=1)

    def on_alert(entry):
        raise RuntimeError(TEXTS[1])

    model = small_model()
    model.config.login, model.config.api_key = dict(NESTED), NESTED["hub_token"]
    callback = vlog.VerboseLoggingCallback(
        "ultra", "trainer.jsonl", standard_log=True, capture=["root"], propagate=True,
        console=True, on_alert=on_alert, max_mb=0.2, log_sample_content=True,
    )  # fmt: skip
    trainer = make_trainer(
        [callback, Trouble()],
        model=model,
        run_name=NAME,
        hub_token=NESTED["hub_token"],
        gradient_checkpointing_kwargs=NESTED,
    )
    with contextlib.suppress(RuntimeError):
        trainer.train()


def loop():
    """Run a loop with a secret in whatever it is told, and what only looks like one."""
    Path(".loop.jsonl.verbosity").write_text(json.dumps({"verbosity": SHAPES[0]}))
    log = vlog.get_logger(NAME)
    with vlog.training_run(
        3, "ultra", "loop.jsonl", name=NAME, config={"secret": NESTED, "plain": HARMLESS_CONFIG},
        dataset=[{SHAPES[2]: "x"}], compress="gzip", max_mb=0.2, propagate=True, capture=["root"],
        resume_from_checkpoint=f"runs/{SHAPES[4]}",
    ) as run:  # fmt: skip
        for number in run.steps():
            run.log({f"loss_{SHAPES[0]}": number, SHAPES[1]: float("nan"), "loss": float("nan")})
            run.log(text=TEXTS[0], api_key=NESTED["hub_token"])
        with run.checkpoint(f"runs/{SHAPES[3]}/{number}"):
            pass
        run.set_verbosity("ultra", steps=1)
        say_all_by_structlog(log)
        for index, text in enumerate(HARMLESS):
            log.info(text, index=index, text=text)
            logging.getLogger("harmless").info("%s", text, extra={"index": index, "text": text})
        with run.evaluation():
            run.log({SHAPES[5]: 1.0})


def configured():
    """Run a loop that writes what is configured, with secrets that only the app knows."""
    vlog.configure(RUNS)
    with contextlib.suppress(RuntimeError), vlog.training_run(2, name=NAME) as run:
        for _ in run.steps():
            vlog.get_logger().warning(
                f"badge_number={planted.OWN_KEY} {planted.OWN_PATTERN}",
                badge_number=planted.OWN_KEY,
                nested={"x.badge-number": [planted.OWN_KEY], "text": planted.OWN_PATTERN},
            )
            say_all(logging.getLogger("vlog.of_mine"))
        raise_all([*TEXTS, f"badgeNumber: '{planted.OWN_KEY}' {planted.OWN_PATTERN}"])


def everything():
    """Do all of it in this process."""
    sys.argv += ["--hub-token", NESTED["hub_token"], f"--password={NESTED['hub_token']}", NAME]
    Path(".git").mkdir()
    Path(".git/HEAD").write_text(f"ref: refs/heads/{SHAPES[6]}")
    logging.config.dictConfig(APP)
    logging.captureWarnings(capture=True)
    say_all(logging.getLogger("app"))
    train()
    loop()
    Path(".git/HEAD").unlink()  # it is not vlog's
    configured()


def written_bytes(folder):
    """Return what each file of a folder holds, unpacked."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            data = path.read_bytes()
            if path.suffix == ".zst":
                data = zstandard.ZstdDecompressor().stream_reader(data).read()
            found[path.name] = gzip.decompress(data) if path.suffix == ".gz" else data
    return found


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """What one process has written anywhere: by file, `stdout` and `stderr` among them."""
    folder = tmp_path_factory.mktemp("written")
    done = subprocess.run(
        [sys.executable, "-c", "import test_no_secret_reaches_a_file as it; it.everything()"],
        cwd=folder,
        env={
            **os.environ, "PYTHONPATH": str(processes.TESTS), "SLURM_JOB_NAME": NAME,
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        capture_output=True,
        timeout=240,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return {**written_bytes(folder), "stdout": done.stdout, "stderr": done.stderr}


def entries_in(written, name):
    """Return the entries of a log and its segments."""
    lines = [line for file in sorted(written) if file.startswith(name)
             for line in written[file].splitlines()]  # fmt: skip
    return [json.loads(line) for line in lines]


class TestWhatWasWritten:
    def test_is_of_every_kind(self, written):
        """Otherwise the others could find nothing in what was not written."""
        names = {
            "app.jsonl", "app.txt", "trainer.jsonl", "training_logs.jsonl", "loop.jsonl",
            "configured.jsonl", "configured_standard.jsonl", "verbose_logging_errors.log", "stderr",
        }  # fmt: skip
        suffixes = {Path(name).suffix for name in written}

        assert names <= {name for name, data in written.items() if REDACTED.encode() in data}
        assert {".zst", ".gz"} <= suffixes

    def test_has_the_entries_that_a_secret_was_told_to(self, written):
        kinds = {entry["type"] for entry in entries_in(written, "trainer.jsonl")} | {
            entry["type"] for entry in entries_in(written, "loop.jsonl")
        }

        assert {
            "system_initialization", "training_initialization", "training_step_complete",
            "log_record", "training_failed", "model_checkpoint_save", "verbosity_changed",
            "evaluation_complete", "training_anomaly",
        } <= kinds  # fmt: skip

    def test_has_no_secret_in_it_and_no_half_of_one(self, written):
        pieces = {core: {core[:9].encode(), core[-9:].encode()} for core in planted.CORES}
        leaks = [
            (name, core, data[max(data.index(piece) - 80, 0) : data.index(piece) + 20])
            for name, data in written.items()
            for core, ends in pieces.items()
            for piece in ends
            if piece in data
        ]

        assert len(TEXTS) >= 60
        assert [] == leaks


class TestWhatOnlyLooksLikeASecret:
    def test_stands_in_the_log_as_it_was(self, written):
        records = [
            entry for entry in entries_in(written, "loop.jsonl")
            if entry["type"] == "log_record" and "index" in entry.get("fields", {})
        ]  # fmt: skip
        changed = [
            (HARMLESS[fields["index"]], entry["message"], fields["text"])
            for entry in records
            if not HARMLESS[(fields := entry["fields"])["index"]]
            == entry["message"]
            == fields["text"]
        ]

        assert len(HARMLESS) >= 60
        assert 2 * len(HARMLESS) == len(records)
        assert [] == changed

    def test_stands_in_a_configuration_as_it_was(self, written):
        (made_of,) = [
            entry for entry in entries_in(written, "loop.jsonl")
            if entry["type"] == "training_initialization"
        ]  # fmt: skip

        assert HARMLESS_CONFIG == made_of["arguments"]["plain"]
