"""What tests of outputs and configurations share: an entry, and what became of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vlog.errors import ConfigurationError

VERBOSE, STANDARD, ERRORS = (
    "verbose_training_logs.jsonl", "training_logs.jsonl", "verbose_logging_errors.log"
)  # fmt: skip


def entry(message="go", verbosity="high", level="INFO"):
    return {"type": "training_start", "level": level, "message": message, "verbosity": verbosity}


def messages_in(name):
    path = Path(name)
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line)["message"] for line in lines]


def refusal_of(call, *args, **options):
    with pytest.raises(ConfigurationError) as refusal:
        call(*args, **options)
    return str(refusal.value)
